// Replays at random times against random receivers, crashes, full disks, retries and cancels, from one seed. A failing
// seed is printed; PROOFTRACK_REPLAY_SEED=N replays it, PROOFTRACK_REPLAY_SEEDS=N runs so many.

#include <array>
#include <set>

#include "support/delivery_simulation.hpp"
#include "support/replay_world.hpp"

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;

class replay_simulation final : public delivery_simulation<replay_world> {
  public:
    explicit replay_simulation(std::uint64_t seed) : delivery_simulation(seed, {3s, 1min, 10min, 24h}) {
        for (const char* name : {"first", "second"}) {
            config::callback_config& one = world_.callback(name);
            one.max_in_flight = static_cast<std::size_t>(random_.between(1, 6));
            one.retry_schedule = {milliseconds(random_.between(0, 600'000)), milliseconds(random_.between(0, 600'000))};
            if (is_one_in(2)) one.events = {"transaction.completed", "transaction.updated"};
        }
        all_ = world_.callbacks;
        world_.callbacks.resize(static_cast<std::size_t>(random_.between(0, 2))); // the others are new later
    }

    std::uint64_t replayed() const { return replayed_; }

  private:
    scripted_reply answer(const callback::delivery_job& job) override {
        check_replayed(job);
        const steady_duration after = milliseconds(random_.between(0, 200));
        const bool fails = failing_.contains(job.callback) && random_.between(0, 9) != 0;
        scripted_reply reply = fails ? reply_failed(500, after) : reply_delivered(after);
        if (fails && random_.between(0, 29) == 0) reply = reply_gone(after);
        const std::uint64_t id = value_of(job.id);
        if (world_.disk.rows.at(id).replay) {
            open_[job.callback].insert(id);
            world_.clock.after(
                after, [this, name = job.callback, id] { open_[name].erase(id); }, delivery_world::process);
        }
        return reply;
    }
    /// At most half of max_in_flight is a replay's; of a cancelled one nothing begins.
    void check_replayed(const callback::delivery_job& job) {
        const auto& row = world_.disk.rows.at(value_of(job.id));
        if (!row.replay) return;
        ++replayed_;
        const bool is_first = tried_.insert(value_of(job.id)).second;
        if (is_first && world_.disk.replays.at(*row.replay).state == track::replay_state::cancelled)
            add_broken("{} begins after the cancel of replay {}", value_of(job.id), value_of(*row.replay));
        const auto settings = world_.driver->callbacks().settings_for(row.lane);
        if (!settings) return; // the other oracle says so
        if (open_[job.callback].size() >= track::share_of_replays(settings->max_in_flight))
            add_broken("{} replayed ones in flight to {}", open_[job.callback].size() + 1, job.callback);
    }

    void emit() {
        constexpr std::array types{track::event_type::completed, track::event_type::failed, track::event_type::updated};
        world_.emit(
            fmt::format("t{}", random_.between(0, 9)), types.at(static_cast<std::size_t>(random_.between(0, 2))));
    }
    void begin() {
        api::replay_request wanted =
            replay_world::request(random_.between(0, 1) == 0 ? "first" : "second", random_.between(0, 1) == 0);
        const auto last = static_cast<std::int64_t>(world_.disk.last_seq);
        if (random_.between(0, 3) == 0)
            wanted.query.after = event_seq{static_cast<std::uint64_t>(random_.between(0, last))};
        if (random_.between(0, 3) == 0) wanted.query.types = {"transaction.completed"};
        whole_.begin(std::move(wanted));
    }
    void cancel() {
        const auto& all = world_.disk.replays;
        if (!all.empty()) whole_.cancel(all.rbegin()->first);
    }
    void boot() override {
        delivery_simulation::boot();
        if (has_past_) return;
        has_past_ = true;
        for (std::int64_t left = random_.between(5, 60); left > 0; --left) emit();
    }
    void on_crash() override { open_.clear(); }
    void change_mood() {
        const std::string name = random_.between(0, 1) == 0 ? "first" : "second";
        if (failing_.erase(name) == 0) failing_.insert(name);
    }

    void act() override {
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
            whole_.runner->stop();
            stop();
        } else if (what < 85) {
            reload_some();
        } else if (what < 90) {
            change_mood();
        } else if (what < 94) {
            fill_disk();
        } else {
            retry();
        }
    }
    void calm() override {
        failing_.clear();
        world_.memory->set_full(false);
        world_.callbacks = all_;
        world_.reload();
    }

    bool is_over() const override {
        const fake_disk& disk = world_.disk;
        return delivery_simulation::is_over() &&
               std::all_of(disk.replays.begin(), disk.replays.end(), [](const auto& each) {
                   return each.second.ended_at.has_value();
               });
    }
    /// Every event of a replay was owed because of it, or before it; those of a transaction in their order.
    void check() override {
        const fake_disk& disk = world_.disk;
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

    std::set<std::string> failing_;
    std::map<std::string, std::set<std::uint64_t>> open_; ///< replayed ones that the receiver has
    std::set<std::uint64_t> tried_;                       ///< replayed ones that were attempted
    std::uint64_t replayed_ = 0;
    bool has_past_ = false;
};

TEST(ReplaySimulation, EverySeedKeepsThePromises) {
    std::size_t replays = 0;
    std::uint64_t replayed = 0;
    std::uint64_t crashes = 0;
    const auto seeds = run_seeds<replay_simulation>("REPLAY", [&](const replay_simulation& run) {
        replays += run.world().disk.replays.size();
        replayed += run.replayed();
        crashes += run.crashes();
    });
    EXPECT_GT(replayed, seeds);
    fmt::print("seeds {}, replays {}, attempts of theirs {}, restarts {}\n", seeds, replays, replayed, crashes);
}

} // namespace
} // namespace prooftrack::engine
