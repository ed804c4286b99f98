#include "callback/target_rules.hpp"

#include "base/own_url.hpp"
#include "callback/error.hpp"

namespace prooftrack::callback {

result<http_url> check_configured_url(std::string_view text, const std::vector<std::string>& plain_http_hosts) {
    result<http_url> url = parse_http_url(text);
    if (url.has_error()) return url.error();
    if (!may_be_called(*url, plain_http_hosts)) return make_error_code(callback_error::plain_http);
    return url;
}

result<allowed_url> check_own_url(
    std::string_view text, const std::vector<std::string>& allow_hosts,
    const std::vector<std::string>& plain_http_hosts) {
    if (text.size() > max_own_url_bytes) return make_error_code(callback_error::url_too_long);
    result<http_url> url = parse_http_url(text);
    if (url.has_error()) return url.error();
    const own_url_verdict verdict = judge_own_url(*url, allow_hosts, plain_http_hosts);
    if (verdict == own_url_verdict::plain_http) return make_error_code(callback_error::plain_http);
    if (verdict == own_url_verdict::not_listed) return make_error_code(callback_error::host_not_allowed);
    allowed_url allowed;
    allowed.exact_host = verdict == own_url_verdict::exact;
    allowed.plain_http_host = is_plain_http_host(*url, plain_http_hosts);
    allowed.url = std::move(*url);
    return allowed;
}

} // namespace prooftrack::callback
