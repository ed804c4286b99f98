// The delivery driver against random receivers, crashes, reloads, full disks and clocks, from one seed. A failing seed
// is printed; PROOFTRACK_DELIVERY_SEED=N replays it, PROOFTRACK_DELIVERY_SEEDS=N runs so many.

#include "support/delivery_simulation.hpp"

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;

class driver_simulation final : public delivery_simulation<delivery_world> {
  public:
    explicit driver_simulation(std::uint64_t seed) : delivery_simulation(seed, {5s, 2min, 1h, 24h * 14}) {
        oracle_.ignore_times = is_one_in(3); // such a run has a jumping clock
        const auto number = random_.between(1, 4);
        for (std::int64_t i = 0; i < number; ++i) add_callback("callback" + std::to_string(i));
        world_.rules.allow_hosts = {"*.shop.example"};
        all_ = world_.callbacks;
    }

  private:
    enum class mood : std::uint8_t { good, slow, failing, flaky, gone, busy, silent };

    void add_callback(const std::string& name) {
        config::callback_config& one = world_.callback(name);
        one.max_in_flight = static_cast<std::size_t>(random_.between(1, 5));
        one.retry_schedule.clear();
        const auto steps = random_.between(0, 5);
        for (std::int64_t i = 0; i < steps; ++i) one.retry_schedule.emplace_back(random_.between(0, 600'000));
        if (random_.between(0, 2) == 0) one.events = {"transaction.completed", "transaction.reversed"};
    }

    scripted_reply answer(const callback::delivery_job& job) override {
        const steady_duration after = milliseconds(random_.between(0, 200));
        const std::string key = job.url.empty() ? job.callback : job.url;
        const auto found = moods_.find(key);
        switch (found == moods_.end() ? mood::good : found->second) {
        case mood::good:
            return reply_delivered(after);
        case mood::slow:
            return reply_delivered(milliseconds(random_.between(0, 15'000)));
        case mood::failing:
            return reply_failed(500, after);
        case mood::flaky:
            return random_.between(0, 1) == 0 ? reply_failed(0, after) : reply_delivered(after);
        case mood::gone:
            return random_.between(0, 3) == 0 ? reply_gone(after) : reply_delivered(after);
        case mood::busy: {
            scripted_reply reply = reply_failed(random_.between(0, 1) == 0 ? 429 : 503, after);
            reply.outcome.retry_after = milliseconds(random_.between(0, 600'000));
            return reply;
        }
        case mood::silent:
            return reply_failed(0, 15s);
        }
        return reply_delivered(after);
    }

    void emit() {
        const auto number = random_.between(0, 14);
        const std::string id = "t" + std::to_string(number);
        if (!world_.disk.transactions.contains(id)) {
            // Every third one brings its own callback_url.
            const std::string host = "h" + std::to_string(number % 4) + ".shop.example";
            if (number % 3 == 0) {
                world_.track(id, "https://" + host + ":443", "https://" + host + "/");
            } else {
                world_.track(id);
            }
        }
        constexpr std::array types{
            track::event_type::completed, track::event_type::failed, track::event_type::overdue,
            track::event_type::reversed, track::event_type::updated};
        world_.emit(id, types.at(static_cast<std::size_t>(random_.between(0, 4))));
    }
    void change_mood() {
        const auto who = random_.between(0, static_cast<std::int64_t>(all_.size()) + 3);
        const std::string key =
            who < static_cast<std::int64_t>(all_.size())
                ? all_[static_cast<std::size_t>(who)].name
                : "https://h" + std::to_string(who - static_cast<std::int64_t>(all_.size())) + ".shop.example/";
        moods_[key] = static_cast<mood>(random_.between(0, 6));
    }
    void reload() {
        world_.rules.allow_hosts = {is_one_in(4) ? "h1.shop.example" : "*.shop.example"};
        reload_some();
    }
    void boot() override {
        world_.boot(false);
        world_.driver->set_held(oracle_.is_held); // what is durable is in force before anything starts
        world_.driver->start(world_.disk.status());
    }
    void turn_maintenance() {
        oracle_.is_held = !oracle_.is_held;
        world_.driver->set_held(oracle_.is_held);
    }
    void retry_dead() {
        for (const auto& [id, row] : world_.disk.rows) {
            if (row.view.state != track::delivery_state::delivered) oracle_.on_retry(id);
        }
        world_.driver->retry_dead(std::nullopt, [](const op_result<std::uint64_t>&) {});
    }
    std::string any_callback() {
        const auto who = random_.between(0, static_cast<std::int64_t>(all_.size()));
        return who < static_cast<std::int64_t>(all_.size()) ? all_[static_cast<std::size_t>(who)].name : "callback_url";
    }
    void pause_callback() {
        const std::string name = any_callback();
        const std::uint64_t resumed = resumes_[name];
        world_.driver->pause_callback(name, [this, name, resumed](const op_result<std::monostate>& done) {
            if (done && resumes_[name] == resumed) oracle_.on_paused(name);
        });
    }
    void resume_callback(const std::string& name) {
        ++resumes_[name];
        oracle_.on_resume(name);
        world_.driver->resume_callback(name, [](const op_result<std::monostate>&) {});
    }
    void flush_callback() {
        const std::string name = any_callback();
        oracle_.on_flush(name);
        world_.driver->flush_callback(name, [](const op_result<std::uint64_t>&) {});
    }
    void dismiss() {
        if (world_.disk.rows.empty()) return;
        if (random_.between(0, 3) == 0) {
            world_.memory->dismiss_dead(std::nullopt, "told", [](const op_result<std::uint64_t>&) {});
            return;
        }
        const auto last = static_cast<std::int64_t>(world_.disk.last_delivery);
        const delivery_id id{static_cast<std::uint64_t>(random_.between(1, last))};
        world_.memory->dismiss_delivery(id, "", [](const op_result<track::delivery_view>&) {});
    }
    void control() {
        switch (random_.between(0, 4)) {
        case 0:
            return pause_callback();
        case 1:
        case 2:
            return resume_callback(any_callback());
        case 3:
            return flush_callback();
        default:
            return dismiss();
        }
    }
    void jump() {
        if (!oracle_.ignore_times) return;
        world_.clock.jump_wall(milliseconds(random_.between(-7'200'000, 7'200'000)));
        if (random_.between(0, 1) == 0) world_.driver->on_wake(world_.clock.now());
    }

    void act() override {
        const auto what = random_.between(0, 109);
        if (what < 60) {
            emit();
        } else if (what < 75) {
            change_mood();
        } else if (what < 80) {
            restart();
        } else if (what < 82) {
            stop();
        } else if (what < 87) {
            reload();
        } else if (what < 90) {
            fill_disk();
        } else if (what < 92) {
            turn_maintenance();
        } else if (what < 96) {
            retry();
        } else if (what < 97) {
            retry_dead();
        } else if (what < 100) {
            jump();
        } else {
            control();
        }
    }

    void calm() override {
        moods_.clear();
        if (oracle_.is_held) turn_maintenance();
        world_.memory->set_full(false);
        world_.callbacks = all_;
        world_.rules.allow_hosts = {"*.shop.example"};
        world_.reload();
        for (const config::callback_config& one : all_) resume_callback(one.name);
        resume_callback(std::string(own_url_callback));
        if (oracle_.ignore_times) world_.driver->on_wake(world_.clock.now());
    }

    std::map<std::string, mood> moods_;
    std::map<std::string, std::uint64_t> resumes_; ///< how often each was asked for
};

TEST(DeliverySimulation, EverySeedKeepsThePromises) {
    std::size_t deliveries = 0;
    std::size_t dead = 0;
    std::uint64_t attempts = 0;
    std::uint64_t crashes = 0;
    steady_duration virtual_time{};
    const auto seeds = run_seeds<driver_simulation>("DELIVERY", [&](const driver_simulation& run) {
        deliveries += run.world().disk.rows.size();
        dead += run.world().count(track::delivery_state::dead);
        attempts += run.attempts();
        crashes += run.crashes();
        virtual_time += run.world().clock.now().steady - steady_time(3h);
    });
    EXPECT_GT(dead, 0U);
    const auto hours = std::chrono::duration_cast<std::chrono::hours>(virtual_time).count();
    fmt::print(
        "seeds {}, deliveries {}, attempts {}, dead {}, restarts {}, virtual hours {}\n", seeds, deliveries, attempts,
        dead, crashes, hours);
}

} // namespace
} // namespace prooftrack::engine
