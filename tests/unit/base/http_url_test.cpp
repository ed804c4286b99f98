#include "base/http_url.hpp"

#include <string>

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace prooftrack {
namespace {

http_url parsed(std::string_view text) { return parse_http_url(text).value(); }
error_code fault(std::string_view text) {
    const auto url = parse_http_url(text);
    return url.has_error() ? url.error() : error_code();
}

TEST(HttpUrl, TakesHttpsApart) {
    const http_url url = parsed("https://Shop.Example:8443/hooks/proof?a=b%20c&d");
    EXPECT_EQ(url.scheme, url_scheme::https);
    EXPECT_EQ(url.host, "shop.example");
    EXPECT_EQ(url.port, 8443);
    EXPECT_EQ(url.target, "/hooks/proof?a=b%20c&d");
    EXPECT_EQ(format_lane(url), "https://shop.example:8443");
    EXPECT_EQ(format_host_header(url), "shop.example:8443");
}

TEST(HttpUrl, DefaultsPortAndTarget) {
    EXPECT_EQ(parsed("https://a.example").port, 443);
    EXPECT_EQ(parsed("http://a.example").port, 80);
    EXPECT_EQ(parsed("https://a.example:/x").port, 443);
    EXPECT_EQ(parsed("https://a.example").target, "/");
    EXPECT_EQ(parsed("https://a.example?x=1").target, "/?x=1");
    EXPECT_EQ(format_host_header(parsed("https://a.example:443/")), "a.example");
    EXPECT_EQ(format_lane(parsed("http://a.example/")), "http://a.example:80");
}

TEST(HttpUrl, TakesLiteralAddresses) {
    EXPECT_EQ(parsed("http://127.0.0.1:8080/").host, "127.0.0.1");
    const http_url v6 = parsed("http://[0:0::1]:8080/");
    EXPECT_EQ(v6.host, "::1");
    EXPECT_EQ(format_lane(v6), "http://[::1]:8080");
    EXPECT_EQ(format_host_header(v6), "[::1]:8080");
}

TEST(HttpUrl, TakesUnixSockets) {
    const http_url url = parsed("http+unix:///run/shop.sock:/hooks/proof?x=1");
    EXPECT_EQ(url.scheme, url_scheme::http_unix);
    EXPECT_EQ(url.socket_path, "/run/shop.sock");
    EXPECT_EQ(url.target, "/hooks/proof?x=1");
    EXPECT_EQ(url.host, "");
    EXPECT_EQ(format_lane(url), "http+unix:///run/shop.sock");
    EXPECT_EQ(format_host_header(url), "localhost");
    EXPECT_EQ(parsed("http+unix:///run/shop.sock").target, "/");
    EXPECT_EQ(parsed("http+unix:///" + std::string(106, 'a')).socket_path.size(), 107U);
}

TEST(HttpUrl, AHostWithLettersBeyondAsciiIsToBeWrittenAsPunycode) {
    for (const char* text :
         {"https://b\u00fccher.example/", "https://b%C3%BCcher.example:8443/x", "http://\u4f8b.example"}) {
        EXPECT_EQ(fault(text), url_error::letters) << text;
        EXPECT_NE(fault(text).message().find("xn--"), std::string::npos);
    }
    EXPECT_EQ(fault("https://a.example/b\u00fccher"), url_error::malformed);
    EXPECT_EQ(parsed("https://xn--bcher-kva.example/").host, "xn--bcher-kva.example");
}

TEST(HttpUrl, RefusesEachMistakeByName) {
    EXPECT_EQ(fault("ftp://a.example/"), url_error::scheme);
    EXPECT_EQ(fault("file:///etc/passwd"), url_error::scheme);
    EXPECT_EQ(fault("https://user:pass@a.example/"), url_error::userinfo);
    EXPECT_EQ(fault("https://@a.example/"), url_error::userinfo);
    EXPECT_EQ(fault("https://a.example/#x"), url_error::fragment);
    EXPECT_EQ(fault("https:///x"), url_error::host_missing);
    EXPECT_EQ(fault("https:x"), url_error::host_missing);
    EXPECT_EQ(fault("https://a.example:0/"), url_error::port);
    EXPECT_EQ(fault("https://a.example:65536/"), url_error::port);
    EXPECT_EQ(fault("https://a.example:8a/"), url_error::port);
    EXPECT_EQ(fault("https://a.example:-1/"), url_error::port);
    EXPECT_EQ(fault("https://a.example/x@y"), error_code());
    EXPECT_EQ(fault("https://[::1/"), url_error::host);
    EXPECT_EQ(fault("https://[::1%25lo]/"), url_error::host);
    EXPECT_EQ(fault("https://[127.0.0.1]/"), url_error::host);
    EXPECT_EQ(fault("https://a.example\\@evil.example/"), url_error::userinfo);
    EXPECT_EQ(fault("https://a.example\\x/"), url_error::host);
    EXPECT_EQ(fault(""), url_error::malformed);
    EXPECT_EQ(fault("a.example"), url_error::malformed);
    EXPECT_EQ(fault("https://a.example/a b"), url_error::malformed);
    EXPECT_EQ(fault("https://a.example/a\r\nX: y"), url_error::malformed);
    EXPECT_EQ(fault("https://a.example/%zz"), url_error::malformed);
    EXPECT_EQ(fault("http+unix://run/shop.sock:/x"), url_error::socket);
    EXPECT_EQ(fault("http+unix:///"), url_error::socket);
    EXPECT_EQ(fault("http+unix:///" + std::string(107, 'a')), url_error::socket_path_length);
    EXPECT_EQ(fault("http+unix:///run/a.sock:/x#y"), url_error::fragment);
}

TEST(HttpUrl, RefusesHostsThatOnlyGetaddrinfoUnderstands) {
    for (const char* text :
         {"http://2130706433/", "http://127.1/", "http://127.0.0.1./", "http://0x7f000001/", "http://0x7f.1/",
          "http://a..b/", "http://.a/", "http://a%2eb/", "http://b\xc3\xa4.example/"})
        EXPECT_TRUE(fault(text)) << text;
}

TEST(HttpUrl, ANameThatBeginsLikeAnAddressIsAName) {
    for (const char* host : {"127.0.0.1.nip.example", "10.0.0.7.shop.example", "1.2.3.4a", "127.0.0.1.example"}) {
        const http_url url = parsed(std::string("https://") + host + ":8443/x");
        EXPECT_EQ(url.host, host);
        EXPECT_EQ(url.port, 8443);
        EXPECT_EQ(url.target, "/x");
        EXPECT_FALSE(is_encrypted_or_local({url_scheme::http, url.host, 80, "/", ""}));
    }
}

TEST(HttpUrl, PlainHttpIsForThisMachineAlone) {
    for (const char* text :
         {"https://shop.example/", "http://127.0.0.1:8080/", "http://LocalHost/", "http://[::1]/",
          "http://[::ffff:127.0.0.1]/", "http+unix:///run/s.sock:/x"})
        EXPECT_TRUE(is_encrypted_or_local(parsed(text))) << text;
    for (const char* text :
         {"http://shop.example/", "http://10.0.0.1/", "http://localhost.example/", "http://127.0.0.1.evil.example/",
          "http://[2001:db8::1]/"})
        EXPECT_FALSE(is_encrypted_or_local(parsed(text))) << text;
}

TEST(HttpUrl, AnyTextIsParsedOrRefused) {
    const std::string alphabet = "htps+unix:/[]@?#%.0129af-_~ \n";
    EXPECT_TRUE(rc::check([&] {
        const auto tail = *rc::gen::container<std::string>(rc::gen::elementOf(alphabet));
        const auto url = parse_http_url("https://" + tail);
        if (url.has_value()) RC_ASSERT(!url->host.empty() && url->target.front() == '/' && url->port != 0);
        parse_http_url(tail);
        parse_http_url("http+unix://" + tail);
    }));
}

TEST(HttpUrl, HttpsIsReportedInAnyCase) {
    EXPECT_TRUE(is_https_url("https://shop.example/"));
    EXPECT_TRUE(is_https_url("HTTPS://shop.example/"));
    EXPECT_TRUE(is_https_url("hTtPs://shop.example/"));
    for (const auto* other : {"http://shop.example/", "http+unix:///run/shop.sock:/", "https", "https:", ""}) {
        EXPECT_FALSE(is_https_url(other)) << other;
    }
}

} // namespace
} // namespace prooftrack
