#include "engine/event_feed.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/problems.hpp"
#include "track/event.hpp"

namespace prooftrack::engine {
namespace {

/// Read at a time of what other nodes have recorded.
constexpr std::size_t events_a_read = 500;
constexpr std::size_t one_event = 1;
constexpr milliseconds after_failure{1'000};
/// So long a reader waits for the events before its cursor.
constexpr milliseconds position_patience{5'000};

api::problem on_the_way() {
    return refuse(
        api::problem_code::unavailable,
        "the events before this cursor were recorded by another node and are not read here yet: try again");
}

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
    wanted_ = status.last_seq;
    log_id_ = status.log_id;
    ahead_.clear();
}

void event_feed::on_pruned(event_seq first_kept) {
    first_seq_ = std::max(first_seq_, first_kept);
    recent_.drop_before(value_of(first_seq_));
}

void event_feed::publish(event_seq seq, const std::string& frozen) {
    if (seq <= last_seq_) return; // it was read from the store
    wanted_ = std::max(wanted_, seq);
    if (value_of(seq) == value_of(last_seq_) + 1) {
        tell(seq, frozen);
        tell_kept();
        serve_late();
    } else {
        ahead_.keep(seq, frozen);
    }
    read_missing();
}

void event_feed::catch_up(event_seq last, event_seq first) {
    on_pruned(first);
    wanted_ = std::max(wanted_, last);
    read_missing();
}

void event_feed::tell(event_seq seq, const std::string& frozen) {
    const api::log_event event{seq, std::make_shared<const std::string>(track::insert_seq(frozen, seq))};
    last_seq_ = seq;
    recent_.push(value_of(seq), event, event.json->size());
    if (listener_ != nullptr) listener_->on_event(event);
    for (waiting_reader& reader : waits_.take_all()) reader.handler(page(reader.after, reader.limit));
}

void event_feed::tell_kept() {
    ahead_.drop_to(last_seq_);
    for (;;) {
        const event_seq next{value_of(last_seq_) + 1};
        const auto kept = ahead_.take(next);
        if (!kept) return;
        tell(next, *kept);
    }
}

void event_feed::read_missing() {
    if (is_reading_ || wanted_ <= last_seq_) return;
    read_again_at_.reset();
    is_reading_ = true;
    start(close_gap());
}

task<> event_feed::close_gap() {
    bool goes_on = true;
    while (goes_on && last_seq_ < wanted_) {
        const event_seq before = last_seq_;
        const auto read = co_await call(store_, &store::store::events_after, before, events_a_read);
        if (read) take(*read);
        goes_on = read && last_seq_ > before;
    }
    is_reading_ = false;
    if (last_seq_ >= wanted_) co_return;
    read_again_at_ = clock_.now().steady + after_failure;
    wake_changed_();
}

void event_feed::take(const store::event_page& page) {
    // The log has no gaps: what is not there was pruned before it was read here, and this node does not publish it.
    const event_seq first = page.events.empty() ? page.first_seq : page.events.front().seq;
    if (value_of(first) > value_of(last_seq_) + 1) {
        on_pruned(first);
        last_seq_ = event_seq{value_of(first) - 1};
    }
    for (const track::stored_event& event : page.events) {
        if (event.seq <= last_seq_) continue; // published meanwhile
        const bool is_own = ahead_.take(event.seq).has_value();
        tell(event.seq, event.body);
        if (!is_own && on_foreign_) on_foreign_(event.body);
    }
    tell_kept();
    serve_late();
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

api::wait_id event_feed::events(
    event_seq after, std::size_t limit, milliseconds wait, api::backend_handler<api::event_list> handler) {
    waiting_reader reader{resolved(after), limit, std::move(handler)};
    const event_seq position = reader.after;
    const steady_time until = clock_.now().steady + wait;
    if (!may_be_elsewhere(position)) return serve(std::move(reader), until, api::no_wait);
    const api::wait_id number = numbers_.next();
    await_position(
        number, position,
        [this, number, until, reader = std::move(reader)](std::optional<api::problem> refused) mutable {
            if (refused) {
                reader.handler(std::move(*refused));
            } else {
                serve(std::move(reader), until, number);
            }
        });
    return number;
}

api::wait_id event_feed::serve(waiting_reader reader, steady_time until, api::wait_id number) {
    const event_seq after = reader.after;
    if (!begins(after)) {
        reader.handler(cursor_gone(first_seq_, last_seq_));
    } else if (after == last_seq_ && until > clock_.now().steady) {
        if (number == api::no_wait) number = numbers_.next();
        waits_.add(number, until, std::move(reader));
        wake_changed_();
        return number;
    } else if (after == last_seq_ || is_in_memory(after)) {
        reader.handler(page(after, reader.limit));
    } else {
        start(read_from_store(after, reader.limit), std::move(reader.handler));
    }
    return api::no_wait;
}

void event_feed::await_position(api::wait_id number, event_seq after, position_handler then) {
    const steady_time deadline = clock_.now().steady + position_patience;
    late_.add(number, deadline, late_reader{number, after, deadline, std::move(then)});
    start(look_for(number, after));
    wake_changed_();
}

task<> event_feed::look_for(api::wait_id number, event_seq after) {
    const event_seq before{value_of(after) - 1};
    const auto read = co_await call(store_, &store::store::events_after, before, one_event);
    if (read && (after <= read->last_seq || !read->events.empty())) {
        catch_up(std::max(after, read->last_seq), read->first_seq);
        serve_late();
        co_return;
    }
    api::problem refused = read ? cursor_gone(read->first_seq, read->last_seq) : store_problem(read.error());
    if (auto late = late_.take(number)) late->then(std::move(refused));
}

void event_feed::serve_late() {
    if (late_.size() == 0) return;
    for (late_reader& each : late_.take_all()) {
        const auto [number, deadline] = std::pair(each.number, each.deadline);
        if (each.after <= last_seq_) {
            each.then(std::nullopt);
        } else {
            late_.add(number, deadline, std::move(each));
        }
    }
}

task<api::outcome<api::event_list>> event_feed::read_from_store(event_seq after, std::size_t limit) {
    auto read = co_await call(store_, &store::store::events_after, after, limit);
    if (!read) co_return store_problem(read.error());
    // Pruned while the read waited?
    if (value_of(after) + 1 < value_of(read->first_seq)) co_return cursor_gone(read->first_seq, last_seq_);
    co_return published(*read, after, limit);
}

void event_feed::events_between(track::event_query query, api::backend_handler<api::event_list> handler) {
    query.after = resolved(query.after);
    if (!may_be_elsewhere(query.after)) {
        search(query, std::move(handler));
        return;
    }
    auto then = [this, query, handler = std::move(handler)](std::optional<api::problem> refused) mutable {
        if (refused) {
            handler(std::move(*refused));
        } else {
            search(query, std::move(handler));
        }
    };
    await_position(numbers_.next(), query.after, std::move(then));
}

void event_feed::search(track::event_query query, api::backend_handler<api::event_list> handler) {
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

std::optional<steady_time> event_feed::next_wake() const {
    std::optional<steady_time> next = read_again_at_;
    for (const auto& each : {waits_.next_deadline(), late_.next_deadline()}) {
        if (each && (!next || *each < *next)) next = each;
    }
    return next;
}

void event_feed::on_wake(instant now) {
    if (read_again_at_ && *read_again_at_ <= now.steady) {
        read_again_at_.reset();
        read_missing();
    }
    while (auto reader = waits_.take_expired(now.steady)) reader->handler(page(reader->after, reader->limit));
    while (auto late = late_.take_expired(now.steady)) late->then(on_the_way());
}

} // namespace prooftrack::engine
