#include <gtest/gtest.h>

#include "parsed_command.hpp"
#include "prooftrackctl/complaint.hpp"
#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/requests.hpp"

namespace prooftrack::ctl {
namespace {

TEST(CommandLine, TrackBecomesAPost) {
    const auto what = parsed<track_command>(
        {"track", "--metadata", "order=A-17", "id-1", "--metadata", "note=a=\"b\"", "--callback-url",
         "https://shop.example/x?y", "--overdue-after", "2h"});
    const api_request request = track_request_of(what);
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.target, "/v1/transactions");
    EXPECT_EQ(request.content_type, "application/json");
    EXPECT_EQ(
        request.body, R"({"merchant_transaction_id":"id-1","callback_url":"https://shop.example/x?y",)"
                      R"("metadata":{"order":"A-17","note":"a=\"b\""},"overdue_after":"2h"})");
    EXPECT_EQ(track_request_of(parsed<track_command>({"track", "id-1"})).body, R"({"merchant_transaction_id":"id-1"})");
}

TEST(CommandLine, GlobalOptionsStandAnywhere) {
    for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
             {"--json", "--socket", "/tmp/s", "get", "x"},
             {"get", "--json", "--socket", "/tmp/s", "x"},
             {"get", "x", "--socket=/tmp/s", "--json"}}) {
        const auto result = parse(arguments);
        ASSERT_TRUE(std::holds_alternative<invocation>(result));
        const auto& options = std::get<invocation>(result).options;
        EXPECT_TRUE(options.json);
        EXPECT_EQ(options.socket, "/tmp/s");
    }
}

TEST(CommandLine, TheEnvironmentNamesTheSocketUnlessAnOptionDoes) {
    EXPECT_EQ(
        std::get<invocation>(parse_command_line({"status"}, "")).options.socket, "/run/prooftrackd/prooftrackd.sock");
    EXPECT_EQ(std::get<invocation>(parse_command_line({"status"}, "/tmp/e")).options.socket, "/tmp/e");
    EXPECT_EQ(
        std::get<invocation>(parse_command_line({"status", "--socket", "/tmp/o"}, "/tmp/e")).options.socket, "/tmp/o");
}

TEST(CommandLine, WaitNamesItsTimeAndCoversItWithPatience) {
    const api_request request = wait_request("a~b", milliseconds(90'000));
    EXPECT_EQ(request.target, "/v1/transactions/a~b?wait=1m");
    EXPECT_GT(request.patience, longest_wait_request);
    EXPECT_EQ(wait_request("x", milliseconds(0)).target, "/v1/transactions/x");
    EXPECT_EQ(parsed<wait_command>({"wait", "x", "--timeout", "250ms"}).timeout, milliseconds(250));
}

TEST(CommandLine, QueriesAreEncoded) {
    const auto list = parsed<list_command>({"list", "--state", "overdue", "--status", "a b&c", "--limit", "7"});
    EXPECT_EQ(
        list_request_of(list, 7, "x/y").target, "/v1/transactions?state=overdue&status=a%20b%26c&limit=7&cursor=x%2Fy");
    EXPECT_EQ(kyc_request("u/7?").target, "/v1/users/u%2F7%3F/kyc-status");
    EXPECT_EQ(
        deliveries_request(parsed<deliveries_command>({"deliveries", "--state", "dead", "--callback", "x"}), 500, "")
            .target,
        "/v1/deliveries?state=dead&callback=x&limit=500");
    EXPECT_EQ(events_request(std::nullopt, 500).target, "/v1/events?limit=500");
    EXPECT_EQ(events_request(0, 500).target, "/v1/events?after=0&limit=500");
}

TEST(CommandLine, ASearchNamesWhatIsLookedFor) {
    const auto list = parsed<list_command>(
        {"list", "--metadata", "order=A-17", "--metadata", "shop.id=a&b=c", "--metadata", "none=", "--not-delivered-to",
         "back", "--id-prefix", "55", "--settled-before", "2026-04-01T00:00:00+02:00", "--tracked-after", "24h"});
    const wall_time now = *parse_wall_time("2026-05-02T00:00:00Z");
    EXPECT_EQ(
        list_request_of(with_times(list, now), 7, "").target,
        "/v1/transactions?metadata.order=A-17&metadata.shop.id=a%26b%3Dc&metadata.none=&"
        "tracked_after=2026-05-01T00%3A00%3A00.000Z&settled_before=2026-03-31T22%3A00%3A00.000Z&"
        "not_delivered_to=back&id_prefix=55&limit=7");
    const auto deliveries = parsed<deliveries_command>({"deliveries", "--since", "7d", "--until", "2026-05-01"});
    EXPECT_EQ(
        deliveries_request(with_times(deliveries, now), 5, "").target,
        "/v1/deliveries?since=2026-04-25T00%3A00%3A00.000Z&until=2026-05-01T00%3A00%3A00.000Z&limit=5");
    const auto events = parsed<events_command>({"events", "--since", "1h", "--after", "3"});
    EXPECT_EQ(
        events_request(events.after, 5, with_times(events, now)).target,
        "/v1/events?after=3&since=2026-05-01T23%3A00%3A00.000Z&limit=5");
}

TEST(CommandLine, AnExportHasAFormatAndATime) {
    const wall_time now = *parse_wall_time("2026-05-02T00:00:00Z");
    const auto all = parsed<export_command>({"export", "transactions"});
    EXPECT_EQ(export_request(with_times(all, now)).target, "/v1/export/transactions");
    const auto some = parsed<export_command>(
        {"export", "deliveries", "--format", "ndjson", "--since", "24h", "--until", "2026-05-02"});
    EXPECT_EQ(
        export_request(with_times(some, now)).target,
        "/v1/export/deliveries?format=ndjson&since=2026-05-01T00%3A00%3A00.000Z&until=2026-05-02T00%3A00%3A00.000Z");
    EXPECT_EQ(refused({"export"}).status, exit_status::usage);
    EXPECT_EQ(refused({"export", "sessions"}).status, exit_status::usage);
    EXPECT_EQ(refused({"export", "events", "--format", "xml"}).status, exit_status::usage);
    EXPECT_EQ(refused({"export", "events", "--since", "yesterday"}).status, exit_status::usage);
}

TEST(CommandLine, AReplayHasARangeTimesAndTypes) {
    const wall_time now = *parse_wall_time("2026-05-02T00:00:00Z");
    const auto plain = parsed<replay_command>({"replay", "ledger", "--missing"});
    EXPECT_EQ(replay_request(plain).target, "/v1/replays");
    EXPECT_EQ(replay_request(plain).method, "POST");
    EXPECT_EQ(replay_request(plain).body, R"({"callback":"ledger"})");
    const auto some = parsed<replay_command>(
        {"replay", "ledger", "--since", "24h", "--until", "2026-05-02", "--after", "7", "--before", "99", "--type",
         "transaction.*", "--type", "transaction.updated", "--all", "--dry-run"});
    EXPECT_EQ(
        replay_request(with_times(some, now)).body,
        R"({"callback":"ledger","after_seq":7,"before_seq":99,"since":"2026-05-01T00:00:00.000Z",)"
        R"("until":"2026-05-02T00:00:00.000Z","types":["transaction.*","transaction.updated"],"only":"all",)"
        R"("dry_run":true})");
    const std::vector<std::vector<std::string>> wrong{
        {"replay"},
        {"replay", "a", "--all", "--missing"},
        {"replay", "a", "--dry-run", "--wait"},
        {"replay", "a", "--type", "completed"},
        {"replay", "a", "--after", "-1"},
        {"replay", "a", "--since", "later"},
        {"replays", "cancel"},
        {"replays", "cancel", "x"},
        {"replays", "end", "3"}};
    for (const std::vector<std::string>& one : wrong) EXPECT_EQ(refused(one).status, exit_status::usage) << one.back();
    EXPECT_EQ(parsed<replays_command>({"replays"}).cancel, std::nullopt);
    const auto cancel = parsed<replays_command>({"replays", "cancel", "3"});
    EXPECT_EQ(cancel_replay_request(*cancel.cancel).target, "/v1/replays/3");
    EXPECT_EQ(cancel_replay_request(*cancel.cancel).method, "DELETE");
}

TEST(CommandLine, SessionFieldsBecomeStringsAndTrackingStandsApart) {
    const auto what = parsed<session_command>(
        {"session", "--currency", "USDT", "--partner-user-id", "u-7", "--field", "x_new=1", "--metadata", "order=A",
         "--idempotency-key", "k-1"});
    const api_request request = session_request_of(what, "");
    EXPECT_EQ(
        request.body,
        R"({"partner_user_id":"u-7","currency":"USDT","x_new":"1","tracking":{"metadata":{"order":"A"}}})");
    ASSERT_EQ(request.headers.size(), 1U);
    EXPECT_EQ(request.headers[0].second, "k-1");
    const auto raw = parsed<session_command>({"session", "--body", "-"});
    EXPECT_EQ(session_request_of(raw, " {\"a\" : 1.10}\n").body, " {\"a\" : 1.10}\n");
}

TEST(CommandLine, ChangesOfTransactions) {
    const auto set =
        parsed<set_command>({"set", "a~b", "--metadata", "order=A", "--metadata", "x=", "--callback-url", "u"});
    EXPECT_EQ(set_request_of(set).method, "PATCH");
    EXPECT_EQ(set_request_of(set).target, "/v1/transactions/a~b");
    EXPECT_EQ(set_request_of(set).body, R"({"metadata":{"order":"A","x":""},"callback_url":"u"})");
    EXPECT_EQ(set_request_of(parsed<set_command>({"set", "a", "--no-callback-url"})).body, R"({"callback_url":null})");
    const auto untrack = parsed<untrack_command>(
        {"untrack", "--state", "overdue", "--state", "not_found", "--status", "pending", "--metadata", "a.b=c=d",
         "--tracked-before", "24h"});
    EXPECT_EQ(untrack.states, (std::vector<std::string>{"overdue", "not_found"}));
    const auto timed = with_times(untrack, *parse_wall_time("2026-05-02T00:00:00Z"));
    const api_request request = untrack_matching_request(timed, "overdue", true);
    EXPECT_EQ(request.target, "/v1/transactions/untrack");
    EXPECT_EQ(
        request.body, R"({"filter":{"state":"overdue","status":"pending","metadata.a.b":"c=d",)"
                      R"("tracked_before":"2026-05-01T00:00:00.000Z"},"dry_run":true})");
    EXPECT_GT(request.patience, std::chrono::minutes(10));
    EXPECT_EQ(
        untrack_matching_request(parsed<untrack_command>({"untrack", "--metadata", "a=b"}), "", false).body,
        R"({"filter":{"metadata.a":"b"},"dry_run":false})");
    EXPECT_EQ(parsed<untrack_command>({"untrack", "x", "--yes"}).id, "x");
}

TEST(CommandLine, ChangesOfDeliveriesAndConsumers) {
    EXPECT_EQ(retry_dead_request("back").body, R"({"state":"dead","callback":"back"})");
    EXPECT_EQ(retry_dead_request("").body, R"({"state":"dead"})");
    const auto ack = parsed<consumers_command>({"consumers", "ack", "ledger", "42"});
    EXPECT_EQ(consumers_request(ack).target, "/v1/consumers/ledger/ack");
    EXPECT_EQ(consumers_request(ack).body, R"({"seq":42})");
    const auto add = parsed<consumers_command>({"consumers", "add", "ledger"});
    EXPECT_EQ(consumers_request(add).method, "PUT");
    EXPECT_EQ(consumers_request(add).body, "");
    EXPECT_EQ(consumers_request(parsed<consumers_command>({"consumers"})).target, "/v1/consumers");
    EXPECT_EQ(consumers_request(parsed<consumers_command>({"consumers", "remove", "x"})).method, "DELETE");
}

TEST(CommandLine, ReconcileTakesTimesAndDates) {
    const auto what = parsed<reconcile_command>(
        {"reconcile", "april.csv", "--since", "2026-04-01", "--until", "2026-05-01T02:00:00+02:00", "--report",
         "april.html", "--force"});
    EXPECT_EQ(what.file, "april.csv");
    EXPECT_EQ(what.since, "2026-04-01T00:00:00.000Z");
    EXPECT_EQ(what.until, "2026-05-01T00:00:00.000Z");
    EXPECT_EQ(what.report, "april.html");
    EXPECT_TRUE(what.force);
    EXPECT_EQ(refused({"reconcile"}).status, exit_status::usage);
    EXPECT_EQ(refused({"reconcile", "a", "--since", "yesterday"}).status, exit_status::usage);
    EXPECT_EQ(refused({"reconcile", "a", "--since", "2026-13-01"}).status, exit_status::usage);
    EXPECT_EQ(refused({"reconcile", "a", "--force"}).status, exit_status::usage);
}

TEST(CommandLine, WrongArgumentsEndWith64AndSayWhatToDo) {
    struct wrong {
        std::vector<std::string> arguments;
        std::string says;
    };
    const std::vector<wrong> cases{
        {{}, "Usage"},
        {{"lst"}, "did you mean 'list'"},
        {{"consumers", "ad", "x"}, "did you mean 'add'"},
        {{"get"}, "required"},
        {{"get", "a/b"}, "an id is 1 to 128"},
        {{"get", "a", "b"}, "unexpected argument 'b'"},
        {{"get", "a", "--nope"}, "unexpected argument '--nope'"},
        {{"track", "x", "--metadata", "novalue"}, "is not KEY=VALUE"},
        {{"track", "x", "--metadata", "a=1", "--metadata", "a=1"}, "'a' is given twice"},
        {{"session", "--type", "buy", "--field", "type=sell"}, "'type' is given twice"},
        {{"help", "lst"}, "did you mean 'list'"},
        {{"list", "--metadata", "order"}, "is not KEY=VALUE"},
        {{"list", "--tracked-after", "yesterday"}, "is not a time"},
        {{"deliveries", "--since", "5"}, "is not a time"},
        {{"events", "--follow", "--since", "1h"}, "--follow"},
        {{"track", "x", "--overdue-after", "5"}, "is not a duration"},
        {{"track", "x", "--timeout", "5s"}, "--wait"},
        {{"wait", "x", "--timeout", "soon"}, "is not a duration"},
        {{"list", "--state", "done"}, "is not a state"},
        {{"list", "--limit", "0"}, "--limit: at least 1"},
        {{"list", "--limit", "-1"}, "--limit"},
        {{"list", "--limit", "5", "--all"}, "--all"},
        {{"deliveries", "--state", "lost"}, "is not a state"},
        {{"set"}, "required"},
        {{"set", "x"}, "--no-callback-url"},
        {{"set", "x", "--callback-url", "https://a/", "--no-callback-url"}, "--no-callback-url"},
        {{"set", "x", "--metadata", "a=1", "--metadata", "a=2"}, "'a' is given twice"},
        {{"untrack"}, "ID, or --state"},
        {{"untrack", "x", "--state", "overdue"}, "--state"},
        {{"untrack", "x", "--dry-run"}, "--dry-run"},
        {{"untrack", "--dry-run"}, "ID, or --state"},
        {{"untrack", "--state", "settled"}, "is not a state that can be untracked"},
        {{"untrack", "--tracked-before", "soon"}, "is not a time"},
        {{"redeliver", "--dry-run"}, "--dead"},
        {{"redeliver"}, "--dead"},
        {{"redeliver", "5", "--dead"}, "--dead"},
        {{"callback"}, "Usage"},
        {{"secret", "old"}, "unknown command 'old'"},
        {{"listen"}, "--secret-file"},
        {{"session"}, "--body"},
        {{"session", "--body", "x", "--currency", "USDT"}, "--body"},
        {{"session", "--currency", "USDT", "--idempotency-key", "a b"}, "printable"},
        {{"events", "--after", "-1"}, "--after"},
        {{"top", "--interval", "1ms"}, "between"},
        {{"log-level"}, "required"},
        {{"maintenance"}, "Usage"},
        {{"maintenance", "pause"}, "unknown command 'pause'"},
        {{"maintenance", "on", "--note", "a\nb"}, "without control characters"},
        {{"maintenance", "on", "--note", std::string(501, 'x')}, "at most 500 bytes"},
        {{"maintenance", "status", "--note", "x"}, "--note"},
        {{"doctor", "now"}, "unexpected argument"},
    };
    for (const wrong& one : cases) {
        const parse_end end = refused(one.arguments);
        EXPECT_EQ(end.status, exit_status::usage) << one.says;
        EXPECT_NE(end.text.find(one.says), std::string::npos) << one.says << " not in: " << end.text;
    }
}

TEST(CommandLine, MaintenanceBecomesAPut) {
    const auto on = parsed<maintenance_command>({"maintenance", "on", "--note", "Proof moves \"house\""});
    EXPECT_EQ(on.what, maintenance_command::action::on);
    const api_request request = maintenance_request(true, on.note);
    EXPECT_EQ(request.method, "PUT");
    EXPECT_EQ(request.target, "/v1/maintenance");
    EXPECT_EQ(request.body, R"({"on":true,"note":"Proof moves \"house\""})");
    EXPECT_EQ(parsed<maintenance_command>({"maintenance", "off"}).what, maintenance_command::action::off);
    EXPECT_EQ(maintenance_request(false, "").body, R"({"on":false})");
    EXPECT_EQ(parsed<maintenance_command>({"maintenance", "status"}).what, maintenance_command::action::status);
    EXPECT_EQ(parsed<maintenance_command>({"maintenance", "on", "--note", std::string(500, 'x')}).note.size(), 500U);
}

TEST(CommandLine, DoctorAndTheCheckOfTheStatusHaveTheirOptions) {
    EXPECT_FALSE(parsed<doctor_command>({"doctor"}).test);
    const auto what = parsed<doctor_command>({"doctor", "--config", "/tmp/p.toml", "--test"});
    EXPECT_EQ(what.config, "/tmp/p.toml");
    EXPECT_TRUE(what.test);
    EXPECT_TRUE(parsed<status_command>({"status", "--check"}).check);
    EXPECT_FALSE(parsed<status_command>({"status"}).check);
}

TEST(CommandLine, HelpOfACommandIsItsHelp) {
    for (const std::vector<std::string>& command : {std::vector<std::string>{}, {"track"}, {"callback", "test"}}) {
        std::vector<std::string> by_option = command;
        by_option.emplace_back("--help");
        std::vector<std::string> by_command{"help"};
        by_command.insert(by_command.end(), command.begin(), command.end());
        const parse_end end = refused(by_command);
        EXPECT_EQ(end.status, exit_status::done);
        EXPECT_EQ(end.text, refused(by_option).text);
    }
}

TEST(CommandLine, EveryCommandHasHelpWithAnExample) {
    const std::vector<std::vector<std::string>> commands{
        {},
        {"track"},
        {"import"},
        {"get"},
        {"explain"},
        {"wait"},
        {"list"},
        {"set"},
        {"untrack"},
        {"poll"},
        {"session"},
        {"kyc"},
        {"events"},
        {"deliveries"},
        {"redeliver"},
        {"callback"},
        {"callback", "test"},
        {"secret"},
        {"secret", "new"},
        {"consumers"},
        {"consumers", "add"},
        {"consumers", "ack"},
        {"consumers", "remove"},
        {"listen"},
        {"status"},
        {"top"},
        {"backup"},
        {"log-level"},
        {"reconcile"},
        {"export"},
        {"maintenance"},
        {"maintenance", "on"},
        {"maintenance", "off"},
        {"maintenance", "status"},
        {"doctor"},
        {"replay"},
        {"replays"},
        {"replays", "cancel"}};
    for (std::vector<std::string> arguments : commands) {
        arguments.emplace_back("--help");
        const parse_end end = refused(arguments);
        EXPECT_EQ(end.status, exit_status::done);
        EXPECT_NE(end.text.find("Example:\n  prooftrackctl"), std::string::npos) << arguments.front();
    }
    EXPECT_EQ(refused({"--version"}).text, "prooftrackctl " PROOFTRACKD_VERSION "\n");
}

TEST(ExitStatus, ReportsHowATransactionEnded) {
    EXPECT_EQ(exit_status_of("settled", "completed"), 0);
    EXPECT_EQ(exit_status_of("settled", "failed"), 2);
    EXPECT_EQ(exit_status_of("settled", "cancelled"), 3);
    for (const char* state : {"rejected", "abandoned", "untracked"}) EXPECT_EQ(exit_status_of(state, "processing"), 4);
    for (const char* state : {"tracking", "overdue", "not_found"}) EXPECT_EQ(exit_status_of(state, "completed"), 5);
}

TEST(Complaints, NameTheNextStep) {
    const auto unreachable = [](int error) {
        return describe_unreachable(
            {error_code(error, boost::system::system_category()), "connect", ""}, "/run/x.sock");
    };
    EXPECT_NE(unreachable(ENOENT).find("systemctl status prooftrackd"), std::string::npos);
    EXPECT_NE(unreachable(ECONNREFUSED).find("systemctl status prooftrackd"), std::string::npos);
    EXPECT_NE(unreachable(EACCES).find("group"), std::string::npos);
    EXPECT_EQ(
        exit_status_of(op_error{error_code(ENOENT, boost::system::system_category()), "connect", ""}),
        exit_status::unreachable);
}

TEST(Complaints, ShowTheProblemsDetailSafely) {
    const auto refusal = [](const std::string& body) {
        return describe_refusal({409, "application/problem+json", body});
    };
    EXPECT_EQ(
        refusal(R"({"title":"t","detail":"it has \u001b[2J ended","code":"already_ended","status":409})"),
        "it has \\x1b[2J ended (already_ended 409)");
    const std::string gone = refusal(R"({"detail":"gone","code":"cursor_gone","oldest_seq":17,"last_seq":40})");
    EXPECT_NE(gone.find("events 17 to 40"), std::string::npos);
    const std::string half = refusal(R"({"detail":"full","code":"store_unavailable","untracked":1250})");
    EXPECT_NE(half.find("1,250 of those that match are untracked by now.\nThe daemon cannot write"), std::string::npos);
    EXPECT_EQ(refusal("<html>"), "the daemon answered 409 without saying why");
}

} // namespace
} // namespace prooftrack::ctl
