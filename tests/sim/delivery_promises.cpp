#include "sim/delivery_promises.hpp"

#include <algorithm>

#include "track/event.hpp"

namespace prooftrack::sim {
namespace {

/// An event becomes visible at most this long after it was recorded, but for a crash between the two.
constexpr seconds longest_commit{180};
constexpr std::string_view url_name = "callback_url";

bool selects_event(const config::callback_config& one, track::event_type type) {
    return std::any_of(
        one.events.begin(), one.events.end(), [&](const std::string& pattern) { return selects(pattern, type); });
}

} // namespace

void delivery_promises::on_configured(const std::vector<config::callback_config>& callbacks) {
    history_.push_back({clock_.now().steady, callbacks});
    shortest_schedule_.try_emplace(std::string(url_name), config::callback_config{}.retry_schedule.size());
    for (const config::callback_config& one : callbacks) {
        const auto known = shortest_schedule_.try_emplace(one.name, one.retry_schedule.size()).first;
        known->second = std::min(known->second, one.retry_schedule.size());
    }
}

void delivery_promises::on_restart() {
    for (auto& [key, lane] : lanes_) lane.under_way.clear();
}

/// (sometimes, always) in the time in which the event may have been recorded.
std::pair<bool, bool> delivery_promises::selects_it(const std::string& callback, track::event_type type) const {
    bool sometimes = false;
    bool always = true;
    const steady_time begin = clock_.now().steady - longest_commit;
    for (std::size_t i = 0; i < history_.size(); ++i) {
        if (i + 1 < history_.size() && history_[i + 1].since < begin) continue;
        const auto& all = history_[i].callbacks;
        const bool selected = std::any_of(all.begin(), all.end(), [&](const config::callback_config& one) {
            return one.name == callback && selects_event(one, type);
        });
        sometimes = sometimes || selected;
        always = always && selected;
    }
    return {sometimes, always};
}

void delivery_promises::on_event(const seen_event& event, bool may_have_url, bool has_url) {
    known_event& known = events_[event.id];
    known.seq = event.seq;
    known.transaction = event.transaction;
    known.type = event.reported.type;
    known.is_visible = true;
    std::map<std::string, owed> owed_to;
    for (const auto& [name, shortest] : shortest_schedule_) {
        const auto [sometimes, always] = name == url_name
                                             ? std::pair(
                                                   may_have_url && event.reported.type != track::event_type::updated,
                                                   has_url && event.reported.type != track::event_type::updated)
                                             : selects_it(name, event.reported.type);
        if (!sometimes) continue;
        owed_to[name].is_certain = always;
        lanes_[{event.transaction, name}].events[event.seq] = event.id;
    }
    for (const auto& [name, before] : known.by_callback) { // attempted before it was read, after a crash
        const auto place = owed_to.find(name);
        if (place == owed_to.end()) {
            broken_.add("{} of {} went to {}, who had not selected it", event.id, event.transaction, name);
        } else {
            place->second.is_delivered = before.is_delivered;
            place->second.is_gone = before.is_gone;
            place->second.attempts = before.attempts;
        }
    }
    known.by_callback = std::move(owed_to);
    const auto [bytes, is_first] = bytes_.try_emplace(event.id, event.frozen);
    if (!is_first && bytes->second != event.frozen) broken_.add("{} is read with other bytes than were sent", event.id);
}

bool delivery_promises::may_be_dead(const owed& one, const std::string& callback) const {
    const auto shortest = shortest_schedule_.find(callback);
    return one.is_gone || shortest == shortest_schedule_.end() || one.attempts > shortest->second;
}

bool delivery_promises::is_free(const std::string& event_id, const std::string& callback) const {
    if (by_hand_.contains({event_id, callback})) return true;
    const auto event = events_.find(event_id);
    if (event == events_.end()) return true;
    const auto place = event->second.by_callback.find(callback);
    return place == event->second.by_callback.end() || (may_be_dead(place->second, callback) && has_retried_dead_);
}

void delivery_promises::check_order(const known_event& event, const callback::delivery_job& job) {
    lane_of_one& lane = lanes_[{event.transaction, job.callback}];
    if (is_free(job.event_id, job.callback)) return;
    if (!lane.under_way.empty() && !is_free(lane.under_way, job.callback))
        broken_.add("{} of {} goes to {} beside {}", job.event_id, job.transaction, job.callback, lane.under_way);
    for (const auto& [seq, id] : lane.events) {
        if (seq >= event.seq) break;
        const owed& earlier = events_.at(id).by_callback.at(job.callback);
        if (!earlier.is_certain || earlier.is_delivered || may_be_dead(earlier, job.callback) ||
            is_free(id, job.callback))
            continue;
        broken_.add("{} of {} goes to {} before {}", job.event_id, job.transaction, job.callback, id);
    }
    lane.under_way = job.event_id;
}

std::uint64_t delivery_promises::pause_asked(const std::string& callback) const {
    const auto known = resumes_.find(callback);
    return known == resumes_.end() ? 0 : known->second;
}

void delivery_promises::on_paused(const std::string& callback, std::uint64_t asked) {
    if (pause_asked(callback) == asked) paused_.insert(callback);
}

void delivery_promises::on_resume(const std::string& callback) {
    ++resumes_[callback];
    paused_.erase(callback);
}

void delivery_promises::on_attempt(const callback::delivery_job& job, bool is_configured) {
    if (!is_configured) broken_.add("{} goes to {}, which is not configured", job.event_id, job.callback);
    if (job.event_type == to_string(track::event_type::test)) return;
    if (paused_.contains(job.callback)) broken_.add("{} goes to {}, which is paused", job.event_id, job.callback);
    const auto [bytes, is_first] = bytes_.try_emplace(job.event_id, *job.body);
    if (!is_first && bytes->second != *job.body) broken_.add("{} changed its bytes", job.event_id);
    known_event& event = events_[job.event_id];
    event.transaction = job.transaction;
    if (event.is_visible) {
        if (!event.by_callback.contains(job.callback))
            broken_.add("{} of {} goes to {}, who had not selected it", job.event_id, job.transaction, job.callback);
        check_order(event, job);
    }
    event.by_callback[job.callback]; // known from now on
}

void delivery_promises::on_answer(const callback::delivery_job& job, callback::delivery_outcome::verdict verdict) {
    if (job.event_type == to_string(track::event_type::test)) return;
    owed& one = events_[job.event_id].by_callback[job.callback];
    if (verdict == callback::delivery_outcome::verdict::delivered) one.is_delivered = true;
    if (verdict == callback::delivery_outcome::verdict::gone) one.is_gone = true;
    one.attempts = std::max(one.attempts, job.attempt);
    lane_of_one& lane = lanes_[{job.transaction, job.callback}];
    if (lane.under_way == job.event_id) lane.under_way.clear();
}

void delivery_promises::check_end(const std::set<std::pair<std::string, std::string>>& dead) {
    for (const auto& [id, event] : events_) {
        if (!event.is_visible) broken_.add("{} of {} was sent and stands in no log", id, event.transaction);
        for (const auto& [callback, one] : event.by_callback) {
            if (!one.is_certain || one.is_delivered || dead.contains({id, callback})) continue;
            broken_.add("{} of {} was never delivered to {}", id, event.transaction, callback);
        }
    }
}

} // namespace prooftrack::sim
