#include "sim/sim_config.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace prooftrack::sim {
namespace {

using std::chrono::minutes;

constexpr std::array<const char*, 4> names{"backend", "ledger", "audit", "shop"};

milliseconds between(random_source& random, milliseconds low, milliseconds high) {
    return milliseconds(random.between(low.count(), high.count()));
}

std::vector<std::string> draw_events(random_source& random) {
    switch (random.between(0, 4)) {
    case 0:
        return {"transaction.*", "transaction.updated"};
    case 1:
        return {"transaction.completed", "transaction.reversed"};
    case 2:
        return {"transaction.failed", "transaction.cancelled", "transaction.reversed"};
    default:
        return {"transaction.*"};
    }
}

std::vector<milliseconds> draw_schedule(random_source& random) {
    std::vector<milliseconds> schedule;
    milliseconds wait = seconds(5);
    for (std::int64_t steps = random.between(2, 7); steps > 0; --steps) {
        schedule.push_back(wait);
        wait = std::min<milliseconds>(wait * 3, minutes(10));
    }
    return schedule;
}

config::callback_config draw_callback(const std::string& name, random_source& random) {
    config::callback_config callback;
    callback.name = name;
    callback.url = "https://shop.example/" + name;
    callback.events = draw_events(random);
    callback.max_in_flight = static_cast<std::size_t>(random.between(1, 4));
    callback.retry_schedule = draw_schedule(random);
    return callback;
}

std::vector<milliseconds> draw_verification(random_source& random) {
    switch (random.between(0, 3)) {
    case 0:
        return {};
    case 1:
        return {minutes(2)};
    default:
        return {minutes(3), minutes(15)};
    }
}

std::pair<milliseconds, milliseconds> draw_interval_band(random_source& random) {
    switch (random.between(0, 3)) {
    case 0:
        return {seconds(2), seconds(4)};
    case 1:
        return {seconds(8), seconds(15)};
    default:
        return {seconds(5), seconds(10)};
    }
}

void draw_deadlines(config::poll_config& poll, bool is_impatient, random_source& random) {
    if (is_impatient) {
        poll.overdue_after = between(random, minutes(1), minutes(4));
        poll.tail_interval = between(random, seconds(20), seconds(60));
        poll.give_up_after = between(random, minutes(1), minutes(8));
    } else {
        poll.overdue_after = between(random, minutes(4), minutes(20));
        poll.tail_interval = between(random, minutes(1), minutes(5));
        poll.give_up_after = random.between(0, 4) == 0 ? milliseconds(0) : between(random, minutes(30), minutes(45));
    }
    poll.not_found_grace = between(random, seconds(30), minutes(5));
}

std::uint32_t draw_ceiling(random_source& random) {
    return random.between(0, 2) == 0 ? static_cast<std::uint32_t>(random.between(3, 20)) : 0;
}

void reload_callbacks(config::configuration& config, random_source& random) {
    auto& all = config.callbacks;
    const std::string name = names.at(static_cast<std::size_t>(random.between(0, 3)));
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const config::callback_config& one) { return one.name == name; });
    if (found == all.end() && !all.empty() && random.between(0, 1) == 0) {
        all.front().name = name; // renamed
    } else if (found == all.end()) {
        all.push_back(draw_callback(name, random));
    } else {
        all.erase(found);
    }
}

void reload_polls(config::configuration& config, random_source& random) {
    config::poll_config& poll = config.poll;
    const bool is_impatient = poll.overdue_after < minutes(4);
    config::poll_config other = poll;
    draw_deadlines(other, is_impatient, random);
    switch (random.between(0, 7)) {
    case 0:
        poll.interval = draw_interval_band(random);
        break;
    case 1:
        poll.tail_interval = other.tail_interval;
        break;
    case 2:
        poll.verify_after = draw_verification(random);
        break;
    case 3:
        poll.give_up_after = other.give_up_after;
        break;
    case 4:
        poll.overdue_after = other.overdue_after;
        break;
    case 5:
        poll.not_found_grace = other.not_found_grace;
        break;
    case 6:
        poll.max_rate = draw_ceiling(random);
        break;
    default:
        poll.backoff.second = between(random, seconds(10), minutes(5));
        break;
    }
}

} // namespace

config::configuration draw_configuration(const swarm_profile& profile, random_source& random) {
    config::configuration config;
    config.proof.base_url = "https://proof.example";
    config.proof.connections = static_cast<std::size_t>(random.between(1, 8));
    // Ids that Proof is silent about hold a connection each: who looks at the others' bands has enough of them.
    if (profile.uses(action_kind::poison)) config.proof.connections = 40;
    config.store.retention = milliseconds(0);
    config.poll.interval = draw_interval_band(random);
    config.poll.backoff.second = between(random, seconds(10), minutes(5));
    config.poll.probe_interval = seconds(10);
    config.poll.verify_after = draw_verification(random);
    config.poll.max_rate = draw_ceiling(random);
    draw_deadlines(config.poll, profile.is_impatient, random);
    config.callback_url.allow_hosts = {"tx.shop.example"};
    for (std::int64_t i = random.between(0, 2); i >= 0; --i)
        config.callbacks.push_back(draw_callback(names.at(static_cast<std::size_t>(i)), random));
    return config;
}

config::configuration draw_reload(config::configuration config, action_kind kind, random_source& random) {
    auto& all = config.callbacks;
    const std::size_t place =
        all.empty() ? 0 : static_cast<std::size_t>(random.between(0, static_cast<std::int64_t>(all.size()) - 1));
    if (kind == action_kind::reload_callbacks) reload_callbacks(config, random);
    if (kind == action_kind::reload_polls) reload_polls(config, random);
    if (kind == action_kind::reload_events && !all.empty()) all[place].events = draw_events(random);
    if (kind == action_kind::reload_schedule && !all.empty()) {
        all[place].retry_schedule = draw_schedule(random);
        all[place].max_in_flight = static_cast<std::size_t>(random.between(1, 4));
    }
    return config;
}

config::configuration final_configuration(config::configuration config) {
    for (const char* name : names) {
        const bool is_there =
            std::any_of(config.callbacks.begin(), config.callbacks.end(), [&](const config::callback_config& one) {
                return one.name == name;
            });
        if (is_there) continue;
        config.callbacks.emplace_back();
        config.callbacks.back().name = name;
        config.callbacks.back().url = std::string("https://shop.example/") + name;
        // The usual schedule is longer than what is left of the run.
        config.callbacks.back().retry_schedule = {seconds(5),   seconds(15), seconds(45), seconds(135),
                                                  seconds(405), minutes(10), minutes(10)};
    }
    return config;
}

} // namespace prooftrack::sim
