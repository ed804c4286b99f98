#include "sim/promises.hpp"

#include <algorithm>

namespace prooftrack::sim {
namespace {

/// A clock that is wrong by less than 30 s is not noticed, and it may be wrong in both directions in turn.
constexpr seconds clock_tolerance{70};

reported_state state_of(const track::tracking_facts& facts) {
    switch (facts.state) {
    case track::tracking_state::settled:
        return reported_state::final;
    case track::tracking_state::abandoned:
        return reported_state::abandoned;
    case track::tracking_state::untracked:
        return reported_state::untracked;
    default:
        return reported_state::open;
    }
}

int metadata_of(const std::string& metadata) {
    const auto digit = metadata.find_first_of("123456789");
    return digit == std::string::npos ? 0 : metadata[digit] - '0';
}

/// The shortest of a rule's times that was in force at some time from `since` on; nullopt = never in force.
std::optional<milliseconds> shortest_since(
    const std::map<wall_time, config::poll_config>& history, wall_time since, milliseconds config::poll_config::*rule,
    bool zero_is_never) {
    std::optional<milliseconds> shortest;
    auto from = history.upper_bound(since);
    if (from != history.begin()) --from;
    for (; from != history.end(); ++from) {
        const milliseconds one = from->second.*rule;
        if (zero_is_never && one == milliseconds(0)) continue;
        shortest = std::min(shortest.value_or(one), one);
    }
    return shortest;
}

} // namespace

// ---- the life of the daemon

void promises::on_configured(const config::configuration& config) {
    poll_history_[clock_.true_wall()] = config.poll;
    deliveries_.on_configured(config.callbacks);
    bands_.on_configured(config);
}

void promises::on_boot() {
    ++step_; // what begins now is later than what was under way
    is_catching_up_ = true;
    unread_.clear();
    deliveries_.on_restart();
    bands_.on_disturbance();
}

void promises::on_crash() {
    has_crashed_ = true;
    open_calls_.clear();
    bulk_calls_.clear();
    holds_.on_crash();
    constexpr seconds longest_commit{70};
    for (auto& [id, record] : ids_) {
        record.model.lose_calls();
        const bool is_fresh = record.last_word_at && clock_.now().steady - *record.last_word_at < longest_commit;
        record.may_have_lost_word = record.may_have_lost_word || is_fresh || record.is_word_doubtful;
    }
    for (auto& [tag, one] : sessions_) one.places.clear();
}

void promises::on_caught_up(const api::event_list& page) {
    is_catching_up_ = false;
    for (const api::log_event& event : page.events) on_event(event);
    for (const api::log_event& event : std::exchange(unread_, {})) on_event(event);
    for (auto& [id, record] : ids_) record.model.settle_lost_calls();
}

void promises::note(const std::string& id, std::string happened) {
    if (is_traced_) fmt::print("{} {} {}\n", format_wall_time(clock_.true_wall()), id, happened);
    auto& story = ids_[id].story;
    constexpr std::size_t time_length = 25;
    if (!story.empty() && std::string_view(story.back()).substr(time_length) == happened) story.pop_back();
    if (story.size() >= 14) story.erase(story.begin());
    story.push_back(format_wall_time(clock_.true_wall()) + " " + std::move(happened));
}

void promises::blame(const std::string& id, const std::string& what) {
    std::string story;
    for (const std::string& one : ids_[id].story) story += "\n      " + one;
    broken_.add("{}: {}{}", id, what, story);
}

// ---- calls

promises::call promises::begin(std::string_view what, const std::string& id) {
    ++step_;
    open_calls_[++last_call_] = fmt::format("{} {}", what, id);
    return {last_call_, std::nullopt};
}

promises::call promises::begin_post(const std::string& id, const asked_options& options) {
    call made = begin("POST", id);
    made.place = ids_[id].model.begin_post(options, step_, clock_.true_wall());
    note(id, fmt::format("POST n={} url={}", options.metadata, options.url));
    join_bulk_calls(id);
    return made;
}

promises::call promises::begin_untrack(const std::string& id) {
    call made = begin("DELETE", id);
    made.place = ids_[id].model.begin_untrack();
    note(id, "DELETE");
    return made;
}

promises::call promises::begin_change(const std::string& id, std::optional<int> metadata, std::optional<int> url) {
    call made = begin("PATCH", id);
    made.place = ids_[id].model.begin_change(metadata, url);
    note(id, fmt::format("PATCH n={} url={}", metadata.value_or(-1), url.value_or(-1)));
    return made;
}

promises::call promises::begin_untrack_of(std::optional<int> metadata) {
    const call made = begin("untrack many", "");
    bulk_calls_[made.number].metadata = metadata;
    for (const auto& [id, record] : ids_) join_bulk_calls(id);
    return made;
}

void promises::join_bulk_calls(const std::string& id) {
    for (auto& [number, bulk] : bulk_calls_) {
        if (bulk.places.contains(id)) continue;
        bulk.places[id] = ids_[id].model.begin_untrack_of(bulk.metadata);
        note(id, fmt::format("may be untracked with others, those with n={}", bulk.metadata.value_or(-1)));
    }
}

/// Each id was looked at, unless an error left that open.
void promises::end_untrack_of(const call& done, bool is_known) {
    ++step_;
    end(done);
    const auto places = std::move(bulk_calls_[done.number].places);
    bulk_calls_.erase(done.number);
    for (const auto& [id, place] : places) {
        id_record& record = ids_[id];
        if (place && is_known) record.model.end_somehow(*place);
        if (place && !is_known) record.model.end_unknown(*place);
        note(id, is_known ? "looked at by an untracking of many" : "an untracking of many failed");
        record.last_end = step_;
    }
}

bool promises::has_room_everywhere() const {
    return std::all_of(
        ids_.begin(), ids_.end(), [](const auto& one) { return one.second.model.open_calls() + 1 < most_open_calls; });
}

void promises::end(const call& done, const std::string& id, call_effect effect) {
    ++step_;
    end(done);
    id_record& record = ids_[id];
    const std::string before = record.model.text();
    const bool is_possible = !done.place || record.model.end(*done.place, effect);
    note(id, fmt::format("answered {}", to_string(effect)));
    if (!is_possible) blame(id, fmt::format("answered {}, but it was {}", to_string(effect), before));
    if (effect == call_effect::created) bands_.forget(id);
    if (effect == call_effect::untracked) record.last_end = step_;
}

bool promises::may_have_ended_since(const std::string& id, std::uint64_t since) {
    return ids_[id].last_end >= since || ids_[id].model.open_calls() > 0;
}

void promises::end_somehow(const call& done, const std::string& id) {
    ++step_;
    end(done);
    if (done.place) ids_[id].model.end_somehow(*done.place);
    bands_.forget(id);
    note(id, "answered together with others");
}

void promises::end_unknown(const call& done, const std::string& id) {
    ++step_;
    end(done);
    if (done.place) ids_[id].model.end_unknown(*done.place);
    note(id, "answered with an error");
}

void promises::refuse(const call& done, const std::string& id) {
    ++step_;
    end(done);
    if (done.place) ids_[id].model.give_up_call(*done.place);
    note(id, "refused");
}

void promises::look(const std::string& id, const std::optional<track::transaction_view>& view) {
    ++step_;
    id_record& record = ids_[id];
    const std::string before = record.model.text();
    const reported_state state = view ? state_of(view->facts) : reported_state::none;
    const track::status_kind word = view ? track::classify_status(view->facts.status) : track::status_kind::none;
    const std::optional<int> metadata = view ? std::optional(metadata_of(view->metadata)) : std::nullopt;
    if (record.model.look(state, word, metadata)) return;
    blame(id, fmt::format("is shown as {} ({}), but it was {}", to_string(state), to_string(word), before));
}

void promises::on_session_call(const std::string& tag, const asked_options& options) {
    sessions_[tag].options = options;
}

std::vector<std::string> promises::session_ids(const std::string& tag) const {
    std::vector<std::string> ids;
    for (const auto& [id, reply] : sessions_.at(tag).replies) ids.push_back(id);
    return ids;
}

void promises::on_session_made(const std::string& tag, const std::string& id, const std::string& reply) {
    ++step_;
    session& one = sessions_[tag];
    one.replies[id] = reply;
    if (const auto place = ids_[id].model.begin_post(one.options, step_, clock_.true_wall())) one.places[id] = *place;
    join_bulk_calls(id);
    bands_.forget(id); // its tracking may begin before the reply tells
    note(id, "made by a session of " + tag);
    if (one.replies.size() > 1) blame(id, "is a second session under one Idempotency-Key");
}

void promises::on_session_reply(
    const call& done, const std::string& tag, const api::outcome<api::proxied_reply>& reply) {
    ++step_;
    end(done);
    session& one = sessions_[tag];
    const auto* good = std::get_if<api::proxied_reply>(&reply);
    for (const auto& [id, bytes] : one.replies) {
        const auto place = one.places.find(id);
        const bool is_this = good != nullptr && good->body == bytes;
        one.successes += is_this ? 1 : 0;
        // With an error it may be tracked yet: by a repeat of its key.
        if (place == one.places.end() || !is_this) continue;
        const std::string before = ids_[id].model.text();
        if (!ids_[id].model.end_one_of(place->second, {call_effect::created, call_effect::existing}))
            blame(id, "a session's 201, but it was " + before);
        bands_.forget(id);
        note(id, "session answered 201");
        one.places.erase(place);
    }
    if (good != nullptr && one.successes == 0) broken_.add("a session of {} was answered with bytes not Proof's", tag);
}

// ---- readers

void promises::on_event(const api::log_event& event) {
    if (is_catching_up_) {
        unread_.push_back(event);
        return;
    }
    ++step_;
    const std::uint64_t seq = value_of(event.seq);
    if (seq <= last_seq_) {
        if (log_[seq] != *event.json) broken_.add("event {} is shown with other bytes than before", seq);
        return;
    }
    if (seq != last_seq_ + 1) broken_.add("event {} follows {}", seq, last_seq_);
    last_seq_ = seq;
    log_[seq] = *event.json;
    auto read = read_event(*event.json);
    if (!read || read->seq != seq) {
        broken_.add("event {} cannot be read: {}", seq, *event.json);
        return;
    }
    take(*std::move(read));
}

void promises::on_page(std::uint64_t after, const api::event_list& page) {
    for (const api::log_event& event : page.events) {
        const std::uint64_t seq = value_of(event.seq);
        if (seq != ++after) broken_.add("a reader misses event {}", after);
        after = seq;
        const auto known = log_.find(seq);
        if (known != log_.end() && known->second != *event.json)
            broken_.add("event {} is read with other bytes than before", seq);
    }
    if (!page.events.empty() && page.next_after != page.events.back().seq)
        broken_.add("next_after {} behind event {}", value_of(page.next_after), after);
}

void promises::take(seen_event event) {
    const std::string& id = event.transaction;
    id_record& record = ids_[id];
    const auto [known, is_first] = event_ids_.emplace(event.id, event.seq);
    if (!is_first) broken_.add("{} stands twice in the log, as {} and {}", event.id, known->second, event.seq);
    const std::string before = record.model.text();
    const auto verdict = record.model.tell(
        event.reported, [&](const possible_state& one) { return is_caused(record, event.reported, one); });
    note(id, fmt::format("event {} {} {}", event.seq, to_string(event.reported.type), to_string(event.reported.word)));
    if (verdict == episode_model::verdict::impossible)
        blame(id, fmt::format("{} {} cannot follow, it was {}", event.id, to_string(event.reported.type), before));
    if (verdict == episode_model::verdict::uncaused)
        blame(id, fmt::format("{} {} without a cause in this tracking", event.id, to_string(event.reported.type)));
    if (event.reported.type != track::event_type::updated && event.reported.type != track::event_type::overdue)
        record.last_end = step_;
    bands_.forget(id); // most of them change how often it is asked
    const auto& states = record.model.states();
    const auto has_url = [](const possible_state& one) { return one.options.url != 0; };
    deliveries_.on_event(
        event, std::any_of(states.begin(), states.end(), has_url), std::all_of(states.begin(), states.end(), has_url));
}

/// Whether Proof's replies and the true time allow the event in the tracking of `state`.
bool promises::is_caused(const id_record& record, const reported_event& event, const possible_state& state) const {
    const wall_time now = clock_.true_wall();
    const auto age = now - state.opened_at + clock_tolerance;
    switch (event.type) {
    case track::event_type::completed:
    case track::event_type::failed:
    case track::event_type::cancelled:
    case track::event_type::reversed:
        return record.last_of_word[static_cast<std::size_t>(event.word)] > state.opened_by;
    case track::event_type::updated:
        return event.word == track::status_kind::other ||
               record.last_of_word[static_cast<std::size_t>(event.word)] > state.opened_by;
    case track::event_type::overdue:
        return age >= state.options.overdue_after;
    case track::event_type::not_found: {
        const auto grace = shortest_since(poll_history_, state.opened_at, &config::poll_config::not_found_grace, false);
        if (!grace) return false;
        const auto lasted = [&](wall_time since, wall_time until) {
            return until - std::max(since, state.opened_at) + clock_tolerance >= *grace;
        };
        // An event that a crash hid is seen when another word may have been served already, and a word that a crash
        // took has ended nothing.
        const wall_time ended = record.may_have_lost_word ? now : record.not_found_before.second;
        return (record.not_found_since && lasted(*record.not_found_since, now)) ||
               (has_crashed_ && lasted(record.not_found_before.first, ended));
    }
    case track::event_type::rejected: {
        const auto is_ours = [&](std::uint64_t served) { return served > state.opened_by; };
        const auto count = std::count_if(record.refusals.begin(), record.refusals.end(), is_ours);
        return count >= (has_crashed_ ? 1 : 3); // the count of a row may fall back to a saved one in a crash
    }
    case track::event_type::abandoned: {
        const auto most = shortest_since(poll_history_, state.opened_at, &config::poll_config::give_up_after, true);
        return most && age >= *most && record.last_answer > state.opened_by;
    }
    case track::event_type::test:
        return false;
    }
    return false;
}

// ---- Proof

void promises::on_poll_started(const std::string& id) {
    ++step_;
    holds_.check("is polled", id);
    id_record& record = ids_[id];
    record.last_poll = clock_.now().steady;
    const auto& states = record.model.states();
    const bool is_open = record.model.is_certainly(reported_state::open) &&
                         std::none_of(states.begin(), states.end(), [](const auto& one) { return one.was_overdue; });
    bands_.on_poll(id, is_open);
}

void promises::on_poll_answered(const std::string& id, const proof_answer& answer) {
    ++step_;
    id_record& record = ids_[id];
    const track::reply_class what = answer.answer.what;
    note(id, fmt::format("served {} {}", to_string(what), answer.word));
    if (!answer.word.empty()) {
        record.last_of_word[static_cast<std::size_t>(track::classify_status(answer.word))] = step_;
        record.last_word_at = clock_.now().steady;
        record.may_have_lost_word = false;
        record.is_word_doubtful = clock_.now().steady < store_trouble_until_;
        if (record.not_found_since && clock_.now().steady >= store_trouble_until_) { // else perhaps not recorded
            record.not_found_before = {*record.not_found_since, clock_.true_wall()};
            record.not_found_since.reset();
        }
        bands_.on_good_answer(id);
    } else {
        bands_.on_other_answer(id);
    }
    if (what == track::reply_class::no_reply) return;
    record.last_answer = step_;
    if (what == track::reply_class::not_found && !record.not_found_since) record.not_found_since = clock_.true_wall();
    if (what == track::reply_class::bad_request) {
        record.refusals.push_back(step_);
    } else {
        record.refusals.clear();
    }
}

// ---- the end

void promises::check_end(const config::configuration& config) {
    for (const auto& [number, what] : open_calls_) broken_.add("{} was never answered", what);
    for (auto& [id, record] : ids_) check_id(id, record, config);
}

void promises::check_id(const std::string& id, id_record& record, const config::configuration& config) {
    const auto found = proof_.transactions.find(id);
    if (found == proof_.transactions.end()) return;
    const proof_truth& truth = found->second;
    const steady_time now = clock_.now().steady;
    const bool is_normal = truth.what == proof_truth::kind::normal && truth.visible_at <= now;
    const track::status_kind word = is_normal ? track::classify_status(truth.status_at(now)) : track::status_kind::none;
    if (record.model.is_certainly(reported_state::open)) {
        if (is_terminal(word)) {
            blame(id, fmt::format("was acknowledged and is forgotten: Proof says {}", to_string(word)));
        } else if (config.poll.give_up_after > milliseconds(0)) {
            blame(id, "is still open long after give_up_after");
        } else if (!record.last_poll || *record.last_poll + config.poll.tail_interval + seconds(60) < now) {
            blame(id, "is open and no longer asked about");
        }
    }
    for (const possible_state& one : record.model.states()) {
        if (!record.model.is_certainly(reported_state::final) || record.model.states().size() != 1) break;
        const auto other = record.last_of_word;
        // A word that could not be recorded, and that Proof took back when it was asked again, is nobody's.
        if (other[static_cast<std::size_t>(word)] != *std::max_element(other.begin(), other.end())) break;
        if (is_terminal(word) && word != one.word && !record.may_have_lost_word &&
            other[static_cast<std::size_t>(word)] > other[static_cast<std::size_t>(one.word)])
            blame(
                id, fmt::format(
                        "was told {}, then Proof said {} and nobody was told", to_string(one.word), to_string(word)));
    }
}

} // namespace prooftrack::sim
