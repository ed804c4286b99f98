#pragma once

// Notifications to systemd, and what systemd passes on. All of it does nothing when systemd did not start the daemon.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace prooftrack::observe {

/// Messages to the service manager over $NOTIFY_SOCKET.
class service_notify {
  public:
    /// Reads the environment; call before any thread starts.
    service_notify();

    bool is_supervised() const { return is_supervised_; }
    /// How often `ping` is due (half of the manager's patience); nullopt = no watchdog.
    std::optional<std::chrono::microseconds> watchdog_interval() const { return watchdog_interval_; }

    void ready(std::string_view status) const;
    /// A line for people, as `systemctl status` shows it.
    void status(std::string_view text) const;
    /// A reload begins; `ready` ends it.
    void reloading() const;
    void stopping() const;
    void ping() const;
    /// A start or stop goes on for at least that long: do not kill it.
    void extend_timeout(std::chrono::microseconds by) const;

  private:
    void send(const std::string& message) const;
    bool is_supervised_ = false;
    std::optional<std::chrono::microseconds> watchdog_interval_;
};

/// Which of the passed sockets is the API's: the one called `api`, or the only one; nullopt when none was passed.
/// Fails when several were passed and none has the name, or more than one has it.
op_result<std::optional<std::size_t>> choose_api_socket(const std::vector<std::string>& names);

/// The listening Unix stream socket that systemd passed, close-on-exec; nullopt when there is none. The caller owns it,
/// and must never remove its path. Call once: the environment is cleared.
op_result<std::optional<int>> passed_api_socket();

} // namespace prooftrack::observe
