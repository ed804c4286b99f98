#pragma once

// The sandbox's certificates: an authority that stays in its directory, and a server certificate made anew at each
// start.

#include <filesystem>
#include <string>
#include <vector>

#include <boost/asio/ssl/context.hpp>

namespace prooftrack::sandbox {

/// Makes `directory/ca.pem` and `directory/ca_key.pem` (0600), or uses the pair that is there while it has a month to
/// live: a client that trusted the sandbox before its restart goes on trusting it. Returns a server context (TLS 1.2
/// and 1.3, sessions resumable) with a certificate for localhost, 127.0.0.1, ::1 and `more_hosts` (names or addresses).
/// Throws std::runtime_error that names what could not be done.
boost::asio::ssl::context make_server_context(
    const std::filesystem::path& directory, const std::vector<std::string>& more_hosts);

} // namespace prooftrack::sandbox
