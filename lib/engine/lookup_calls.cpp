#include "engine/lookup_calls.hpp"

#include <algorithm>
#include <variant>

#include "engine/problems.hpp"
#include "track/event.hpp"

namespace prooftrack::engine {
namespace {

constexpr milliseconds between_looks{1'000};

} // namespace

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
    plan_to_look();
    wake_changed_();
    return number;
}

void lookup_calls::plan_to_look() {
    if (sources_.storage.cluster() == nullptr || is_looking_) return;
    const steady_time now = sources_.clock.now().steady;
    if (!look_again_at_ || *look_again_at_ < now) look_again_at_ = now + between_looks;
}

task<> lookup_calls::look(api::wait_id number, transaction_id id) {
    auto found = co_await sources_.views.find(id);
    const auto* view = std::get_if<track::transaction_view>(&found);
    if (view != nullptr && !ends_wait(view->facts.state)) co_return;
    if (auto waiting = waits_.take(number)) waiting->handler(std::move(found));
}

task<> lookup_calls::look_again(transaction_id id) {
    const auto found = co_await sources_.views.find(id);
    const auto* view = std::get_if<track::transaction_view>(&found);
    const bool has_ended = view != nullptr
                               ? ends_wait(view->facts.state)
                               : std::get<api::problem>(found).code == api::problem_code::unknown_transaction;
    if (!has_ended) co_return;
    for (auto& waiting : waits_.take_for(id)) waiting.handler(found);
}

/// One after the other, so that many waits do not crowd the store.
task<> lookup_calls::look_at_all() {
    is_looking_ = true;
    const steady_time begun = sources_.clock.now().steady;
    for (const transaction_id& id : waits_.transactions()) co_await look_again(id);
    is_looking_ = false;
    if (waits_.empty()) co_return;
    look_again_at_ = std::max(begun + between_looks, sources_.clock.now().steady);
    wake_changed_();
}

void lookup_calls::on_foreign_event(const std::string& frozen) {
    if (waits_.empty()) return;
    auto id = transaction_id::parse(track::event_transaction(frozen));
    if (id && waits_.waits_for(*id)) start(look_again(std::move(*id)));
}

std::optional<steady_time> lookup_calls::next_wake() const {
    const auto deadline = waits_.next_wake();
    return deadline && look_again_at_ ? std::min(*deadline, *look_again_at_) : deadline;
}

void lookup_calls::on_ended(const transaction_id& id) {
    for (auto& waiting : waits_.take_for(id))
        start(sources_.views.find(waiting.transaction), std::move(waiting.handler));
}

void lookup_calls::on_wake(instant now) {
    while (auto waiting = waits_.take_expired(now.steady))
        start(sources_.views.find(waiting->transaction), std::move(waiting->handler));
    if (look_again_at_ && *look_again_at_ <= now.steady) {
        look_again_at_.reset();
        if (!waits_.empty()) start(look_at_all());
    }
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
