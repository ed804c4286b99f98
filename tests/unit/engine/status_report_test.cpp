// The body of GET /v1/status, byte for byte.

#include "engine/status_report.hpp"

#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/virtual_time.hpp"

namespace prooftrack::engine {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

class StatusReport : public testing::Test {
  protected:
    StatusReport() {
        remembered_.first_seq = event_seq{3};
        remembered_.last_seq = event_seq{9};
        remembered_.log_id = "log_1";
        remembered_.db_bytes = 4'096;
        remembered_.wal_bytes = 512;
        remembered_.free_bytes = 1'000'000;
        config_.since = virtual_clock::epoch;
    }

    std::string report() const {
        const status_facts facts{"1.2.3",    61s + 999ms, remembered_, core_,     250ms,    now(),   callbacks_,
                                 consumers_, config_,     secrets_,    protocol_, process_, cluster_};
        std::string body = format_status(facts);
        boost::system::error_code error;
        boost::json::parse(body, error);
        EXPECT_FALSE(error) << body;
        return body;
    }
    /// The part of a member of the top level.
    std::string part(const std::string& from, const std::string& to) const {
        const std::string body = report();
        const std::size_t first = body.find(from);
        const std::size_t last = body.find(to);
        EXPECT_NE(first, std::string::npos) << body;
        EXPECT_NE(last, std::string::npos) << body;
        return body.substr(first, last - first);
    }
    instant now() const { return clock_.now(); }
    void step(track::tracker_event event) {
        std::vector<track::tracker_action> actions;
        core_.step(std::move(event), now(), actions);
    }
    void track(const std::string& id) {
        track::tracking_facts facts;
        facts.tracked_at = now().wall;
        facts.overdue_at = now().wall + 24h;
        step(track::tracked_event{{*transaction_id::parse(id), facts, row_revision{1}}, false});
    }
    void answer(track::reply_class what, const std::string& error = "", const std::string& message = "") {
        auto poll = core_.next_poll(now());
        ASSERT_TRUE(poll);
        track::poll_answer given;
        given.what = what;
        given.error = error;
        given.message = message;
        if (what == track::reply_class::good) {
            given.status = "pending";
            given.body_hash = 1;
        }
        step(track::answered_event{std::move(poll->ticket), std::move(given)});
    }

    virtual_clock clock_;
    random_source random_{1};
    track::tracker core_{{}, random_};
    store::store_status remembered_;
    std::vector<callback_view> callbacks_;
    std::vector<track::consumer_view> consumers_;
    config_standing config_;
    std::vector<secret_view> secrets_;
    std::string protocol_;
    process_facts process_;
    const store::cluster_view* cluster_ = nullptr;
};

TEST_F(StatusReport, OfADaemonThatHasNothingToDo) {
    EXPECT_EQ(
        report(), R"({"version":"1.2.3","uptime_seconds":61,"transactions":{"by_state":{"abandoned":0,"not_found":0,)"
                  R"("overdue":0,"rejected":0,"settled":0,"tracking":0,"untracked":0},"by_status":{}},)"
                  R"("polls":{"per_second":0.0,"in_flight":0,"lag_p99_seconds":0.250,"oldest_due_seconds":0.000},)"
                  R"("proof":{"health":"ok","since":null,"detail":"not asked yet","protocol":null},"callbacks":[],)"
                  R"("store":{"state":"ok","bytes":4096,"wal_bytes":512,"free_bytes":1000000},)"
                  R"("events":{"first_seq":3,"last_seq":9,"log_id":"log_1"},)"
                  R"("maintenance":null,"pid":0,)"
                  R"("config":{"file":null,"state":"ok","since":"2026-04-01T10:00:00.000Z","detail":null},)"
                  R"("consumers":[],"secrets":[]})");
}

TEST_F(StatusReport, TransactionsAreSummedByStateAndByStatus) {
    remembered_.transactions = {
        {{track::tracking_state::tracking, track::status_kind::none}, 1},
        {{track::tracking_state::tracking, track::status_kind::pending}, 2},
        {{track::tracking_state::overdue, track::status_kind::pending}, 4},
        {{track::tracking_state::not_found, track::status_kind::none}, 8},
        {{track::tracking_state::settled, track::status_kind::completed}, 16},
        {{track::tracking_state::tracking, track::status_kind::other}, 32}};
    EXPECT_EQ(
        part(R"("transactions")", R"(,"polls")"),
        R"("transactions":{"by_state":{"abandoned":0,"not_found":8,"overdue":4,"rejected":0,"settled":16,)"
        R"("tracking":35,"untracked":0},"by_status":{"completed":16,"none":9,"other":32,"pending":6}})");
}

TEST_F(StatusReport, PollsShowWhatIsMadeInFlightAndDue) {
    track("a");
    track("b");
    ASSERT_TRUE(core_.next_poll(now()));
    clock_.run_for(10s);
    step(track::woken_event{});
    EXPECT_EQ(
        part(R"("polls")", R"(,"proof")"),
        R"("polls":{"per_second":0.0,"in_flight":1,"lag_p99_seconds":0.250,"oldest_due_seconds":10.000})");
}

TEST_F(StatusReport, MadePollsAreShownWithOneDigit) {
    step(track::woken_event{});
    for (int i = 0; i < 2; ++i) track("t" + std::to_string(i));
    answer(track::reply_class::good);
    answer(track::reply_class::good);
    clock_.run_for(8s);
    step(track::woken_event{});
    EXPECT_THAT(report(), HasSubstr(R"("per_second":0.2,)")) << "2 in 8 s";
}

TEST_F(StatusReport, AProofThatAnswersHasNoDetail) {
    track("a");
    answer(track::reply_class::good);
    protocol_ = "h2";
    EXPECT_EQ(
        part(R"("proof")", R"(,"callbacks")"), R"("proof":{"health":"ok","since":null,"detail":null,"protocol":"h2"})");
}

TEST_F(StatusReport, AProofThatRefusesIsShownWithItsWordsAndSinceWhen) {
    track("a");
    clock_.run_for(1s);
    answer(track::reply_class::unauthorized, "401 invalid_token", "token \"x\" was revoked");
    clock_.run_for(3s);
    step(track::woken_event{});
    EXPECT_EQ(
        part(R"("proof")", R"(,"callbacks")"),
        R"("proof":{"health":"unauthorized","since":"2026-04-01T10:00:04.000Z",)"
        R"("detail":"401 invalid_token: token \"x\" was revoked","protocol":null})");
}

TEST_F(StatusReport, CallbacksShowWhyAndWhenNext) {
    callback_view well;
    well.name = "shop";
    well.backlog = 2;
    callback_view failing;
    failing.name = "a\"b";
    failing.state = callback_view::condition::failing;
    failing.backlog = 5;
    failing.dead = 7;
    failing.oldest_undelivered_seconds = 61;
    failing.failing_since = virtual_clock::epoch;
    failing.last_error = "connect: \"refused\"";
    failing.next_try_at = virtual_clock::epoch + 1500ms;
    callback_view paused;
    paused.name = "quiet";
    paused.state = callback_view::condition::paused;
    paused.paused_since = virtual_clock::epoch;
    callbacks_ = {well, failing, paused};
    EXPECT_EQ(
        part(R"("callbacks")", R"(,"store")"),
        R"("callbacks":[{"name":"shop","state":"ok","backlog":2,"oldest_undelivered_seconds":0,"dead":0,)"
        R"("failing_since":null,"last_error":null,"next_try_at":null,"paused_since":null},)"
        R"({"name":"a\"b","state":"failing","backlog":5,"oldest_undelivered_seconds":61,"dead":7,)"
        R"("failing_since":"2026-04-01T10:00:00.000Z","last_error":"connect: \"refused\"",)"
        R"("next_try_at":"2026-04-01T10:00:01.500Z","paused_since":null},)"
        R"({"name":"quiet","state":"paused","backlog":0,"oldest_undelivered_seconds":0,"dead":0,)"
        R"("failing_since":null,"last_error":null,"next_try_at":null,"paused_since":"2026-04-01T10:00:00.000Z"}])");
}

TEST_F(StatusReport, AFullStoreIsShown) {
    remembered_.state = track::store_state::full;
    EXPECT_THAT(report(), HasSubstr(R"("store":{"state":"full",)"));
}

TEST_F(StatusReport, MaintenanceIsShownWithItsNote) {
    remembered_.maintenance = track::maintenance_mark{virtual_clock::epoch, "Proof moves \"house\""};
    EXPECT_THAT(
        report(),
        HasSubstr(R"("maintenance":{"on":true,"since":"2026-04-01T10:00:00.000Z","note":"Proof moves \"house\""},)"));
    remembered_.maintenance->note.clear();
    EXPECT_THAT(report(), HasSubstr(R"("since":"2026-04-01T10:00:00.000Z","note":null},"pid")"));
}

TEST_F(StatusReport, ARefusedReloadIsShownWithItsFirstMistake) {
    config_.since = virtual_clock::epoch + 1h;
    process_ = {7, "/etc/x.toml"};
    config_.refusal = "prooftrackd.toml:3:1: proof.token_file: \"no\" (and 2 more)";
    EXPECT_EQ(
        part(R"("config")", R"(,"consumers")"),
        R"("config":{"file":"/etc/x.toml","state":"refused","since":"2026-04-01T11:00:00.000Z",)"
        R"text("detail":"prooftrackd.toml:3:1: proof.token_file: \"no\" (and 2 more)"})text");
}

TEST_F(StatusReport, ConsumersShowTheirLagAndItsAge) {
    consumers_ = {{"ledger", event_seq{4}, 5, now().wall - 90'500ms}, {"mail", event_seq{9}, 0, std::nullopt}};
    EXPECT_EQ(
        part(R"("consumers")", R"(,"secrets")"), R"("consumers":[{"name":"ledger","seq":4,"lag":5,"age_seconds":90},)"
                                                 R"({"name":"mail","seq":9,"lag":0,"age_seconds":0}])");
}

TEST_F(StatusReport, AClusterIsShownWithItsNodesAndMoves) {
    EXPECT_EQ(report().find("\"cluster\""), std::string::npos) << "alone";
    store::cluster_view view;
    view.node = "pay1";
    view.owners.fill(0);
    view.owners[7] = view.owners[9] = -1;
    view.nodes = {
        {"pay1", store::node_state::living, "1.2.3", 254, 0s}, {"pay2", store::node_state::gone, "1.2.2", 0, 61s}};
    view.moves = {
        {virtual_clock::epoch, "pay1", "pay2", 128, store::shard_gain::taken_over},
        {virtual_clock::epoch, "pay1", "", 126, store::shard_gain::unowned}};
    cluster_ = &view;
    const std::string at = format_wall_time(virtual_clock::epoch);
    EXPECT_EQ(
        part("\"cluster\"", ",\"consumers\""),
        R"("cluster":{"node":"pay1","nodes":[)"
        R"({"id":"pay1","state":"living","shards":254,"seen_seconds_ago":0,"version":"1.2.3"},)"
        R"({"id":"pay2","state":"gone","shards":0,"seen_seconds_ago":61,"version":"1.2.2"}],)"
        R"("unowned_shards":2,"moves":[)"
        R"({"at":")" +
            at +
            R"(","node":"pay1","from":"pay2","shards":128,"how":"taken_over"},)"
            R"({"at":")" +
            at + R"(","node":"pay1","from":null,"shards":126,"how":"unowned"}]})");
}

TEST_F(StatusReport, SecretsAreShownByTheirFingerprints) {
    secrets_ = {
        {"client_token", {"0123456789ab"}},
        {"callback.shop.secret", {"ba7816bf8f01", "e3b0c44298fc"}},
        {"callback.none.secret", {}}};
    EXPECT_EQ(
        part(R"("secrets")", "]}]}") + "]}]}",
        R"("secrets":[{"name":"client_token","fingerprints":["0123456789ab"]},)"
        R"({"name":"callback.shop.secret","fingerprints":["ba7816bf8f01","e3b0c44298fc"]},)"
        R"({"name":"callback.none.secret","fingerprints":[]}]})");
}

} // namespace
} // namespace prooftrack::engine
