#pragma once

// Server-sent events out of pieces of a stream. Pure.

#include <functional>
#include <string>
#include <string_view>

namespace prooftrack::sandbox {

class event_reader {
  public:
    static constexpr std::size_t most_line_bytes = 256U << 10U;

    /// Calls `on_event(id, data)` for each whole event; false when a line is longer than any that the daemon sends.
    bool feed(std::string_view piece, const std::function<void(std::string_view, std::string_view)>& on_event);
    void reset();

  private:
    std::string line_;
    std::string id_;
    std::string data_;
};

} // namespace prooftrack::sandbox
