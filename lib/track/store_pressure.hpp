#pragma once

// Whether the store accepts writes of the delivery side, and when a refused one is tried again. Pure.

#include <cstdint>
#include <optional>

#include "base/time.hpp"

namespace prooftrack::track {

/// How often a refused write is tried again, and how soon a failed read.
inline constexpr seconds store_retry_interval{1};

///   state    what happens                      next state   next try
///   open     a write is refused                full         in `store_retry_interval`
///   open     the store says that it is full    full         only if outcomes wait to be recorded
///   open     a read fails                      open         in `store_retry_interval`
///   full     a write is taken, or has space    open         none
///   open,    it has stopped for good           halted       none
///   full
///   halted   anything                          halted       none
class store_pressure {
  public:
    bool is_open() const { return state_ == state::open; }
    bool is_full() const { return state_ == state::full; }
    bool is_halted() const { return state_ == state::halted; }

    /// The store says that it is full. `something_waits`: outcomes that were refused; nothing else needs a next try,
    /// because the store reports when it has space again.
    void report_full(bool something_waits, steady_time now);
    /// It refused a write.
    void refuse(steady_time now);
    /// It failed otherwise, and goes on.
    void fail(steady_time now);
    void halt();
    /// It has space. True when it was full: the waiting writes go now.
    bool relieve();
    /// Nothing is tried again by itself any more (the daemon stops).
    void give_up_trying() { try_at_.reset(); }

    std::optional<steady_time> try_at() const { return try_at_; }
    /// Whether the time of the next try has come; it is used up then.
    bool take_try(steady_time now);

  private:
    enum class state : std::uint8_t { open, full, halted };

    void try_in_a_while(steady_time now);

    state state_ = state::open;
    std::optional<steady_time> try_at_;
};

} // namespace prooftrack::track
