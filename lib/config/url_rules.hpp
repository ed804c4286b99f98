#pragma once

// Which addresses the configuration may name: the rules of base, in words for people who write the file. Each check
// gives "" when all is well, else what is wrong and what to write.

#include <string>
#include <string_view>
#include <vector>

namespace prooftrack::config {

/// `proof.base_url`: https, or http to a loopback host; no userinfo, query or fragment; a path in front is fine.
std::string check_base_url(std::string_view url);
/// A callback's `url`, its form: https, http, or http+unix:///path.sock:/target; no userinfo, no fragment.
std::string check_callback_form(std::string_view url);
/// Its form, and http only to a loopback host or to one of `plain_http_hosts`.
std::string check_callback_url(std::string_view url, const std::vector<std::string>& plain_http_hosts = {});
/// `metrics.listen`: "", HOST:PORT on a loopback host, or with `allow_remote` ADDRESS:PORT on any address.
std::string check_metrics_listen(std::string_view address, bool allow_remote = false);
/// Whether a sound `metrics.listen` serves others than this machine.
bool is_remote_listen(std::string_view address);
/// `proxy`: "", "none", or http://HOST[:PORT] without userinfo.
std::string check_proxy(std::string_view proxy);

/// Whether it is a sound http+unix URL.
bool is_unix_url(std::string_view url);

} // namespace prooftrack::config
