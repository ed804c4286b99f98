// A merchant's list: what was checked is read to its end, cut anywhere it is read alike, and each line has one fate.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/reconcile_form.hpp"

namespace {

using namespace prooftrack;

struct nothing_known final : track::reconcile_source {
    void each_transaction(const std::function<void(const track::known_transaction&)>&) override {}
    void each_owed(const std::function<void(std::string_view)>&) override {}
    std::optional<track::known_transaction> find(const std::string&) override { return std::nullopt; }
    std::vector<std::string> former_statuses(const std::string&) override { return {}; }
};

using fates = std::vector<std::pair<std::uint64_t, std::string>>;

fates read(std::string_view list, api::list_format format, std::size_t piece) {
    fates all;
    api::merchant_list reader(
        [&](const track::merchant_line& line) { all.emplace_back(line.line, std::string(line.id)); },
        [&](const track::unreadable_line& line) {
            std::string fate = std::string(line.hides_ids ? "hidden " : "fault ") + std::string(line.why);
            for (const std::string_view id : line.ids) (fate += ' ') += id;
            all.emplace_back(line.line, std::move(fate));
        },
        format);
    for (; !list.empty(); list.remove_prefix(std::min(piece, list.size()))) reader.take(list.substr(0, piece));
    reader.finish();
    return all;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string list(reinterpret_cast<const char*>(data), size);
    for (const auto format : {api::list_format::ndjson, api::list_format::csv}) {
        if (!api::check_merchant_list(list, format)) continue;
        const fates whole = read(list, format, size + 1);
        if (whole != read(list, format, 1)) __builtin_trap();
        nothing_known source;
        std::vector<std::string> written;
        api::reconcile_job_of(list, format, {})(source, [&](std::string_view line) { written.emplace_back(line); });
        if (written.size() != whole.size() + 1) __builtin_trap(); // each line, and the summary
        if (!written.back().starts_with(R"({"summary": )")) __builtin_trap();
    }
    return 0;
}
