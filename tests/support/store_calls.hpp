#pragma once

// Calls of a store one by one, each until its handler has run, and the values that such tests are made of.

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "store/store.hpp"

namespace prooftrack {

/// What the store reported to its observer.
struct recorded_store_facts final : store_observer {
    void on_commit(steady_duration took, std::size_t operations) override {
        ++commits;
        committed_operations += operations;
        longest_commit = std::max(longest_commit, took);
    }
    void on_state(store_state state, const op_error& why) override {
        states.push_back(state);
        reasons.push_back(why.message());
    }
    void on_fatal(const op_error& error) override { fatal.push_back(error.message()); }

    std::size_t commits = 0;
    std::size_t committed_operations = 0;
    steady_duration longest_commit{};
    std::vector<store_state> states;
    std::vector<std::string> reasons;
    std::vector<std::string> fatal;
};

/// A store that is driven call by call, whichever it is.
class store_calls {
  public:
    store_calls() = default;
    store_calls(const store_calls&) = delete;
    store_calls& operator=(const store_calls&) = delete;
    virtual ~store_calls() = default;

    /// The open store.
    virtual store& subject() = 0;
    /// Until everything that was called has been answered.
    virtual void run() = 0;

    /// Makes one call and waits for its handler: `call(store, handler)`.
    template <class T, class Call>
    op_result<T> ask(Call call) {
        std::optional<op_result<T>> answer;
        call(subject(), store_handler<T>([&answer](op_result<T> given) { answer.emplace(std::move(given)); }));
        run();
        if (!answer) throw std::logic_error("a handler was not called");
        return *std::move(answer);
    }

    op_result<std::vector<add_outcome>> add(std::vector<new_transaction> all, std::optional<digest> session = {}) {
        return ask<std::vector<add_outcome>>(
            [&](store& subject, auto handler) { subject.add(std::move(all), session, std::move(handler)); });
    }
    /// Of the row's present revision.
    op_result<recorded_transition> record(transition change) {
        if (knows(change.id)) change.revision = find(change.id).revision;
        return record_as_is(std::move(change));
    }
    op_result<recorded_transition> record_as_is(transition change) {
        return ask<recorded_transition>(
            [&](store& subject, auto handler) { subject.record(std::move(change), std::move(handler)); });
    }
    transaction_view find(const transaction_id& id) {
        auto found = ask<std::optional<transaction_view>>(
            [&](store& subject, auto handler) { subject.find(id, std::move(handler)); });
        if (!found.value()) throw std::logic_error("no transaction " + id.str());
        return **std::move(found);
    }
    bool knows(const transaction_id& id) {
        return ask<std::optional<transaction_view>>(
                   [&](store& subject, auto handler) { subject.find(id, std::move(handler)); })
            .value()
            .has_value();
    }
    event_page events(std::uint64_t after = 0, std::size_t limit = 1000) {
        return ask<event_page>([&](store& subject, auto handler) {
                   subject.events_after(event_seq{after}, limit, std::move(handler));
               })
            .value();
    }
    transaction_page list(transaction_query query) {
        return ask<transaction_page>(
                   [&](store& subject, auto handler) { subject.list(std::move(query), std::move(handler)); })
            .value();
    }
    delivery_page deliveries(delivery_query query = {}) {
        return ask<delivery_page>(
                   [&](store& subject, auto handler) { subject.deliveries(std::move(query), std::move(handler)); })
            .value();
    }
    std::vector<delivery_head> heads(const std::string& lane, std::size_t limit = 1000) {
        return ask<std::vector<delivery_head>>(
                   [&](store& subject, auto handler) { subject.next_heads(lane, limit, std::move(handler)); })
            .value();
    }
    std::optional<delivery_head> attempt(attempt_record done) {
        return ask<std::optional<delivery_head>>(
                   [&](store& subject, auto handler) { subject.record_attempt(std::move(done), std::move(handler)); })
            .value();
    }
    store_status status() {
        return ask<store_status>([](store& subject, auto handler) { subject.status(std::move(handler)); }).value();
    }
    prune_result prune(prune_request request) {
        return ask<prune_result>([&](store& subject, auto handler) { subject.prune(request, std::move(handler)); })
            .value();
    }
    op_result<backup_file> backup() {
        return ask<backup_file>([](store& subject, auto handler) { subject.backup(std::move(handler)); });
    }
    std::optional<transaction_history> history(const transaction_id& id) {
        return ask<std::optional<transaction_history>>(
                   [&](store& subject, auto handler) { subject.history(id, std::move(handler)); })
            .value();
    }
    /// Every watched row, in the order of the chunks; `sizes` gets the size of each.
    std::vector<active_transaction> load_active(std::vector<std::size_t>* sizes = nullptr) {
        std::vector<active_transaction> all;
        const auto take = [&all, sizes](std::vector<active_transaction> chunk) {
            if (sizes != nullptr) sizes->push_back(chunk.size());
            for (active_transaction& each : chunk) all.push_back(std::move(each));
        };
        const auto number =
            ask<std::uint64_t>([&](store& subject, auto handler) { subject.load_active(take, std::move(handler)); });
        if (number.value() != all.size()) throw std::logic_error("another number of rows than was said");
        return all;
    }
    void save_facts(std::vector<active_transaction> rows) {
        ask<std::monostate>([&](store& subject, auto handler) {
            subject.save_facts(std::move(rows), std::move(handler));
        }).value();
    }
    std::optional<delivery_record> load_delivery(std::uint64_t id) {
        return ask<std::optional<delivery_record>>(
                   [&](store& subject, auto handler) { subject.load_delivery(delivery_id{id}, std::move(handler)); })
            .value();
    }
    op_result<delivery_head> retry(std::uint64_t id, wall_time now) {
        return ask<delivery_head>(
            [&](store& subject, auto handler) { subject.retry_delivery(delivery_id{id}, now, std::move(handler)); });
    }
    std::uint64_t retry_dead(std::optional<std::string> callback, wall_time now) {
        return ask<std::uint64_t>([&](store& subject, auto handler) {
                   subject.retry_dead(std::move(callback), now, std::move(handler));
               })
            .value();
    }
    void set_failing(const std::string& lane, std::optional<wall_time> since) {
        ask<std::monostate>([&](store& subject, auto handler) {
            subject.set_failing(lane, since, std::move(handler));
        }).value();
    }
    std::uint64_t end_failing(const std::string& lane, lane_recovery how) {
        return ask<std::uint64_t>(
                   [&](store& subject, auto handler) { subject.end_failing(lane, std::move(how), std::move(handler)); })
            .value();
    }
    op_result<std::pair<bool, consumer_view>> put_consumer(const std::string& name, std::optional<event_seq> seq = {}) {
        return ask<std::pair<bool, consumer_view>>(
            [&](store& subject, auto handler) { subject.put_consumer(name, seq, std::move(handler)); });
    }
    op_result<consumer_view> delete_consumer(const std::string& name) {
        return ask<consumer_view>(
            [&](store& subject, auto handler) { subject.delete_consumer(name, std::move(handler)); });
    }
    op_result<consumer_view> acknowledge(const std::string& name, std::uint64_t seq) {
        return ask<consumer_view>(
            [&](store& subject, auto handler) { subject.acknowledge(name, event_seq{seq}, std::move(handler)); });
    }
    std::vector<consumer_view> consumers() {
        return ask<std::vector<consumer_view>>(
                   [](store& subject, auto handler) { subject.consumers(std::move(handler)); })
            .value();
    }
    session_claim claim_session(const digest& key, const digest& body, wall_time now) {
        return ask<session_claim>(
                   [&](store& subject, auto handler) { subject.claim_session(key, body, now, std::move(handler)); })
            .value();
    }
    void release_session(const digest& key) {
        ask<std::monostate>([&](store& subject, auto handler) {
            subject.release_session(key, std::move(handler));
        }).value();
    }
    op_result<std::monostate> probe() {
        return ask<std::monostate>([](store& subject, auto handler) { subject.probe(std::move(handler)); });
    }
    std::string remember_base_url(std::string base_url) {
        return ask<std::string>([&](store& subject, auto handler) {
                   subject.remember_base_url(std::move(base_url), std::move(handler));
               })
            .value();
    }
};

/// 2026-04-01T10:00:00Z and `ms` milliseconds.
inline wall_time at_ms(std::int64_t ms) { return wall_time(milliseconds(1'775'037'600'000 + ms)); }

inline transaction_id make_id(const std::string& text) { return transaction_id::parse(text).value(); }

inline digest make_digest(std::uint8_t byte) {
    digest made{};
    made.fill(byte);
    return made;
}

inline new_transaction make_new(const std::string& id, std::int64_t ms = 0) {
    return {make_id(id), "{}", std::nullopt, "", at_ms(ms), milliseconds(86'400'000), digest{}};
}

/// A change of `id` out of `from` into `state` with `status`; `facts` and revision of a row that was added with
/// make_new(id) and not changed since.
inline transition make_change(
    const std::string& id, tracking_state state, const std::string& status, std::int64_t ms,
    const std::string& from_status = "pending") {
    transition change{
        .id = make_id(id),
        .revision = row_revision{1},
        .at = at_ms(ms),
        .from_status = from_status,
        .facts = {},
        .reply = {},
        .request_id = "req-1",
        .event = std::nullopt};
    change.facts.state = state;
    change.facts.status = status;
    change.facts.tracked_at = at_ms(0);
    change.facts.overdue_at = at_ms(86'400'000);
    change.facts.last_polled_at = at_ms(ms);
    change.facts.polls = 3;
    if (state == tracking_state::settled) change.facts.settled_at = at_ms(ms);
    change.facts.watched =
        state != tracking_state::settled && state != tracking_state::abandoned && state != tracking_state::untracked;
    return change;
}

/// The same with a reply and an event for these callbacks.
inline transition make_settlement(
    const std::string& id, std::int64_t ms, std::vector<std::string> callbacks,
    const std::string& status = "completed") {
    transition change = make_change(id, tracking_state::settled, status, ms);
    change.reply = R"({"merchant_transaction_id":")" + id + R"(","status":")" + status + R"("})";
    change.reply_is_good = true;
    random_source random(std::hash<std::string>{}(id) ^ static_cast<std::uint64_t>(ms));
    const event_type type = status == "completed" ? event_type::completed
                            : status == "failed"  ? event_type::failed
                                                  : event_type::cancelled;
    change.event = owed_event{make_event_id(change.at, random), type, "pending", std::move(callbacks)};
    return change;
}

} // namespace prooftrack
