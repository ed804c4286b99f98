#include "prooftrackd/secret_reread.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/own_url.hpp"
#include "config/secret_files.hpp"
#include "engine/secret_view.hpp"
#include "prooftrackd/webhook_keys.hpp"

namespace prooftrack::daemon {
namespace {

/// nullptr when there is none of that name.
callback::callback_target* find_target(prepared_runtime& runtime, std::string_view callback) {
    const auto target =
        std::find_if(runtime.targets.begin(), runtime.targets.end(), [&](const callback::callback_target& each) {
            return each.name == callback;
        });
    return target == runtime.targets.end() ? nullptr : &*target;
}

/// Where the keys of that callback are used; nullptr when it has none.
std::vector<secret>* keys_of(prepared_runtime& runtime, std::string_view callback) {
    if (callback == own_url_callback) return &runtime.url_rules.secrets;
    callback::callback_target* target = find_target(runtime, callback);
    return target == nullptr ? nullptr : &target->secrets;
}

void make_notifier_setup(prepared_runtime& now) {
    now.notifier = prepare_notifier_setup(now.targets, now.url_rules, now.config.network.plain_http_hosts);
}

struct way_in_use {
    std::shared_ptr<const net::proxy_route>* route = nullptr; ///< null: there is no such callback
    std::string_view url;                                     ///< where it leads
};

/// Of a callback; of [proof] for "".
way_in_use way_of(prepared_runtime& runtime, std::string_view callback) {
    if (callback.empty()) return {&runtime.proof_options.route, runtime.proof_options.base_url};
    callback::callback_target* target = find_target(runtime, callback);
    return target == nullptr ? way_in_use{} : way_in_use{&target->route, target->url};
}

} // namespace

void log_open_file(observe::event_log& log, const std::string& file) {
    log.write(
        observe::log_event_id::config_insecure_file,
        {{"file", file}, {"advice", fmt::format("chmod 0640 {} (or 0600)", file)}});
}

void secret_reread::warn_of_open(bool is_open, const std::filesystem::path& file) const {
    if (is_open) log_open_file(log_, file.string());
}

void secret_reread::note_failure(
    file_watch& file, std::string_view what, std::string_view callback, const op_error& error) const {
    const std::string why = error.message();
    if (!file.on_failed(why)) return;
    log_.write(
        observe::log_event_id::config_warning,
        {{"file", file.path().string()},
         {"callback", callback},
         {"warning", fmt::format("the {} could not be read again: the last good content stays in use", what)},
         {"error", why}});
}

config::file_reader secret_reread::reader() const {
    return [this](const std::filesystem::path& path, std::size_t most_bytes) {
        return machine_.read_file(path, most_bytes);
    };
}

bool secret_reread::read_token(prepared_runtime& now) const {
    const std::filesystem::path& file = now.token_file.path();
    auto token = read_secret_file(file, reader());
    if (!token) {
        note_failure(now.token_file, "token", "", token.error());
        return false;
    }
    now.token_file.on_read();
    if (token->text == now.token) return false;
    warn_of_open(token->is_open_to_others, file);
    now.token = std::move(token->text);
    now.proof = prepare_proof_setup(now.proof_options, now.token, now.proof.get());
    return true;
}

template <typename Watched, typename Read, typename Take>
bool secret_reread::read_changed(std::vector<Watched>& files, std::string_view what, Read read, Take take) const {
    bool is_changed = false;
    for (Watched& each : files) {
        if (!each.file.is_due()) continue;
        const std::filesystem::path& file = each.file.path();
        auto content = read(file, reader());
        if (!content) {
            note_failure(each.file, what, each.callback, content.error());
            continue;
        }
        each.file.on_read();
        warn_of_open(content->is_open_to_others, file);
        if (take(each, std::move(*content))) is_changed = true;
    }
    return is_changed;
}

bool secret_reread::read_changed_keys(prepared_runtime& now) const {
    const auto take = [&](watched_keys& each, webhook_keys keys) {
        std::vector<secret>* used = keys_of(now, each.callback);
        if (used == nullptr) return false;
        if (each.fingerprints != keys.fingerprints) {
            log_.write(
                observe::log_event_id::callback_secret_changed,
                {{"callback", each.callback},
                 {"file", each.file.path().string()},
                 {"fingerprints", engine::join_fingerprints(keys.fingerprints)}});
        }
        each.fingerprints = std::move(keys.fingerprints);
        *used = std::move(keys.keys);
        return true;
    };
    const bool is_changed = read_changed(now.key_files, "secrets", read_webhook_keys, take);
    if (is_changed) make_notifier_setup(now);
    return is_changed;
}

bool secret_reread::read_changed_headers(prepared_runtime& now) const {
    const auto take = [&](const watched_headers& each, webhook_headers found) {
        callback::callback_target* target = find_target(now, each.callback);
        if (target == nullptr || found.headers == target->headers) return false;
        log_.write(
            observe::log_event_id::callback_headers_changed,
            {{"callback", each.callback}, {"file", each.file.path().string()}, {"headers", found.headers.size()}});
        target->headers = std::move(found.headers);
        return true;
    };
    const bool is_changed = read_changed(now.header_files, "headers", read_webhook_headers, take);
    if (is_changed) make_notifier_setup(now);
    return is_changed;
}

secret_reread::parts secret_reread::read_changed_proxy_credentials(prepared_runtime& now) const {
    parts changed;
    const auto take = [&](const watched_proxy& each, const config::secret_text& credentials) {
        const auto [route, url] = way_of(now, each.callback);
        if (route == nullptr || *route == nullptr) return false;
        auto next = std::make_shared<const net::proxy_route>((*route)->with_credentials(credentials.text));
        if (*next == **route) return false;
        *route = std::move(next);
        (each.callback.empty() ? changed.proof : changed.notifier) = true;
        log_.write(
            observe::log_event_id::config_proxy,
            {{"proxy", describe_way(**route, url)},
             {"used_by", each.callback.empty() ? "proof" : "callback." + each.callback},
             {"file", each.file.path().string()}});
        return true;
    };
    read_changed(now.proxy_files, "proxy's credentials", config::read_proxy_credentials, take);
    if (changed.proof) now.proof = prepare_proof_setup(now.proof_options, now.token, now.proof.get());
    if (changed.notifier) make_notifier_setup(now);
    return changed;
}

} // namespace prooftrack::daemon
