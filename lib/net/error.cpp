#include "net/error.hpp"

#include <string>

namespace prooftrack::net {
namespace {

class net_category_type final : public boost::system::error_category {
  public:
    const char* name() const noexcept override { return "prooftrack.net"; }
    std::string message(int value) const override {
        switch (static_cast<net_error>(value)) {
        case net_error::timed_out:
            return "timed out";
        case net_error::cancelled:
            return "cancelled";
        case net_error::no_address:
            return "the name has no address";
        case net_error::address_not_allowed:
            return "the address is not allowed";
        case net_error::header_too_large:
            return "the reply's header is too large";
        case net_error::closed_before_reply:
            return "the connection was closed before a reply";
        case net_error::truncated_reply:
            return "the connection was closed in the middle of the reply";
        case net_error::not_http:
            return "the reply is not HTTP";
        case net_error::proxy_refused:
            return "it refuses to connect";
        case net_error::bad_request:
            return "the request has a control character in a header";
        }
        return "unknown network error";
    }
};

} // namespace

const boost::system::error_category& net_category() {
    static const net_category_type category;
    return category;
}

error_code make_error_code(net_error error) { return {static_cast<int>(error), net_category()}; }

} // namespace prooftrack::net
