#include "sim/seen_event.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

namespace prooftrack::sim {
namespace {

track::status_kind word_of(const boost::json::value& value) {
    return value.is_string() ? track::classify_status(std::string(value.as_string())) : track::status_kind::none;
}

} // namespace

std::optional<seen_event> read_event(std::string_view json) {
    boost::system::error_code failed;
    const boost::json::value parsed = boost::json::parse({json.data(), json.size()}, failed);
    if (failed || !parsed.is_object()) return std::nullopt;
    const boost::json::object& all = parsed.as_object();
    const auto* data = all.if_contains("data");
    const auto type = track::parse_event_type(std::string(all.at("type").as_string()));
    if (data == nullptr || !data->is_object() || !type) return std::nullopt;
    const boost::json::object& facts = data->as_object();
    seen_event event;
    event.id = std::string(all.at("id").as_string());
    event.transaction = std::string(facts.at("merchant_transaction_id").as_string());
    event.reported.type = *type;
    event.reported.word = word_of(facts.at("status"));
    event.reported.previous = word_of(facts.at("previous_status"));
    if (const auto* number = facts.at("metadata").as_object().if_contains("n"))
        event.reported.metadata = static_cast<int>(number->as_int64());
    event.frozen = std::string(json);
    if (const auto* seq = all.if_contains("seq")) {
        event.seq = static_cast<std::uint64_t>(seq->as_int64());
        const std::string member = fmt::format(",\"seq\":{}", event.seq);
        event.frozen.erase(event.frozen.find(member), member.size());
    }
    return event;
}

} // namespace prooftrack::sim
