#pragma once

// TCP to a broker, with TLS or without: every wait has a deadline.

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <openssl/types.h>

#include "prooftrackctl/bridge/broker.hpp"

struct addrinfo;

namespace prooftrack::ctl {

/// One connection. Errors are texts for people; after one the connection is of no use.
class tcp_link {
  public:
    /// `stop` must outlive it; it ends `open` and `connect_to_any` alone.
    explicit tcp_link(const stop_signal& stop);
    ~tcp_link();
    tcp_link(const tcp_link&) = delete;
    tcp_link& operator=(const tcp_link&) = delete;

    /// Connects within `broker_patience`; with TLS the certificate must be for the host, from `access.ca_file` or the
    /// system's authorities. (The lookup of a name has the resolver's own deadline.)
    std::optional<broker_error> open(const broker_access& access);

    /// Connects to the first address of the list that answers. One that is silent leaves time for the others.
    std::optional<broker_error> connect_to_any(const addrinfo& addresses, steady_time until);

    /// All of it, within `broker_patience`.
    std::optional<broker_error> write(std::string_view bytes);

    /// What is there; 0 in `count` = nothing now.
    std::optional<broker_error> read(std::span<char> into, std::size_t& count);

    int descriptor() const { return socket_; }
    void close();

  private:
    struct tls_deleter {
        void operator()(SSL* ssl) const noexcept;
    };

    std::optional<broker_error> connect(const broker_url& url, steady_time until);
    std::optional<broker_error> connect_to(const addrinfo& address, steady_time until);
    std::optional<broker_error> begin_tls(const broker_access& access, steady_time until);

    const stop_signal& stop_;
    int socket_ = -1;
    std::unique_ptr<SSL, tls_deleter> tls_;
};

} // namespace prooftrack::ctl
