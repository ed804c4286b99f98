#pragma once

// Faults: what goes wrong between Proof and the one who asks. Pure.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.hpp"

namespace prooftrack::sandbox {

enum class fault_kind : std::uint8_t {
    status,         ///< answer with this HTTP status
    delay,          ///< answer rightly, but later; goes together with another fault
    close,          ///< close the connection instead of answering
    truncate,       ///< promise a whole body, send half of it, close
    garbage,        ///< send bytes that are not HTTP, close
    wrong_id,       ///< answer about another transaction
    huge,           ///< a well-formed reply of `size` bytes
    stall,          ///< send the head and half of the body, then nothing more
    drip,           ///< the right reply, one byte every `delay`
    endless_header, ///< a header that never ends
    refuse,         ///< accept connections and close them before TLS; only with `for` or `count`
};
std::string_view to_string(fault_kind kind);
std::optional<fault_kind> parse_fault_kind(std::string_view name);

/// Where in the exchange `close` and `stall` strike.
enum class fault_point : std::uint8_t {
    before, ///< before the first byte
    header, ///< in the middle of the header
    body,   ///< in the middle of the body
    after,  ///< after the whole reply
};
std::optional<fault_point> parse_fault_point(std::string_view name);

struct fault {
    fault_kind kind = fault_kind::status;
    std::string path = "/widget/";                            ///< prefix of the request's path
    std::optional<std::uint64_t> count;                       ///< requests it still hits; nullopt = until it is ended
    std::optional<milliseconds> lasts;                        ///< ends by itself that long after it was turned on
    int http_status = 500;                                    ///< status
    std::string retry_after;                                  ///< status: the header's value, "" = none
    std::optional<milliseconds> retry_after_date;             ///< status: Retry-After as a date that far ahead
    std::vector<std::pair<std::string, std::string>> headers; ///< status: more headers
    std::optional<std::string> body;                          ///< status: instead of Proof's own error body
    std::optional<milliseconds> delay;                        ///< delay, drip, stall: how long
    std::uint64_t size = 1'048'576;                           ///< huge
    std::optional<fault_point> at;                            ///< close (default before), stall (default body)
    steady_time ends = steady_time::max();                    ///< set by `fault_list::turn_on`
};

/// The faults that are on; the newest that fits a request is the one that strikes. Turning on one of equal kind and
/// path replaces it.
class fault_list {
  public:
    static constexpr std::size_t most_faults = 1'000;

    /// False when there are too many.
    bool turn_on(fault added, steady_time now);
    void clear() { faults_.clear(); }
    bool empty() const { return faults_.empty(); }
    const std::vector<fault>& all() const { return faults_; }

    /// What strikes a request for `path` (one use of its count), apart from delays and refusals.
    std::optional<fault> take(std::string_view path, steady_time now);
    /// How long the answer to `path` is held back.
    milliseconds take_delay(std::string_view path, steady_time now);
    /// Whether a connection is refused.
    bool take_refusal(steady_time now);

  private:
    template <class Predicate>
    std::optional<fault> take_if(std::string_view path, steady_time now, Predicate fits);
    std::vector<fault> faults_; ///< oldest first
};

} // namespace prooftrack::sandbox
