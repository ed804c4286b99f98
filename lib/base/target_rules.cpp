#include "base/target_rules.hpp"

#include <utility>

#include <fmt/format.h>

#include "base/own_url.hpp"

namespace prooftrack {
namespace {

class target_category_type final : public boost::system::error_category {
  public:
    const char* name() const noexcept override { return "prooftrack.target"; }
    std::string message(int value) const override {
        switch (static_cast<target_error>(value)) {
        case target_error::plain_http:
            return "plain http is for a loopback host alone: use https";
        case target_error::too_long:
            return fmt::format("the URL is longer than {} bytes", max_own_url_bytes);
        case target_error::host_not_allowed:
            return "the host is not in allow_hosts of [callback_url]";
        }
        return "unknown target error";
    }
};

} // namespace

const boost::system::error_category& target_category() {
    static const target_category_type category;
    return category;
}

error_code make_error_code(target_error error) { return {static_cast<int>(error), target_category()}; }

result<http_url> check_configured_url(std::string_view text) {
    result<http_url> url = parse_http_url(text);
    if (url.has_error()) return url.error();
    if (!is_encrypted_or_local(*url)) return make_error_code(target_error::plain_http);
    return url;
}

result<http_url> check_own_url_form(std::string_view text) {
    if (text.size() > max_own_url_bytes) return make_error_code(target_error::too_long);
    return check_configured_url(text);
}

result<allowed_url> check_own_url(std::string_view text, const std::vector<std::string>& allow_hosts) {
    result<http_url> url = check_own_url_form(text);
    if (url.has_error()) return url.error();
    const host_match match = match_host(*url, allow_hosts);
    if (match == host_match::none) return make_error_code(target_error::host_not_allowed);
    allowed_url allowed;
    allowed.url = std::move(*url);
    allowed.exact_host = match == host_match::exact;
    return allowed;
}

} // namespace prooftrack
