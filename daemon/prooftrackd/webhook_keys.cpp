#include "prooftrackd/webhook_keys.hpp"

#include <fmt/format.h>

#include "callback/signing.hpp"
#include "config/secret_files.hpp"
#include "engine/secret_view.hpp"

namespace prooftrack::daemon {

op_result<webhook_keys> read_webhook_keys(const std::filesystem::path& file, const config::file_reader& read) {
    const auto lines = read_secret_lines(file, read);
    if (!lines) return lines.error();
    webhook_keys found{{}, {}, lines->is_open_to_others};
    for (const secret& line : lines->lines) {
        auto key = callback::parse_webhook_secret(line.reveal());
        if (!key)
            return op_error{key.error(), fmt::format("read {}: line {}", file.string(), found.keys.size() + 1), {}};
        found.keys.push_back(std::move(*key));
        found.fingerprints.push_back(engine::fingerprint_of(line));
    }
    return found;
}

} // namespace prooftrack::daemon
