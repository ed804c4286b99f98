#pragma once

// Token and webhook secrets of a configuration, read from their files into what the adapters take.

#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/secret.hpp"
#include "callback/notifier.hpp"
#include "config/config.hpp"
#include "observe/log.hpp"

namespace prooftrack {

/// A token or secret file that is missing, empty or malformed; what() says which and what to do.
class secret_failure : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// The token's file, "" when none is configured and no credential was passed.
std::string find_token_file(const configuration& config);

/// Throws secret_failure. Warns of files that others can read.
secret load_token(const configuration& config, event_log& log);

/// The keys of each callback by name ("callback_url" included) that have a secret file. Throws secret_failure.
std::map<std::string, std::vector<secret>> load_callback_secrets(const configuration& config, event_log& log);

/// What a start would refuse about these files, a line each; the files of a running daemon may be bad without harm,
/// since a reload keeps the last good ones.
std::vector<std::string> find_secret_problems(const configuration& config);

/// What the notifier sends with. A callback without an entry in `secrets` signs nothing.
std::vector<callback_target> make_targets(const configuration& config,
                                          const std::map<std::string, std::vector<secret>>& secrets);
callback_url_rules make_url_rules(const configuration& config,
                                  const std::map<std::string, std::vector<secret>>& secrets);

} // namespace prooftrack
