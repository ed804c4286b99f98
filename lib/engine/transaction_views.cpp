#include "engine/transaction_views.hpp"

#include <utility>

#include "engine/problems.hpp"

namespace prooftrack::engine {

task<api::outcome<track::transaction_view>> transaction_views::find(transaction_id id) {
    auto found = co_await call(store_, &store::store::find, id);
    if (!found) co_return store_problem(found.error());
    if (!*found) co_return unknown_transaction(id);
    co_return with_live(std::move(**found));
}

track::transaction_view transaction_views::with_live(track::transaction_view view) const {
    if (owner_of_) view.node = owner_of_(view.shard);
    const auto row = polls_.core().find(view.id.str());
    if (!row) return view;
    track::live_transaction live = polls_.live(*row);
    view.next_poll_at = live.next_poll_at;
    view.facts.polls = live.facts.polls;
    view.facts.last_polled_at = live.facts.last_polled_at;
    view.consecutive_errors = live.consecutive_errors;
    view.last_error = std::move(live.last_error);
    return view;
}

} // namespace prooftrack::engine
