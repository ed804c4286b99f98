#pragma once

// Whether the store has recorded that a lane fails, or no longer fails. Pure.

#include <cstdint>

namespace prooftrack::track {

/// How a write of the mark ended.
enum class mark_result : std::uint8_t {
    saved,
    refused, ///< disk full: again as soon as it has space
    failed,  ///< otherwise: the next change is written again
};

///   state     what happens                  next state
///   unknown   take_over                     saved       what the store has holds
///   any       change, nothing is written    saving      write it now
///   saving    change                        outdated    written again when this write has ended
///   outdated  change                        outdated
///   saving    saved or failed               saved
///   saving    refused                       unsaved
///   outdated  any result                    unsaved     after `saved`: write it now, else with the next space
///   unsaved   change (or space again)       saving      write it now
class failing_mark {
  public:
    /// The lane takes over what the store has. False when it has a newer state already.
    bool take_over();
    /// True: write it now, and call `end` with the result. False: a write is under way.
    bool begin();
    /// Requires a write under way. True: it is out of date, `begin` again.
    bool end(mark_result how);

    bool is_writing() const { return state_ == state::saving || state_ == state::outdated; }
    bool is_unsaved() const { return state_ == state::unsaved; }

  private:
    enum class state : std::uint8_t { unknown, saved, saving, outdated, unsaved };

    state state_ = state::unknown;
};

} // namespace prooftrack::track
