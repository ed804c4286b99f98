#pragma once

// Standard output with the errors of a command line: a closed pipe ends quietly, a full disk does not, a signal ends a
// blocked write.

#include <string>
#include <string_view>

#include "prooftrackctl/stop_signal.hpp"
#include "prooftrackctl/table.hpp"

namespace prooftrack::ctl {

/// Buffers text for one descriptor. Throws output_closed when the reader went away, stop_requested on a signal,
/// command_failure when it cannot be written for another reason.
class output {
  public:
    output(int descriptor, look how, const stop_signal& stop) : descriptor_(descriptor), look_(how), stop_(stop) {}

    const look& style() const { return look_; }

    void write(std::string_view text);
    void line(std::string_view text);
    /// Everything written so far has reached the descriptor.
    void flush();

  private:
    int descriptor_;
    look look_;
    const stop_signal& stop_;
    std::string pending_;
};

} // namespace prooftrack::ctl
