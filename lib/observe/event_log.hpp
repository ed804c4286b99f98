#pragma once

// The event log of the programs: filters, sums repeats up, renders, and hands the bytes to a sink that never blocks.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/time.hpp"
#include "observe/log.hpp"

namespace prooftrack::observe {

/// An event log with its switches. Lives on the loop: not for several threads.
class service_log : public event_log {
  public:
    using event_log::write;

    /// Lines less important than this are not written from now on.
    virtual void set_level(log_level level) = 0;
    virtual log_level level() const = 0;
    /// Lines that could not be written because stderr or the journal did not take them; only grows.
    virtual std::uint64_t dropped() const = 0;
    /// To be called about once a second: writes the summaries of repeats whose minute is over.
    virtual void tick() = 0;
    /// Writes all summaries now: before a stop.
    virtual void flush() = 0;
};

struct event_log_options {
    log_level level = log_level::info;
    std::string format = "auto"; ///< auto | logfmt | json | journald
    int fd = 2;                  ///< for logfmt and json
    std::string journal_socket = "/run/systemd/journal/socket";
    std::function<instant()> now; ///< empty = the system's clocks
};

/// Throws std::invalid_argument for an unknown format. `auto` is journald when $JOURNAL_STREAM names `fd`, else logfmt.
/// Without a journal, journald becomes logfmt on `fd`, and the first line says so.
/// A write to a pipe without a reader raises SIGPIPE: the program must ignore it.
std::unique_ptr<service_log> make_event_log(event_log_options options);

} // namespace prooftrack::observe
