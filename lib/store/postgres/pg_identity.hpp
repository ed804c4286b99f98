#pragma once

// Under which name this daemon writes: shared by the thread that writes and the one that keeps the lease.

#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/time.hpp"

namespace prooftrack::store {

/// A start (`boot`, 16 hex digits) of the node `name`. After another node took it for gone there is none, until it has
/// joined as another one.
class pg_identity {
  public:
    pg_identity(std::string name, std::string boot) : name_(std::move(name)), boot_(std::move(boot)) {}

    const std::string& name() const { return name_; }
    /// "" = fenced: nothing may be written.
    std::string boot() const {
        const std::lock_guard lock(mutex_);
        return boot_;
    }
    /// The others do not take that start for living any more. A later one, as which it has joined since, stays.
    void lose(std::string_view boot) {
        const std::lock_guard lock(mutex_);
        if (boot_ == boot) boot_.clear();
    }
    /// It has joined anew.
    void become(std::string boot) {
        const std::lock_guard lock(mutex_);
        boot_ = std::move(boot);
    }

    /// Since when the thread that writes has been without PostgreSQL; nullopt: it is connected.
    std::optional<steady_time> writer_lost_at() const {
        const std::lock_guard lock(mutex_);
        return writer_lost_at_;
    }
    void note_writer_lost() {
        const std::lock_guard lock(mutex_);
        if (!writer_lost_at_) writer_lost_at_ = std::chrono::steady_clock::now();
    }
    void note_writer_back() {
        const std::lock_guard lock(mutex_);
        writer_lost_at_.reset();
    }

  private:
    const std::string name_;
    mutable std::mutex mutex_;
    std::string boot_;
    std::optional<steady_time> writer_lost_at_;
};

} // namespace prooftrack::store
