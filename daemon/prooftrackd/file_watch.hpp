#pragma once

// Tells whether a file is another one than at the last look.

#include <cstdint>
#include <string>

namespace prooftrack {

/// Looks at inode, size and times: one stat a look. Follows symbolic links, so that a swapped link counts.
class file_watch {
  public:
    /// Starts to watch `path`; what it is now counts as seen.
    void reset(std::string path);
    /// True once for each change that a look finds; a missing file is no change.
    bool has_changed();

  private:
    struct look {
        std::uint64_t device = 0;
        std::uint64_t inode = 0;
        std::int64_t size = 0;
        std::int64_t modified_ns = 0;
        std::int64_t changed_ns = 0;
        bool operator==(const look&) const = default;
    };
    bool take_look(look& into) const;

    std::string path_;
    look seen_;
};

} // namespace prooftrack
