// cluster.node: what a daemon may be called, and where it has a name.

#include "config/node_name.hpp"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mistakes.hpp"

namespace prooftrack::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> node_mistakes(const std::string& node, const std::string& store) {
    return mistakes(
        "[proof]\nbase_url = \"https://proof.example\"\n[store]\n" + store + "[cluster]\nnode = \"" + node + "\"\n");
}

TEST(NodeName, IsOneTo64OfAFewCharacters) {
    const std::string url = "url = \"postgresql://u@h/d\"\n";
    for (const std::string& good :
         {std::string("a"), std::string("Pay_1.example-2"), std::string(64, 'x'), std::string()})
        EXPECT_THAT(node_mistakes(good, url), IsEmpty()) << good;
    for (const std::string& bad : {std::string("a b"), std::string("a/b"), std::string("\xc3\xbc")})
        EXPECT_THAT(node_mistakes(bad, url), ElementsAre(HasSubstr("must be 1 to 64 letters"))) << bad;
    EXPECT_THAT(node_mistakes(std::string(65, 'x'), url), ElementsAre(HasSubstr("cluster.node")));
    EXPECT_EQ(check_node_name(std::string(64, 'x')), "");
    EXPECT_NE(check_node_name(std::string(65, 'x')), "");
    EXPECT_NE(check_node_name(""), "");
}

TEST(NodeName, NeedsADatabaseThatCanBeShared) {
    EXPECT_THAT(node_mistakes("pay1", ""), ElementsAre(HasSubstr("cluster.node: needs store.url")));
    EXPECT_THAT(node_mistakes("pay1", "path = \"/x.db\"\n"), ElementsAre(HasSubstr("needs store.url")));
    EXPECT_THAT(node_mistakes("", ""), IsEmpty());
    EXPECT_THAT(node_mistakes("pay1", "url = \"mysql://h/d\"\n"), ElementsAre(HasSubstr("store.url")))
        << "one mistake at a time";
}

} // namespace
} // namespace prooftrack::config
