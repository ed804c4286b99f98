#include <gtest/gtest.h>

#include "api/accept_weight.hpp"

namespace prooftrack::api {
namespace {

int named(std::string_view accept) { return accept_weight(accept, "text/event-stream", accept_wildcards::ignored); }
int any(std::string_view accept) { return accept_weight(accept, "application/json", accept_wildcards::counted); }

TEST(AcceptWeight, IsThatOfTheMostSpecificRange) {
    EXPECT_EQ(any("application/json"), 1'000);
    EXPECT_EQ(any("text/html, application/json;q=0.25"), 250);
    EXPECT_EQ(any("*/*;q=0.5, application/*;q=0.75, application/json;q=0"), 0);
    EXPECT_EQ(any("application/json;q=0, */*"), 0);
    EXPECT_EQ(any("application/*;q=0.75, */*;q=0.5"), 750);
    EXPECT_EQ(any("text/*, */*;q=0.5"), 500);
    EXPECT_EQ(any("text/html"), 0);
    EXPECT_EQ(any(""), 0);
}

TEST(AcceptWeight, OfANamedTypeCountsNoWildcards) {
    EXPECT_EQ(named("*/*"), 0);
    EXPECT_EQ(named("text/*"), 0);
    EXPECT_EQ(named("TEXT/Event-Stream ; charset=utf-8 ; Q=0.5"), 500);
    EXPECT_EQ(named("text/event-streams"), 0);
}

TEST(AcceptWeight, TakesWhatCannotBeReadForOne) {
    for (const char* odd :
         {"text/event-stream;q=", "text/event-stream;q=2", "text/event-stream;q=.5", "text/event-stream;q=0.1234",
          "text/event-stream;q=x", "text/event-stream;q=1.000", " , text/event-stream;;", "text/event-stream;q"}) {
        EXPECT_EQ(named(odd), 1'000) << odd;
    }
    EXPECT_EQ(named("text/event-stream;q=0"), 0);
    EXPECT_EQ(named("text/event-stream;q=0."), 0);
    EXPECT_EQ(named("text/event-stream;q=0.000"), 0);
}

} // namespace
} // namespace prooftrack::api
