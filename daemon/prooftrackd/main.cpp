// prooftrackd: reads arguments, configuration and secrets, then runs the application. Every refusal says what to do.

#include <csignal>
#include <cstdio>
#include <exception>
#include <random>
#include <variant>

#include <fmt/format.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/keyed_hash.hpp"
#include "config/secret_files.hpp"
#include "net/standard_descriptors.hpp"
#include "observe/event_log.hpp"
#include "observe/service_notify.hpp"
#include "prooftrackd/application.hpp"
#include "prooftrackd/descriptor_limit.hpp"
#include "prooftrackd/machine.hpp"
#include "prooftrackd/options.hpp"
#include "prooftrackd/preparation.hpp"
#include "prooftrackd/reloader.hpp"
#include "prooftrackd/service_credentials.hpp"
#include "prooftrackd/store_commands.hpp"

namespace prooftrack::daemon {
namespace {

/// What a start and a reload do before they take effect, said to a person.
int check(const preparation& ready, const std::string& file) {
    for (const config::config_mistake& mistake : ready.mistakes) fmt::print(stderr, "{}\n", format_mistake(mistake));
    if (!ready.mistakes.empty()) return EX_CONFIG;
    for (const std::string& warning : ready.warnings) fmt::print(stderr, "{}: warning: {}\n", file, warning);
    for (const std::string& open : ready.open_files)
        fmt::print(stderr, "{}: warning: others can read it: chmod 0640 (or 0600)\n", open);
    for (const config::config_mistake& hidden : ready.not_permitted)
        fmt::print(stderr, "{} (warning: this cannot be checked from here)\n", format_mistake(hidden));
    fmt::print("{}: the configuration is valid\n", file);
    return 0;
}

std::unique_ptr<observe::service_log> make_log(const config::log_config& config) {
    observe::event_log_options options;
    options.level = observe::parse_log_level(config.level).value_or(observe::log_level::info);
    options.format = config.format;
    return make_event_log(std::move(options));
}

int refuse(observe::service_log& log, const config::config_mistakes& mistakes, int status) {
    log_refused_start(log, mistakes, status);
    log.flush();
    return status;
}

hash_key random_hash_key() {
    std::random_device device;
    const auto number = [&device] { return (static_cast<std::uint64_t>(device()) << 32U) | device(); };
    return {number(), number()};
}

int start(const daemon_options& options, const machine& from) {
    set_process_hash_key(random_hash_key()); // before the first table is made
    observe::service_notify notify;
    raise_descriptor_limit();
    preparation ready = prepare_runtime(options.config, from, nullptr);
    const auto log = make_log(ready.log.value_or(config::log_config{}));
    if (!ready.runtime) return refuse(*log, ready.refusals(), EX_CONFIG);
    log_warnings(*log, options.config, ready);
    const auto refuse_start = [&](std::string why, int status) {
        return refuse(*log, {{options.config.string(), 0, 0, {}, std::move(why), {}}}, status);
    };
    log_proxies(*log, ready.runtime->proxies);
    const auto passed = observe::passed_api_socket();
    if (!passed) return refuse_start(passed.error().message(), EX_CONFIG);
    try {
        application_inputs inputs{options.config, std::move(*ready.runtime), passed->value_or(-1)};
        application app(std::move(inputs), from, *log, notify);
        const int status = app.run();
        log->flush();
        std::fflush(nullptr);
        ::_exit(status); // not by unwinding: a hung getaddrinfo cannot be joined
    } catch (const store::store_start_error& failed) {
        log->write(observe::log_event_id::store_error, {{"operation", "open"}, {"error", failed.what()}});
        log->flush();
        return failed.exit_status();
    } catch (const api::api_start_error& failed) {
        return refuse_start(failed.what(), failed.exit_status());
    }
}

int run(int argc, const char* const* argv) {
    auto parsed = parse_options(argc, argv);
    if (const auto* early = std::get_if<early_exit>(&parsed)) {
        fmt::print(early->status == 0 ? stdout : stderr, "{}", early->text);
        return early->status;
    }
    const auto& options = std::get<daemon_options>(parsed);
    if (options.is_store_command()) return run_store_command(options);
    if (!options.checks_config_only) return start(options, this_machine(config::credentials_directory()));
    std::filesystem::path credentials = credentials_of_main_process();
    if (credentials.empty()) credentials = config::credentials_directory();
    const this_machine here(std::move(credentials));
    return check(prepare_runtime(options.config, here, nullptr), options.config.string());
}

} // namespace
} // namespace prooftrack::daemon

int main(int argc, char** argv) {
    prooftrack::net::fill_standard_descriptors();
    std::signal(SIGPIPE, SIG_IGN);
    prooftrack::daemon::hold_reloads(); // one that comes during the start is performed after it
    try {
        return prooftrack::daemon::run(argc, argv);
    } catch (const std::exception& failed) {
        fmt::print(stderr, "prooftrackd: {}\n", failed.what());
        return EX_SOFTWARE;
    }
}
