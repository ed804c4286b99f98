#pragma once

// A child process with three descriptors and a process group, as values that clean up after themselves.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "base/result.hpp"

namespace prooftrack::callback {

/// Owns one descriptor.
class file_descriptor {
  public:
    file_descriptor() = default;
    explicit file_descriptor(int number) : number_(number) {}
    file_descriptor(file_descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    file_descriptor& operator=(file_descriptor&& other) noexcept;
    ~file_descriptor();

    int get() const { return number_; }
    int release() { return std::exchange(number_, -1); }
    explicit operator bool() const { return number_ >= 0; }

  private:
    int number_ = -1;
};

/// A started child: it leads a process group of its own, whose id is `pid`. Whoever holds this must reap it.
struct spawned_process {
    pid_t pid = -1;
    file_descriptor process; ///< a pidfd, readable when the child ended
    file_descriptor output;  ///< stdout and stderr, non-blocking
};

/// Starts argv with exactly this environment, default signals, `input` on stdin (a file in memory: no thread has to
/// write, no SIGPIPE), and no descriptor but 0 to 2. Requires that argv is not empty. Errors name what could not be
/// done; then no child is left.
op_result<spawned_process> spawn_process(
    const std::vector<std::string>& argv, const std::vector<std::string>& environment, const std::string& input);

/// To be called after reaping it: the kernel may give its number to another process from here on.
void forget_process(pid_t pid);

/// Whether what commands leave behind becomes our children: as PID 1 of a container, or as a subreaper.
bool inherits_orphans();

/// Reaps the ended children that spawn_process did not start. Takes nobody's exit status: it stops at an ended child of
/// spawn_process, and is to be called again when that one is forgotten.
void reap_orphans();

} // namespace prooftrack::callback
