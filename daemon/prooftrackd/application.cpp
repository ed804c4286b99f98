#include "prooftrackd/application.hpp"

#include <algorithm>
#include <csignal>
#include <random>
#include <utility>

#include <fmt/format.h>
#include <sysexits.h>
#include <unistd.h>

#include "config/parse.hpp"
#include "config/reload.hpp"
#include "config/secret_files.hpp"
#include "prooftrackd/secrets.hpp"

namespace prooftrack {
namespace {

constexpr seconds between_ticks{1};
/// How long after stop_timeout a stop that got stuck is ended.
constexpr seconds stop_grace{5};

std::uint64_t random_seed() {
    std::random_device device;
    return (static_cast<std::uint64_t>(device()) << 32U) | device();
}

proof_client_options make_proof_options(const proof_config& config) {
    proof_client_options options;
    options.base_url = config.base_url;
    options.ca_file = config.ca_file;
    options.connections = config.connections;
    options.pipeline_depth = config.pipeline_depth;
    options.connect_timeout = config.connect_timeout;
    options.request_timeout = config.request_timeout;
    options.max_reply_bytes = config.max_reply_bytes;
    options.user_agent = "prooftrackd/" PROOFTRACKD_VERSION;
    options.seed = random_seed();
    return options;
}

store_options make_store_options(const store_config& config) {
    store_options options;
    options.path = config.path;
    options.seed = random_seed();
    return options;
}

api_options make_api_options(const api_config& config, int passed_socket) {
    api_options options;
    options.socket = config.socket;
    options.mode = config.mode;
    options.group = config.group;
    options.admin_group = config.admin_group;
    options.max_clients = config.max_clients;
    options.passed_descriptor = passed_socket;
    return options;
}

} // namespace

application::application(application_inputs inputs, service_log& log, service_notify& notify)
    : inputs_(std::move(inputs)), log_(log), notify_(notify), registry_(PROOFTRACKD_VERSION), counts_(registry_),
      observers_(log, counts_),
      store_(make_sqlite_store(loop_.get_executor(), make_store_options(inputs_.config.store), observers_)),
      notifier_(make_notifier(loop_.get_executor(), observers_)),
      alarm_(loop_.get_executor(), [this] { engine_.on_alarm(); }),
      engine_(inputs_.config, engine_doors{clock_, alarm_, *store_, *notifier_, log, counts_},
              engine_hooks{[this] { reread_token(); },
                           [this](std::string_view name) {
                               const auto level = parse_log_level(name);
                               if (level) log_.set_level(*level);
                               return level.has_value();
                           }},
              PROOFTRACKD_VERSION, random_seed()),
      proof_(make_https_proof_client(loop_.get_executor(), make_proof_options(inputs_.config.proof), engine_.polls(),
                                     observers_)),
      signals_(loop_, SIGTERM, SIGINT, SIGHUP), ticks_(loop_), pings_(loop_), stop_guard_(loop_),
      started_at_(clock_.now().steady) {
    observers_.store_state_changed = [this](store_state state) { engine_.on_store_state(state); };
    observers_.store_failed = [this] { finish(EX_IOERR); };
    engine_.attach(*proof_);
    proof_->set_token(inputs_.token);
    token_watch_.reset(find_token_file(inputs_.config));
    use_secrets(inputs_.config);
    api_ = make_api_server(loop_.get_executor(), make_api_options(inputs_.config.api, inputs_.passed_socket), engine_,
                           observers_);
    if (!inputs_.config.metrics.listen.empty()) {
        metrics_listener_ =
            make_metrics_listener(loop_.get_executor(), inputs_.config.metrics.listen, engine_, observers_);
    }
}

int application::run() {
    await_signal();
    schedule_tick();
    schedule_ping();
    look_at_base_url([this] { engine_.start([this](const op_result<std::monostate>& loaded) { on_ready(loaded); }); });
    loop_.run();
    return exit_status_;
}

void application::on_ready(const op_result<std::monostate>& loaded) {
    if (!loaded) {
        log_.write(log_event_id::store_error, {{"operation", "load"}, {"error", loaded.error().message()}});
        finish(EX_TEMPFAIL);
        return;
    }
    try {
        api_->start();
        if (metrics_listener_) metrics_listener_->start();
    } catch (const api_start_error& failed) {
        const bool is_configured_wrong = failed.exit_status() == EX_CONFIG;
        if (is_configured_wrong) log_.write(log_event_id::config_refused, {{"error", failed.what()}});
        stop_reason_ = failed.what();
        life_ = life::stopping;
        finish(failed.exit_status());
        return;
    }
    life_ = life::running;
    log_.write(
        log_event_id::daemon_started,
        {{"version", PROOFTRACKD_VERSION},
         {"pid", ::getpid()},
         {"config", inputs_.config_file.string()},
         {"socket", inputs_.passed_socket >= 0 ? std::string("passed by systemd") : inputs_.config.api.socket.string()},
         {"transactions", engine_.watched()},
         {"callbacks", inputs_.config.callbacks.size()},
         {"base_url", inputs_.config.proof.base_url},
         {"took_ms", std::chrono::duration_cast<milliseconds>(clock_.now().steady - started_at_).count()}});
    notify_.ready(engine_.summary());
}

/// Before the first poll: another Proof's words must not reach this ledger unnoticed.
void application::look_at_base_url(unique_function<void()> then) {
    store_->remember_base_url(inputs_.config.proof.base_url,
                              [this, then = std::move(then)](const op_result<std::string>& before) mutable {
                                  if (before && !before->empty() && *before != inputs_.config.proof.base_url) {
                                      log_.write(log_event_id::config_base_url_changed,
                                                 {{"before", *before},
                                                  {"after", inputs_.config.proof.base_url},
                                                  {"advice", "use another store.path for another Proof: a sandbox's "
                                                             "ids and events do not belong into a production ledger"}});
                                  }
                                  then();
                              });
}

void application::await_signal() {
    signals_.async_wait([this](error_code error, int number) {
        if (error) return;
        await_signal();
        on_signal(number);
    });
}

void application::on_signal(int number) {
    if (number == SIGHUP) {
        if (life_ == life::running) reload();
        return;
    }
    if (life_ == life::stopping) {
        finish(0); // the second one: at once; what is committed stays
        return;
    }
    begin_stop(number == SIGTERM ? "SIGTERM" : "SIGINT");
}

void application::begin_stop(std::string reason) {
    const milliseconds within = inputs_.config.stop_timeout;
    const bool was_running = life_ == life::running;
    life_ = life::stopping;
    stop_reason_ = std::move(reason);
    log_.write(log_event_id::daemon_stopping, {{"reason", stop_reason_}, {"stop_timeout_ms", within.count()}});
    notify_.stopping();
    notify_.extend_timeout(within + stop_grace + between_ticks);
    if (!was_running) {
        finish(0);
        return;
    }
    stop_guard_.expires_after(within + stop_grace);
    stop_guard_.async_wait([this](error_code error) {
        if (!error) finish(0);
    });
    const steady_time deadline = clock_.now().steady + within;
    if (metrics_listener_) metrics_listener_->stop(milliseconds(0), [] {});
    api_->stop(within, [this, deadline] {
        const auto left = std::chrono::duration_cast<milliseconds>(deadline - clock_.now().steady);
        engine_.stop(std::max(left, milliseconds(100)), [this] { finish(0); });
    });
}

void application::finish(int status) {
    exit_status_ = status;
    const auto uptime = std::chrono::floor<seconds>(clock_.now().steady - started_at_);
    if (life_ != life::starting || status == 0) {
        log_.write(log_event_id::daemon_stopped,
                   {{"reason", stop_reason_}, {"uptime_seconds", uptime.count()}, {"exit_status", status}});
    }
    log_.flush();
    loop_.stop();
}

void application::schedule_tick() {
    ticks_.expires_after(between_ticks);
    ticks_.async_wait([this](error_code error) {
        if (error) return;
        counts_.on_loop_lag(clock_.now().steady - ticks_.expiry());
        tick();
        schedule_tick();
    });
}

/// From the loop, so that a loop that hangs is noticed.
void application::schedule_ping() {
    const auto interval = notify_.watchdog_interval();
    if (!interval) return;
    notify_.ping();
    pings_.expires_after(*interval);
    pings_.async_wait([this](error_code error) {
        if (!error) schedule_ping();
    });
}

void application::tick() {
    log_.tick();
    counts_.set_log_dropped(log_.dropped());
    if (life_ == life::running && token_watch_.has_changed()) reread_token();
    if (!notify_.is_supervised()) return;
    std::string line = engine_.summary();
    if (life_ != life::running || line == status_line_) return;
    status_line_ = std::move(line);
    notify_.status(status_line_);
}

void application::reread_token() {
    try {
        secret token = load_token(inputs_.config, log_);
        token_watch_.reset(find_token_file(inputs_.config));
        if (token == inputs_.token) return;
        inputs_.token = token;
        proof_->set_token(std::move(token));
        engine_.on_token_changed();
    } catch (const secret_failure& failed) {
        log_.write(log_event_id::config_warning,
                   {{"warning", "the token could not be read again: the last good one stays in use"},
                    {"error", failed.what()}});
    }
}

void application::use_secrets(const configuration& config) {
    notifier_->configure(make_targets(config, inputs_.callback_secrets),
                         make_url_rules(config, inputs_.callback_secrets));
}

void application::reload() {
    notify_.reloading();
    const std::string file = inputs_.config_file.string();
    const std::filesystem::path credentials = credentials_directory();
    config_surroundings around;
    around.has_credential = [&](const std::string& name) { return has_credential_file(credentials, name); };
    auto read = load_configuration(inputs_.config_file, around);
    if (const auto* mistakes = std::get_if<config_mistakes>(&read)) {
        for (const config_mistake& mistake : *mistakes) {
            log_.write(log_event_id::config_refused, {{"file", mistake.file},
                                                      {"line", mistake.line},
                                                      {"column", mistake.column},
                                                      {"key", mistake.key},
                                                      {"error", mistake.problem},
                                                      {"nearest", mistake.nearest}});
        }
        counts_.set_reload_successful(false);
    } else {
        auto& good = std::get<configuration_reading>(read);
        for (const std::string& warning : good.warnings)
            log_.write(log_event_id::config_warning, {{"file", file}, {"warning", warning}});
        for (const std::string& key : restart_required(inputs_.config, good.value)) {
            log_.write(log_event_id::config_restart_required, {{"key", key}, {"file", file}});
        }
        apply(applicable_configuration(inputs_.config, std::move(good.value)));
    }
    notify_.ready(engine_.summary());
}

void application::apply(configuration wanted) {
    std::string changed;
    for (const std::string& key : changed_keys(inputs_.config, wanted)) changed += changed.empty() ? key : " " + key;
    try {
        try {
            inputs_.callback_secrets = load_callback_secrets(wanted, log_);
        } catch (const secret_failure& failed) {
            log_.write(log_event_id::config_warning,
                       {{"warning", "a secret file could not be read again: the last good secrets stay in use"},
                        {"error", failed.what()}});
        }
        use_secrets(wanted);
        proof_->reconfigure(make_proof_options(wanted.proof));
        if (!api_->reconfigure(wanted.api.max_clients, wanted.api.admin_group)) {
            throw std::runtime_error(fmt::format("api.admin_group: there is no group '{}'", wanted.api.admin_group));
        }
    } catch (const std::exception& failed) {
        log_.write(log_event_id::config_refused, {{"file", inputs_.config_file.string()}, {"error", failed.what()}});
        counts_.set_reload_successful(false);
        return;
    }
    if (const auto level = parse_log_level(wanted.log.level)) log_.set_level(*level);
    inputs_.config = std::move(wanted);
    reread_token();
    engine_.reconfigure(inputs_.config);
    counts_.set_reload_successful(true);
    log_.write(
        log_event_id::config_reloaded,
        {{"file", inputs_.config_file.string()}, {"changed", changed}, {"callbacks", inputs_.config.callbacks.size()}});
}

} // namespace prooftrack
