#pragma once

// The first half of a start, of a reload and of --check-config: reads, loads and looks up everything that a
// configuration names. It changes nothing. What takes the result over cannot fail.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/secret.hpp"
#include "callback/notifier.hpp"
#include "config/config.hpp"
#include "config/mistake.hpp"
#include "proof/proof_client.hpp"
#include "prooftrackd/file_watch.hpp"
#include "prooftrackd/machine.hpp"
#include "prooftrackd/proxy_choice.hpp"
#include "prooftrackd/tls_clients.hpp"

namespace prooftrack::daemon {

/// The file with the keys of a callback; `callback` is its name, "callback_url" included.
struct watched_keys {
    std::string callback;
    file_watch file;
    std::vector<std::string> fingerprints{}; ///< of its keys
};

/// The headers_file of a callback.
struct watched_headers {
    std::string callback;
    file_watch file;
};

/// A configuration with everything that it names, ready to be used.
struct prepared_runtime {
    config::configuration config;
    proof::proof_client_options proof_options;
    secret token;
    secret store_password; ///< of store.url; used by a start alone
    std::string node;      ///< this daemon's name among those that share store.url; as it was at the start
    file_watch token_file;
    std::shared_ptr<const proof::proof_setup> proof;
    std::vector<callback::callback_target> targets;
    callback::callback_url_rules url_rules;
    std::vector<watched_keys> key_files;
    std::vector<watched_headers> header_files;
    std::vector<watched_proxy> proxy_files;
    std::vector<proxy_use> proxies;                           ///< for `config.proxy`
    std::shared_ptr<const callback::notifier_setup> notifier; ///< of targets and url_rules
    std::optional<gid_t> socket_group;
    std::optional<gid_t> admin_group;
    tls_clients tls; ///< of the callbacks; kept for the next reload
};

/// What a preparation found.
struct preparation {
    config::config_mistakes mistakes; ///< in the order of the file
    config::config_mistakes
        not_permitted;                   ///< files that this process may not read, and credentials that it did not get
    std::vector<std::string> warnings;   ///< for `config.warning`
    std::vector<std::string> open_files; ///< secrets that others can read: for `config.insecure_file`
    std::optional<config::log_config> log;   ///< when the file could be read as far as that
    std::optional<prepared_runtime> runtime; ///< only when there is nothing in the first two

    /// Both lists, for a start or a reload: what cannot be read cannot be used.
    config::config_mistakes refusals() const;
};

/// `before`, the runtime in force (null at a start), is shared with where nothing differs.
preparation prepare_runtime(const std::filesystem::path& file, const machine& from, const prepared_runtime* before);

} // namespace prooftrack::daemon
