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
struct recorded_store_facts final : store::store_observer {
    void on_commit(steady_duration took, std::size_t operations) override {
        ++commits;
        committed_operations += operations;
        longest_commit = std::max(longest_commit, took);
    }
    void on_state(track::store_state state, const op_error& why) override {
        states.push_back(state);
        reasons.push_back(why.message());
    }
    void on_failover(std::int64_t former, std::int64_t timeline) override { failovers.emplace_back(former, timeline); }
    void on_fatal(const op_error& error) override { fatal.push_back(error.message()); }
    void on_export_failed(const op_error& error) override { failed_exports.push_back(error.message()); }

    std::size_t commits = 0;
    std::size_t committed_operations = 0;
    steady_duration longest_commit{};
    std::vector<track::store_state> states;
    std::vector<std::string> reasons;
    std::vector<std::pair<std::int64_t, std::int64_t>> failovers; ///< former timeline, and the one now
    std::vector<std::string> fatal;
    std::vector<std::string> failed_exports;
};

/// A store that is driven call by call, whichever it is.
class store_calls {
  public:
    store_calls() = default;
    store_calls(const store_calls&) = delete;
    store_calls& operator=(const store_calls&) = delete;
    virtual ~store_calls() = default;

    /// The open store.
    virtual store::store& subject() = 0;
    /// Until everything that was called has been answered.
    virtual void run() = 0;

    /// Makes one call and waits for its handler: `call(store, handler)`.
    template <class T, class Call>
    op_result<T> ask(Call call) {
        std::optional<op_result<T>> answer;
        call(subject(), store::store_handler<T>([&answer](op_result<T> given) { answer.emplace(std::move(given)); }));
        run();
        if (!answer) throw std::logic_error("a handler was not called");
        return *std::move(answer);
    }

    op_result<std::vector<store::add_outcome>> add(
        std::vector<track::new_transaction> all, std::optional<store::digest> session = {}) {
        return ask<std::vector<store::add_outcome>>(
            [&](store::store& subject, auto handler) { subject.add(std::move(all), session, std::move(handler)); });
    }
    /// Of the row's present revision.
    op_result<store::recorded_transition> record(store::transition change) {
        if (knows(change.id)) change.revision = find(change.id).revision;
        return record_as_is(std::move(change));
    }
    op_result<store::recorded_transition> record_as_is(store::transition change) {
        return ask<store::recorded_transition>(
            [&](store::store& subject, auto handler) { subject.record(std::move(change), std::move(handler)); });
    }
    op_result<row_revision> set_options(store::options_change change) {
        return ask<row_revision>(
            [&](store::store& subject, auto handler) { subject.set_options(std::move(change), std::move(handler)); });
    }
    track::transaction_view find(const transaction_id& id) {
        auto found = ask<std::optional<track::transaction_view>>(
            [&](store::store& subject, auto handler) { subject.find(id, std::move(handler)); });
        if (!found.value()) throw std::logic_error("no transaction " + id.str());
        return **std::move(found);
    }
    bool knows(const transaction_id& id) {
        return ask<std::optional<track::transaction_view>>(
                   [&](store::store& subject, auto handler) { subject.find(id, std::move(handler)); })
            .value()
            .has_value();
    }
    store::event_page events(std::uint64_t after = 0, std::size_t limit = 1000) {
        return ask<store::event_page>([&](store::store& subject, auto handler) {
                   subject.events_after(event_seq{after}, limit, std::move(handler));
               })
            .value();
    }
    track::transaction_page list(track::transaction_query query) {
        return ask<track::transaction_page>(
                   [&](store::store& subject, auto handler) { subject.list(std::move(query), std::move(handler)); })
            .value();
    }
    track::delivery_page deliveries(track::delivery_query query = {}) {
        return ask<track::delivery_page>([&](store::store& subject, auto handler) {
                   subject.deliveries(std::move(query), std::move(handler));
               })
            .value();
    }
    std::vector<store::delivery_head> heads(const std::string& lane, std::size_t limit = 1000) {
        return ask<std::vector<store::delivery_head>>(
                   [&](store::store& subject, auto handler) { subject.next_heads(lane, limit, std::move(handler)); })
            .value();
    }
    std::optional<store::delivery_head> attempt(store::attempt_record done) {
        return ask<std::optional<store::delivery_head>>([&](store::store& subject, auto handler) {
                   subject.record_attempt(std::move(done), std::move(handler));
               })
            .value();
    }
    store::store_status status() {
        return ask<store::store_status>([](store::store& subject, auto handler) { subject.status(std::move(handler)); })
            .value();
    }
    store::prune_result prune(store::prune_request request) {
        return ask<store::prune_result>(
                   [&](store::store& subject, auto handler) { subject.prune(request, std::move(handler)); })
            .value();
    }
    op_result<store::backup_file> backup() {
        return ask<store::backup_file>([](store::store& subject, auto handler) { subject.backup(std::move(handler)); });
    }
    std::optional<track::transaction_history> history(const transaction_id& id) {
        return ask<std::optional<track::transaction_history>>(
                   [&](store::store& subject, auto handler) { subject.history(id, std::move(handler)); })
            .value();
    }
    /// Every watched row, in the order of the chunks; `sizes` gets the size of each.
    std::vector<track::active_transaction> load_active(std::vector<std::size_t>* sizes = nullptr) {
        std::vector<track::active_transaction> all;
        const auto take = [&all, sizes](std::vector<track::active_transaction> chunk) {
            if (sizes != nullptr) sizes->push_back(chunk.size());
            for (track::active_transaction& each : chunk) all.push_back(std::move(each));
        };
        const auto number = ask<std::uint64_t>(
            [&](store::store& subject, auto handler) { subject.load_active(take, std::move(handler)); });
        if (number.value() != all.size()) throw std::logic_error("another number of rows than was said");
        return all;
    }
    void save_facts(std::vector<track::active_transaction> rows) {
        ask<std::monostate>([&](store::store& subject, auto handler) {
            subject.save_facts(std::move(rows), std::move(handler));
        }).value();
    }
    std::optional<store::delivery_record> load_delivery(std::uint64_t id) {
        return ask<std::optional<store::delivery_record>>([&](store::store& subject, auto handler) {
                   subject.load_delivery(delivery_id{id}, std::move(handler));
               })
            .value();
    }
    op_result<store::delivery_head> retry(std::uint64_t id, wall_time now) {
        return ask<store::delivery_head>([&](store::store& subject, auto handler) {
            subject.retry_delivery(delivery_id{id}, now, std::move(handler));
        });
    }
    std::uint64_t retry_dead(std::optional<std::string> callback, wall_time now) {
        return ask<std::uint64_t>([&](store::store& subject, auto handler) {
                   subject.retry_dead(std::move(callback), now, std::move(handler));
               })
            .value();
    }
    void set_failing(const std::string& lane, std::optional<wall_time> since) {
        ask<std::monostate>([&](store::store& subject, auto handler) {
            subject.set_failing(lane, since, std::move(handler));
        }).value();
    }
    std::uint64_t end_failing(const std::string& lane, store::lane_recovery how) {
        return ask<std::uint64_t>([&](store::store& subject, auto handler) {
                   subject.end_failing(lane, std::move(how), std::move(handler));
               })
            .value();
    }
    op_result<track::replay_view> begin_replay(track::replay_query query, wall_time now, bool dry_run = false) {
        return ask<track::replay_view>([&](store::store& subject, auto handler) {
            subject.begin_replay(std::move(query), dry_run, now, std::move(handler));
        });
    }
    op_result<store::replay_progress> advance_replay(store::replay_step step) {
        return ask<store::replay_progress>(
            [&](store::store& subject, auto handler) { subject.advance_replay(step, std::move(handler)); });
    }
    op_result<store::replay_end> cancel_replay(replay_id id, std::vector<delivery_id> under_way, wall_time now) {
        return ask<store::replay_end>([&](store::store& subject, auto handler) {
            subject.cancel_replay(id, std::move(under_way), now, std::move(handler));
        });
    }
    std::vector<track::replay_view> replays() {
        return ask<std::vector<track::replay_view>>(
                   [](store::store& subject, auto handler) { subject.replays(std::move(handler)); })
            .value();
    }
    op_result<std::pair<bool, track::consumer_view>> put_consumer(
        const std::string& name, std::optional<event_seq> seq = {}) {
        return ask<std::pair<bool, track::consumer_view>>(
            [&](store::store& subject, auto handler) { subject.put_consumer(name, seq, std::move(handler)); });
    }
    op_result<track::consumer_view> delete_consumer(const std::string& name) {
        return ask<track::consumer_view>(
            [&](store::store& subject, auto handler) { subject.delete_consumer(name, std::move(handler)); });
    }
    op_result<track::consumer_view> acknowledge(const std::string& name, std::uint64_t seq) {
        return ask<track::consumer_view>([&](store::store& subject, auto handler) {
            subject.acknowledge(name, event_seq{seq}, std::move(handler));
        });
    }
    std::vector<track::consumer_view> consumers() {
        return ask<std::vector<track::consumer_view>>(
                   [](store::store& subject, auto handler) { subject.consumers(std::move(handler)); })
            .value();
    }
    store::session_claim claim_session(const store::digest& key, const store::digest& body, wall_time now) {
        return ask<store::session_claim>([&](store::store& subject, auto handler) {
                   subject.claim_session(key, body, now, std::move(handler));
               })
            .value();
    }
    void release_session(const store::digest& key) {
        ask<std::monostate>([&](store::store& subject, auto handler) {
            subject.release_session(key, std::move(handler));
        }).value();
    }
    op_result<std::monostate> probe() {
        return ask<std::monostate>([](store::store& subject, auto handler) { subject.probe(std::move(handler)); });
    }
    std::string remember_base_url(std::string base_url) {
        return ask<std::string>([&](store::store& subject, auto handler) {
                   subject.remember_base_url(std::move(base_url), std::move(handler));
               })
            .value();
    }
};

/// 2026-04-01T10:00:00Z and `ms` milliseconds.
inline wall_time at_ms(std::int64_t ms) { return wall_time(milliseconds(1'775'037'600'000 + ms)); }

inline transaction_id make_id(const std::string& text) { return transaction_id::parse(text).value(); }

inline store::digest make_digest(std::uint8_t byte) {
    store::digest made{};
    made.fill(byte);
    return made;
}

inline track::new_transaction make_new(const std::string& id, std::int64_t ms = 0) {
    return {make_id(id), "{}", std::nullopt, "", at_ms(ms), milliseconds(86'400'000), store::digest{}};
}

/// A change of `id` out of `from` into `state` with `status`; `facts` and revision of a row that was added with
/// make_new(id) and not changed since.
inline store::transition make_change(
    const std::string& id, track::tracking_state state, const std::string& status, std::int64_t ms,
    const std::string& from_status = "pending") {
    store::transition change{
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
    if (state == track::tracking_state::settled) change.facts.settled_at = at_ms(ms);
    change.facts.watched = state != track::tracking_state::settled && state != track::tracking_state::abandoned &&
                           state != track::tracking_state::untracked;
    return change;
}

/// The same with a reply and an event for these callbacks.
inline store::transition make_settlement(
    const std::string& id, std::int64_t ms, std::vector<std::string> callbacks,
    const std::string& status = "completed") {
    store::transition change = make_change(id, track::tracking_state::settled, status, ms);
    change.reply = R"({"merchant_transaction_id":")" + id + R"(","status":")" + status + R"("})";
    change.reply_is_good = true;
    random_source random(std::hash<std::string>{}(id) ^ static_cast<std::uint64_t>(ms));
    const track::event_type type = status == "completed" ? track::event_type::completed
                                   : status == "failed"  ? track::event_type::failed
                                                         : track::event_type::cancelled;
    change.event = store::owed_event{track::make_event_id(change.at, random), type, "pending", std::move(callbacks)};
    return change;
}

} // namespace prooftrack
