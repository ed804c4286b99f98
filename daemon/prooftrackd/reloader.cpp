#include "prooftrackd/reloader.hpp"

#include <exception>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <sysexits.h>

#include "config/reload.hpp"
#include "prooftrackd/secret_reread.hpp"
#include "prooftrackd/secrets_in_use.hpp"

namespace prooftrack::daemon {

namespace {

std::string sum_up(const config::config_mistakes& mistakes) {
    std::string text = format_mistake(mistakes.front());
    if (mistakes.size() > 1) text += fmt::format(" (and {} more)", mistakes.size() - 1);
    return text;
}

} // namespace

void log_refused(observe::event_log& log, const config::config_mistakes& mistakes, std::string_view advice) {
    for (const config::config_mistake& mistake : mistakes) {
        log.write(
            observe::log_event_id::config_refused, {{"file", mistake.file},
                                                    {"line", mistake.line},
                                                    {"column", mistake.column},
                                                    {"key", mistake.key},
                                                    {"error", mistake.problem},
                                                    {"nearest", mistake.nearest},
                                                    {"advice", advice}});
    }
}

void log_refused_start(observe::event_log& log, const config::config_mistakes& mistakes, int exit_status) {
    log_refused(
        log, mistakes,
        exit_status == EX_CONFIG ? "correct it, check it with --check-config, then start again"
                                 : "mend that and start again; systemd tries again by itself");
}

void log_warnings(observe::event_log& log, const std::filesystem::path& file, const preparation& ready) {
    for (const std::string& warning : ready.warnings)
        log.write(observe::log_event_id::config_warning, {{"file", file.string()}, {"warning", warning}});
    for (const std::string& open : ready.open_files) log_open_file(log, open);
}

void log_proxies(observe::event_log& log, const std::vector<proxy_use>& uses) {
    for (const proxy_use& each : uses)
        log.write(
            observe::log_event_id::config_proxy,
            {{"proxy", each.proxy}, {"source", each.source}, {"used_by", each.used_by}});
}

bool reloader::reload(running_parts& running) {
    preparation ready;
    try {
        ready = prepare_runtime(file_, machine_, &running.runtime());
    } catch (const std::exception& failed) { // out of memory, for one
        ready.mistakes = {{file_.string(), 0, 0, {}, failed.what(), {}}};
        ready.runtime.reset();
    }
    if (!ready.runtime) {
        const config::config_mistakes refusals = ready.refusals();
        log_refused(
            log_, refusals,
            "correct it, check it with --check-config, then reload again; the configuration in force stays");
        counts_.set_reload_successful(false);
        running.keep(refusals.empty() ? std::string() : sum_up(refusals));
        return false;
    }
    log_warnings(log_, file_, ready);
    prepared_runtime next = std::move(*ready.runtime);
    const config::configuration& before = running.runtime().config;
    for (const std::string& key : restart_required(before, next.config))
        log_.write(observe::log_event_id::config_restart_required, {{"key", key}, {"file", file_.string()}});
    next.config = applicable_configuration(before, std::move(next.config));
    std::string changed;
    for (const std::string& key : changed_keys(before, next.config)) changed += changed.empty() ? key : " " + key;
    const std::size_t callbacks = next.config.callbacks.size();
    const std::string secrets = format_secrets(secrets_in_use(next));
    if (next.proxies != running.runtime().proxies) log_proxies(log_, next.proxies);
    running.take_over(std::move(next));
    counts_.set_reload_successful(true);
    log_.write(
        observe::log_event_id::config_reloaded,
        {{"file", file_.string()}, {"changed", changed}, {"callbacks", callbacks}, {"secrets", secrets}});
    return true;
}

} // namespace prooftrack::daemon
