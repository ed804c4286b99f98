#include "sandbox/request_log.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace prooftrack::sandbox {
namespace {

boost::json::array read_all(const request_log& log, std::string prefix = "") {
    std::string text;
    auto more = log.format(std::move(prefix));
    while (more(text)) {
    }
    return boost::json::parse(text).as_array();
}

TEST(RequestLog, ShowsWhatWasAskedInOrder) {
    request_log log;
    EXPECT_TRUE(read_all(log).empty());
    log.append(wall_time(milliseconds(1'120)), "GET", "/widget/transactions/a", 200);
    log.append(wall_time(milliseconds(1'121)), "POST", "/widget/session?q=\"", 0);
    const auto entries = read_all(log);
    ASSERT_EQ(entries.size(), 2U);
    EXPECT_EQ(
        boost::json::serialize(entries[0]),
        R"({"at":"1970-01-01T00:00:01.120Z","method":"GET","path":"/widget/transactions/a","status":200})");
    EXPECT_EQ(entries[1].at("path").as_string(), "/widget/session?q=\"");
    EXPECT_EQ(read_all(log, "/widget/session").size(), 1U);
}

TEST(RequestLog, ForgetsTheOldestBeyondItsBound) {
    request_log log(2 * request_log::piece_bytes);
    const std::string path(request_log::longest_path, 'x');
    constexpr int count = 5'000;
    for (int index = 0; index < count; ++index) log.append(wall_time(milliseconds(index)), "GET", path, 200);
    const auto entries = read_all(log);
    EXPECT_LT(entries.size(), 2 * request_log::piece_bytes / request_log::longest_path + 1);
    EXPECT_GT(entries.size(), 1'000U);
    EXPECT_EQ(entries.back().at("at").as_string(), "1970-01-01T00:00:04.999Z");
}

TEST(RequestLog, AReaderSeesOnlyWhatWasThereWhenItBegan) {
    request_log log;
    log.append(wall_time(milliseconds(1)), "GET", "/a", 200);
    auto more = log.format("");
    log.append(wall_time(milliseconds(2)), "GET", "/b", 200);
    log.clear();
    std::string text;
    while (more(text)) {
    }
    EXPECT_EQ(boost::json::parse(text).as_array().size(), 1U);
}

TEST(RequestLog, LongPathsAreCut) {
    request_log log;
    log.append(wall_time(milliseconds(1)), "GET", std::string(5'000, 'x'), 200);
    EXPECT_EQ(read_all(log)[0].at("path").as_string().size(), request_log::longest_path);
}

} // namespace
} // namespace prooftrack::sandbox
