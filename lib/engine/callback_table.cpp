#include "engine/callback_table.hpp"

#include <algorithm>
#include <utility>

namespace prooftrack {
namespace {

/// Attempts in flight on one host of callback_urls; the configuration has no key for it.
constexpr std::size_t url_lane_in_flight = 8;
/// A load waits for the commit that is being made: with as few loads as attempts in flight, a healthy callback got
/// max_in_flight events a commit and no more.
constexpr std::size_t loaded_ahead = 64;

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return out;
}

bool covers(std::string_view allowed, std::string_view host) {
    if (!allowed.starts_with("*.")) return allowed == host;
    allowed.remove_prefix(1);
    return host.size() > allowed.size() && host.front() != '.' && host.ends_with(allowed);
}

/// `shop.example` of `https://shop.example:443`, `::1` of `http://[::1]:80`.
std::string_view host_of(std::string_view lane) {
    lane.remove_prefix(lane.find("://") + 3);
    lane = lane.substr(0, lane.rfind(':'));
    if (lane.starts_with('[') && lane.ends_with(']')) lane = lane.substr(1, lane.size() - 2);
    return lane;
}

} // namespace

bool is_url_lane(std::string_view lane) { return lane.find("://") != std::string_view::npos; }

callback_table::callback_table(std::vector<callback_config> callbacks, callback_url_config rules)
    : callbacks_(std::move(callbacks)), rules_(std::move(rules)) {}

const callback_config* callback_table::find(std::string_view name) const {
    const auto found = std::find_if(callbacks_.begin(), callbacks_.end(),
                                    [&](const callback_config& one) { return one.name == name; });
    return found == callbacks_.end() ? nullptr : &*found;
}

std::vector<std::string> callback_table::selecting(event_type type) const {
    std::vector<std::string> names;
    for (const callback_config& one : callbacks_) {
        const bool selected = std::any_of(one.events.begin(), one.events.end(),
                                          [&](const std::string& pattern) { return selects(pattern, type); });
        if (selected) names.push_back(one.name);
    }
    return names;
}

std::optional<lane_settings> callback_table::settings_for(std::string_view lane) const {
    if (is_url_lane(lane)) {
        if (!allows(lane)) return std::nullopt;
        return lane_settings{callback_config{}.retry_schedule, url_lane_in_flight};
    }
    const callback_config* one = find(lane);
    if (one == nullptr) return std::nullopt;
    return lane_settings{one->retry_schedule, one->max_in_flight, loaded_ahead};
}

bool callback_table::allows(std::string_view lane) const {
    constexpr std::string_view unix_scheme = "http+unix://";
    const bool local = lane.starts_with(unix_scheme);
    const std::string host = local ? "unix:" + std::string(lane.substr(unix_scheme.size())) : lower(host_of(lane));
    return std::any_of(rules_.allow_hosts.begin(), rules_.allow_hosts.end(), [&](const std::string& allowed) {
        return local ? allowed == host : covers(lower(allowed), host);
    });
}

} // namespace prooftrack
