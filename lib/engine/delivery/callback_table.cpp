#include "engine/delivery/callback_table.hpp"

#include <algorithm>
#include <utility>

namespace prooftrack::engine {
namespace {

/// Attempts in flight on one host of callback_urls; the configuration has no key for it.
constexpr std::size_t url_lane_in_flight = 8;
/// A load waits for the commit that is being made: with as few loads as attempts in flight, a healthy callback got
/// max_in_flight events a commit and no more.
constexpr std::size_t loaded_ahead = 64;

} // namespace

callback_table::callback_table(
    std::vector<config::callback_config> callbacks, config::callback_url_config rules,
    std::vector<std::string> plain_http_hosts, std::size_t sharing)
    : callbacks_(std::move(callbacks)), rules_(std::move(rules)), plain_http_hosts_(std::move(plain_http_hosts)),
      sharing_(std::max<std::size_t>(sharing, 1)) {}

const config::callback_config* callback_table::find(std::string_view name) const {
    const auto found = std::find_if(
        callbacks_.begin(), callbacks_.end(), [&](const config::callback_config& one) { return one.name == name; });
    return found == callbacks_.end() ? nullptr : &*found;
}

std::vector<std::string> callback_table::selecting(track::event_type type) const {
    std::vector<std::string> names;
    for (const config::callback_config& one : callbacks_) {
        const bool selected = std::any_of(
            one.events.begin(), one.events.end(), [&](const std::string& pattern) { return selects(pattern, type); });
        if (selected) names.push_back(one.name);
    }
    return names;
}

std::optional<track::lane_settings> callback_table::settings_for(std::string_view lane) const {
    if (is_own_url_lane(lane)) {
        if (!allows(lane)) return std::nullopt;
        return track::lane_settings{config::callback_config{}.retry_schedule, share_of(url_lane_in_flight)};
    }
    const config::callback_config* one = find(lane);
    if (one == nullptr) return std::nullopt;
    return track::lane_settings{one->retry_schedule, share_of(one->max_in_flight), loaded_ahead};
}

bool callback_table::allows(std::string_view lane) const {
    const auto url = parse_http_url(lane);
    if (!url) return false;
    const own_url_verdict verdict = judge_own_url(*url, rules_.allow_hosts, plain_http_hosts_);
    return verdict == own_url_verdict::exact || verdict == own_url_verdict::wildcard;
}

} // namespace prooftrack::engine
