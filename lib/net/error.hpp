#pragma once

// What can go wrong between two machines besides what the operating system and OpenSSL report.

#include <boost/system/error_code.hpp>

#include "base/result.hpp"

namespace prooftrack::net {

enum class net_error {
    timed_out = 1,       ///< a deadline of ours passed
    cancelled,           ///< its owner cancelled it
    no_address,          ///< the name resolves to nothing
    address_not_allowed, ///< every address of the name is refused by the filter
    header_too_large,    ///< the reply's header is over its bound
    closed_before_reply, ///< the connection ended before the first byte of a reply
    truncated_reply,     ///< the connection ended in the middle of a reply
    not_http,            ///< the reply is not HTTP/1
    proxy_refused,       ///< a proxy answered CONNECT with another status than 2xx
    bad_request,         ///< the request cannot be written as HTTP (a line break in a header)
};

const boost::system::error_category& net_category();
error_code make_error_code(net_error error);

} // namespace prooftrack::net

template <>
struct boost::system::is_error_code_enum<prooftrack::net::net_error> : std::true_type {};
