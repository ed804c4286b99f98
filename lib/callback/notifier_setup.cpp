#include "callback/notifier_setup.hpp"

#include <algorithm>
#include <utility>

#include <boost/system/system_error.hpp>

#include "base/expects.hpp"
#include "base/own_url.hpp"
#include "base/target_rules.hpp"
#include "callback/error.hpp"

namespace prooftrack::callback {
namespace {

/// The client of the system's authorities, made when the first target needs it.
class system_tls {
  public:
    std::shared_ptr<net::tls_client> get() {
        if (!client_) client_ = std::make_shared<net::tls_client>(net::trust_roots());
        return client_;
    }

  private:
    std::shared_ptr<net::tls_client> client_;
};

} // namespace

notifier_setup::notifier_setup(
    std::vector<callback_target> targets, callback_url_rules rules, std::vector<std::string> plain_http_hosts)
    : rules_(std::move(rules)), plain_http_hosts_(std::move(plain_http_hosts)) {
    system_tls system;
    for (auto& target : targets) {
        expects(target.url.empty() != target.command.empty(), "notifier: a target has either a url or a command");
        prepared_target ready;
        if (!target.url.empty()) {
            if (!target.tls && is_https_url(target.url)) target.tls = system.get();
            ready.webhook = make_configured_target(target, plain_http_hosts_);
        }
        ready.command = std::move(target.command);
        ready.timeout = target.timeout;
        targets_.insert_or_assign(target.name, std::move(ready));
    }
    if (std::none_of(rules_.allow_hosts.begin(), rules_.allow_hosts.end(), is_tcp_host)) return;
    if (rules_.secrets.empty())
        throw boost::system::system_error(make_error_code(callback_error::not_signed), std::string(own_url_callback));
    if (!rules_.tls) rules_.tls = system.get();
}

const prepared_target* notifier_setup::find(std::string_view name) const {
    const auto found = targets_.find(name);
    return found == targets_.end() ? nullptr : &found->second;
}

result<std::shared_ptr<const webhook_target>> notifier_setup::own_url_target(const std::string& url) const {
    const result<allowed_url> allowed = check_own_url(url, rules_.allow_hosts, plain_http_hosts_);
    if (allowed.has_error()) return allowed.error();
    auto target = make_own_url_target(*allowed, rules_);
    if (!is_signed_enough(*target)) return make_error_code(callback_error::not_signed);
    return target;
}

std::shared_ptr<const notifier_setup> prepare_notifier_setup(
    std::vector<callback_target> targets, callback_url_rules rules, std::vector<std::string> plain_http_hosts) {
    return std::make_shared<const notifier_setup>(std::move(targets), std::move(rules), std::move(plain_http_hosts));
}

} // namespace prooftrack::callback
