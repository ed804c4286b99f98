#include "engine/change_calls.hpp"

#include <utility>

#include <fmt/format.h>

#include "engine/problems.hpp"

namespace prooftrack::engine {
namespace {

/// So often it looks again.
constexpr int most_tries = 5;

api::problem already_ended(const track::transaction_view& view) {
    return refuse(
        api::problem_code::already_ended,
        fmt::format("'{}' is {} already", view.id.str(), to_string(view.facts.state)));
}

api::problem keeps_changing(const transaction_id& id) {
    return refuse(
        api::problem_code::unavailable, fmt::format("'{}' is being changed again and again: try again", id.str()));
}

} // namespace

void change_calls::untrack(
    transaction_id id, api::client_identity who, api::backend_handler<track::transaction_view> handler) {
    auto audited = audit_.audited({"untrack", "merchant_transaction_id", id.str(), who}, std::move(handler));
    start(end_tracking(std::move(id)), std::move(audited));
}

task<api::outcome<track::transaction_view>> change_calls::end_tracking(transaction_id id) {
    for (int tries = most_tries; tries >= 0; --tries) {
        const track::tracker& core = polls_.follow_clock();
        const auto found = core.find(id.str());
        const bool is_ours = found && core.may_untrack(*found);
        if (is_ours) polls_.step_at_once(track::untracked_event{*found});
        if (!found || !core.is_recording(*found)) {
            // Memory does not hold it as an open one: it has ended, unless it has just been tracked.
            auto stored = co_await views_.find(id);
            const auto* view = std::get_if<track::transaction_view>(&stored);
            if (view == nullptr) co_return stored;
            if (is_ended(view->facts.state)) co_return already_ended(*view);
            continue;
        }
        const track::row_ref row = *found;
        const auto recorded = co_await call(polls_, &poll_driver::after_change, row);
        if (!recorded && recorded.error().code != store::store_error::stale) co_return store_problem(recorded.error());
        if (recorded && is_ours) {
            auto ended = co_await views_.find(id);
            co_return ended;
        } // else how the other change ended decides
    }
    co_return keeps_changing(id);
}

void change_calls::poll_now(transaction_id id, api::client_identity who, api::backend_handler<std::monostate> handler) {
    auto audited = audit_.audited({"poll", "merchant_transaction_id", id.str(), who}, std::move(handler));
    start(poll(std::move(id), reason::wish), std::move(audited));
}

void change_calls::hint(transaction_id id, api::backend_handler<std::monostate> handler) {
    start(poll(std::move(id), reason::hint), std::move(handler));
}

task<api::outcome<std::monostate>> change_calls::poll(transaction_id id, reason why) {
    for (int tries = most_tries;; --tries) {
        const auto found = polls_.follow_clock().find(id.str());
        if (!found) {
            const bool is_last = tries == 0;
            auto stored = co_await poll_stored(id, why, is_last);
            if (stored) co_return *stored;
            continue;
        }
        const track::row_ref row = *found;
        if (polls_.core().is_recording(row) && tries > 0) { // it may be its end
            co_await call(polls_, &poll_driver::after_change, row);
            continue;
        }
        const track::tracking_facts facts = polls_.live(row).facts;
        const bool is_completed = facts.state == track::tracking_state::settled && facts.status == "completed";
        if (why == reason::hint && is_completed) co_return unknown_transaction(id);
        polls_.step_at_once(track::poll_wanted_event{row});
        co_return std::monostate{};
    }
}

task<std::optional<api::outcome<std::monostate>>> change_calls::poll_stored(
    transaction_id id, reason why, bool is_last) {
    const auto found = co_await call(store_, &store::store::find, id);
    if (!found) co_return store_problem(found.error());
    if (!*found) co_return unknown_transaction(id);
    const track::transaction_view& view = **found;
    const track::tracking_state state = view.facts.state;
    if (!is_ended(state) && !is_last) co_return std::nullopt;
    const bool is_hopeless = state != track::tracking_state::settled || view.facts.status == "completed";
    if (why == reason::hint && is_hopeless) co_return unknown_transaction(id);
    if (state == track::tracking_state::settled || state == track::tracking_state::abandoned) {
        polls_.step(track::tracked_event{track::active_transaction{id, view.facts, view.revision}, true});
        co_return std::monostate{};
    }
    co_return is_ended(state) ? already_ended(view) : keeps_changing(id);
}

} // namespace prooftrack::engine
