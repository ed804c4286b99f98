#pragma once

// Server-sent events, piece by piece. Pure.

#include <functional>
#include <string>
#include <string_view>

namespace prooftrack::ctl {

/// One dispatched event.
struct sse_event {
    std::string id;   ///< the last `id:` seen so far
    std::string type; ///< `event:`, "" = none
    std::string data; ///< `data:` lines joined by LF
};

/// Takes a stream in pieces of any size. Holds at most one event; an event of more than `max_event` bytes breaks it for
/// good.
class sse_parser {
  public:
    static constexpr std::size_t max_event = 4UL * 1024 * 1024;

    explicit sse_parser(std::function<void(const sse_event&)> on_event) : on_event_(std::move(on_event)) {}

    /// false once an event was too large: nothing more is taken.
    bool take(std::string_view piece);

    /// For a new connection: what was half read is forgotten, the last id stays.
    void restart();

  private:
    void on_line(std::string_view line);

    std::function<void(const sse_event&)> on_event_;
    std::string line_;
    sse_event event_;
    bool has_data_ = false;
    bool after_cr_ = false;
    bool broken_ = false;
};

} // namespace prooftrack::ctl
