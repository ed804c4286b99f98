// Replays at random times against random receivers, crashes, full disks, retries and cancels, from one seed. A failing
// seed is printed; PROOFTRACK_REPLAY_SEED=N replays it, PROOFTRACK_REPLAY_SEEDS=N runs so many.

#include <array>
#include <cstdlib>
#include <set>

#include <gtest/gtest.h>

#include "support/delivery_oracle.hpp"
#include "support/replay_world.hpp"

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;

/// One run: a phase of faults, then one without, at whose end nothing may be left over.
class replay_simulation {
  public:
    explicit replay_simulation(std::uint64_t seed) : random_(seed) {
        delivery_world& world = world_.deliveries;
        world.seed = random_.next();
        world.ids = random_source(random_.next());
        world.options.seed = random_.next();
        world.options.commit_time = {1ms, milliseconds(random_.between(1, 40))};
        world.options.answer_time = {0ms, milliseconds(random_.between(0, 20))};
        world.options.recovery_slice = static_cast<std::size_t>(random_.between(1, 4));
        oracle_.receive = [this](const callback::delivery_job& job) { return answer(job); };
        for (const char* name : {"first", "second"}) {
            config::callback_config& one = world.callback(name);
            one.max_in_flight = static_cast<std::size_t>(random_.between(1, 6));
            one.retry_schedule = {milliseconds(random_.between(0, 600'000)), milliseconds(random_.between(0, 600'000))};
            if (random_.between(0, 1) == 0) one.events = {"transaction.completed", "transaction.updated"};
        }
        all_ = world.callbacks;
        world.callbacks.resize(static_cast<std::size_t>(random_.between(0, 2))); // the others are new later
    }

    void run() {
        world_.boot();
        for (std::int64_t left = random_.between(5, 60); left > 0; --left) emit();
        for (std::int64_t left = random_.between(50, 250); left > 0; --left) {
            act();
            world_.deliveries.clock.run_for(milliseconds(pause()));
        }
        calm();
        const steady_time end = now() + std::chrono::hours(24);
        while (!is_over() && now() < end) world_.deliveries.clock.run_for(1min);
        world_.deliveries.clock.run_for(1min);
        oracle_.check_end();
        check_replays();
    }

    std::vector<std::string> broken() const {
        std::vector<std::string> all = oracle_.broken_promises();
        all.insert(all.end(), broken_.begin(), broken_.end());
        return all;
    }
    std::size_t replays() const { return world_.deliveries.disk.replays.size(); }
    std::uint64_t replayed() const { return replayed_; }
    std::uint64_t crashes() const { return crashes_; }

  private:
    steady_time now() const { return world_.deliveries.clock.now().steady; }
    template <class... Args>
    void add_broken(fmt::format_string<Args...> text, Args&&... args) {
        if (broken_.size() < 20) broken_.push_back(fmt::format(text, std::forward<Args>(args)...));
    }

    std::int64_t pause() {
        switch (random_.between(0, 3)) {
        case 0:
            return 0;
        case 1:
            return random_.between(0, 30);
        case 2:
            return random_.between(0, 3'000);
        default:
            return random_.between(0, 60'000);
        }
    }

    scripted_reply answer(const callback::delivery_job& job) {
        check_share(job);
        const steady_duration after = milliseconds(random_.between(0, 200));
        const bool fails = failing_.contains(job.callback) && random_.between(0, 9) != 0;
        scripted_reply reply = fails ? reply_failed(500, after) : reply_delivered(after);
        if (fails && random_.between(0, 29) == 0) reply = reply_gone(after);
        const std::uint64_t id = value_of(job.id);
        if (world_.deliveries.disk.rows.at(id).replay) {
            open_[job.callback].insert(id);
            world_.deliveries.clock.after(
                after, [this, name = job.callback, id] { open_[name].erase(id); }, delivery_world::process);
        }
        return reply;
    }
    /// At most half of max_in_flight is a replay's.
    void check_share(const callback::delivery_job& job) {
        const auto& row = world_.deliveries.disk.rows.at(value_of(job.id));
        if (!row.replay) return;
        ++replayed_;
        const auto settings = world_.deliveries.driver->callbacks().settings_for(row.lane);
        if (!settings) return; // the other oracle says so
        if (open_[job.callback].size() >= track::share_of_replays(settings->max_in_flight))
            add_broken("{} replayed ones in flight to {}", open_[job.callback].size() + 1, job.callback);
    }

    void emit() {
        constexpr std::array types{track::event_type::completed, track::event_type::failed, track::event_type::updated};
        world_.deliveries.emit(
            fmt::format("t{}", random_.between(0, 9)), types.at(static_cast<std::size_t>(random_.between(0, 2))));
    }
    void begin() {
        api::replay_request wanted =
            replay_world::request(random_.between(0, 1) == 0 ? "first" : "second", random_.between(0, 1) == 0);
        const auto last = static_cast<std::int64_t>(world_.deliveries.disk.last_seq);
        if (random_.between(0, 3) == 0)
            wanted.query.after = event_seq{static_cast<std::uint64_t>(random_.between(0, last))};
        if (random_.between(0, 3) == 0) wanted.query.types = {"transaction.completed"};
        world_.begin(std::move(wanted));
    }
    void cancel() {
        const auto& all = world_.deliveries.disk.replays;
        if (!all.empty()) world_.cancel(all.rbegin()->first);
    }
    void restart() {
        world_.crash();
        oracle_.on_restart();
        open_.clear();
        if (random_.between(0, 2) == 0) world_.deliveries.clock.run_for(milliseconds(random_.between(0, 600'000)));
        world_.boot();
        ++crashes_;
    }
    void stop() {
        world_.runner->stop();
        world_.deliveries.driver->stop(milliseconds(random_.between(0, 1'000)), [] {});
        world_.deliveries.clock.run_for(milliseconds(random_.between(0, 2'000)));
        restart();
    }
    void reload() {
        world_.deliveries.callbacks.clear();
        for (const config::callback_config& one : all_) {
            if (random_.between(0, 2) != 0) world_.deliveries.callbacks.push_back(one);
        }
        world_.deliveries.reload();
    }
    void retry() {
        const auto& rows = world_.deliveries.disk.rows;
        if (rows.empty()) return;
        const auto id = static_cast<std::uint64_t>(
            random_.between(1, static_cast<std::int64_t>(world_.deliveries.disk.last_delivery)));
        oracle_.on_retry(id);
        world_.deliveries.driver->retry_delivery(delivery_id{id}, [](const op_result<std::monostate>&) {});
    }
    void change_mood() {
        const std::string name = random_.between(0, 1) == 0 ? "first" : "second";
        if (failing_.erase(name) == 0) failing_.insert(name);
    }

    void act() {
        const auto what = random_.between(0, 99);
        if (what < 40) {
            emit();
        } else if (what < 60) {
            begin();
        } else if (what < 66) {
            cancel();
        } else if (what < 78) {
            restart();
        } else if (what < 80) {
            stop();
        } else if (what < 85) {
            reload();
        } else if (what < 90) {
            change_mood();
        } else if (what < 94) {
            world_.deliveries.memory->set_full(random_.between(0, 1) == 0);
        } else {
            retry();
        }
    }
    void calm() {
        failing_.clear();
        world_.deliveries.memory->set_full(false);
        world_.deliveries.callbacks = all_;
        world_.deliveries.reload();
    }

    bool is_over() const {
        const fake_disk& disk = world_.deliveries.disk;
        return world_.deliveries.count(track::delivery_state::pending) == 0 &&
               std::all_of(disk.replays.begin(), disk.replays.end(), [](const auto& each) {
                   return each.second.ended_at.has_value();
               });
    }
    /// Every event of a replay was owed because of it, or before it; those of a transaction in their order.
    void check_replays() {
        const fake_disk& disk = world_.deliveries.disk;
        std::map<std::string, std::set<std::uint64_t>> owed;                 // callback -> seqs
        std::map<std::pair<std::uint64_t, std::string>, std::uint64_t> last; // (replay, transaction) -> seq
        for (const auto& [id, row] : disk.rows) {
            owed[row.view.callback].insert(value_of(row.seq));
            if (!row.replay) continue;
            std::uint64_t& before = last[{value_of(*row.replay), row.view.transaction.str()}];
            if (value_of(row.seq) <= before)
                add_broken("replay {}: {} after {}", value_of(*row.replay), value_of(row.seq), before);
            before = value_of(row.seq);
        }
        for (const auto& [id, replay] : disk.replays) {
            if (!replay.ended_at) add_broken("replay {} has not ended", value_of(id));
            if (replay.state != track::replay_state::done) continue;
            if (replay.made != replay.events)
                add_broken("replay {}: {} of {}", value_of(id), replay.made, replay.events);
            for (const auto& [seq, event] : disk.events) {
                const auto& types = replay.query.types;
                const bool is_wanted = seq > value_of(replay.query.after) && seq < value_of(*replay.query.before) &&
                                       std::find(types.begin(), types.end(), to_string(event.type)) != types.end();
                if (is_wanted && !owed[replay.query.callback].contains(seq))
                    add_broken("replay {} to {} left {} out", value_of(id), replay.query.callback, seq);
            }
        }
    }

    random_source random_;
    replay_world world_;
    delivery_oracle oracle_{world_.deliveries};
    std::vector<config::callback_config> all_;
    std::set<std::string> failing_;
    std::map<std::string, std::set<std::uint64_t>> open_; ///< replayed ones that the receiver has
    std::vector<std::string> broken_;
    std::uint64_t replayed_ = 0;
    std::uint64_t crashes_ = 0;
};

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(ReplaySimulation, EverySeedKeepsThePromises) {
    const std::uint64_t only = setting("PROOFTRACK_REPLAY_SEED", 0);
    const std::uint64_t seeds = only != 0 ? 1 : setting("PROOFTRACK_REPLAY_SEEDS", 300);
    std::uint64_t replays = 0;
    std::uint64_t replayed = 0;
    std::uint64_t crashes = 0;
    for (std::uint64_t seed = only != 0 ? only : 1, run = 0; run < seeds; ++seed, ++run) {
        replay_simulation simulation(seed);
        simulation.run();
        replays += simulation.replays();
        replayed += simulation.replayed();
        crashes += simulation.crashes();
        for (const std::string& promise : simulation.broken()) ADD_FAILURE() << "seed " << seed << ": " << promise;
        if (testing::Test::HasFailure()) break;
    }
    EXPECT_GT(replayed, seeds);
    fmt::print("seeds {}, replays {}, attempts of theirs {}, restarts {}\n", seeds, replays, replayed, crashes);
}

} // namespace
} // namespace prooftrack::engine
