// Reads the sources of whoever logs: every key that they write is in the event table.

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "observe/event_table.hpp"

namespace prooftrack::observe {
namespace {

std::string read(const std::filesystem::path& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// `poll.error` for `poll_error`: an enumerator's first underscore is the dot.
std::string event_name(std::string enumerator) {
    const auto first = enumerator.find('_');
    if (first != std::string::npos) enumerator[first] = '.';
    return enumerator;
}

/// The literals that follow `opening` between `begin` and `end`.
std::set<std::string> literals(
    const std::string& text, std::size_t begin, std::size_t end, const std::string& opening) {
    std::set<std::string> found;
    for (auto at = text.find(opening, begin); at < end; at = text.find(opening, at + 1)) {
        const auto first = at + opening.size();
        const auto last = text.find('"', first);
        // A key is followed by its value; a literal that ends its braces is something else.
        if (last != std::string::npos && text.compare(last, 2, "\",") == 0)
            found.insert(text.substr(first, last - first));
    }
    return found;
}

bool has_key(const log_event_info& info, const std::string& key) {
    bool is_known = false;
    for_each_word(info.keys, [&](std::string_view known) { is_known = is_known || known == shown_key(key); });
    return is_known;
}

class LoggedKeys : public testing::Test {
  protected:
    void SetUp() override {
        for (const char* folder : {"lib/engine", "daemon/prooftrackd"}) {
            const std::filesystem::path path = std::filesystem::path(PROOFTRACK_SOURCE_DIR) / folder;
            for (const auto& entry : std::filesystem::directory_iterator(path)) {
                if (entry.path().extension() == ".cpp") sources_.push_back(entry.path());
            }
        }
    }
    std::vector<std::filesystem::path> sources_;
};

TEST_F(LoggedKeys, OfALineWrittenInOneStatementAreThoseOfItsEvent) {
    const std::string mark = "log_event_id::";
    std::size_t lines = 0;
    for (const auto& path : sources_) {
        const std::string text = read(path);
        for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1)) {
            const auto begin = at + mark.size();
            const auto end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_", begin);
            const log_event_info* info = find_log_event(event_name(text.substr(begin, end - begin)));
            ASSERT_NE(info, nullptr) << path << ": " << text.substr(begin, end - begin);
            if (text[end] != ',') continue;
            ++lines;
            for (const auto& key : literals(text, end, text.find(';', end), "{\"")) {
                EXPECT_TRUE(has_key(*info, key)) << path.filename() << ": " << info->name << " has no key " << key;
            }
        }
    }
    EXPECT_GT(lines, 20U) << "nothing was read: has the code moved?";
}

TEST_F(LoggedKeys, ThatAreAddedOneByOneBelongToSomeEvent) {
    for (const auto& path : sources_) {
        const std::string text = read(path);
        if (text.find("log_field") == std::string::npos) continue;
        for (const auto& key : literals(text, 0, text.size(), "fields.emplace_back(\"")) {
            bool is_known = false;
            for (const log_event_info& info : log_events()) is_known = is_known || has_key(info, key);
            EXPECT_TRUE(is_known) << path.filename() << ": no event has the key " << key;
        }
    }
}

} // namespace
} // namespace prooftrack::observe
