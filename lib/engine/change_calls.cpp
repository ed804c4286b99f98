#include "engine/change_calls.hpp"

#include <utility>

#include <fmt/format.h>

#include "engine/problems.hpp"
#include "store/cluster.hpp"

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

bool is_another_row(const op_error& error) {
    return error.code == store::store_error::stale || error.code == store::store_error::not_found;
}

/// Whether its owner has to be asked for a poll, if there is one to be made.
bool is_polled_elsewhere(const track::transaction_view& view, bool is_hint) {
    if (!is_ended(view.facts.state)) return true;
    const bool is_completed = view.facts.state == track::tracking_state::settled && view.facts.status == "completed";
    return view.facts.watched && !(is_hint && is_completed);
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
            auto ended = co_await end_stored(*view);
            if (ended) co_return std::move(*ended);
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

task<std::optional<api::outcome<track::transaction_view>>> change_calls::end_stored(track::transaction_view stored) {
    if (store_.cluster() == nullptr) co_return std::nullopt; // it has just been tracked
    const transaction_id id = stored.id;
    track::active_transaction row{id, std::move(stored.facts), stored.revision, stored.shard};
    if (polls_.holds(row.shard)) { // it is being loaded, or another node has just taken it and the news are to come
        polls_.refresh(std::move(row));
        co_return std::nullopt;
    }
    const auto recorded = co_await call(polls_, &poll_driver::end_stored, std::move(row));
    if (recorded) {
        auto ended = co_await views_.find(id);
        co_return ended;
    }
    if (is_another_row(recorded.error())) co_return std::nullopt;
    co_return store_problem(recorded.error());
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
    const bool is_open = !is_ended(state);
    if (store_.cluster() != nullptr && !polls_.holds(view.shard) && is_polled_elsewhere(view, why == reason::hint)) {
        auto wanted = co_await poll_elsewhere(id);
        if (wanted || !is_last) co_return wanted;
        co_return keeps_changing(id);
    }
    // It is being loaded, or another node has just taken it and the news are to come.
    const bool is_coming = store_.cluster() != nullptr && view.facts.watched && polls_.holds(view.shard);
    if (is_coming) polls_.refresh(track::active_transaction{id, view.facts, view.revision, view.shard});
    if ((is_open || is_coming) && !is_last) co_return std::nullopt;
    const bool is_hopeless = state != track::tracking_state::settled || view.facts.status == "completed";
    if (why == reason::hint && is_hopeless) co_return unknown_transaction(id);
    if (state == track::tracking_state::settled || state == track::tracking_state::abandoned) {
        polls_.take_in(track::active_transaction{id, view.facts, view.revision, view.shard}, true);
        co_return std::monostate{};
    }
    co_return is_open ? keeps_changing(id) : already_ended(view);
}

task<std::optional<api::outcome<std::monostate>>> change_calls::poll_elsewhere(transaction_id id) {
    store::cluster_store& cluster = *store_.cluster();
    const auto wanted = co_await call(cluster, &store::cluster_store::want_poll, id);
    if (wanted) co_return std::monostate{};
    if (is_another_row(wanted.error())) co_return std::nullopt;
    co_return store_problem(wanted.error());
}

} // namespace prooftrack::engine
