#include "sim/simulation.hpp"

#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "observe/event_table.hpp"
#include "sim/engine_world.hpp"

namespace prooftrack {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr hours safety_phase{2};
constexpr hours liveness_phase{12};

configuration sim_configuration(random_source& random) {
    configuration config;
    config.proof.base_url = "https://proof.example";
    config.proof.connections = static_cast<std::size_t>(random.between(1, 8));
    config.poll.overdue_after = hours(1);
    config.poll.tail_interval = minutes(10);
    config.poll.give_up_after = hours(6);
    config.poll.max_rate = random.between(0, 2) == 0 ? static_cast<std::uint32_t>(random.between(3, 20)) : 0;
    callback_config callback;
    callback.name = "backend";
    callback.url = "https://shop.example/hook";
    callback.events = {"transaction.*", "transaction.updated"};
    callback.max_in_flight = static_cast<std::size_t>(random.between(1, 4));
    callback.retry_schedule = {seconds(5),  minutes(1), minutes(5), minutes(10),
                               minutes(30), hours(1),   hours(1),   hours(1)};
    config.callbacks.push_back(callback);
    return config;
}

/// One seed's world and its watchers.
class simulation {
  public:
    explicit simulation(std::uint64_t seed)
        : random_(seed), config_(sim_configuration(random_)), proof_(clock_, random_), start_(clock_.now().steady) {
        proof_.max_rate = config_.poll.max_rate;
        proof_.interval = config_.poll.interval;
        if (std::getenv("PROOFTRACK_TRACE") != nullptr)
            log_.on_line = [this](const recorded_log::line& line) { trace(line); };
        plan_transactions();
        plan_faults();
        plan_crashes();
        boot();
    }

    simulation_result run() {
        run_until(start_ + safety_phase);
        end_faults();
        run_until(start_ + safety_phase + liveness_phase);
        check_end();
        result_.broken.insert(result_.broken.end(), proof_.broken.begin(), proof_.broken.end());
        result_.polls = proof_.polls;
        result_.faults += proof_.faults_served;
        result_.events = disk_.events.size();
        result_.virtual_time = clock_.now().steady - start_;
        return result_;
    }

  private:
    template <class... Args>
    void broken(fmt::format_string<Args...> text, Args&&... args) {
        if (result_.broken.size() < 20) {
            result_.broken.push_back(fmt::format("{}: {}", format_wall_time(clock_.now().wall),
                                                 fmt::format(text, std::forward<Args>(args)...)));
        }
    }

    void trace(const recorded_log::line& line) const {
        fmt::print("{} {}", format_wall_time(clock_.now().wall), info_of(line.event).name);
        for (const auto& [key, value] : line.fields) fmt::print(" {}={}", key, value);
        fmt::print("\n");
    }

    void plan_transactions() {
        const std::int64_t count = random_.between(2, 16);
        for (std::int64_t i = 0; i < count; ++i) {
            const std::string id = fmt::format("tx-{}", i);
            const steady_time added = start_ + milliseconds(random_.between(0, 40 * 60'000));
            proof_truth truth;
            truth.visible_at = added + milliseconds(random_.between(0, 3) == 0 ? random_.between(0, 120'000) : 0);
            const auto dice = random_.between(0, 19);
            if (dice == 0) truth.what = proof_truth::kind::unknown;
            if (dice == 1) truth.what = proof_truth::kind::refused;
            steady_time at = added + milliseconds(random_.between(0, 600'000));
            truth.statuses.emplace_back(start_, "pending");
            if (random_.between(0, 3) != 0) truth.statuses.emplace_back(at, "processing");
            at += milliseconds(random_.between(0, 30 * 60'000));
            const auto end = random_.between(0, 9);
            if (end <= 5) truth.statuses.emplace_back(at, "completed");
            if (end == 6) truth.statuses.emplace_back(at, "cancelled");
            if (end == 7 || end == 8) truth.statuses.emplace_back(at, "failed");
            if (end == 8)
                truth.statuses.emplace_back(at + milliseconds(random_.between(1, 9 * 60'000)),
                                            random_.between(0, 1) == 0 ? "completed" : "pending");
            if (end == 8 && truth.statuses.back().second == "pending")
                truth.statuses.emplace_back(at + minutes(30), "completed");
            proof_.transactions.emplace(id, truth);
            clock_.at(added, [this, id] { add(id); });
            ++result_.transactions;
        }
        for (std::int64_t i = random_.between(0, 6); i > 0; --i) {
            const std::string id = fmt::format("tx-{}", random_.between(0, count - 1));
            const steady_time at = start_ + milliseconds(random_.between(0, 110 * 60'000));
            const auto what = random_.between(0, 5);
            clock_.at(at, [this, id, what] { meddle(id, what); });
        }
    }

    void plan_faults() {
        for (std::int64_t i = random_.between(0, 5); i > 0; --i) {
            proof_fault fault;
            fault.what = static_cast<proof_fault::kind>(random_.between(1, 9));
            fault.from = start_ + milliseconds(random_.between(0, 100 * 60'000));
            fault.until = fault.from + milliseconds(random_.between(1'000, 18 * 60'000));
            fault.share = random_.between(0, 1) == 0 ? 1.0 : random_.unit();
            proof_.faults.push_back(fault);
        }
        if (random_.between(0, 4) == 0) {
            clock_.at(start_ + milliseconds(random_.between(0, 100 * 60'000)), [this] {
                proof_.valid_token = "token-2";
                clock_.after(seconds(2), [this] {
                    if (life_) life_->reread_token();
                });
            });
        }
        for (std::int64_t i = random_.between(0, 2); i > 0; --i) {
            const steady_time from = start_ + milliseconds(random_.between(0, 90 * 60'000));
            clock_.at(from, [this] { set_full(true); });
            clock_.at(from + milliseconds(random_.between(1'000, 600'000)), [this] { set_full(false); });
        }
        if (random_.between(0, 5) == 0) {
            const milliseconds span(random_.between(3'000, 3'600'000));
            clock_.at(start_ + milliseconds(random_.between(0, 100 * 60'000)), [this, span] {
                has_jumped_ = true; // wall time passes over the times of verify_after while nobody can ask
                clock_.suspend(span);
            });
        }
        if (random_.between(0, 5) == 0) {
            const milliseconds by(random_.between(0, 1) == 0 ? 3'600'000 : -3'600'000);
            clock_.at(start_ + milliseconds(random_.between(0, 100 * 60'000)), [this, by] {
                has_jumped_ = true;
                clock_.jump_wall(by);
            });
        }
    }

    void plan_crashes() {
        for (std::int64_t i = random_.between(0, 3); i > 0; --i) {
            clock_.at(start_ + milliseconds(random_.between(0, 115 * 60'000)), [this] { must_crash_ = true; });
        }
    }

    void boot() {
        ++group_;
        proof_.on_restart();
        attempts_open_.clear();
        life_ = std::make_unique<daemon_life>(config_, clock_, group_, disk_, proof_, log_, random_.next(),
                                              [this](const delivery_job& job) { return receive(job); });
        if (is_full_) life_->disk_side().set_full(true);
    }

    void crash() {
        must_crash_ = false;
        ++result_.crashes;
        clock_.drop_group(group_);
        life_->disk_side().crash();
        life_.reset();
        clock_.run_for(milliseconds(random_.between(0, 60'000)));
        boot();
    }

    void set_full(bool is_full) {
        is_full_ = is_full;
        if (is_full) ++result_.faults;
        if (life_) life_->set_full(is_full);
    }

    /// A client that repeats its POST until it is acknowledged, as the contract tells it to.
    void add(const std::string& id) {
        track_request request{*transaction_id::parse(id), {}};
        request.options.metadata = R"({ "n":1 })";
        request.options.metadata_canonical = R"({"n":1})";
        const auto again = [this, id] {
            clock_.after(seconds(7), [this, id] {
                if (!acknowledged_.contains(id)) add(id);
            });
        };
        again();
        if (!life_) return; // down: the client tries again
        life_->daemon().track(std::move(request), {}, [this, id](outcome<tracked> done) {
            if (std::holds_alternative<tracked>(done)) {
                acknowledged_.insert(id);
                if (!disk_.transactions.contains(id)) broken("{} was acknowledged and is not durable", id);
            }
        });
    }

    void meddle(const std::string& id, std::int64_t what) {
        if (!life_) return;
        if (what <= 2) {
            proof_.allow_sooner(id);
            life_->daemon().hint(*transaction_id::parse(id), [](const outcome<std::monostate>&) {});
        } else if (what <= 4) {
            proof_.allow_sooner(id);
            life_->daemon().poll_now(*transaction_id::parse(id), {}, [](const outcome<std::monostate>&) {});
        } else {
            life_->daemon().untrack(*transaction_id::parse(id), {}, [this, id](const outcome<transaction_view>& done) {
                if (std::holds_alternative<transaction_view>(done)) untracked_.insert(id);
            });
        }
    }

    scripted_reply receive(const delivery_job& job) {
        ++result_.attempts;
        bool is_durable = false;
        for (const auto& [seq, event] : disk_.events) {
            if (event.id != job.event_id) continue;
            is_durable = true;
            if (*event.body != *job.body) broken("{} is sent with other bytes than were recorded", job.event_id);
        }
        if (!is_durable) broken("{} is sent and not durable", job.event_id);
        const auto [seen, is_first] = bodies_.emplace(job.event_id, *job.body);
        if (!is_first && seen->second != *job.body) broken("{} changed its bytes", job.event_id);
        const bool is_safe = clock_.now().steady >= start_ + safety_phase;
        if (!is_safe && random_.between(0, 3) == 0)
            return reply_failed(random_.between(0, 1) == 0 ? 500 : 0, milliseconds(random_.between(1, 14'000)));
        // The receiver sees each transaction's events in their order (a repeat of the newest is allowed).
        auto& order = received_[job.transaction];
        std::uint64_t seq = 0;
        for (const auto& [number, event] : disk_.events) {
            if (event.id == job.event_id) seq = number;
        }
        if (!order.empty() && seq < order.back())
            broken("{} of {} arrives after a later event", job.event_id, job.transaction);
        order.push_back(seq);
        taken_.insert(job.event_id);
        return reply_delivered(milliseconds(random_.between(1, 200)));
    }

    void run_until(steady_time end) {
        while (!clock_.idle() && clock_.next() <= end && result_.broken.empty() && proof_.broken.empty()) {
            clock_.step();
            if (must_crash_) crash();
            try {
                life_->daemon().core().check_invariants();
            } catch (const std::logic_error& failed) {
                broken("invariant: {}", failed.what());
            }
        }
        if (clock_.now().steady < end && result_.broken.empty() && proof_.broken.empty()) clock_.run_until(end);
    }

    void end_faults() {
        proof_.faults.clear();
        if (is_full_) set_full(false);
        life_->reread_token();
        life_->daemon().retry_dead(std::nullopt, {}, [](const outcome<std::uint64_t>&) {});
    }

    void check_end() {
        if (!result_.broken.empty() || !proof_.broken.empty()) return;
        std::map<std::string, std::vector<event_type>> told;
        std::set<std::string> ids;
        std::uint64_t expected = 1;
        for (const auto& [seq, event] : disk_.events) {
            if (seq != expected++) broken("seq has a gap before {}", seq);
            if (!ids.insert(event.id).second) broken("{} stands twice", event.id);
            told[event.transaction].push_back(event.type);
            if (!taken_.contains(event.id)) broken("{} of {} was never delivered", event.id, event.transaction);
        }
        for (const std::string& id : acknowledged_) check_transaction(id, told[id]);
        const tracker& core = life_->daemon().core();
        if (core.size() != 0) broken("{} transactions are still watched at the end", core.size());
        if (core.in_flight() != 0 || core.recording() != 0) broken("something is left over");
        if (life_->daemon().deliverer().in_flight() != 0) broken("a delivery is left over");
    }

    void check_transaction(const std::string& id, const std::vector<event_type>& told) {
        const auto row = disk_.transactions.find(id);
        if (row == disk_.transactions.end()) {
            broken("{} was acknowledged and is forgotten", id);
            return;
        }
        const tracking_facts& facts = row->second.facts;
        const proof_truth& truth = proof_.transactions.at(id);
        std::size_t ends = 0;
        for (const event_type type : told) {
            ends +=
                type == event_type::completed || type == event_type::failed || type == event_type::cancelled ? 1 : 0;
        }
        if (untracked_.contains(id) || facts.state == tracking_state::untracked) {
            if (ends != 0 && facts.state == tracking_state::untracked) broken("{} is untracked and was settled", id);
            return;
        }
        const std::string word = truth.what == proof_truth::kind::normal ? truth.status_at(clock_.now().steady) : "";
        if (is_terminal(classify_status(word))) {
            if (facts.state != tracking_state::settled)
                broken("{} is {} and Proof says {}", id, to_string(facts.state), word);
            // A wall clock that leaps over the times of verify_after has them asked early: a later reversal is then
            // nobody's to see.
            if (facts.status != word && !has_jumped_) broken("{} is {} and Proof says {}", id, facts.status, word);
            if (ends != 1) broken("{} has {} terminal events", id, ends);
        } else {
            if (ends != 0) broken("{} has a terminal event and Proof never said so", id);
            if (facts.state != tracking_state::abandoned)
                broken("{} is {} after give_up_after", id, to_string(facts.state));
        }
    }

    random_source random_;
    virtual_clock clock_;
    configuration config_;
    proof_world proof_;
    steady_time start_;
    fake_disk disk_;
    recorded_log log_;
    std::unique_ptr<daemon_life> life_;
    virtual_clock::group group_ = 0;
    bool must_crash_ = false;
    bool is_full_ = false;
    bool has_jumped_ = false;
    std::set<std::string> acknowledged_;
    std::set<std::string> untracked_;
    std::set<std::string> taken_;
    std::map<std::string, std::string> bodies_;
    std::map<std::string, std::vector<std::uint64_t>> received_;
    std::set<std::string> attempts_open_;
    simulation_result result_;
};

} // namespace

simulation_result run_simulation(std::uint64_t seed) {
    simulation one(seed);
    return one.run();
}

} // namespace prooftrack
