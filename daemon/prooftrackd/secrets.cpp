#include "prooftrackd/secrets.hpp"

#include <filesystem>

#include <fmt/format.h>

#include "callback/signing.hpp"
#include "config/secret_files.hpp"

namespace prooftrack {
namespace {

constexpr std::string_view url_rules_name = "callback_url";

void warn_if_open(bool is_open, const std::filesystem::path& file, event_log& log) {
    if (!is_open) return;
    log.write(log_event_id::config_insecure_file,
              {{"file", file.string()}, {"advice", fmt::format("chmod 0640 {} (or 0600)", file.string())}});
}

/// Reads the keys of a callback, and warns through `log` (nullptr: says nothing) of a file that others can read.
std::vector<secret> load_keys(const std::filesystem::path& file, event_log* log) {
    const auto lines = read_secret_lines(file);
    if (!lines) throw secret_failure(fmt::format("{}: {}", file.string(), lines.error().message()));
    if (log != nullptr) warn_if_open(lines->is_open_to_others, file, *log);
    std::vector<secret> keys;
    for (const secret& line : lines->lines) {
        auto key = parse_webhook_secret(line.reveal());
        if (!key)
            throw secret_failure(fmt::format("{}: line {}: {}", file.string(), keys.size() + 1, key.error().message()));
        keys.push_back(std::move(*key));
    }
    return keys;
}

secret load_token(const configuration& config, event_log* log) {
    const std::filesystem::path file = token_path(config, credentials_directory());
    if (file.empty()) {
        throw secret_failure(
            "there is no client_token: name its file in proof.token_file, or pass the systemd credential client_token");
    }
    auto token = read_secret_file(file);
    if (!token) throw secret_failure(fmt::format("{}: {}", file.string(), token.error().message()));
    if (log != nullptr) warn_if_open(token->is_open_to_others, file, *log);
    return std::move(token->text);
}

/// The files with keys, by the name of the callback that signs with them.
std::map<std::string, std::filesystem::path> key_files(const configuration& config) {
    std::map<std::string, std::filesystem::path> files;
    const std::filesystem::path credentials = credentials_directory();
    for (const callback_config& callback : config.callbacks) {
        if (auto file = secret_path(callback, credentials); !file.empty()) files[callback.name] = std::move(file);
    }
    if (auto file = secret_path(config.callback_url, credentials); !file.empty())
        files[std::string(url_rules_name)] = std::move(file);
    return files;
}

} // namespace

std::string find_token_file(const configuration& config) {
    return token_path(config, credentials_directory()).string();
}

secret load_token(const configuration& config, event_log& log) { return load_token(config, &log); }

std::map<std::string, std::vector<secret>> load_callback_secrets(const configuration& config, event_log& log) {
    std::map<std::string, std::vector<secret>> secrets;
    for (const auto& [name, file] : key_files(config)) secrets[name] = load_keys(file, &log);
    return secrets;
}

std::vector<std::string> find_secret_problems(const configuration& config) {
    std::vector<std::string> problems;
    const auto attempt = [&problems](const auto& load) {
        try {
            load();
        } catch (const secret_failure& failed) {
            problems.emplace_back(failed.what());
        }
    };
    attempt([&config] { load_token(config, nullptr); });
    for (const auto& [name, file] : key_files(config)) attempt([&file = file] { load_keys(file, nullptr); });
    return problems;
}

std::vector<callback_target> make_targets(const configuration& config,
                                          const std::map<std::string, std::vector<secret>>& secrets) {
    std::vector<callback_target> targets;
    targets.reserve(config.callbacks.size());
    for (const callback_config& callback : config.callbacks) {
        callback_target target;
        target.name = callback.name;
        target.url = callback.url;
        target.command = callback.command;
        target.ca_file = callback.ca_file;
        target.timeout = callback.timeout;
        if (const auto keys = secrets.find(callback.name); keys != secrets.end()) target.secrets = keys->second;
        targets.push_back(std::move(target));
    }
    return targets;
}

callback_url_rules make_url_rules(const configuration& config,
                                  const std::map<std::string, std::vector<secret>>& secrets) {
    callback_url_rules rules;
    rules.allow_hosts = config.callback_url.allow_hosts;
    if (const auto keys = secrets.find(std::string(url_rules_name)); keys != secrets.end())
        rules.secrets = keys->second;
    return rules;
}

} // namespace prooftrack
