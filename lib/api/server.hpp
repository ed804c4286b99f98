#pragma once

// Serves the local API on a Unix socket, and /metrics over TCP.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <sys/types.h>

#include "api/backend.hpp"
#include "api/connection.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "base/unique_function.hpp"

namespace prooftrack::api {

struct api_options {
    std::filesystem::path socket;
    std::uint32_t mode = 0660;
    std::optional<gid_t> group;       ///< owns the socket, none = the daemon's
    std::optional<gid_t> admin_group; ///< none = everyone who can connect may do everything
    std::size_t max_clients = 256;
    int passed_descriptor =
        -1; ///< a listening Unix socket from systemd: wins over `socket`, `mode` and `group`; owned from here on
    connection_limits limits; ///< those of daemon/docs/reference.md; tests shorten them
};

/// Counts and facts; the engine joins them to metrics and log. Called on the loop.
class api_observer {
  public:
    virtual ~api_observer() = default;
    virtual void on_request(const api_request_fact& fact) = 0;
};

/// A start that cannot go on. `exit_status` is 75 (socket in use, cannot bind now) or 78 (path or group cannot be
/// right); what() tells people what to do.
class api_start_error : public std::runtime_error {
  public:
    api_start_error(int exit_status, const std::string& what) : std::runtime_error(what), exit_status_(exit_status) {}
    int exit_status() const { return exit_status_; }

  private:
    int exit_status_;
};

/// Why a socket cannot stand at this path, whoever starts: a name that is too long, or something else is there. "" when
/// it can. Only looks.
std::string find_socket_fault(const std::filesystem::path& path);

class api_server {
  public:
    virtual ~api_server() = default;

    /// Binds (or takes the passed socket) and listens. Throws api_start_error; then nothing is left behind.
    virtual void start() = 0;

    /// Takes nothing new and removes its own socket. Waits are answered 503, streams end, requests in progress may end
    /// within `within`; then `stopped` runs once, posted, unless this is destroyed before.
    virtual void stop(milliseconds within, unique_function<void()> stopped) = 0;

    /// For requests from now on; connections over a lowered limit stay.
    virtual void reconfigure(std::size_t max_clients, std::optional<gid_t> admin_group) noexcept = 0;

    virtual std::size_t connections() const = 0;
};

/// `behind` and `observer` must outlive it.
std::unique_ptr<api_server> make_api_server(
    const boost::asio::any_io_executor& loop, api_options options, backend& behind, api_observer& observer);

/// For clients over TCP, of whom nothing is known: everything they do has its time.
connection_limits metrics_limits();

/// Which addresses may be listened on.
enum class metrics_reach : std::uint8_t { loopback, anywhere };

/// Serves GET /metrics, and nothing else, on `listen`: HOST:PORT with a literal address or "localhost". The same life
/// cycle; `reconfigure` changes nothing. Throws api_start_error (78) for an address beyond `reach`. Few clients at a
/// time: the one that was silent for longest makes way, whatever it is in the middle of.
std::unique_ptr<api_server> make_metrics_listener(
    const boost::asio::any_io_executor& loop, const std::string& listen, status_backend& behind, api_observer& observer,
    connection_limits limits = metrics_limits(), metrics_reach reach = metrics_reach::loopback);

} // namespace prooftrack::api
