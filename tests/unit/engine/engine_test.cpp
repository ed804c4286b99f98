// The engine over fakes: that each call reaches the class that implements it, and each part the alarm.

#include "engine/engine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "session_service_fixture.hpp"
#include "support/fake_notifier.hpp"

namespace prooftrack::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::chrono_literals;
using observe::log_event_id;

/// Takes polls, which it answers when the test says, besides the calls.
class engine_proof final : public proof::proof_client {
  public:
    void wake(std::size_t) override {
        ++wakes;
        if (on_wake) on_wake();
    }
    void call(proof::proof_call request, unique_function<void(op_result<proof::proof_reply>)> handler) override {
        calls.call(std::move(request), std::move(handler));
    }
    std::size_t most_at_once() const override { return 64; }
    void retire_connections() override { ++retired; }
    void reconfigure(std::shared_ptr<const proof::proof_setup> /*setup*/) noexcept override {}
    void stop(milliseconds, unique_function<void()> stopped) override { stopped(); }

    fake_proof calls;
    std::function<void()> on_wake;
    int wakes = 0;
    int retired = 0;
};

class listed_events final : public api::event_listener {
  public:
    void on_event(const api::log_event& event) override { seen.push_back(value_of(event.seq)); }
    std::vector<std::uint64_t> seen;
};

class Engine : public testing::Test {
  protected:
    Engine() { daemon_.attach(proof_); }

    static config::configuration make_configuration() {
        config::configuration config;
        config.callbacks.resize(1);
        config.callbacks.front().name = "shop";
        config.callbacks.front().url = "https://shop.example/hook";
        return config;
    }
    void start() {
        std::string begun;
        daemon_.start([&](const op_result<std::monostate>& ready) { begun = ready ? "ok" : "failed"; });
        memory_.pump();
        ASSERT_EQ(begun, "ok");
    }
    /// Time passes, the store answers everything.
    void run(steady_duration span) {
        const steady_time end = clock_.now().steady + span;
        while (clock_.now().steady < end) {
            memory_.pump();
            clock_.run_until(std::min(end, clock_.now().steady + 50ms));
        }
        memory_.pump();
    }
    /// What a call gives. It must be one that ends without time.
    template <class Value, class Call>
    api::outcome<Value> done(Call call) {
        std::optional<api::outcome<Value>> kept;
        call(api::backend_handler<Value>([&](api::outcome<Value> given) { kept = std::move(given); }));
        memory_.pump();
        return std::move(kept).value();
    }
    template <class Value, class Call>
    Value value(Call call) {
        return std::get<Value>(done<Value>(std::move(call)));
    }
    static transaction_id id(const char* text) { return *transaction_id::parse(text); }
    api::tracked track(const char* text) {
        return value<api::tracked>([&](auto to) { calls().track({id(text), {}}, {}, std::move(to)); });
    }
    /// Proof answers the next poll.
    void answer(const std::string& status) {
        auto ticket = daemon_.polls().next_poll();
        ASSERT_TRUE(ticket);
        track::poll_answer reply;
        reply.what = track::reply_class::good;
        reply.http_status = 200;
        reply.status = status;
        reply.body = R"({"status":")" + status + R"("})";
        reply.body_hash = fake_disk::hash_of(reply.body);
        daemon_.polls().on_answer(std::move(*ticket), std::move(reply));
        memory_.pump();
    }
    api::backend& calls() { return daemon_.calls(); }

    virtual_clock clock_;
    fake_disk disk_;
    store::fake_store memory_{disk_};
    fake_notifier notifier_{clock_};
    recorded_log log_;
    observe::metrics registry_{"test"};
    meters counts_{registry_};
    int tokens_reread_ = 0;
    virtual_alarm alarm_{clock_, [this] { daemon_.on_alarm(); }};
    engine_proof proof_;
    engine daemon_{
        make_configuration(), engine_dependencies{clock_, alarm_, memory_, notifier_, log_, counts_},
        engine_hooks{[this] { ++tokens_reread_; }, [](std::string_view level) { return level == "debug"; }}, "1.2.3",
        1};
};

TEST_F(Engine, TakesTransactionsAndShowsThem) {
    EXPECT_EQ(
        std::get<api::problem>(done<api::tracked>([&](auto to) {
            calls().track({id("t1"), {}}, {}, std::move(to));
        })).code,
        api::problem_code::unavailable)
        << "it has not started";
    start();
    EXPECT_TRUE(track("t1").created);
    const auto imported = value<api::import_summary>([&](auto to) {
        calls().import({{1, {id("t1"), {}}, true}, {2, {id("t2"), {}}, true}}, {}, std::move(to));
    });
    EXPECT_EQ(imported.created, 1U);
    EXPECT_EQ(imported.existing, 1U);
    EXPECT_EQ(daemon_.watched(), 2U);
    const auto shown = value<track::transaction_view>([&](auto to) { calls().get(id("t2"), 0ms, std::move(to)); });
    EXPECT_EQ(shown.id.str(), "t2");
    const auto page = value<track::transaction_page>([&](auto to) { calls().list({}, std::move(to)); });
    EXPECT_EQ(page.transactions.size(), 2U);
    value<std::monostate>([&](auto to) { calls().poll_now(id("t1"), {}, std::move(to)); });
    value<std::monostate>([&](auto to) { calls().hint(id("t1"), std::move(to)); });
    const auto ended = value<track::transaction_view>([&](auto to) { calls().untrack(id("t1"), {}, std::move(to)); });
    EXPECT_EQ(ended.facts.state, track::tracking_state::untracked);
    const auto history = value<track::transaction_history>([&](auto to) { calls().history(id("t1"), std::move(to)); });
    ASSERT_FALSE(history.changes.empty());
    EXPECT_EQ(history.changes.back().to_state, track::tracking_state::untracked);
    EXPECT_EQ(daemon_.summary(), "1 pending, 0 polls/s, Proof not asked yet");
}

TEST_F(Engine, AnEndReachesWhoWaitsTheEventsTheListenerAndTheCallback) {
    start();
    track("t1");
    listed_events listener;
    calls().set_event_listener(&listener);
    std::string ended;
    calls().get(id("t1"), 60s, [&](const api::outcome<track::transaction_view>& view) {
        ended = std::get<track::transaction_view>(view).facts.status;
    });
    std::optional<std::size_t> events;
    calls().events(event_seq{0}, 10, 60s, [&](const api::outcome<api::event_list>& list) {
        events = std::get<api::event_list>(list).events.size();
    });
    const auto cancelled = calls().events(
        event_seq{0}, 10, 60s, [](const api::outcome<api::event_list>&) { FAIL() << "it was cancelled"; });
    calls().cancel_wait(cancelled);
    run(1s);
    EXPECT_GT(proof_.wakes, 0) << "the first poll is due";
    EXPECT_EQ(ended, "");
    answer("completed");
    EXPECT_EQ(ended, "completed");
    EXPECT_EQ(events, 1U);
    EXPECT_THAT(listener.seen, ElementsAre(1U));
    EXPECT_EQ(calls().last_seq(), event_seq{1});
    calls().set_event_listener(nullptr);
    run(1s);
    ASSERT_EQ(notifier_.attempts().size(), 1U);
    EXPECT_EQ(notifier_.attempts()[0].job.transaction, "t1");
    EXPECT_THAT(counts_.serialize(), HasSubstr(R"(callback="shop")"));
}

TEST_F(Engine, PassesRequestsOnToProofAndTracksTheirSessions) {
    start();
    std::string session;
    api::session_request wanted;
    wanted.body = wanted.whole_body = R"({"amount":1})";
    calls().create_session(wanted, {}, [&](const api::outcome<api::proxied_reply>& reply) {
        session = std::get<api::proxied_reply>(reply).body;
    });
    memory_.pump();
    proof_.calls.answer(session_of("t1"));
    memory_.pump();
    EXPECT_EQ(session, session_of("t1").body);
    EXPECT_EQ(daemon_.watched(), 1U);
    EXPECT_EQ(log_.of(log_event_id::api_change).at(0).at("action"), "session");
    std::string kyc;
    calls().kyc_status("user-1", [&](const api::outcome<api::proxied_reply>& reply) {
        kyc = std::get<api::proxied_reply>(reply).body;
    });
    memory_.pump();
    proof_.calls.answer(proof_says(200, R"({"status":"ok"})"));
    EXPECT_EQ(kyc, R"({"status":"ok"})");
}

TEST_F(Engine, RefusesASessionThatCouldNotBeTracked) {
    std::optional<api::problem_code> refused;
    calls().create_session(
        {}, {}, [&](const api::outcome<api::proxied_reply>& reply) { refused = std::get<api::problem>(reply).code; });
    memory_.pump();
    EXPECT_EQ(refused, api::problem_code::unavailable) << "it has not started";
    EXPECT_EQ(proof_.calls.asked, 0U);
}

TEST_F(Engine, ServesDeliveriesConsumersAndTheOperator) {
    start();
    EXPECT_TRUE(
        value<track::delivery_page>([&](auto to) { calls().deliveries({}, std::move(to)); }).deliveries.empty());
    const auto retried =
        done<std::monostate>([&](auto to) { calls().retry_delivery(delivery_id{7}, {}, std::move(to)); });
    EXPECT_EQ(std::get<api::problem>(retried).code, api::problem_code::unknown_delivery);
    EXPECT_EQ(value<std::uint64_t>([&](auto to) { calls().retry_dead(std::nullopt, {}, std::move(to)); }), 0U);
    std::optional<int> status;
    calls().test_callback("shop", {}, [&](const api::outcome<api::callback_test_result>& result) {
        status = std::get<api::callback_test_result>(result).status;
    });
    run(1s);
    EXPECT_EQ(status, 200);

    using made_consumer = std::pair<bool, track::consumer_view>;
    EXPECT_TRUE(
        value<made_consumer>([&](auto to) { calls().put_consumer("ledger", std::nullopt, {}, std::move(to)); }).first);
    EXPECT_EQ(
        value<track::consumer_view>([&](auto to) { calls().acknowledge("ledger", event_seq{0}, std::move(to)); }).name,
        "ledger");
    EXPECT_EQ(value<std::vector<track::consumer_view>>([&](auto to) { calls().consumers(std::move(to)); }).size(), 1U);
    value<track::consumer_view>([&](auto to) { calls().delete_consumer("ledger", {}, std::move(to)); });
    EXPECT_TRUE(disk_.consumers.empty());
    EXPECT_EQ(calls().wall_now(), clock_.now().wall);

    EXPECT_EQ(value<std::filesystem::path>([&](auto to) { calls().backup({}, std::move(to)); }), "/nonexistent/backup");
    value<std::monostate>([&](auto to) { calls().set_log_level("debug", {}, std::move(to)); });
    EXPECT_TRUE(calls().healthy().ok);
    EXPECT_TRUE(calls().ready().ok);
    EXPECT_THAT(
        value<std::string>([&](auto to) { calls().status_json(std::move(to)); }),
        HasSubstr(R"("version":"1.2.3","uptime_seconds":1,)"));
    EXPECT_THAT(
        value<std::string>([&](auto to) { calls().metrics_text(std::move(to)); }), HasSubstr(R"(callback="shop")"));
}

TEST_F(Engine, AChangedTokenIsLoggedWithItsFingerprintsAlone) {
    start();
    daemon_.on_token_changed();
    daemon_.set_secrets({{"callback.shop.secret", {"aaaa"}}, {"client_token", {"bbbb", "cccc"}}});
    daemon_.on_token_changed();
    const auto lines = log_.of(log_event_id::proof_token_changed);
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_TRUE(lines[0].fields.empty()) << "none is known";
    EXPECT_EQ(lines[1].at("fingerprint"), "bbbb cccc");
}

TEST_F(Engine, ARefusedTokenIsReadAgain) {
    start();
    track("t1");
    run(1s);
    auto ticket = daemon_.polls().next_poll();
    ASSERT_TRUE(ticket);
    track::poll_answer refused;
    refused.what = track::reply_class::unauthorized;
    refused.http_status = 401;
    refused.error = "401";
    daemon_.polls().on_answer(std::move(*ticket), std::move(refused));
    EXPECT_EQ(tokens_reread_, 1);
}

TEST_F(Engine, AFullDiskIsProbedAndShownUntilThereIsRoom) {
    start();
    daemon_.on_store_state(track::store_state::full);
    EXPECT_FALSE(calls().ready().ok);
    EXPECT_TRUE(daemon_.deliverer().full());
    run(5s);
    EXPECT_GT(memory_.probes(), 0U);
    daemon_.on_store_state(track::store_state::ok);
    EXPECT_TRUE(calls().ready().ok);
    EXPECT_FALSE(daemon_.deliverer().full());
}

TEST_F(Engine, ASleepRetiresTheConnections) {
    start();
    run(3s);
    EXPECT_EQ(proof_.retired, 0);
    clock_.jump_wall(10min);
    run(15s);
    EXPECT_EQ(proof_.retired, 1);
    EXPECT_EQ(log_.count(log_event_id::daemon_clock_jump), 1U);
}

TEST_F(Engine, AReloadIsAppliedAndARefusedOneShown) {
    start();
    daemon_.on_reload_refused("poll.interval: too short");
    EXPECT_THAT(daemon_.summary(), HasSubstr("THE CONFIGURATION WAS REFUSED"));
    config::configuration config = make_configuration();
    config.callbacks.front().name = "ledger";
    daemon_.reconfigure(std::move(config));
    memory_.pump();
    EXPECT_EQ(daemon_.summary(), "0 pending, 0 polls/s, Proof not asked yet");
    EXPECT_THAT(
        value<std::string>([&](auto to) { calls().status_json(std::move(to)); }), HasSubstr(R"("name":"ledger")"));
}

TEST_F(Engine, AStopClosesTheStoreAndGivesOutNoPolls) {
    start();
    track("t1");
    run(1s);
    const int wakes = proof_.wakes;
    bool is_stopped = false;
    daemon_.stop(1s, [&] { is_stopped = true; });
    run(1s);
    EXPECT_TRUE(is_stopped);
    EXPECT_TRUE(memory_.closed());
    EXPECT_FALSE(daemon_.polls().has_poll());
    EXPECT_FALSE(daemon_.polls().next_poll().has_value());
    daemon_.on_token_changed(); // arms
    EXPECT_EQ(proof_.wakes, wakes);
}

TEST_F(Engine, WithoutHooksNoLevelIsSetAndNoTokenRead) {
    engine bare{
        make_configuration(), engine_dependencies{clock_, alarm_, memory_, notifier_, log_, counts_}, engine_hooks{},
        "1.2.3", 1};
    bare.attach(proof_);
    bare.start([](const op_result<std::monostate>&) {});
    memory_.pump();
    std::optional<api::problem_code> refused;
    bare.calls().set_log_level(
        "debug", {}, [&](const api::outcome<std::monostate>& done) { refused = std::get<api::problem>(done).code; });
    EXPECT_EQ(refused, api::problem_code::invalid_request);
    bare.calls().track({id("t1"), {}}, {}, [](const api::outcome<api::tracked>&) {});
    memory_.pump();
    auto ticket = bare.polls().next_poll();
    ASSERT_TRUE(ticket);
    track::poll_answer denied;
    denied.what = track::reply_class::unauthorized;
    bare.polls().on_answer(std::move(*ticket), std::move(denied));
    EXPECT_EQ(tokens_reread_, 0);
}

} // namespace
} // namespace prooftrack::engine
