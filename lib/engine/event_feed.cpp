#include "engine/event_feed.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/problems.hpp"
#include "track/event.hpp"

namespace prooftrack::engine {
namespace {

api::problem cursor_gone(event_seq first, event_seq last) {
    api::problem gone;
    gone.code = api::problem_code::cursor_gone;
    gone.detail =
        "these events are not kept (any more), or the cursor is of another log: start again at oldest_seq - 1, or at 0";
    gone.members = {
        api::problem_member::number("oldest_seq", value_of(first)),
        api::problem_member::number("last_seq", value_of(last))};
    return gone;
}

} // namespace

void event_feed::restore(const store::store_status& status) {
    first_seq_ = status.first_seq;
    last_seq_ = status.last_seq;
    log_id_ = status.log_id;
}

void event_feed::on_pruned(event_seq first_kept) {
    first_seq_ = std::max(first_seq_, first_kept);
    recent_.drop_before(value_of(first_seq_));
}

void event_feed::publish(event_seq seq, const std::string& frozen) {
    const api::log_event event{seq, std::make_shared<const std::string>(track::insert_seq(frozen, seq))};
    last_seq_ = seq;
    recent_.push(value_of(seq), event, event.json->size());
    if (listener_ != nullptr) listener_->on_event(event);
    for (waiting_reader& reader : waits_.take_all()) reader.handler(page(reader.after, reader.limit));
}

bool event_feed::is_in_memory(event_seq after) const { return recent_.reaches(value_of(after) + 1); }

api::event_list event_feed::page(event_seq after, std::size_t limit) const {
    api::event_list list;
    list.log_id = log_id_;
    list.next_after = after;
    if (!is_in_memory(after)) return list;
    for (std::uint64_t seq = value_of(after) + 1; seq < recent_.end() && list.events.size() < limit; ++seq) {
        list.events.push_back(recent_.at(seq));
        list.next_after = list.events.back().seq;
    }
    return list;
}

bool event_feed::begins(event_seq& after) const {
    if (after == event_seq{0}) after = event_seq{value_of(first_seq_) - 1};
    return after <= last_seq_ && value_of(after) + 1 >= value_of(first_seq_);
}

api::wait_id event_feed::events(
    event_seq after, std::size_t limit, milliseconds wait, api::backend_handler<api::event_list> handler) {
    if (!begins(after)) {
        handler(cursor_gone(first_seq_, last_seq_));
    } else if (after == last_seq_ && wait > milliseconds(0)) {
        const api::wait_id number = numbers_.next();
        waits_.add(number, clock_.now().steady + wait, waiting_reader{after, limit, std::move(handler)});
        wake_changed_();
        return number;
    } else if (after == last_seq_ || is_in_memory(after)) {
        handler(page(after, limit));
    } else {
        start(read_from_store(after, limit), std::move(handler));
    }
    return api::no_wait;
}

task<api::outcome<api::event_list>> event_feed::read_from_store(event_seq after, std::size_t limit) {
    auto read = co_await call(store_, &store::store::events_after, after, limit);
    if (!read) co_return store_problem(read.error());
    // Pruned while the read waited?
    if (value_of(after) + 1 < value_of(read->first_seq)) co_return cursor_gone(read->first_seq, last_seq_);
    co_return published(*read, after, limit);
}

void event_feed::events_between(track::event_query query, api::backend_handler<api::event_list> handler) {
    if (!begins(query.after)) {
        handler(cursor_gone(first_seq_, last_seq_));
        return;
    }
    start(search_store(query), std::move(handler));
}

task<api::outcome<api::event_list>> event_feed::search_store(track::event_query query) {
    auto read = co_await call(store_, &store::store::events_between, query);
    if (!read) co_return store_problem(read.error());
    if (value_of(query.after) + 1 < value_of(read->first_seq)) co_return cursor_gone(read->first_seq, last_seq_);
    api::event_list list = published(*read, query.after, query.limit);
    list.next_after = std::min(read->looked_at, last_seq_);
    co_return list;
}

api::event_list event_feed::published(const store::event_page& page, event_seq after, std::size_t limit) const {
    api::event_list list;
    list.log_id = log_id_;
    list.next_after = after;
    for (const track::stored_event& event : page.events) {
        if (event.seq > last_seq_ || list.events.size() == limit) break; // not published yet
        list.events.push_back(
            api::log_event{event.seq, std::make_shared<const std::string>(track::insert_seq(event.body, event.seq))});
        list.next_after = event.seq;
    }
    return list;
}

void event_feed::on_wake(instant now) {
    while (auto reader = waits_.take_expired(now.steady)) reader->handler(page(reader->after, reader->limit));
}

} // namespace prooftrack::engine
