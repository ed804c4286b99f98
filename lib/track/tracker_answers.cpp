// What an answer changes: for all polls (health, bursts, clock skew) and for its transaction.

#include <algorithm>
#include <utility>

#include "track/tracker.hpp"

namespace prooftrack::track {
namespace {

constexpr std::uint32_t between_lazy_stores_s = 60;
constexpr std::size_t most_lazy_stores = 32;
constexpr std::size_t most_seen_words = 100;

bool is_id_error(reply_class what) { return what == reply_class::not_found || what == reply_class::bad_request; }

bool is_denial(reply_class what) { return what == reply_class::unauthorized || what == reply_class::forbidden; }

bool is_good(reply_class what) { return what == reply_class::good || what == reply_class::unchanged; }

std::uint32_t steady_s(steady_time when) {
    return static_cast<std::uint32_t>(std::chrono::floor<seconds>(when.time_since_epoch()).count());
}

} // namespace

void tracker::on(answered_event event, instant now, std::vector<tracker_action>& actions) {
    const std::uint32_t slot = event.ticket.slot;
    const bool is_known = table_.holds({slot, event.ticket.generation});
    const bool is_ours = is_known && table_.at(slot).phase == row_phase::in_flight;
    judge_clock(event.answer, now, actions); // first: from here on `now` is what the reply's Date makes of it
    if (event.answer.what != reply_class::no_reply) at_once_.add(event.answer.took, now.steady);
    const reply_class what = judge_burst(slot, event.answer.what, now, actions);
    const bool was_probe = end_probe(event.ticket);
    judge_health(is_known ? std::optional(slot) : std::nullopt, was_probe, event.answer, what, now, actions);
    if (is_ours && is_good(what)) last_answered_ = table_.ref(slot);
    // While others are answered, a token or a server that is refused is this transaction's error.
    const bool is_own_denial =
        is_denial(what) && !health_.is_unwell() && !health_.is_stale_refusal(what, now.steady - event.answer.took);
    if (is_known && table_.at(slot).has_poll_in_flight) {
        table_.at(slot).has_poll_in_flight = false;
        --in_flight_;
    }
    if (!is_ours) return; // untracked meanwhile: the reply changes nothing any more
    transaction_row& row = table_.at(slot);
    --in_flight_;
    if (row.state == tracking_state::untracked) { // it has only waited for this
        erase(slot);
        return;
    }
    // "As before" says nothing about a row that was replaced since the poll.
    const bool is_about_another = what == reply_class::unchanged && event.ticket.known_body != row.known_body;
    if (is_about_another) {
        want_now(slot, now);
    } else if (is_plain_repeat(row, event.answer, what, now)) {
        row.errors = 0;
        row.last_error = 0;
        row.bad_requests = 0;
        schedule(slot, judgement::next_poll::in_band, now);
    } else {
        event.answer.what = what;
        const tracking_facts facts = table_.facts(slot, now);
        const std::uint32_t errors = row.has_unrecorded != 0 ? 0 : row.errors;
        judgement verdict =
            judge_answer(facts, event.answer, time_for(slot, facts, now), errors, options_.rules, is_own_denial);
        apply(slot, std::move(verdict), std::move(event.answer), now, actions);
    }
    watch_deadline(slot);
    end_leaving(slot, now, actions);
    fire_deadlines(now, actions);
}

/// The common case, kept short: still the same reply, nothing is due.
bool tracker::is_plain_repeat(
    const transaction_row& row, const poll_answer& answer, reply_class what, instant now) const {
    if (what != reply_class::unchanged || answer.what != what || row.state != tracking_state::tracking ||
        row.has_rare_facts || is_to_be_saved(row))
        return false;
    const std::int64_t wall = now.wall.time_since_epoch().count();
    const milliseconds give_up = options_.rules.give_up_after;
    return wall < row.overdue_at && (give_up == milliseconds(0) || wall < row.tracked_at + give_up.count());
}

reply_class tracker::judge_burst(
    std::uint32_t slot, reply_class what, instant now, std::vector<tracker_action>& actions) {
    if (what == reply_class::no_reply) return what;
    window_.add(slot, is_id_error(what), now.steady);
    if (!is_id_error(what)) return what;
    watch_burst(now, actions);
    return is_burst_ ? reply_class::server_error : what;
}

void tracker::watch_burst(instant now, std::vector<tracker_action>& actions) {
    const bool is_burst = window_.is_burst(now.steady);
    if (is_burst == is_burst_) return;
    is_burst_ = is_burst;
    watch_fitness(now.wall);
    actions.emplace_back(burst_action{is_burst});
}

/// A burst, an outage and maintenance may overlap, and that time is taken off once.
void tracker::watch_fitness(wall_time now) {
    const bool is_unfit = is_burst_ || health_.is_unwell() || is_held_;
    if (is_unfit == unfit_since_.has_value()) return;
    if (is_unfit) {
        unfit_since_ = now;
    } else {
        const milliseconds lasted = std::max(milliseconds(0), now - *unfit_since_);
        table_.shift_not_found(lasted);
        for (auto& [slot, change] : pending_) {
            if (!change.verdict.facts.not_found_since) continue;
            *change.verdict.facts.not_found_since += lasted;
            table_.at(slot).is_moved = true; // what is on its way to the store has the time before
        }
        unfit_since_.reset();
    }
}

void tracker::judge_health(
    std::optional<std::uint32_t> slot, bool is_probe, const poll_answer& answer, reply_class what, instant now,
    std::vector<tracker_action>& actions) {
    const health_kind before = health_.kind();
    const bool was_unwell = health_.is_unwell();
    answer_context context;
    context.started = now.steady - answer.took;
    context.is_probe = is_probe;
    const bool is_answered = is_good(what) || is_id_error(what);
    const bool has_failed =
        !is_answered && what != reply_class::throttled && !health_.is_stale_refusal(what, context.started);
    if (has_failed && slot) judge_failure(*slot, answer, what, now, context);
    const health_effect effect = health_.on_answer(answer, what, context, now);
    if (was_unwell && !health_.is_unwell()) end_backoffs(now);
    if (is_answered) {
        if (!health_.is_unwell()) outage_.on_answered(context.started);
        if (slot) table_.set_standing(*slot, standing::answered);
    }
    follow_health(effect, before, answer.request_id, now, actions);
}

void tracker::on(throttled_elsewhere_event event, instant now, std::vector<tracker_action>& actions) {
    const health_kind before = health_.kind();
    const health_effect effect = health_.on_throttled_elsewhere(event.pause, now);
    follow_health(effect, before, "", now, actions);
}

void tracker::judge_failure(
    std::uint32_t slot, const poll_answer& answer, reply_class what, instant now, answer_context& context) {
    const transaction_row& row = table_.at(slot);
    const standing before = row.known_standing();
    if (before == standing::failing && row.failed_in != outage_.run()) return; // its own, while others were answered
    context.is_evidence = true;
    context.is_first_401 = what == reply_class::unauthorized && token_run_ != outage_.run();
    if (context.is_first_401) token_run_ = outage_.run();
    const bool is_in_cadence = row.state == tracking_state::tracking;
    outage_.on_failed(before, is_in_cadence, is_denial(what), context.started, now.steady);
    table_.set_standing(slot, standing::failing, outage_.run());
    last_failure_.what = what;
    last_failure_.error = answer.error;
    last_failure_.message = answer.message;
    last_failure_.request_id = answer.request_id;
    context.concerns_all = outage_.concerns_all(table_.not_failing(), options_.rules.interval, now.steady);
}

/// Time has passed without an answer.
void tracker::watch_outage(instant now, std::vector<tracker_action>& actions) {
    if (is_held_) return; // the others are not asked
    if (health_.is_unwell() || !outage_.concerns_all(table_.not_failing(), options_.rules.interval, now.steady)) return;
    const health_kind before = health_.kind();
    answer_context context;
    context.started = now.steady;
    context.concerns_all = true;
    const health_effect effect = health_.on_answer(last_failure_, last_failure_.what, context, now);
    follow_health(effect, before, last_failure_.request_id, now, actions);
}

void tracker::follow_health(
    const health_effect& effect, health_kind before, const std::string& request_id, instant now,
    std::vector<tracker_action>& actions) {
    if (effect.wants_token) actions.emplace_back(reread_token_action{});
    if (effect.begins_slow_start) {
        // From an eighth of what the cadences want; a 429 says that half of what was made is the most for now.
        const double wanted = wanted_rate();
        const double made =
            health_.kind() == health_kind::throttled ? std::min(wanted, rate_.rate().value_or(wanted)) / 2 : wanted;
        const steady_time begin = std::max(now.steady, health_.pause_end());
        rate_.begin_slow_start(begin, std::min(made, wanted / 8), made);
    }
    if (!effect.is_change) return;
    watch_fitness(now.wall);
    const milliseconds pause =
        std::chrono::ceil<milliseconds>(std::max(steady_duration(0), health_.pause_end() - now.steady));
    actions.emplace_back(health_action{before, health_.kind(), health_.detail(), pause, request_id});
}

void tracker::note_error(
    std::uint32_t slot, const judgement& verdict, const poll_answer& answer, std::vector<tracker_action>& actions) {
    transaction_row& row = table_.at(slot);
    if (verdict.is_error) {
        row.count_error();
        table_.set_error(slot, answer.error);
        actions.emplace_back(poll_error_action{row.id.str(), answer.what, answer.error, row.errors, answer.request_id});
    } else if (is_good(answer.what)) {
        row.errors = 0;
        row.last_error = 0;
    } else {
        table_.set_error(slot, answer.error); // an error of all polls: shown, but not counted against this one
    }
}

bool tracker::wants_lazy_store(const transaction_row& row, const poll_answer& answer, instant now) const {
    if (answer.what != reply_class::good || answer.body_hash == row.known_body) return false;
    return steady_s(now.steady) - row.body_stored_at >= between_lazy_stores_s && lazy_pending_ < most_lazy_stores;
}

void tracker::apply(
    std::uint32_t slot, judgement verdict, poll_answer answer, instant now, std::vector<tracker_action>& actions) {
    transaction_row& row = table_.at(slot);
    note_error(slot, verdict, answer, actions);
    verdict.must_save = verdict.must_save || is_to_be_saved(row) || is_to_be_dated(row, answer);
    if (verdict.is_unknown_word &&
        std::find(seen_words_.begin(), seen_words_.end(), answer.status) == seen_words_.end() &&
        answer.what == reply_class::good && seen_words_.size() < most_seen_words) {
        seen_words_.push_back(answer.status);
        actions.emplace_back(odd_status_action{
            row.id.str(), std::string(to_string(row.status)), answer.status, false, answer.request_id});
    }
    if (verdict.is_downgrade) {
        actions.emplace_back(
            odd_status_action{row.id.str(), verdict.facts.status, answer.status, true, answer.request_id});
    }
    if (verdict.is_change || verdict.must_save) {
        // What is written anyway takes a changed body along; of a settled one there may be no later occasion.
        if (answer.what == reply_class::good && !verdict.is_downgrade && answer.body_hash != row.known_body)
            verdict.keeps_reply = true;
        record(slot, std::move(verdict), std::move(answer), false, now, actions);
        return;
    }
    // Never a downgrade: the known bytes have to be those of the known status, or the next equal reply would be read as
    // that status.
    if (verdict.next != judgement::next_poll::never && !verdict.is_downgrade && wants_lazy_store(row, answer, now)) {
        verdict.keeps_reply = true;
        record(slot, std::move(verdict), std::move(answer), true, now, actions);
        return;
    }
    row.bad_requests = verdict.facts.bad_requests; // not worth a write of its own
    schedule(slot, verdict.next, now);
}

void tracker::record(
    std::uint32_t slot, judgement verdict, poll_answer answer, bool is_lazy, instant now,
    std::vector<tracker_action>& actions) {
    transaction_row& row = table_.at(slot);
    row.phase = row_phase::recording;
    const tracking_facts before = table_.facts(slot, now);
    auto id = transaction_id::parse(row.id.str());
    const change_number number{++last_change_};
    // Times that nothing vouches for yet are stored as those of one that was never polled, and again when they are.
    const bool is_unvouched = row.is_native != 0 && clock_.level() == vouched_clock::trust::none;
    if (is_unvouched) verdict.facts.last_polled_at.reset();
    change_action change{
        .slot = slot,
        .number = number,
        .revision = row.revision,
        .id = std::move(*id),
        .at = now.wall,
        .from_state = before.state,
        .from_status = before.status,
        .facts = verdict.facts,
        .is_history = verdict.is_change,
        .reply = std::move(answer.body),
        .reply_is_good = verdict.keeps_reply,
        .request_id = std::move(answer.request_id),
        .event = verdict.event,
        .previous_status = verdict.previous_status,
        .updated_at = answer.updated_at};
    pending_change pending;
    pending.number = number;
    pending.body_hash = verdict.keeps_reply ? answer.body_hash : 0;
    pending.is_lazy = is_lazy;
    pending.was_moved = row.is_moved;
    row.is_moved = is_unvouched;
    pending.verdict = std::move(verdict);
    lazy_pending_ += is_lazy ? 1 : 0;
    pending_.insert_or_assign(slot, std::move(pending));
    actions.emplace_back(std::move(change));
}

} // namespace prooftrack::track
