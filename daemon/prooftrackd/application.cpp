#include "prooftrackd/application.hpp"

#include <algorithm>
#include <csignal>
#include <random>
#include <utility>

#include <fmt/format.h>
#include <sysexits.h>
#include <unistd.h>

#include "prooftrackd/secrets_in_use.hpp"

namespace prooftrack::daemon {
namespace {

constexpr seconds between_ticks{1};
/// How long after stop_timeout a stop that got stuck is ended.
constexpr seconds stop_grace{5};

std::uint64_t random_seed() {
    std::random_device device;
    return (static_cast<std::uint64_t>(device()) << 32U) | device();
}

std::unique_ptr<store::store> make_store(
    const boost::asio::any_io_executor& loop, const prepared_runtime& runtime, observe::service_log& log,
    store::store_observer& observer) {
    const config::store_config& config = runtime.config.store;
    if (config.url.empty()) {
        store::store_options options;
        options.path = config.path;
        options.seed = random_seed();
        return make_sqlite_store(loop, options, observer);
    }
    store::postgres_options options;
    options.url = config.url;
    options.password = runtime.store_password;
    options.node = runtime.node;
    options.version = PROOFTRACKD_VERSION;
    options.seed = random_seed();
    options.warn = [&log](const std::string& warning) {
        log.write(observe::log_event_id::config_warning, {{"warning", "PostgreSQL: " + warning}});
    };
    return make_postgres_store(loop, options, observer);
}

api::api_options make_api_options(const prepared_runtime& runtime, int passed_socket) {
    const config::api_config& config = runtime.config.api;
    api::api_options options;
    options.socket = config.socket;
    options.mode = config.mode;
    options.group = runtime.socket_group;
    options.admin_group = runtime.admin_group;
    options.max_clients = config.max_clients;
    options.passed_descriptor = passed_socket;
    return options;
}

void mask_reloads(int how) {
    sigset_t reloads;
    sigemptyset(&reloads);
    sigaddset(&reloads, SIGHUP);
    pthread_sigmask(how, &reloads, nullptr);
}

} // namespace

void hold_reloads() { mask_reloads(SIG_BLOCK); }

application::application(
    application_inputs inputs, const machine& from, observe::service_log& log, observe::service_notify& notify)
    : config_file_(std::move(inputs.config_file)), now_(std::move(inputs.runtime)),
      passed_socket_(inputs.passed_socket), log_(log), notify_(notify), registry_(PROOFTRACKD_VERSION),
      counts_(registry_), observers_(log, counts_), reloader_(config_file_, from, log, counts_), secrets_(from, log),
      store_(make_store(loop_.get_executor(), now_, log, observers_)),
      notifier_(make_notifier(loop_.get_executor(), observers_)),
      alarm_(loop_.get_executor(), [this] { engine_.on_alarm(); }),
      engine_(
          now_.config, engine::engine_dependencies{clock_, alarm_, *store_, *notifier_, log, counts_},
          engine::engine_hooks{
              [this] { reread_token(); },
              [this](std::string_view name) {
                  const auto level = observe::parse_log_level(name);
                  if (level) log_.set_level(*level);
                  return level.has_value();
              }},
          PROOFTRACKD_VERSION, random_seed()),
      proof_(make_https_proof_client(loop_.get_executor(), now_.proof, engine_.polls(), observers_)),
      signals_(loop_, SIGTERM, SIGINT, SIGHUP), ticks_(loop_), pings_(loop_), stop_guard_(loop_),
      started_at_(clock_.now().steady) {
    observers_.store_state_changed = [this](track::store_state state) { engine_.on_store_state(state); };
    observers_.proof_connected = [this](std::string_view protocol) { engine_.set_protocol(protocol); };
    observers_.store_failed = [this](const std::string& why) {
        stop_reason_ = why;
        notify_.status("Stopped: " + why);
        finish(EX_IOERR);
    };
    engine_.attach(*proof_);
    engine_.set_secrets(secrets_in_use(now_));
    std::error_code unknown;
    engine_.set_process({::getpid(), std::filesystem::absolute(config_file_, unknown).string()});
    notifier_->configure(now_.notifier);
    api_ = make_api_server(loop_.get_executor(), make_api_options(now_, passed_socket_), engine_.calls(), observers_);
    if (!now_.config.metrics.listen.empty()) {
        metrics_listener_ = make_metrics_listener(
            loop_.get_executor(), now_.config.metrics.listen, engine_.calls(), observers_, api::metrics_limits(),
            now_.config.metrics.allow_remote ? api::metrics_reach::anywhere : api::metrics_reach::loopback);
    }
}

int application::run() {
    await_signal();
    mask_reloads(SIG_UNBLOCK);
    schedule_tick();
    schedule_ping();
    look_at_base_url([this] { engine_.start([this](const op_result<std::monostate>& loaded) { on_ready(loaded); }); });
    loop_.run();
    return exit_status_;
}

void application::on_ready(const op_result<std::monostate>& loaded) {
    if (!loaded) {
        log_.write(observe::log_event_id::store_error, {{"operation", "load"}, {"error", loaded.error().message()}});
        finish(EX_TEMPFAIL);
        return;
    }
    try {
        api_->start();
        if (metrics_listener_) metrics_listener_->start();
    } catch (const api::api_start_error& failed) {
        log_refused_start(log_, {{config_file_.string(), 0, 0, {}, failed.what(), {}}}, failed.exit_status());
        stop_reason_ = failed.what();
        life_ = life::stopping;
        finish(failed.exit_status());
        return;
    }
    life_ = life::running;
    log_.write(
        observe::log_event_id::daemon_started,
        {{"version", PROOFTRACKD_VERSION},
         {"pid", ::getpid()},
         {"config", config_file_.string()},
         {"socket", passed_socket_ >= 0 ? std::string("passed by systemd") : now_.config.api.socket.string()},
         {"transactions", engine_.watched()},
         {"callbacks", now_.config.callbacks.size()},
         {"base_url", now_.config.proof.base_url},
         {"took_ms", std::chrono::duration_cast<milliseconds>(clock_.now().steady - started_at_).count()}});
    notify_.ready(engine_.summary());
    if (is_reload_owed_) on_signal(SIGHUP);
}

/// Before the first poll: another Proof's words must not reach this ledger unnoticed.
void application::look_at_base_url(unique_function<void()> then) {
    store_->remember_base_url(
        now_.config.proof.base_url, [this, then = std::move(then)](const op_result<std::string>& before) mutable {
            if (before && !before->empty()) tell_of_base_url(*before);
            then();
        });
}

void application::tell_of_base_url(const std::string& before) {
    const std::string& after = now_.config.proof.base_url;
    if (before == after) return;
    log_.write(
        observe::log_event_id::config_base_url_changed,
        {{"before", before},
         {"after", after},
         {"advice", "use another database for another Proof: a sandbox's ids and events do not belong into a "
                    "production ledger"}});
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
        is_reload_owed_ = life_ == life::starting; // the file may have been read before it was changed
        if (life_ != life::running) return;
        notify_.reloading();
        reloader_.reload(*this);
        notify_.ready(engine_.summary());
        return;
    }
    if (life_ == life::stopping) {
        finish(0); // the second one: at once; what is committed stays
        return;
    }
    begin_stop(number == SIGTERM ? "SIGTERM" : "SIGINT");
}

void application::begin_stop(std::string reason) {
    const milliseconds within = now_.config.stop_timeout;
    const bool was_running = life_ == life::running;
    life_ = life::stopping;
    stop_reason_ = std::move(reason);
    log_.write(observe::log_event_id::daemon_stopping, {{"reason", stop_reason_}, {"stop_timeout_ms", within.count()}});
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
        log_.write(
            observe::log_event_id::daemon_stopped,
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
    if (life_ == life::running) reread_changed_secrets();
    if (!notify_.is_supervised()) return;
    std::string line = engine_.summary();
    if (life_ != life::running || line == status_line_) return;
    status_line_ = std::move(line);
    notify_.status(status_line_);
}

void application::reread_token() {
    if (!secrets_.read_token(now_)) return;
    proof_->reconfigure(now_.proof);
    engine_.set_secrets(secrets_in_use(now_));
    engine_.on_token_changed();
}

void application::reread_changed_secrets() {
    if (now_.token_file.is_due()) reread_token();
    const bool keys = secrets_.read_changed_keys(now_);
    const bool headers = secrets_.read_changed_headers(now_);
    const secret_reread::parts proxies = secrets_.read_changed_proxy_credentials(now_);
    if (proxies.proof) proof_->reconfigure(now_.proof);
    if (!keys && !headers && !proxies.notifier) return;
    notifier_->configure(now_.notifier);
    engine_.set_secrets(secrets_in_use(now_));
}

/// The second half of a reload: nothing here can fail.
void application::take_over(prepared_runtime next) noexcept {
    const prepared_runtime before = std::exchange(now_, std::move(next));
    proof_->reconfigure(now_.proof);
    notifier_->configure(now_.notifier);
    api_->reconfigure(now_.config.api.max_clients, now_.admin_group);
    if (const auto level = observe::parse_log_level(now_.config.log.level)) log_.set_level(*level);
    if (before.config.proof.base_url != now_.config.proof.base_url) {
        tell_of_base_url(before.config.proof.base_url);
        // If the database cannot take it now, the next start reports it again.
        store_->remember_base_url(now_.config.proof.base_url, [](const op_result<std::string>&) {});
    }
    engine_.reconfigure(now_.config);
    engine_.set_secrets(secrets_in_use(now_));
    if (before.token != now_.token) engine_.on_token_changed();
}

void application::keep(const std::string& why) noexcept {
    // A secret file that has changed meanwhile is still to be taken, by the next tick.
    engine_.on_reload_refused(why);
}

} // namespace prooftrack::daemon
