#pragma once

// A real store on a real file in a directory of its own, driven call by call.

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include <boost/asio/io_context.hpp>

#include "base/random.hpp"
#include "store/store.hpp"

namespace prooftrack {

/// What the store told its observer.
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

/// A directory that goes with its owner; in memory where there is such a file system, because other tests keep the disk
/// busy.
class temporary_directory {
  public:
    temporary_directory() {
        const bool has_memory = ::access("/dev/shm", W_OK) == 0;
        const std::filesystem::path place = has_memory ? "/dev/shm" : std::filesystem::temp_directory_path();
        std::string pattern = (place / "prooftrack-store-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
        path_ = pattern;
    }
    temporary_directory(const temporary_directory&) = delete;
    temporary_directory& operator=(const temporary_directory&) = delete;
    ~temporary_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

class store_world {
  public:
    explicit store_world(std::string vfs = {}) : vfs_(std::move(vfs)) {}

    std::filesystem::path path() const { return directory_.path() / "db" / "prooftrackd.db"; }
    boost::asio::io_context& loop() { return loop_; }
    recorded_store_facts& facts() { return facts_; }

    void open() { store_ = make_sqlite_store(loop_.get_executor(), {path(), 7, vfs_}, facts_); }
    store& door() {
        if (!store_) open();
        return *store_;
    }
    /// Ends the store cleanly and runs every handler.
    void close() {
        if (!store_) return;
        store_->close([] {});
        run();
        store_.reset();
    }
    void reopen() {
        close();
        open();
    }
    /// As destruction without close does it.
    void drop() {
        store_.reset();
        run();
    }
    void run() {
        loop_.restart();
        loop_.run();
    }

    /// Makes one call and waits for its handler: `call(store, handler)`.
    template <class T, class Call>
    op_result<T> ask(Call call) {
        std::optional<op_result<T>> answer;
        call(door(), store_handler<T>([&answer](op_result<T> given) { answer.emplace(std::move(given)); }));
        run();
        if (!answer) throw std::logic_error("a handler was not called");
        return *std::move(answer);
    }

    op_result<std::vector<add_outcome>> add(std::vector<new_transaction> all, std::optional<digest> session = {}) {
        return ask<std::vector<add_outcome>>(
            [&](store& door, auto handler) { door.add(std::move(all), session, std::move(handler)); });
    }
    /// Of the row's present revision.
    op_result<recorded_transition> record(transition change) {
        if (knows(change.id)) change.revision = find(change.id).revision;
        return record_as_is(std::move(change));
    }
    op_result<recorded_transition> record_as_is(transition change) {
        return ask<recorded_transition>(
            [&](store& door, auto handler) { door.record(std::move(change), std::move(handler)); });
    }
    transaction_view find(const transaction_id& id) {
        auto found =
            ask<std::optional<transaction_view>>([&](store& door, auto handler) { door.find(id, std::move(handler)); });
        if (!found.value()) throw std::logic_error("no transaction " + id.str());
        return **std::move(found);
    }
    bool knows(const transaction_id& id) {
        return ask<std::optional<transaction_view>>(
                   [&](store& door, auto handler) { door.find(id, std::move(handler)); })
            .value()
            .has_value();
    }
    event_page events(std::uint64_t after = 0, std::size_t limit = 1000) {
        return ask<event_page>(
                   [&](store& door, auto handler) { door.events_after(event_seq{after}, limit, std::move(handler)); })
            .value();
    }
    transaction_page list(transaction_query query) {
        return ask<transaction_page>(
                   [&](store& door, auto handler) { door.list(std::move(query), std::move(handler)); })
            .value();
    }
    delivery_page deliveries(delivery_query query = {}) {
        return ask<delivery_page>(
                   [&](store& door, auto handler) { door.deliveries(std::move(query), std::move(handler)); })
            .value();
    }
    std::vector<delivery_head> heads(const std::string& lane, std::size_t limit = 1000) {
        return ask<std::vector<delivery_head>>(
                   [&](store& door, auto handler) { door.next_heads(lane, limit, std::move(handler)); })
            .value();
    }
    std::optional<delivery_head> attempt(attempt_record done) {
        return ask<std::optional<delivery_head>>(
                   [&](store& door, auto handler) { door.record_attempt(std::move(done), std::move(handler)); })
            .value();
    }
    store_status status() {
        return ask<store_status>([](store& door, auto handler) { door.status(std::move(handler)); }).value();
    }
    prune_result prune(prune_request request) {
        return ask<prune_result>([&](store& door, auto handler) { door.prune(request, std::move(handler)); }).value();
    }
    op_result<backup_file> backup() {
        return ask<backup_file>([](store& door, auto handler) { door.backup(std::move(handler)); });
    }
    std::optional<history_page> history(const transaction_id& id) {
        return ask<std::optional<history_page>>(
                   [&](store& door, auto handler) { door.history(id, std::move(handler)); })
            .value();
    }

  private:
    temporary_directory directory_;
    std::string vfs_;
    boost::asio::io_context loop_{1};
    recorded_store_facts facts_;
    std::unique_ptr<store> store_;
};

/// 2026-04-01T10:00:00Z and `ms` milliseconds.
inline wall_time at_ms(std::int64_t ms) { return wall_time(milliseconds(1'775'037'600'000 + ms)); }

inline transaction_id make_id(const std::string& text) { return transaction_id::parse(text).value(); }

inline new_transaction make_new(const std::string& id, std::int64_t ms = 0) {
    return {make_id(id), "{}", std::nullopt, "", at_ms(ms), milliseconds(86'400'000), digest{}};
}

/// A change of `id` out of `from` into `state` with `status`; `facts` and revision of a row that was added with
/// make_new(id) and not changed since.
inline transition make_change(const std::string& id, tracking_state state, const std::string& status, std::int64_t ms,
                              const std::string& from_status = "pending") {
    transition change{.id = make_id(id),
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
inline transition make_settlement(const std::string& id, std::int64_t ms, std::vector<std::string> callbacks,
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
