#include "track/types.hpp"

#include <algorithm>

namespace prooftrack::track {
namespace {

constexpr std::array<std::string_view, tracking_state_count> state_names{
    "tracking", "settled", "overdue", "not_found", "rejected", "abandoned", "untracked"};
constexpr std::array<std::string_view, 7> status_names{"",       "pending",   "processing", "completed",
                                                       "failed", "cancelled", "other"};
constexpr std::array<std::string_view, 10> reply_names{"good",         "unchanged", "not_found", "bad_request",
                                                       "unauthorized", "forbidden", "throttled", "server_error",
                                                       "unusable",     "no_reply"};
constexpr std::array<std::string_view, 4> delivery_names{"pending", "delivered", "dead", "dismissed"};

template <class Enum, std::size_t Size>
std::optional<Enum> find_name(const std::array<std::string_view, Size>& names, std::string_view text) {
    const auto found = std::find(names.begin(), names.end(), text);
    if (found == names.end()) return std::nullopt;
    return static_cast<Enum>(found - names.begin());
}

} // namespace

std::string_view to_string(tracking_state state) { return state_names.at(static_cast<std::size_t>(state)); }
std::optional<tracking_state> parse_tracking_state(std::string_view text) {
    return find_name<tracking_state>(state_names, text);
}

bool is_ended(tracking_state state) {
    return state == tracking_state::settled || state == tracking_state::abandoned || state == tracking_state::untracked;
}

bool ends_wait(tracking_state state) { return is_ended(state) || state == tracking_state::rejected; }

std::string_view to_string(status_kind kind) { return status_names.at(static_cast<std::size_t>(kind)); }
status_kind classify_status(std::string_view word) {
    const auto known = find_name<status_kind>(status_names, word);
    return known && word != "other" ? *known : status_kind::other;
}
bool is_terminal(status_kind kind) {
    return kind == status_kind::completed || kind == status_kind::failed || kind == status_kind::cancelled;
}

std::string_view to_string(reply_class what) { return reply_names.at(static_cast<std::size_t>(what)); }
std::string_view to_string(delivery_state state) { return delivery_names.at(static_cast<std::size_t>(state)); }
std::optional<delivery_state> parse_delivery_state(std::string_view text) {
    return find_name<delivery_state>(delivery_names, text);
}
std::string_view to_string(store_state state) {
    if (state == store_state::unreachable) return "unreachable";
    return state == store_state::ok ? "ok" : "full";
}

} // namespace prooftrack::track
