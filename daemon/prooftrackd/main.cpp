// prooftrackd: reads arguments, configuration and secrets, then runs the application. Every refusal says what to do.

#include <csignal>
#include <cstdio>
#include <exception>
#include <variant>

#include <boost/system/system_error.hpp>
#include <fmt/format.h>
#include <sysexits.h>
#include <unistd.h>

#include "config/parse.hpp"
#include "config/secret_files.hpp"
#include "net/standard_descriptors.hpp"
#include "observe/event_log.hpp"
#include "observe/service_notify.hpp"
#include "prooftrackd/application.hpp"
#include "prooftrackd/descriptor_limit.hpp"
#include "prooftrackd/options.hpp"
#include "prooftrackd/secrets.hpp"

namespace prooftrack {
namespace {

int refuse_configuration(const config_mistakes& mistakes) {
    for (const config_mistake& mistake : mistakes) fmt::print(stderr, "{}\n", format_mistake(mistake));
    return EX_CONFIG;
}

int check(const configuration_reading& good, const std::string& file) {
    for (const std::string& warning : good.warnings) fmt::print(stderr, "{}: warning: {}\n", file, warning);
    for (const std::string& problem : find_secret_problems(good.value))
        fmt::print(stderr, "{}: warning: a start would be refused: {}\n", file, problem);
    fmt::print("{}: the configuration is valid\n", file);
    return 0;
}

std::unique_ptr<service_log> make_log(const log_config& config) {
    event_log_options options;
    options.level = parse_log_level(config.level).value_or(log_level::info);
    options.format = config.format;
    return make_event_log(std::move(options));
}

int start(configuration_reading good, const daemon_options& options) {
    service_notify notify;
    const auto log = make_log(good.value.log);
    const std::string file = options.config.string();
    for (const std::string& warning : good.warnings)
        log->write(log_event_id::config_warning, {{"file", file}, {"warning", warning}});
    if (const auto shortage = descriptor_shortage(good.value, raise_descriptor_limit()))
        log->write(log_event_id::config_warning, {{"file", file}, {"warning", *shortage}});
    const auto refuse = [&](std::string_view why, int status) {
        log->write(log_event_id::config_refused, {{"file", file}, {"error", why}});
        log->flush();
        return status;
    };
    application_inputs inputs{.config_file = options.config,
                              .config = std::move(good.value),
                              .token = {},
                              .callback_secrets = {},
                              .passed_socket = -1};
    try {
        inputs.token = load_token(inputs.config, *log);
        inputs.callback_secrets = load_callback_secrets(inputs.config, *log);
        const auto passed = passed_api_socket();
        if (!passed) return refuse(passed.error().message(), EX_CONFIG);
        inputs.passed_socket = passed->value_or(-1);
        application app(std::move(inputs), *log, notify);
        const int status = app.run();
        log->flush();
        std::fflush(nullptr);
        ::_exit(status); // not by unwinding: a hung getaddrinfo cannot be joined
    } catch (const secret_failure& failed) {
        return refuse(failed.what(), EX_CONFIG);
    } catch (const store_start_error& failed) {
        log->write(log_event_id::store_error, {{"operation", "open"}, {"error", failed.what()}});
        log->flush();
        return failed.exit_status();
    } catch (const api_start_error& failed) {
        return refuse(failed.what(), failed.exit_status());
    } catch (const boost::system::system_error& failed) {
        return refuse(failed.what(), EX_CONFIG); // a CA bundle, a base_url
    }
}

int run(int argc, const char* const* argv) {
    auto parsed = parse_options(argc, argv);
    if (const auto* early = std::get_if<early_exit>(&parsed)) {
        fmt::print(early->status == 0 ? stdout : stderr, "{}", early->text);
        return early->status;
    }
    const auto& options = std::get<daemon_options>(parsed);
    config_surroundings around;
    const std::filesystem::path credentials = credentials_directory();
    around.has_credential = [&](const std::string& name) { return has_credential_file(credentials, name); };
    auto read = load_configuration(options.config, around);
    if (const auto* mistakes = std::get_if<config_mistakes>(&read)) return refuse_configuration(*mistakes);
    auto& good = std::get<configuration_reading>(read);
    if (options.checks_config_only) return check(good, options.config.string());
    return start(std::move(good), options);
}

} // namespace
} // namespace prooftrack

int main(int argc, char** argv) {
    prooftrack::fill_standard_descriptors();
    std::signal(SIGPIPE, SIG_IGN);
    try {
        return prooftrack::run(argc, argv);
    } catch (const std::exception& failed) {
        fmt::print(stderr, "prooftrackd: {}\n", failed.what());
        return EX_SOFTWARE;
    }
}
