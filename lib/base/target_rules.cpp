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
            return "plain http is for a loopback host, or for one of plain_http_hosts of [network] (a callback_url's: "
                   "that allow_hosts of [callback_url] names too): use https";
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

result<http_url> check_configured_url(std::string_view text, const std::vector<std::string>& plain_http_hosts) {
    result<http_url> url = parse_http_url(text);
    if (url.has_error()) return url.error();
    if (!may_be_called(*url, plain_http_hosts)) return make_error_code(target_error::plain_http);
    return url;
}

result<http_url> check_own_url_form(std::string_view text) {
    if (text.size() > max_own_url_bytes) return make_error_code(target_error::too_long);
    return parse_http_url(text);
}

result<allowed_url> check_own_url(
    std::string_view text, const std::vector<std::string>& allow_hosts,
    const std::vector<std::string>& plain_http_hosts) {
    result<http_url> url = check_own_url_form(text);
    if (url.has_error()) return url.error();
    const own_url_verdict verdict = judge_own_url(*url, allow_hosts, plain_http_hosts);
    if (verdict == own_url_verdict::plain_http) return make_error_code(target_error::plain_http);
    if (verdict == own_url_verdict::not_listed) return make_error_code(target_error::host_not_allowed);
    allowed_url allowed;
    allowed.exact_host = verdict == own_url_verdict::exact;
    allowed.plain_http_host = is_plain_http_host(*url, plain_http_hosts);
    allowed.url = std::move(*url);
    return allowed;
}

} // namespace prooftrack
