#pragma once

// What may be published, what may be acknowledged: the messages on their way to a broker. Pure.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace prooftrack::ctl {

/// Most messages on their way at once.
inline constexpr std::size_t max_bridge_window = 256;

/// A page of the log on its way. A message goes only when those before it of the same transaction are confirmed, so a
/// broker that takes one and refuses the one before cannot turn a transaction's events round. Only what is confirmed
/// without a gap may be acknowledged to the daemon.
class bridge_window {
  public:
    struct item {
        std::uint64_t seq = 0; ///< strictly increasing
        std::string id;
        std::string transaction;
    };

    /// Takes the next page, at most `max_bridge_window`; the window must be empty.
    void fill(std::vector<item> items);
    /// Forgets everything: the log is another one.
    void clear();

    bool is_empty() const { return items_.empty(); }
    bool is_confirmed() const { return confirmed_ == items_.size(); } ///< all of it
    std::size_t in_flight() const { return in_flight_; }              ///< published, neither confirmed nor refused

    /// The index (in the page) of the message to be published now; nullopt when one of a transaction waits for its
    /// predecessor, when all have gone, or when one was refused.
    std::optional<std::size_t> next() const;
    /// It was handed to the broker. The first one after `begin_again` has the tag 1, the next one 2, over all pages.
    void published(std::size_t index);

    /// The broker has that message, or all up to it. A tag that was not given out, and a message that was refused
    /// before, stay as they are.
    void confirm(std::uint64_t tag, bool with_those_before);
    /// It does not have it.
    void refuse(std::uint64_t tag, bool with_those_before);
    void refuse(std::string_view id);
    bool is_refused() const { return refused_ > 0; }

    /// A new connection: what is not confirmed is published again, from the first one on; tags begin at 1.
    void begin_again();

    /// The last seq that may be acknowledged and is not yet.
    std::optional<std::uint64_t> acknowledgeable() const;
    /// The daemon has it; gives how many that were. With the last one of the page the window is empty.
    std::size_t acknowledged(std::uint64_t seq);

  private:
    enum class progress : std::uint8_t { waiting, published, confirmed, refused };
    static constexpr std::size_t nothing = static_cast<std::size_t>(-1);
    struct entry {
        item what;
        std::size_t predecessor = nothing; ///< the one before of the same transaction
        progress how = progress::waiting;
    };

    void settle(std::size_t index, progress how);
    void settle_tags(std::uint64_t tag, bool with_those_before, progress how);

    std::vector<entry> items_;
    std::uint64_t earlier_tags_ = 0; ///< given out for pages before this one
    std::vector<std::size_t> tags_;  ///< the index of the message of each tag behind those
    std::size_t confirmed_ = 0;
    std::size_t refused_ = 0;
    std::size_t in_flight_ = 0;
    std::size_t acknowledged_ = 0; ///< of the page, from its start
};

} // namespace prooftrack::ctl
