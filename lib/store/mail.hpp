#pragma once

// What the other daemons that share the database need to hear of a commit. Written with the commit itself, numbered in
// the order of the commits, read by everybody with a cursor of his own (news_ops.hpp), and pruned after 10 minutes:
// a daemon that has not read for so long is taken for gone, and loads everything again.

#include <cstdint>
#include <utility>
#include <vector>

#include "store/connection.hpp"
#include "store/totals.hpp"

namespace prooftrack::store {

/// The values stand in the column `kind`.
enum class mail_kind : std::uint8_t {
    row = 0,         ///< the transaction with this row was changed by a daemon that does not hold it
    wanted_poll = 1, ///< the transaction with this row is to be polled soon
    lane = 2,        ///< what is due on the lane with this row was changed likewise
    retried = 3,     ///< the schedule of the delivery with this id was started anew by hand
    controls = 4,    ///< pauses or maintenance
    replays = 5,     ///< one began, or was cancelled
    throttled = 6,   ///< Proof has answered 429, and nothing is polled for so many ms from the row's `at` on
};

/// Notes of the open commit. Belongs to the store's thread.
class outgoing_mail {
  public:
    void note(mail_kind kind, std::int64_t subject = 0) { notes_.emplace_back(kind, subject); }
    /// They follow the savepoint of one operation, as `totals` do.
    void mark() { marked_ = notes_.size(); }
    void undo() { notes_.resize(marked_); }
    void forget();
    bool empty() const { return notes_.empty(); }
    /// Whether this process has written that note of `throttled`; it remembers the latest few.
    bool has_told(std::int64_t number) const;
    /// Writes each note once, numbered by `numbers`, which are to be flushed behind it. Some remove what is old.
    void flush(db_connection& db, totals& numbers);

  private:
    std::vector<std::pair<mail_kind, std::int64_t>> notes_;
    std::size_t marked_ = 0;
    std::vector<std::int64_t> told_; ///< numbers of the latest notes of `throttled`
    std::size_t committed_ = 0;      ///< so many of them are; of the others that is not known yet
};

} // namespace prooftrack::store
