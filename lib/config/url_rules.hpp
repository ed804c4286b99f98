#pragma once

// Which addresses the configuration may name: the rules of base, in words for people who write the file. Each check
// gives "" when all is well, else what is wrong and what to write.

#include <string>
#include <string_view>

namespace prooftrack::config {

/// `proof.base_url`: https, or http to a loopback host; no userinfo, query or fragment; a path in front is fine.
std::string check_base_url(std::string_view url);
/// A callback's `url`: https, http to a loopback host, or http+unix:///path.sock:/target; no userinfo, no fragment.
std::string check_callback_url(std::string_view url);
/// `proxy`: "", "none", or http://HOST[:PORT] without userinfo.
std::string check_proxy(std::string_view proxy);
/// `metrics.listen`: "" or HOST:PORT on a loopback address.
std::string check_metrics_listen(std::string_view address);

/// Whether it is a sound http+unix URL.
bool is_unix_url(std::string_view url);

} // namespace prooftrack::config
