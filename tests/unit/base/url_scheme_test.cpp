#include "base/url_scheme.hpp"

#include <gtest/gtest.h>

namespace prooftrack {
namespace {

TEST(UrlScheme, HttpsIsToldInAnyCase) {
    EXPECT_TRUE(has_https_scheme("https://shop.example/"));
    EXPECT_TRUE(has_https_scheme("HTTPS://shop.example/"));
    EXPECT_TRUE(has_https_scheme("hTtPs:"));
    EXPECT_FALSE(has_https_scheme("http://shop.example/"));
    EXPECT_FALSE(has_https_scheme("http+unix:///run/shop.sock:/"));
    EXPECT_FALSE(has_https_scheme("https"));
    EXPECT_FALSE(has_https_scheme(""));
}

} // namespace
} // namespace prooftrack
