// What `cluster`, `status` and `doctor` make of the nodes that the daemon tells of.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fixed_now.hpp"
#include "parsed_command.hpp"
#include "prooftrackctl/cluster_view.hpp"
#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/explanation.hpp"
#include "prooftrackctl/status_view.hpp"
#include "prooftrackctl/views.hpp"

namespace prooftrack::ctl {
namespace {

using testing::HasSubstr;
using testing::Not;
using level = finding_level;

constexpr std::string_view red = "\x1b[31m";

std::string node(
    const std::string& id, const std::string& state, unsigned shards, unsigned seen,
    const std::string& version = "1.3") {
    return R"({"id":")" + id + R"(","state":")" + state + R"(","shards":)" + std::to_string(shards) +
           R"(,"seen_seconds_ago":)" + std::to_string(seen) + R"(,"version":")" + version + R"("})";
}

std::string move(
    const std::string& at, const std::string& who, const std::string& from, unsigned shards, const std::string& how) {
    return R"({"at":")" + at + R"(","node":")" + who + R"(","from":)" + (from.empty() ? "null" : '"' + from + '"') +
           R"(,"shards":)" + std::to_string(shards) + R"(,"how":")" + how + R"("})";
}

std::string cluster(const std::string& nodes, unsigned unowned = 0, const std::string& moves = "") {
    return R"({"node":"a","nodes":[)" + nodes + R"(],"unowned_shards":)" + std::to_string(unowned) + R"(,"moves":[)" +
           moves + "]}";
}

const std::string three =
    node("a", "living", 86, 0) + "," + node("b", "living", 85, 0) + "," + node("c", "living", 85, 1);

std::string shown(const std::string& body, const look& where = look{}) {
    return format_cluster(json_view::parse(body), where, now);
}

std::vector<finding> found(const std::string& body) {
    std::vector<finding> findings;
    diagnose_cluster(json_view::parse(body), findings);
    return findings;
}

TEST(Cluster, TakesNoArguments) {
    parsed<cluster_command>({"cluster"});
    EXPECT_EQ(refused({"cluster", "a"}).status, exit_status::usage);
}

TEST(Cluster, ANodeIsALineAndThisOneIsMarked) {
    const std::string text = shown(cluster(three));
    EXPECT_THAT(
        text, HasSubstr("NODE  STATE   SHARDS  SEEN    VERSION\n"
                        "a     living      86  now     1.3      this one\n"
                        "b     living      85  now     1.3\n"
                        "c     living      85  1s ago  1.3\n"));
    EXPECT_THAT(text, Not(HasSubstr("no owner")));
    EXPECT_THAT(text, Not(HasSubstr("who took")));
    EXPECT_THAT(text, HasSubstr("prooftrackd --new-log-id"));
}

TEST(Cluster, ShardsWithoutAnOwnerAreRed) {
    look colours;
    colours.colour = true;
    const std::string text = shown(cluster(three, 3), colours);
    EXPECT_THAT(text, HasSubstr(std::string(red) + "3 shards have no owner: nobody polls their transactions"));
    EXPECT_THAT(shown(cluster(three, 1)), HasSubstr("\n1 shard has no owner: "));
    const std::string lost = node("a", "living", 200, 0) + "," + node("b", "gone", 56, 5);
    EXPECT_THAT(shown(cluster(lost), colours), HasSubstr(std::string(red) + "gone"));
    const std::string stopped = node("a", "living", 256, 0) + "," + node("b", "gone", 0, 65);
    EXPECT_THAT(shown(cluster(stopped), colours), Not(HasSubstr(red)));
    EXPECT_THAT(shown(cluster(stopped)), HasSubstr("1m 5s ago"));
}

TEST(Cluster, SaysWhoTookShardsFromWhom) {
    const std::string moves = move("2026-04-01T09:58:00.000Z", "a", "b", 85, "taken_over") + "," +
                              move("2026-04-01T09:00:00.000Z", "c", "a", 1, "handed_over") + "," +
                              move("2026-04-01T08:00:00.000Z", "a", "", 256, "unowned");
    EXPECT_THAT(
        shown(cluster(three, 0, moves)), HasSubstr("WHEN    NODE  TOOK  FROM  HOW\n"
                                                   "2m ago  a       85  b     taken over: its lease had run out\n"
                                                   "1h ago  c        1  a     handed over\n"
                                                   "2h ago  a      256  -     nobody had them\n"));
}

TEST(Cluster, ALongListOfMovesIsCut) {
    std::string moves = move("2026-04-01T09:58:00.000Z", "a", "b", 1, "handed_over");
    for (std::size_t i = 0; i < shown_moves; ++i)
        moves += "," + move("2026-04-01T09:58:00.000Z", "a", "b", 1, "unowned");
    EXPECT_THAT(shown(cluster(three, 0, moves)), HasSubstr("and 1 more: --json has them\n"));
}

TEST(Cluster, ADaemonWithAFileIsAlone) {
    for (const char* none : {"null", "", "[]"}) {
        EXPECT_FALSE(is_clustered(json_view::parse(none)));
        EXPECT_THAT(shown(none), HasSubstr("this daemon is alone"));
        EXPECT_THAT(shown(none), HasSubstr("`store.url`"));
        EXPECT_TRUE(found(none).empty());
    }
}

TEST(Cluster, NothingFromOutsideReachesATerminalUnescaped) {
    const std::string text = shown(cluster(
        node("a\\u001b", "li\\u001bving", 1, 0, "1\\u001b"), 0,
        move("x\\u001b", "y\\u001b", "z\\u001b", 1, "w\\u001b")));
    EXPECT_THAT(text, Not(HasSubstr("\x1b")));
    EXPECT_THAT(text, HasSubstr("a\\x1b"));
}

TEST(Cluster, TheStatusHasALineOfIt) {
    const auto line = [](const std::string& body) { return cluster_line(json_view::parse(body), look{}); };
    EXPECT_EQ(line(cluster(three)), "node a of 3, 86 shards");
    EXPECT_EQ(line(cluster(node("a", "living", 1, 0) + "," + node("b", "gone", 0, 9))), "node a of 1, 1 shard");
    EXPECT_EQ(line(cluster(three, 2)), "node a of 3, 86 shards, 2 shards have no owner");
    EXPECT_EQ(line(cluster("")), "node a of 1, 0 shards");
    const std::string status = R"({"version":"1","cluster":)" + cluster(three) + "}";
    EXPECT_THAT(
        format_status(json_view::parse(status), look{}, now), HasSubstr("cluster       node a of 3, 86 shards\n"));
    EXPECT_THAT(format_status(json_view::parse(R"({"version":"1"})"), look{}, now), Not(HasSubstr("cluster")));
}

std::string next_of(const std::string& transaction, const std::string& status) {
    return explain({json_view::parse(transaction), {}, json_view::parse(status)}, now).next;
}

TEST(Cluster, AnExplanationSaysWhichNodeKnowsOfTheNextPoll) {
    const auto of = [](const std::string& state, const std::string& owner) {
        return R"({"merchant_transaction_id":"t-1","state":")" + state + R"(","next_poll_at":null,"node":")" + owner +
               R"("})";
    };
    const std::string status = R"({"cluster":)" + cluster(three) + "}";
    EXPECT_EQ(next_of(of("tracking", "b"), status), "Node b polls it, and knows when it does so next: ask there.");
    EXPECT_THAT(next_of(of("settled", "b"), status), HasSubstr("Node b knows whether it is asked once more"));
    EXPECT_THAT(next_of(of("untracked", "b"), status), HasSubstr("No poll is planned: it is untracked"));
    EXPECT_THAT(next_of(of("tracking", "a"), status), HasSubstr("No poll is planned now"));
    EXPECT_THAT(next_of(of("settled", "a"), status), HasSubstr("every time of poll.verify_after is over"));
    const std::string held = R"({"maintenance":{"on":true,"since":""},"cluster":)" + cluster(three) + "}";
    EXPECT_THAT(next_of(of("tracking", "b"), held), HasSubstr("maintenance is on"));
    EXPECT_THAT(next_of(of("settled", "b"), held), HasSubstr("Node b"));
}

TEST(Cluster, ATransactionNamesItsNode) {
    const auto text = [](const std::string& members) {
        return format_transaction(
            json_view::parse(R"({"merchant_transaction_id":"t-1",)" + members + R"(,"metadata":{}})"), look{}, now);
    };
    const std::string foreign = text(R"("state":"tracking","next_poll_at":null,"node":"b")");
    EXPECT_THAT(foreign, HasSubstr("planned by node b\n"));
    EXPECT_THAT(foreign, HasSubstr("  node "));
    EXPECT_THAT(text(R"("state":"settled","next_poll_at":null,"node":"b")"), HasSubstr("none planned"));
    EXPECT_THAT(text(R"("state":"tracking","next_poll_at":null)"), Not(HasSubstr("node")));
}

void expect_one(const std::string& body, level how, const std::string& what) {
    const auto findings = found(body);
    ASSERT_EQ(findings.size(), 1U) << what;
    EXPECT_EQ(findings[0].check, "cluster");
    EXPECT_EQ(findings[0].level, how);
    EXPECT_THAT(findings[0].what, HasSubstr(what));
    EXPECT_EQ(findings[0].advice.empty(), how == level::ok);
}

TEST(Cluster, DoctorSaysWhatIsWrong) {
    expect_one(cluster(three), level::ok, "node a of 3, 86 shards");
    const std::string self = node("a", "living", 128, 0) + ",";
    expect_one(cluster(self + node("b", "living", 128, 3)), level::ok, "node a of 2");
    expect_one(cluster(self + node("b", "living", 128, 4)), level::warning, "node b was last heard of 4s ago");
    expect_one(cluster(self + node("b", "gone", 0, 1)), level::warning, "node b is gone, last heard of 1s ago");
    expect_one(
        cluster(node("a", "living", 128, 4) + "," + node("b", "living", 128, 0)), level::problem,
        "this node, a, was last heard of 4s ago");
    expect_one(cluster(three, 2), level::problem, "2 shards have no owner");
    expect_one(
        cluster(self + node("b", "leaving", 64, 0, "1.2") + "," + node("c", "living", 64, 0)), level::warning,
        "the nodes' versions differ: 1.3 on a, c; 1.2 on b");
}

TEST(Cluster, DoctorDoesNotCompareVersionsWithNodesThatAreGone) {
    expect_one(
        cluster(node("a", "living", 256, 0) + "," + node("b", "gone", 0, 99, "1.2")), level::warning, "b is gone");
}

} // namespace
} // namespace prooftrack::ctl
