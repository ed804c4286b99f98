#pragma once

// Threads beside the loop.

#include <csignal>
#include <thread>
#include <utility>

#include <pthread.h>

namespace prooftrack::net {

/// Blocks all signals in the calling thread, and sets its mask back in the end: also when no thread could be made, or
/// the loop would never hear of SIGTERM again.
class blocked_signals {
  public:
    blocked_signals() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    blocked_signals(const blocked_signals&) = delete;
    blocked_signals& operator=(const blocked_signals&) = delete;
    ~blocked_signals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  private:
    sigset_t before_{};
};

/// A thread in which all signals are blocked, since they belong to the loop. `name`: at most 15 bytes, for people who
/// look at the process. Throws std::system_error when there can be no more threads.
template <class Work>
std::thread start_worker(const char* name, Work work) {
    const blocked_signals inherited;
    std::thread started(std::move(work));
    pthread_setname_np(started.native_handle(), name);
    return started;
}

} // namespace prooftrack::net
