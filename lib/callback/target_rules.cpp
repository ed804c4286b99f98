#include "callback/target_rules.hpp"

#include "base/own_url.hpp"
#include "callback/error.hpp"

namespace prooftrack::callback {

result<http_url> check_configured_url(std::string_view text) {
    result<http_url> url = parse_http_url(text);
    if (url.has_error()) return url.error();
    if (!is_encrypted_or_local(*url)) return make_error_code(callback_error::plain_http);
    return url;
}

result<allowed_url> check_own_url(std::string_view text, const std::vector<std::string>& allow_hosts) {
    if (text.size() > max_own_url_bytes) return make_error_code(callback_error::url_too_long);
    result<http_url> url = check_configured_url(text);
    if (url.has_error()) return url.error();
    const host_match match = match_host(*url, allow_hosts);
    if (match == host_match::none) return make_error_code(callback_error::host_not_allowed);
    allowed_url allowed;
    allowed.url = std::move(*url);
    allowed.exact_host = match == host_match::exact;
    return allowed;
}

} // namespace prooftrack::callback
