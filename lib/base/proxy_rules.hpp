#pragma once

// How an HTTP proxy is written, and which hosts NO_PROXY exempts from one. Pure.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace prooftrack {

/// Where a proxy is: a name, or an address without brackets.
struct proxy_address {
    std::string host;
    std::uint16_t port = 0;
    bool operator==(const proxy_address&) const = default;
};

/// `http://HOST[:PORT]`, port 80 when none is written; a `/` may follow. Errors: url_error::scheme for any other scheme
/// (TLS to the proxy and SOCKS are not spoken), url_error::userinfo, url_error::malformed for a path or query, and
/// those of parse_http_url.
result<proxy_address> parse_proxy_url(std::string_view text);

/// "" when `text` is such a URL, else what is wrong and what to write, for people.
std::string check_proxy_url(std::string_view text);

/// `proxy.example:3128`, `[2001:db8::1]:3128`: also how a target of CONNECT is written.
std::string format_host_and_port(std::string_view host, std::uint16_t port);

/// Most bytes of a NO_PROXY that is read.
inline constexpr std::size_t max_no_proxy_bytes = 65'536;

/// The rules of NO_PROXY as curl has them: entries are separated by commas or blanks; `shop.example` and
/// `.shop.example` cover that name and every name below it, `*` alone covers everything; an address covers itself in
/// any spelling, `10.0.0.0/8` and `fd00::/8` the addresses in it; case and a final dot are ignored. Beyond curl,
/// `HOST:PORT` (`[::1]:443` for IPv6) covers that port alone. A name is never resolved for this.
class no_proxy_list {
  public:
    no_proxy_list() = default; ///< covers nothing
    /// What cannot be read as an entry covers nothing, as with curl. Bytes past max_no_proxy_bytes must not be given.
    explicit no_proxy_list(std::string_view text);

    /// `host` without brackets.
    bool covers(std::string_view host, std::uint16_t port) const;

    bool operator==(const no_proxy_list&) const = default;

  private:
    struct entry {
        std::string name;        ///< a name in lower case without dots around it; "" = an address
        std::string network;     ///< the 4 or 16 bytes of an address
        unsigned prefix = 0;     ///< leading bits of it that count
        std::uint16_t port = 0;  ///< 0 = any
        bool covers_all = false; ///< `*`
        bool operator==(const entry&) const = default;
    };
    static bool read_entry(std::string_view text, entry& into);
    static bool covers(const entry& one, std::string_view name, std::string_view address);

    std::vector<entry> entries_;
};

} // namespace prooftrack
