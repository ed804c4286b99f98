#pragma once

// Which callbacks there are, which of them select an event, and which lanes of callback_urls are allowed.

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/allowed_hosts.hpp"
#include "base/http_url.hpp"
#include "base/own_url.hpp"
#include "base/target_rules.hpp"
#include "config/config.hpp"
#include "track/delivery_lane.hpp"
#include "track/event.hpp"

namespace prooftrack::engine {

/// The configured callbacks. A value: a reload replaces it whole.
class callback_table {
  public:
    callback_table() = default;
    /// `sharing`: by so many nodes the limits of attempts in flight are shared; at least 1.
    callback_table(
        std::vector<config::callback_config> callbacks, config::callback_url_config rules,
        std::vector<std::string> plain_http_hosts = {}, std::size_t sharing = 1);

    const std::vector<config::callback_config>& callbacks() const { return callbacks_; }
    const config::callback_config* find(std::string_view name) const; ///< nullptr when there is none
    /// Whether deliveries can be shown under that name: a callback's, or "callback_url" where any is allowed.
    bool is_configured(std::string_view name) const {
        return name == own_url_callback ? has_url_rules() : find(name) != nullptr;
    }

    /// Whether any callback_url is allowed at all.
    bool has_url_rules() const { return !rules_.allow_hosts.empty(); }

    std::size_t sharing() const { return sharing_; }
    /// This node's part of a limit that holds for all nodes together, rounded up and at least 1.
    std::size_t share_of(std::size_t most) const {
        return std::max<std::size_t>((most + sharing_ - 1) / sharing_, 1);
    }

    /// Names of the callbacks that select `type`, in the order of the configuration; decided when the event is
    /// recorded.
    std::vector<std::string> selecting(track::event_type type) const;

    /// The settings of a lane; nullopt when its callback is not configured, or its host is (no longer) allowed.
    std::optional<track::lane_settings> settings_for(std::string_view lane) const;

    /// A transaction's own callback_url (base/target_rules).
    result<allowed_url> check_own(std::string_view url) const {
        return check_own_url(url, rules_.allow_hosts, plain_http_hosts_);
    }
    /// Whether a lane may be called: `allow_hosts` covers it (an exact host, `*.host` for what lies below it,
    /// `unix:PATH` for a socket), and http is allowed for its host.
    bool allows(std::string_view lane) const;

  private:
    std::vector<config::callback_config> callbacks_;
    config::callback_url_config rules_;
    std::vector<std::string> plain_http_hosts_;
    std::size_t sharing_ = 1;
};

} // namespace prooftrack::engine
