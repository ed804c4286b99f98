#pragma once

// Private to this module: all targets of one configuration.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "callback/notifier.hpp"
#include "callback/webhook_target.hpp"

namespace prooftrack::callback {

/// A configured callback, ready to be used.
struct prepared_target {
    std::shared_ptr<const webhook_target> webhook; ///< null for a command
    std::vector<std::string> command;
    milliseconds timeout{15000};
};

class notifier_setup {
  public:
    /// Throws as prepare_notifier_setup.
    notifier_setup(
        std::vector<callback_target> targets, callback_url_rules rules, std::vector<std::string> plain_http_hosts);

    /// nullptr when there is none of that name.
    const prepared_target* find(std::string_view name) const;

    /// The target of a transaction's own callback_url. Errors are those of check_own_url, and
    /// callback_error::not_signed.
    result<std::shared_ptr<const webhook_target>> own_url_target(const std::string& url) const;

  private:
    std::map<std::string, prepared_target, std::less<>> targets_;
    callback_url_rules rules_;
    std::vector<std::string> plain_http_hosts_;
};

} // namespace prooftrack::callback
