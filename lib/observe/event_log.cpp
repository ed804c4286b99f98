#include "observe/event_log.hpp"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <vector>

#include <fmt/format.h>
#include <spdlog/details/log_msg.h>

#include "observe/event_table.hpp"
#include "observe/render.hpp"
#include "observe/repeat_guard.hpp"
#include "observe/sinks.hpp"

namespace prooftrack::observe {
namespace {

log_format choose_format(const event_log_options& options) {
    if (options.format == "logfmt") return log_format::logfmt;
    if (options.format == "json") return log_format::json;
    if (options.format == "journald") return log_format::journald;
    if (options.format != "auto") throw std::invalid_argument("log.format: " + options.format);
    // NOLINTNEXTLINE(concurrency-mt-unsafe): read before any other thread runs
    return is_journal_stream(options.fd, std::getenv("JOURNAL_STREAM")) ? log_format::journald : log_format::logfmt;
}

/// Without a journal the lines would go nowhere, those of a refused start too.
log_format usable_format(const event_log_options& options, log_format chosen) {
    const bool is_lost = chosen == log_format::journald && !is_journal_there(options.journal_socket);
    return is_lost ? log_format::logfmt : chosen;
}

instant read_system_clocks() {
    return {std::chrono::steady_clock::now(), std::chrono::floor<milliseconds>(std::chrono::system_clock::now())};
}

spdlog::level::level_enum spdlog_level(log_level level) {
    switch (level) {
    case log_level::critical:
        return spdlog::level::critical;
    case log_level::error:
        return spdlog::level::err;
    case log_level::warning:
        return spdlog::level::warn;
    case log_level::notice:
    case log_level::info:
        return spdlog::level::info;
    case log_level::debug:
        return spdlog::level::debug;
    }
    return spdlog::level::info;
}

/// The level of the table, but an unexpected end is an error.
log_level level_of(log_event_id event, std::span<const log_field> fields) {
    const bool has_failed =
        event == log_event_id::daemon_stopped && std::any_of(fields.begin(), fields.end(), [](const log_field& field) {
            return field.key == "exit_status" && field.value != "0";
        });
    return has_failed ? log_level::error : info_of(event).level;
}

class rendering_log final : public service_log {
  public:
    explicit rendering_log(event_log_options options)
        : level_(options.level), format_(usable_format(options, choose_format(options))),
          now_(options.now ? std::move(options.now) : read_system_clocks),
          sink_(
              format_ == log_format::journald ? make_journald_sink(options.journal_socket)
                                              : make_stream_sink(options.fd)) {
        if (format_ == choose_format(options)) return;
        const std::vector<log_field> fields{
            {"warning", fmt::format(
                            "log.format is journald and there is no journal at {}: the log goes to stderr; write "
                            "log.format = \"auto\" where no journald runs",
                            options.journal_socket)}};
        put({now_().wall, log_event_id::config_warning, log_level::warning, fields}); // whatever log.level is
    }

    using service_log::write;
    void write(log_event_id event, std::span<const log_field> fields) override {
        const log_level importance = level_of(event, fields);
        if (importance > level_) return;
        const instant now = now_();
        const bool is_admitted = repeats_.admits(event, fields, now.steady, summaries_);
        write_summaries(now.wall);
        if (is_admitted) put({now.wall, event, importance, fields});
    }

    void set_level(log_level level) override { level_ = level; }
    log_level level() const override { return level_; }
    std::uint64_t dropped() const override { return sink_->dropped(); }

    void tick() override {
        const instant now = now_();
        repeats_.expire(now.steady, summaries_);
        write_summaries(now.wall);
        sink_->flush();
    }

    void flush() override {
        repeats_.end_all(summaries_);
        write_summaries(now_().wall);
        sink_->flush();
    }

  private:
    void write_summaries(wall_time now) {
        for (suppressed_lines& summary : summaries_) {
            const log_event_info& info = info_of(summary.event);
            const std::vector<log_field> fields{
                {"of", info.name}, {"same", std::move(summary.same)}, {"suppressed", summary.count}};
            put({now, log_event_id::log_suppressed, info.level, fields});
        }
        summaries_.clear();
    }

    void put(const log_line& line) {
        buffer_.clear();
        render(buffer_, format_, line);
        sink_->log(spdlog::details::log_msg(
            "prooftrackd", spdlog_level(line.level), spdlog::string_view_t(buffer_.data(), buffer_.size())));
    }

    log_level level_;
    log_format format_;
    std::function<instant()> now_;
    std::shared_ptr<counting_sink> sink_; ///< shared because spdlog's sinks are
    repeat_guard repeats_;
    std::vector<suppressed_lines> summaries_;
    std::string buffer_;
};

} // namespace

std::unique_ptr<service_log> make_event_log(event_log_options options) {
    return std::make_unique<rendering_log>(std::move(options));
}

} // namespace prooftrack::observe
