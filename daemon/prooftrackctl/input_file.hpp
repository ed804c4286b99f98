#pragma once

// Files and standard input, read in pieces; a signal ends the wait for a pipe.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "prooftrackctl/stop_signal.hpp"

namespace prooftrack::ctl {

/// An open file, "-" = standard input. Throws command_failure when it cannot be opened or read, stop_requested on a
/// signal.
class input_file {
  public:
    /// `stop` must outlive it.
    input_file(const std::string& name, const stop_signal& stop);
    ~input_file();
    input_file(const input_file&) = delete;
    input_file& operator=(const input_file&) = delete;

    /// Bytes in the file; 0 = not known.
    std::uint64_t size() const { return size_; }

    /// The next piece, empty at the end; valid until the next call.
    std::string_view read_some();

  private:
    [[noreturn]] void fail(int error) const;

    std::string name_;
    const stop_signal& stop_;
    int descriptor_ = -1;
    std::uint64_t size_ = 0;
    std::vector<char> buffer_;
};

/// A whole file; a command_failure when it has more than `limit` bytes.
std::string read_small_file(const std::string& name, std::size_t limit, const stop_signal& stop);

} // namespace prooftrack::ctl
