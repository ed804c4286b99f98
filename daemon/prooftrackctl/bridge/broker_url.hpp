#pragma once

// Addresses of brokers and the credentials for them. Pure.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/secret.hpp"

namespace prooftrack::ctl {

struct broker_url {
    std::string scheme; ///< as it is shown: amqp, amqps, redis, rediss
    bool is_tls = false;
    std::string host; ///< a name, or an address without brackets
    std::uint16_t port = 0;
    std::string path; ///< behind the slash, decoded: a virtual host, a database's number; "" = none written

    bool operator==(const broker_url&) const = default;
};

/// Reads `SCHEME://HOST[:PORT][/PATH]`, or `SCHEMEs://…` with TLS, of `scheme` = "amqp" or "redis". Gives "" and fills
/// `into`, or what is wrong, for people. A user or password in it is refused: command lines are seen by others.
std::string parse_broker_url(std::string_view text, std::string_view scheme, broker_url& into);

/// What people see: `amqps://broker.example:5671/shop`.
std::string format_broker_url(const broker_url& url);

/// Whether what is sent there is encrypted or does not leave this machine.
bool is_encrypted_or_local(const broker_url& url);

/// A user and a password.
struct broker_credentials {
    std::string user;
    secret password;
};

/// Most bytes of a file of credentials.
inline constexpr std::size_t max_credentials_bytes = 4'096;

/// Reads `USER:PASSWORD` (the password may have colons; a final newline is dropped; the user may be empty). Gives ""
/// and fills `into`, or what is wrong, without any of the text.
std::string parse_broker_credentials(std::string_view text, broker_credentials& into);

} // namespace prooftrack::ctl
