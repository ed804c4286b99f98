#pragma once

// A poll_driver between a Proof that answers as scripted and a store, on virtual time. It can crash and start again on
// the same disk.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/poll_driver.hpp"
#include "support/fake_store.hpp"
#include "support/recorded_log.hpp"
#include "support/virtual_time.hpp"

namespace prooftrack::engine {

inline track::poll_answer answers_with(track::reply_class what, std::string error = "") {
    track::poll_answer answer;
    answer.what = what;
    answer.error = std::move(error);
    answer.request_id = "req-1";
    return answer;
}
inline track::poll_answer answers_word(const std::string& word) {
    track::poll_answer answer = answers_with(track::reply_class::good);
    answer.http_status = 200;
    answer.status = word;
    answer.body = R"({"status":")" + word + R"("})";
    answer.body_hash = fake_disk::hash_of(answer.body);
    return answer;
}

/// Pulls polls as the client does: posted by `wake`, until there are none. Each takes `round_trip`.
class scripted_client final : public proof::proof_client {
  public:
    /// What Proof says to a request that starts now; nullopt = it never answers.
    using script = std::function<std::optional<track::poll_answer>(const track::poll_ticket&)>;

    scripted_client(virtual_clock& clock, proof::poll_source& source, script proof, virtual_clock::group owner)
        : clock_(clock), source_(source), proof_(std::move(proof)), owner_(owner) {}

    void wake(std::size_t) override {
        if (is_woken_) return;
        is_woken_ = true;
        clock_.post([this] { pull(); }, owner_);
    }
    void call(proof::proof_call, unique_function<void(op_result<proof::proof_reply>)>) override {}
    std::size_t most_at_once() const override { return 64; }
    void retire_connections() override {}
    void reconfigure(std::shared_ptr<const proof::proof_setup>) noexcept override {}
    void stop(milliseconds, unique_function<void()> stopped) override { stopped(); }

    void pull() {
        is_woken_ = false;
        while (auto ticket = source_.next_poll()) {
            polls.emplace_back(ticket->id, clock_.now().steady);
            auto answer = proof_(*ticket);
            if (!answer) {
                unanswered.push_back(std::move(*ticket));
                continue;
            }
            if (answer->what == track::reply_class::good && answer->body_hash == ticket->known_body) {
                answer->what = track::reply_class::unchanged; // what the client makes of equal bytes
                answer->status.clear();
                answer->body.clear();
                answer->body_hash = 0;
            }
            answer->took = round_trip;
            clock_.after(
                round_trip,
                [this, ticket = std::move(*ticket), answer = std::move(*answer)]() mutable {
                    source_.on_answer(std::move(ticket), std::move(answer));
                },
                owner_);
        }
    }

    std::vector<std::pair<std::string, steady_time>> polls; ///< when they started
    std::vector<track::poll_ticket> unanswered;
    steady_duration round_trip{milliseconds(100)};

  private:
    virtual_clock& clock_;
    proof::poll_source& source_;
    script proof_;
    virtual_clock::group owner_;
    bool is_woken_ = false;
};

/// Cadence and backoff without chance: 5 s from start to start, 8 s after an error. A poll takes 100 ms, a commit 2 ms.
class PollDriver : public testing::Test, private poll_driver_listener {
  protected:
    struct recorded_change {
        std::string id;
        track::tracking_state state{};
        std::string status;
        std::optional<event_seq> seq;
        steady_time at;
    };
    static constexpr virtual_clock::group process = 1;

    PollDriver() {
        options_.rules.interval = {seconds(5), seconds(5)};
        options_.rules.backoff = {seconds(8), seconds(8)};
        options_.rules.verify_after.clear();
        store_options_.owner = process;
        boot();
    }
    ~PollDriver() override { crash(); }

    /// Starts on what is on the disk; comes up once the clock runs.
    void boot() {
        memory_ = std::make_unique<store::fake_store>(disk_, &clock_, store_options_);
        driver_ = std::make_unique<poll_driver>(
            options_, poll_driver::surroundings{
                          clock_, random_, *memory_, log_, counts_,
                          [](track::event_type) { return std::vector<std::string>{"shop"}; }, *this});
        client_ = std::make_unique<scripted_client>(
            clock_, *driver_, [this](const track::poll_ticket& ticket) { return proof_(ticket); }, process);
        driver_->attach(*client_);
        wake_ = std::make_unique<virtual_alarm>(
            clock_, [this] { driver_->on_wake(); }, process);
        is_loaded_ = false;
        memory_->load_active(
            [this](std::vector<track::active_transaction> rows) {
                driver_->step(track::loaded_event{std::move(rows)});
            },
            [this](op_result<std::uint64_t>) {
                is_loaded_ = true;
                driver_->step(track::started_event{});
            });
    }
    /// What was not committed is lost, no handler runs.
    void crash() {
        memory_->crash();
        clock_.drop_group(process);
        wake_.reset();
        client_.reset();
        driver_.reset();
        memory_.reset();
    }

    /// A transaction is added and tracked in the instant that `start_` keeps.
    void track(const std::string& id = "t1", milliseconds overdue_after = std::chrono::hours(24)) {
        settle(milliseconds(10)); // the start has loaded
        start_ = clock_.now().steady;
        const store::add_outcome added = disk_.add_one(wanted(id, overdue_after));
        driver_->take_in({*transaction_id::parse(id), added.facts, added.revision, added.shard});
    }
    track::new_transaction wanted(const std::string& id, milliseconds overdue_after = std::chrono::hours(24)) const {
        return {*transaction_id::parse(id), "{}", std::nullopt, "", clock_.now().wall, overdue_after, {}};
    }
    /// Lets the time pass to `when`, counted from `start_`.
    void run_to(milliseconds when) { clock_.run_until(start_ + when); }
    void settle(milliseconds span) { clock_.run_for(span); }

    track::row_ref slot(const std::string& id = "t1") const { return driver_->core().find(id).value(); }
    bool is_known(const std::string& id = "t1") const { return driver_->core().find(id).has_value(); }
    bool is_recording() const { return driver_->core().recording() > 0; }
    fake_disk::transaction_row& row(const std::string& id = "t1") { return disk_.transactions.at(id); }
    std::size_t count_events(track::event_type type) const {
        std::size_t count = 0;
        for (const auto& [seq, event] : disk_.events) count += event.type == type ? 1U : 0U;
        return count;
    }

    milliseconds since_start(steady_time when) const { return std::chrono::duration_cast<milliseconds>(when - start_); }
    /// When the polls (of this life of the driver) began.
    std::vector<milliseconds> poll_times() const {
        std::vector<milliseconds> times;
        for (const auto& [id, at] : client_->polls) times.push_back(since_start(at));
        return times;
    }
    /// What became durable, as `102 tracking pending`.
    std::vector<std::string> reported() const {
        std::vector<std::string> lines;
        for (const recorded_change& one : recorded_) {
            lines.push_back(
                std::to_string(since_start(one.at).count()) + " " + std::string(to_string(one.state)) + " " +
                one.status);
        }
        return lines;
    }
    /// Waits for the change that the row records now: "" until it has ended, then "durable" or the error's name.
    std::shared_ptr<std::string> await_change(const std::string& id = "t1") {
        auto how = std::make_shared<std::string>();
        driver_->after_change(slot(id), [how](const op_result<std::monostate>& ended) {
            *how += ended ? "durable" : ended.error().code.message();
        });
        return how;
    }
    static std::string name_of(store::store_error error) { return make_error_code(error).message(); }

    // poll_driver_listener
    void on_recorded(const track::change_action& change, store::recorded_transition recorded) override {
        recorded_.push_back(
            {change.id.str(), change.facts.state, change.facts.status, recorded.seq, clock_.now().steady});
    }
    void on_token_wanted() override { ++tokens_wanted_; }
    void on_stepped() override {
        if (!is_loaded_) return;
        const auto next = driver_->wake_due(clock_.now());
        if (next) {
            wake_->arm(*next);
        } else {
            wake_->disarm();
        }
    }

    virtual_clock clock_;
    fake_disk disk_;
    store::fake_store_options store_options_;
    track::tracker_options options_;
    random_source random_{7};
    recorded_log log_;
    observe::metrics registry_{"test"};
    meters counts_{registry_};
    /// Proof's word depends on the time alone, so that what was not recorded is said again.
    scripted_client::script proof_ = [this](const track::poll_ticket&) {
        const milliseconds now = since_start(clock_.now().steady);
        if (now < seconds(5)) return answers_word("pending");
        return answers_word(now < seconds(10) ? "processing" : "completed");
    };
    steady_time start_ = clock_.now().steady;
    std::vector<recorded_change> recorded_;
    int tokens_wanted_ = 0;
    bool is_loaded_ = false;
    std::unique_ptr<store::fake_store> memory_;
    std::unique_ptr<poll_driver> driver_;
    std::unique_ptr<scripted_client> client_;
    std::unique_ptr<virtual_alarm> wake_;
};

} // namespace prooftrack::engine
