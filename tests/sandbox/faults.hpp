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
    // HTTP/2 alone: a request over HTTP/1.1 passes them by and uses none of their count.
    goaway,        ///< GOAWAY with `error`: the connection takes no more requests, and ends after those it has
    refuse_stream, ///< RST_STREAM with REFUSED_STREAM: the request was not processed
    reset,         ///< RST_STREAM with `error`
    max_streams,   ///< a connection may have `streams` open at once; goes together with another fault
};
std::string_view to_string(fault_kind kind);
std::optional<fault_kind> parse_fault_kind(std::string_view name);

/// Where in the exchange `close`, `stall`, `goaway` and `reset` strike.
enum class fault_point : std::uint8_t {
    before, ///< before the first byte
    header, ///< in the middle of the header
    body,   ///< in the middle of the body
    after,  ///< after the whole reply
};
std::optional<fault_point> parse_fault_point(std::string_view name);

/// `CANCEL` and the other error codes of RFC 9113, section 7.
std::optional<std::uint32_t> parse_http2_error(std::string_view name);
std::string_view format_http2_error(std::uint32_t code); ///< "" for a code without a name

/// What the kind `garbage` sends: neither HTTP/1.1 nor a frame of HTTP/2.
inline constexpr std::string_view garbage_bytes{
    "\x16\x03\x01 this is not HTTP \x00\xff\r\n\r\n{\"status\":\"completed\"}", 49};

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
    std::optional<fault_point> at;                            ///< close, goaway, reset (before), stall (body)
    std::optional<std::uint32_t> error;                       ///< goaway (NO_ERROR), reset (INTERNAL_ERROR)
    std::uint32_t streams = 1;                                ///< max_streams
    steady_time ends = steady_time::max();                    ///< set by `fault_list::turn_on`

    fault_point point() const;  ///< `at`, or the kind's default
    milliseconds time() const;  ///< `delay`, or the kind's default
    std::uint32_t code() const; ///< `error`, or the kind's default
    bool lets_serve() const;    ///< whether the request takes effect before the fault strikes
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

    /// What strikes a request for `path` (one use of its count), apart from delays, refusals and limits of streams.
    std::optional<fault> take(std::string_view path, steady_time now, bool http2);
    /// How long the answer to `path` is held back.
    milliseconds take_delay(std::string_view path, steady_time now);
    /// `max_streams` for a request for `path` (one use of its count); nullopt when none fits.
    std::optional<std::uint32_t> take_stream_limit(std::string_view path, steady_time now);
    /// The newest `max_streams` that is on, whatever its path; uses nothing.
    std::optional<std::uint32_t> stream_limit(steady_time now) const;
    /// Whether a connection is refused.
    bool take_refusal(steady_time now);

  private:
    template <class Predicate>
    std::optional<fault> take_if(std::string_view path, steady_time now, Predicate fits);
    std::vector<fault> faults_; ///< oldest first
};

} // namespace prooftrack::sandbox
