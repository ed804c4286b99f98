#pragma once

// Where rendered lines go: spdlog sinks of our own, because a stalled stderr or journal must never stall the loop.

#include <cstdint>
#include <memory>
#include <string>

#include <spdlog/sinks/sink.h>

#include "base/result.hpp"

namespace prooftrack::observe {

/// A sink whose `log` takes the payload as bytes that are already rendered, returns at once, and counts what could not
/// be written.
class counting_sink : public spdlog::sinks::sink {
  public:
    virtual std::uint64_t dropped() const = 0;
};

/// Writes to a descriptor without ever waiting: pipes and terminals are reopened non-blocking (the caller's own
/// description is left as it is), sockets are sent to with MSG_DONTWAIT. Does not close `fd`.
std::shared_ptr<counting_sink> make_stream_sink(int fd);

/// Sends each payload as a native datagram to the journal at `socket_path`.
std::shared_ptr<counting_sink> make_journald_sink(const std::string& socket_path = "/run/systemd/journal/socket");

/// Whether a process reads the journal's socket at that path.
bool is_journal_there(const std::string& socket_path);

/// Whether `fd` is what $JOURNAL_STREAM (`DEVICE:INODE`) names: our stderr is connected to the journal.
bool is_journal_stream(int fd, const char* journal_stream);

} // namespace prooftrack::observe
