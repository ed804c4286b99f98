#pragma once

// Which addresses the configuration may name. Each function gives "" when all is well, else what is wrong and what to
// write.

#include <string>
#include <string_view>

namespace prooftrack {

/// `localhost`, 127.0.0.0/8 or ::1 (with or without brackets): the hosts that may be spoken to without TLS.
bool names_this_machine(std::string_view host);

/// `proof.base_url`: https, or http to a loopback host; no userinfo, query or fragment; a path in front is fine.
std::string check_base_url(std::string_view url);
/// A callback's `url`: https, http to a loopback host, or http+unix:///path.sock:/target; no userinfo, no fragment.
std::string check_callback_url(std::string_view url);
/// An entry of `callback_url.allow_hosts`: `shop.example`, `*.shop.example`, an IP address, `unix:/run/shop.sock`.
std::string check_allowed_host(std::string_view host);
/// `metrics.listen`: "" or HOST:PORT on a loopback address.
std::string check_metrics_listen(std::string_view address);

bool is_unix_url(std::string_view url);
/// Whether an `allow_hosts` entry is reached over TCP.
bool is_tcp_host(std::string_view allowed_host);

} // namespace prooftrack
