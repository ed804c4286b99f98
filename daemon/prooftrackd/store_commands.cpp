#include "prooftrackd/store_commands.hpp"

#include <chrono>
#include <cstdio>
#include <optional>
#include <random>

#include <fmt/format.h>
#include <sysexits.h>
#include <unistd.h>

#include "config/parse.hpp"
#include "config/secret_files.hpp"
#include "prooftrackd/service_credentials.hpp"
#include "store/copy_to_postgres.hpp"
#include "store/postgres/copy_target.hpp"

namespace prooftrack::daemon {
namespace {

std::uint64_t random_seed() {
    std::random_device device;
    return (static_cast<std::uint64_t>(device()) << 32U) | device();
}

int refuse(const config::config_mistakes& mistakes) {
    for (const config::config_mistake& mistake : mistakes) fmt::print(stderr, "{}\n", format_mistake(mistake));
    return EX_CONFIG;
}

/// Where the configuration's PostgreSQL is; EX_CONFIG when it names none. Of the rest only the text is looked at: this
/// may run where the daemon's own secrets cannot be read.
std::optional<store::postgres_options> read_target(const std::filesystem::path& file, const char* otherwise) {
    std::filesystem::path credentials = credentials_of_main_process();
    if (credentials.empty()) credentials = config::credentials_directory();
    config::config_surroundings around;
    around.has_credential = [](const std::string&) { return true; };
    const config::configuration_draft draft = config::load_configuration(file, around);
    if (!draft.mistakes.empty()) {
        refuse(draft.mistakes);
        return std::nullopt;
    }
    if (draft.value.store.url.empty()) {
        refuse({{file.string(), 0, 0, "store.url", otherwise, {}}});
        return std::nullopt;
    }
    store::postgres_options options;
    options.url = draft.value.store.url;
    options.seed = random_seed();
    const std::filesystem::path password_file = store_password_path(draft.value, credentials);
    if (password_file.empty()) return options;
    auto password = config::read_store_password(password_file);
    if (!password) {
        refuse({draft.places.blame("store.password_file", password.error().message())});
        return std::nullopt;
    }
    options.password = std::move(password->text);
    return options;
}

/// A line a second on a terminal, written over the one before.
class progress_line {
  public:
    void show(const store::copy_progress& now) {
        const auto time = std::chrono::steady_clock::now();
        if (!is_terminal_ || time < next_) return;
        next_ = time + std::chrono::seconds(1);
        fmt::print(
            stderr, "\r\033[K{}",
            now.is_checking ? fmt::format("{}: reading it back", now.table)
                            : fmt::format("{}: {} rows", now.table, now.rows));
        std::fflush(stderr);
        is_shown_ = true;
    }
    ~progress_line() {
        if (is_shown_) fmt::print(stderr, "\r\033[K");
    }

  private:
    const bool is_terminal_ = ::isatty(STDERR_FILENO) == 1;
    std::chrono::steady_clock::time_point next_ = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    bool is_shown_ = false;
};

int copy_store(const daemon_options& options) {
    const auto target = read_target(
        options.config,
        "--copy-store copies into a database of PostgreSQL, and there is none: write store.url in place "
        "of store.path");
    if (!target) return EX_CONFIG;
    store::copy_report report;
    {
        progress_line line;
        report = store::copy_to_postgres(
            options.copied_store, *target, [&line](const store::copy_progress& now) { line.show(now); });
    }
    const auto rows = [&report](const char* table) { return report.rows[table]; };
    if (report.was_complete) {
        fmt::print(
            "{}: an earlier copy in {} is complete, and the file is as it was then\n", options.copied_store.string(),
            report.place);
    }
    fmt::print(
        "{}: {} transactions, {} events and {} deliveries are in {}, read back and compared; the log stays {}.\n"
        "The file stays as it is, and no prooftrackd starts on it any more. Start prooftrackd with store.url now.\n",
        options.copied_store.string(), rows("transactions"), rows("events"), rows("deliveries"), report.place,
        report.log_id);
    return 0;
}

int unmark(const daemon_options& options) {
    const std::string file = options.unmarked_store.string();
    const store::unmark_report report = store::unmark_moved_file(options.unmarked_store);
    if (report.place.empty()) {
        fmt::print("{}: it is not marked as moved: nothing was changed\n", file);
        return 0;
    }
    fmt::print(
        "{0}: prooftrackd starts on it again, with what it had before it was copied to {1}. Its log is {2} now, by "
        "which readers notice.\n"
        "Do not use both: what happened in PostgreSQL since is not in the file. To copy again, empty that database "
        "first.\n",
        file, report.place, report.log_id);
    return 0;
}

int make_log_id(const daemon_options& options) {
    const auto target = read_target(
        options.config, "--new-log-id is for PostgreSQL, and the configuration has no store.url: a database of SQLite "
                        "gets a new log_id by itself when a backup is restored (daemon/docs/restoring.md)");
    if (!target) return EX_CONFIG;
    const store::renamed_log log = store::rename_log(*target);
    fmt::print("the log was {} and is {} now\n", log.former, log.now);
    return 0;
}

} // namespace

int run_store_command(const daemon_options& options) {
    try {
        if (!options.copied_store.empty()) return copy_store(options);
        if (!options.unmarked_store.empty()) return unmark(options);
        return make_log_id(options);
    } catch (const store::store_start_error& failed) {
        fmt::print(stderr, "prooftrackd: {}\n", failed.what());
        return failed.exit_status();
    }
}

} // namespace prooftrack::daemon
