#pragma once

// Events that this node has recorded while it does not know the earlier ones of other nodes yet.

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/ids.hpp"

namespace prooftrack::engine {

/// At most 1,024 events and 8 MiB; beyond that the latest are dropped, and are to be read from the store again.
class ahead_events {
  public:
    static constexpr std::size_t most = 1'024;
    static constexpr std::size_t most_bytes = std::size_t{8} << 20U;

    void keep(event_seq seq, const std::string& frozen) {
        if (!kept_.emplace(seq, frozen).second) return;
        bytes_ += frozen.size();
        while (kept_.size() > most || bytes_ > most_bytes) {
            const auto last = std::prev(kept_.end());
            bytes_ -= last->second.size();
            kept_.erase(last);
        }
    }
    std::optional<std::string> take(event_seq seq) {
        if (kept_.empty()) return std::nullopt;
        const auto found = kept_.find(seq);
        if (found == kept_.end()) return std::nullopt;
        std::string frozen = std::move(found->second);
        bytes_ -= frozen.size();
        kept_.erase(found);
        return frozen;
    }
    /// Drops those up to this one.
    void drop_to(event_seq seq) {
        while (!kept_.empty() && kept_.begin()->first <= seq) take(kept_.begin()->first);
    }
    void clear() {
        kept_.clear();
        bytes_ = 0;
    }
    std::size_t size() const { return kept_.size(); }
    std::size_t bytes() const { return bytes_; }

  private:
    std::map<event_seq, std::string> kept_;
    std::size_t bytes_ = 0;
};

} // namespace prooftrack::engine
