#pragma once

// The engine over a store that commits and answers when the test says, and a Proof that answers when the test says: for
// every order in which a call and an answer in flight can meet.

#include <deque>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/engine.hpp"
#include "support/fake_notifier.hpp"
#include "support/fake_store.hpp"
#include "support/recorded_log.hpp"
#include "support/virtual_time.hpp"

namespace prooftrack::sim {

/// Holds every poll until the test answers it.
class held_proof final : public proof::proof_client {
  public:
    held_proof(virtual_clock& clock, proof::poll_source& source) : clock_(clock), source_(source) {}

    void wake(std::size_t) override {
        if (std::exchange(is_woken_, true)) return;
        clock_.post([this] {
            is_woken_ = false;
            while (auto ticket = source_.next_poll()) {
                for (const track::poll_ticket& other : held) {
                    if (other.id == ticket->id) throw std::logic_error("two polls of one id in flight");
                }
                held.push_back(*std::move(ticket));
                ++polls;
            }
        });
    }
    void call(
        proof::proof_call /*request*/, unique_function<void(op_result<proof::proof_reply>)> /*handler*/) override {}
    std::size_t most_at_once() const override { return 64; }
    void retire_connections() override {}
    void reconfigure(std::shared_ptr<const proof::proof_setup> /*setup*/) noexcept override {}
    void stop(milliseconds /*within*/, unique_function<void()> stopped) override { stopped(); }

    /// Answers the oldest poll in flight with this status.
    void answer(const std::string& status) {
        track::poll_ticket ticket = std::move(held.front());
        held.pop_front();
        track::poll_answer reply;
        reply.what = track::reply_class::good;
        reply.http_status = 200;
        reply.status = status;
        reply.body = fmt::format(R"({{"merchant_transaction_id":"{}","status":"{}"}})", ticket.id, status);
        reply.body_hash = std::hash<std::string>{}(reply.body) | 1U;
        source_.on_answer(std::move(ticket), std::move(reply));
    }

    std::deque<track::poll_ticket> held;
    std::uint64_t polls = 0;

  private:
    virtual_clock& clock_;
    proof::poll_source& source_;
    bool is_woken_ = false;
};

class held_engine {
  public:
    held_engine() {
        daemon.attach(proof);
        daemon.start([](const op_result<std::monostate>& loaded) { loaded.value(); });
        memory.pump();
    }

    /// Time passes, everything that is asked of the store is committed and answered.
    void run(steady_duration span) {
        const steady_time end = clock.now().steady + span;
        while (clock.now().steady < end) {
            memory.pump();
            clock.run_until(std::min(end, clock.now().steady + milliseconds(50)));
        }
        memory.pump();
    }
    void run_until_asked() {
        for (int i = 0; i < 1'000 && proof.held.empty(); ++i) run(milliseconds(50));
        if (proof.held.empty()) throw std::logic_error("nobody asks Proof");
    }

    // The calls of users; what came of each is "201", "200" or the code of the problem, "" while it is under way.
    using fate = std::shared_ptr<std::string>;
    fate track(
        const std::string& id, std::string metadata = "{}", milliseconds overdue_after = std::chrono::hours(24)) {
        api::track_request request{*transaction_id::parse(id), {}};
        request.options.overdue_after = overdue_after;
        request.options.metadata = metadata;
        request.options.metadata_canonical = std::move(metadata);
        auto reported = std::make_shared<std::string>();
        daemon.calls().track(std::move(request), {}, [reported](api::outcome<api::tracked> done) {
            *reported = word<api::tracked>(done, [](const api::tracked& t) { return t.created ? "201" : "200"; });
        });
        return reported;
    }
    fate untrack(const std::string& id) {
        auto reported = std::make_shared<std::string>();
        daemon.calls().untrack(*transaction_id::parse(id), {}, [reported](api::outcome<track::transaction_view> done) {
            *reported = word<track::transaction_view>(done, [](const track::transaction_view&) { return "200"; });
        });
        return reported;
    }
    fate set_metadata(const std::string& id, const std::string& metadata) {
        api::options_patch patch;
        patch.metadata = api::options_patch::metadata_text{metadata, metadata};
        auto reported = std::make_shared<std::string>();
        daemon.calls().set_options(
            *transaction_id::parse(id), std::move(patch), {}, [reported](api::outcome<track::transaction_view> done) {
                *reported = word<track::transaction_view>(done, [](const track::transaction_view&) { return "200"; });
            });
        return reported;
    }
    fate poll(const std::string& id) {
        auto reported = std::make_shared<std::string>();
        daemon.calls().poll_now(*transaction_id::parse(id), {}, [reported](api::outcome<std::monostate> done) {
            *reported = word<std::monostate>(done, [](std::monostate) { return "202"; });
        });
        return reported;
    }
    fate hint(const std::string& id) {
        auto reported = std::make_shared<std::string>();
        daemon.calls().hint(*transaction_id::parse(id), [reported](api::outcome<std::monostate> done) {
            *reported = word<std::monostate>(done, [](std::monostate) { return "202"; });
        });
        return reported;
    }

    /// The store holds a transaction that was given up while it was pending.
    void abandon(const std::string& id) {
        const wall_time then = clock.now().wall - std::chrono::hours(24 * 31);
        disk.add_one({*transaction_id::parse(id), "{}", std::nullopt, "", then, std::chrono::hours(24), {}});
        fake_disk::transaction_row& row = disk.transactions.at(id);
        row.facts.state = track::tracking_state::abandoned;
        row.facts.status = "pending";
        row.facts.watched = false;
        fake_disk::raise(row);
    }
    const track::tracking_facts& stored(const std::string& id) const { return disk.transactions.at(id).facts; }
    std::vector<track::event_type> events_of(const std::string& id) const {
        std::vector<track::event_type> found;
        for (const auto& [seq, event] : disk.events) {
            if (event.transaction == id) found.push_back(event.type);
        }
        return found;
    }

    virtual_clock clock;
    fake_disk disk;
    store::fake_store memory{disk};
    fake_notifier notifier{clock};
    recorded_log log;
    observe::metrics registry{"sim"};
    engine::meters counts{registry};
    virtual_alarm alarm{clock, [this] { daemon.on_alarm(); }};
    engine::engine daemon{
        make_configuration(), engine::engine_dependencies{clock, alarm, memory, notifier, log, counts},
        engine::engine_hooks{[] {}, [](std::string_view) { return true; }}, "sim", 1};
    held_proof proof{clock, daemon.polls()};

  private:
    static config::configuration make_configuration() {
        config::configuration config;
        config.poll.verify_after.clear();
        return config;
    }
    template <class T, class Word>
    static std::string word(const api::outcome<T>& done, Word of) {
        if (const auto* refused = std::get_if<api::problem>(&done)) return std::string(api::word_of(refused->code));
        return of(std::get<T>(done));
    }
};

} // namespace prooftrack::sim
