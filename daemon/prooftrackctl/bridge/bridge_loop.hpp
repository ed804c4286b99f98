#pragma once

// The bridge: pages of the log to a broker, acknowledged there before they are acknowledged here.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "prooftrackctl/bridge/broker.hpp"
#include "prooftrackctl/bridge/event_source.hpp"
#include "prooftrackctl/bridge/retry_pause.hpp"
#include "prooftrackctl/bridge/window.hpp"

namespace prooftrack::ctl {

/// Joins a source, a window and a broker. Whatever breaks is begun again after a pause: the connection anew, from the
/// first message that is not confirmed.
class bridge_loop {
  public:
    /// `target` is the broker's name for people. All must outlive it.
    bridge_loop(stop_signal& stop, event_source& source, broker& to, std::string target);

    /// Until a signal: then waits for confirms that are on their way, acknowledges them and returns. Throws what
    /// `event_source` throws, and a command_failure when the first connection to the broker fails lastingly.
    void run();

    std::uint64_t published() const { return published_; } ///< confirmed by the broker and acknowledged to the daemon

  private:
    bool is_stopping();
    bool open();
    bool fetch();
    void carry();
    bool acknowledge();
    void take(const std::vector<broker_verdict>& verdicts);
    void lose(const std::string& why);
    void pause(const std::string& why);
    void tell(const std::string& why, const char* what_follows);
    void succeed();
    void finish();

    stop_signal& stop_;
    event_source& source_;
    broker& broker_;
    std::string target_;
    retry_pause pauses_;
    bridge_window window_;
    std::vector<bridge_event> page_; ///< what the window is about
    bool is_open_ = false;
    bool was_open_ = false;
    std::optional<steady_time> stopping_since_;
    steady_time last_news_{};
    steady_time last_acknowledged_{};
    std::string refusal_; ///< why the broker refused a message
    std::string said_;    ///< the last trouble that was told
    std::uint64_t published_ = 0;
};

} // namespace prooftrack::ctl
