#include "engine/lookup_calls.hpp"

#include "engine/problems.hpp"

namespace prooftrack::engine {

api::wait_id lookup_calls::get(
    transaction_id id, milliseconds wait, api::backend_handler<track::transaction_view> handler) {
    if (wait <= milliseconds(0)) {
        start(sources_.views.find(std::move(id)), std::move(handler));
        return api::no_wait;
    }
    // Waits before it looks: an end that is recorded between the two is not missed.
    const api::wait_id number = sources_.numbers.next();
    waits_.add({number, id, std::move(handler)}, sources_.clock.now().steady + wait);
    start(look(number, std::move(id)));
    wake_changed_();
    return number;
}

task<> lookup_calls::look(api::wait_id number, transaction_id id) {
    auto found = co_await sources_.views.find(id);
    const auto* view = std::get_if<track::transaction_view>(&found);
    if (view != nullptr && !ends_wait(view->facts.state)) co_return;
    if (auto waiting = waits_.take(number)) waiting->handler(std::move(found));
}

void lookup_calls::on_ended(const transaction_id& id) {
    for (auto& waiting : waits_.take_for(id))
        start(sources_.views.find(waiting.transaction), std::move(waiting.handler));
}

void lookup_calls::on_wake(instant now) {
    while (auto waiting = waits_.take_expired(now.steady))
        start(sources_.views.find(waiting->transaction), std::move(waiting->handler));
}

void lookup_calls::list(track::transaction_query query, api::backend_handler<track::transaction_page> handler) {
    start(read_page(std::move(query)), std::move(handler));
}

task<api::outcome<track::transaction_page>> lookup_calls::read_page(track::transaction_query query) {
    auto page = co_await call(sources_.storage, &store::store::list, std::move(query));
    if (!page) co_return store_problem(page.error());
    for (track::transaction_view& view : page->transactions) view = sources_.views.with_live(std::move(view));
    co_return std::move(*page);
}

void lookup_calls::history(transaction_id id, api::backend_handler<track::transaction_history> handler) {
    start(read_history(std::move(id)), std::move(handler));
}

task<api::outcome<track::transaction_history>> lookup_calls::read_history(transaction_id id) {
    auto page = co_await call(sources_.storage, &store::store::history, id);
    if (!page) co_return store_problem(page.error());
    if (!*page) co_return unknown_transaction(id);
    for (track::delivery_view& delivery : (*page)->deliveries) sources_.deliveries.annotate(delivery);
    co_return std::move(**page);
}

} // namespace prooftrack::engine
