// Every use case whose steps are the store's: each step fails, its owner goes at each step, its handlers do.

#include "use_case_world.hpp"

#include <gtest/gtest.h>

namespace prooftrack::engine {
namespace {

/// A use case, how it comes to be asked for, and what users see when its n-th step fails.
struct use_case {
    std::string name;
    std::function<void(use_case_world&)> prepare;
    std::function<void(use_case_world&, call_result&)> begin;
    std::function<void(use_case_world&)> drop_owner;
    std::vector<std::string> failing_at; ///< of each step
};
// NOLINTNEXTLINE(readability-identifier-naming): GoogleTest's name
void PrintTo(const use_case& one, std::ostream* to) { *to << one.name; }

const char* const full = "store_unavailable";
void nothing(use_case_world& /*world*/) {}
void add_one(use_case_world& world) { world.track("t1"); }
void drop_tracking(use_case_world& world) { world.tracking.reset(); }
void drop_changes(use_case_world& world) { world.changes.reset(); }
void drop_options(use_case_world& world) { world.options.reset(); }
void drop_bulk(use_case_world& world) { world.bulk.reset(); }
void drop_lookup(use_case_world& world) { world.lookup.reset(); }
void drop_delivery(use_case_world& world) { world.delivery.reset(); }
void drop_control(use_case_world& world) { world.control.reset(); }
void drop_consumer(use_case_world& world) { world.consumer.reset(); }
void drop_status(use_case_world& world) { world.status.reset(); }

std::vector<api::import_line> import_lines(std::size_t count) {
    std::vector<api::import_line> lines;
    for (std::size_t i = 0; i < count; ++i)
        lines.push_back(
            {static_cast<std::uint32_t>(i + 1), {*transaction_id::parse("i" + std::to_string(i)), {}}, true});
    return lines;
}

void begin_track(use_case_world& world, call_result& to) {
    world.tracking->track(world.request("t1"), {}, world.tell<api::tracked>(to));
}
void begin_import(use_case_world& world, call_result& to) {
    world.tracking->import(import_lines(2'500), {}, world.tell<api::import_summary>(to));
}
void begin_get(use_case_world& world, call_result& to) {
    world.lookup->get(world.id("t1"), milliseconds(0), world.tell<track::transaction_view>(to));
}
void begin_untrack(use_case_world& world, call_result& to) {
    world.changes->untrack(world.id("t1"), {}, world.tell<track::transaction_view>(to));
}
void begin_set_options(use_case_world& world, call_result& to) {
    api::options_patch patch;
    patch.metadata = api::options_patch::metadata_text{R"({"a":1})", R"({"a":1})"};
    world.options->set_options(world.id("t1"), std::move(patch), {}, world.tell<track::transaction_view>(to));
}
void begin_untrack_matching(use_case_world& world, call_result& to) {
    world.bulk->untrack_matching({}, {}, world.tell<api::untrack_summary>(to));
}
void begin_count(use_case_world& world, call_result& to) {
    world.bulk->untrack_matching({{}, true}, {}, world.tell<api::untrack_summary>(to));
}
void begin_poll(use_case_world& world, call_result& to) {
    world.changes->poll_now(world.id("t1"), {}, world.tell<std::monostate>(to));
}
void begin_retry_dead(use_case_world& world, call_result& to) {
    world.delivery->retry_dead("gone", {}, world.tell<std::uint64_t>(to));
}

std::vector<use_case> tracking_cases() {
    return {
        {"Track", nothing, begin_track, drop_tracking, {full}},
        {"TrackAnExistingOne", add_one, begin_track, drop_tracking, {full, full}},
        {"Import", nothing, begin_import, drop_tracking, {full, full, full}},
    };
}

std::vector<use_case> lookup_cases() {
    const auto list = [](use_case_world& world, call_result& to) {
        world.lookup->list({}, world.tell<track::transaction_page>(to));
    };
    const auto history = [](use_case_world& world, call_result& to) {
        world.lookup->history(world.id("t1"), world.tell<track::transaction_history>(to));
    };
    const auto prepare_events = [](use_case_world& world) {
        for (std::uint64_t seq = 1; seq < 4; ++seq) world.add_event(seq);
        world.feed->restore(world.disk.status());
    };
    const auto events = [](use_case_world& world, call_result& to) {
        world.feed->events(event_seq{1}, 10, milliseconds(0), world.tell<api::event_list>(to));
    };
    return {
        {"Get", add_one, begin_get, [](use_case_world& world) { world.views.reset(); }, {full}},
        {"List", add_one, list, drop_lookup, {full}},
        {"History", add_one, history, drop_lookup, {full}},
        {"Events", prepare_events, events, [](use_case_world& world) { world.feed.reset(); }, {full}},
    };
}

std::vector<use_case> change_cases() {
    const auto add_settled = [](use_case_world& world) { world.add_settled("t1"); };
    const auto hint = [](use_case_world& world, call_result& to) {
        world.changes->hint(world.id("t1"), world.tell<std::monostate>(to));
    };
    // An untracking waits for the change that another call has begun, and finds the row ended.
    const auto begin_ending = [](use_case_world& world) {
        world.track("t1");
        world.polls.follow_clock();
        world.polls.step(track::untracked_event{*world.polls.core().find("t1")});
    };
    return {
        {"Untrack", add_one, begin_untrack, drop_changes, {full, full}},
        {"SetOptions", add_one, begin_set_options, drop_options, {full, full}},
        {"UntrackMatching", add_one, begin_untrack_matching, drop_bulk, {full, full}},
        {"CountMatching", add_one, begin_count, drop_bulk, {full}},
        {"UntrackMeetsAChange", begin_ending, begin_untrack, drop_changes, {full, full}},
        {"PollAStoredOne", add_settled, begin_poll, drop_changes, {full}},
        {"HintAStoredOne", add_settled, hint, drop_changes, {full}},
    };
}

std::vector<use_case> delivery_cases() {
    const auto list = [](use_case_world& world, call_result& to) {
        world.delivery->deliveries({}, world.tell<track::delivery_page>(to));
    };
    const auto owe = [](use_case_world& world) {
        world.disk.lanes["gone"].callback = "gone";
        track::delivery_view dead{
            delivery_id{7},
            "evt_1",
            "transaction.completed",
            world.id("t1"),
            "gone",
            track::delivery_state::dead,
            3,
            std::nullopt,
            "",
            0,
            std::nullopt};
        world.disk.rows.emplace(
            7, fake_disk::delivery_row{
                   std::move(dead),
                   event_seq{1},
                   "gone",
                   "",
                   "settled",
                   "completed",
                   nullptr,
                   world.clock.now().wall,
                   {},
                   false});
    };
    const auto retry = [](use_case_world& world, call_result& to) {
        world.delivery->retry_delivery(delivery_id{7}, {}, world.tell<std::monostate>(to));
    };
    return {
        {"ListDeliveries", nothing, list, drop_delivery, {full}},
        {"RetryADelivery", owe, retry, drop_delivery, {full}},
        {"RetryTheDeadOfAnUnconfiguredCallback", owe, begin_retry_dead, drop_delivery, {full, full}},
    };
}

std::vector<use_case> control_cases() {
    const auto pause_it = [](use_case_world& world) { world.disk.pauses["gone"] = world.clock.now().wall; };
    const auto pause = [](use_case_world& world, call_result& to) {
        world.control->pause_callback("shop", {}, world.tell<std::string>(to));
    };
    const auto resume = [](use_case_world& world, call_result& to) {
        world.control->resume_callback("gone", {}, world.tell<std::string>(to));
    };
    const auto flush = [](use_case_world& world, call_result& to) {
        world.control->flush_callback("shop", {}, world.tell<std::uint64_t>(to));
    };
    const auto dismiss_dead = [](use_case_world& world, call_result& to) {
        world.control->dismiss_dead("shop", "told", {}, world.tell<std::uint64_t>(to));
    };
    return {
        {"Pause", nothing, pause, drop_control, {full, full}},
        {"ResumeOneThatIsNotConfigured", pause_it, resume, drop_control, {full, full, full}},
        {"Flush", nothing, flush, drop_control, {full}},
        {"DismissTheDead", nothing, dismiss_dead, drop_control, {full}},
    };
}

std::vector<use_case> daemon_cases() {
    const auto add_consumer = [](use_case_world& world) { world.disk.consumers["c"] = {}; };
    const auto put = [](use_case_world& world, call_result& to) {
        world.consumer->put_consumer("c", std::nullopt, {}, world.tell<std::pair<bool, track::consumer_view>>(to));
    };
    const auto remove = [](use_case_world& world, call_result& to) {
        world.consumer->delete_consumer("c", {}, world.tell<track::consumer_view>(to));
    };
    const auto acknowledge = [](use_case_world& world, call_result& to) {
        world.consumer->acknowledge("c", event_seq{0}, world.tell<track::consumer_view>(to));
    };
    const auto list = [](use_case_world& world, call_result& to) {
        world.consumer->consumers(world.tell<std::vector<track::consumer_view>>(to));
    };
    const auto status = [](use_case_world& world, call_result& to) {
        world.status->status_json(world.tell<std::string>(to));
    };
    const auto numbers = [](use_case_world& world, call_result& to) {
        world.status->metrics_text(world.tell<std::string>(to));
    };
    const auto backup = [](use_case_world& world, call_result& to) {
        world.operation->backup({}, world.tell<std::filesystem::path>(to));
    };
    const auto hold = [](use_case_world& world, call_result& to) {
        world.maintenance->set_maintenance(true, "", {}, world.tell<std::optional<track::maintenance_mark>>(to));
    };
    const auto drop_maintenance = [](use_case_world& world) { world.maintenance.reset(); };
    const auto export_rows = [](use_case_world& world, call_result& to) {
        world.operation->export_rows({}, world.tell<std::shared_ptr<byte_source>>(to));
    };
    const auto reconcile = [](use_case_world& world, call_result& to) {
        const auto job = [](track::reconcile_source&, const track::line_writer& write) { write("{}"); };
        world.operation->reconcile(job, world.tell<std::shared_ptr<byte_source>>(to));
    };
    const auto drop_operation = [](use_case_world& world) { world.operation.reset(); };
    return {
        {"PutAConsumer", nothing, put, drop_consumer, {full}},
        {"DeleteAConsumer", add_consumer, remove, drop_consumer, {full}},
        {"Acknowledge", add_consumer, acknowledge, drop_consumer, {full}},
        {"ListConsumers", add_consumer, list, drop_consumer, {full}},
        {"Status", nothing, status, drop_status, {full, full}},
        {"Metrics", nothing, numbers, drop_status, {"ok", "ok"}}, // with what memory knows
        {"Backup", nothing, backup, drop_operation, {full}},
        {"Maintenance", nothing, hold, drop_maintenance, {full}},
        {"Export", nothing, export_rows, drop_operation, {full}},
        {"Reconcile", nothing, reconcile, drop_operation, {full}},
    };
}

class UseCases : public testing::TestWithParam<use_case> {
  protected:
    UseCases() { begin_anew(); }
    void begin_anew() {
        world_ = std::make_unique<use_case_world>();
        GetParam().prepare(*world_);
        result_ = std::make_unique<call_result>();
    }
    void begin() { GetParam().begin(*world_, *result_); }
    std::size_t steps() const { return GetParam().failing_at.size(); }

    std::unique_ptr<call_result> result_; ///< outlives the world
    std::unique_ptr<use_case_world> world_;
};

TEST_P(UseCases, ReportTheOutcomeAfterTheLastStep) {
    begin();
    for (std::size_t done = 0; done < steps(); ++done) {
        EXPECT_EQ(result_->word, "") << "after " << done << " steps";
        ASSERT_TRUE(world_->step());
    }
    EXPECT_EQ(result_->word, GetParam().name == "UntrackMeetsAChange" ? "already_ended" : "ok");
    EXPECT_TRUE(result_->is_released());
}

TEST_P(UseCases, ReportTheStepThatFails) {
    for (std::size_t failing = 1; failing <= steps(); ++failing) {
        begin_anew();
        world_->memory.fail_operation(failing, store::store_error::full);
        begin();
        world_->memory.pump();
        EXPECT_EQ(result_->word, GetParam().failing_at[failing - 1]) << "step " << failing;
        EXPECT_TRUE(result_->is_released());
    }
}

TEST_P(UseCases, EndSilentlyWhenTheirOwnerGoesAtAnyStep) {
    for (std::size_t done = 0; done < steps(); ++done) {
        begin_anew();
        begin();
        for (std::size_t i = 0; i < done; ++i) world_->step();
        EXPECT_FALSE(result_->is_released());
        GetParam().drop_owner(*world_);
        world_->memory.pump();
        EXPECT_EQ(result_->word, "") << "after " << done << " steps";
        EXPECT_TRUE(result_->is_released()) << "after " << done << " steps";
    }
}

TEST_P(UseCases, EndSilentlyWhenNobodyAnswersAnyStep) {
    for (std::size_t done = 0; done < steps(); ++done) {
        begin_anew();
        begin();
        for (std::size_t i = 0; i < done; ++i) world_->step();
        EXPECT_FALSE(result_->is_released());
        world_->memory.crash();
        world_.reset();
        EXPECT_EQ(result_->word, "") << "after " << done << " steps";
        EXPECT_TRUE(result_->is_released()) << "after " << done << " steps";
    }
}

const auto case_name = [](const testing::TestParamInfo<use_case>& one) { return one.param.name; };
INSTANTIATE_TEST_SUITE_P(Tracking, UseCases, testing::ValuesIn(tracking_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(Lookup, UseCases, testing::ValuesIn(lookup_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(Changes, UseCases, testing::ValuesIn(change_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(Deliveries, UseCases, testing::ValuesIn(delivery_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(Controls, UseCases, testing::ValuesIn(control_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(Daemon, UseCases, testing::ValuesIn(daemon_cases()), case_name);

} // namespace
} // namespace prooftrack::engine
