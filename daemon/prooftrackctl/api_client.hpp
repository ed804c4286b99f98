#pragma once

// HTTP/1.1 to the daemon over its Unix socket: one request at a time, each wait with a deadline, ended by a signal.

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "prooftrackctl/stop_signal.hpp"

namespace prooftrack::ctl {

struct api_request {
    std::string method = "GET";
    std::string target;       ///< path and query, percent-encoded
    std::string content_type; ///< of the body; "" = none
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers; ///< further ones
    milliseconds patience{15'000}; ///< longest silence while the reply is awaited or comes in
};

struct api_reply {
    int status = 0;
    std::string content_type;
    std::string body; ///< of a streamed reply: empty
    bool ok() const { return status >= 200 && status < 300; }
};

/// What came over the connection and is not taken yet.
struct reply_input {
    static constexpr std::size_t size = 64UL * 1024;
    std::array<char, size> bytes{};
    std::size_t filled = 0;
    bool ended = false;
};

/// Takes a piece of a streamed body; false = enough, the connection is dropped.
using body_sink = std::function<bool(std::string_view)>;

/// Errors of `op_error::code`: what connect and read gave, `timed_out`, `interrupted` (a signal), `connection_reset`
/// (ended in the middle of a reply), `protocol_error` (not HTTP), `message_size` (a body over the limit).
class api_client {
  public:
    /// `stop` must outlive it.
    api_client(std::string socket_path, const stop_signal& stop);
    ~api_client();

    const std::string& socket_path() const { return path_; }

    /// Sends and reads the whole reply. A connection kept from before that was closed meanwhile is replaced once, for a
    /// GET.
    op_result<api_reply> exchange(const api_request& request);

    /// The same, but the body of a 2xx goes to `sink` as it comes; true in `whole` when the body came to its proper
    /// end.
    op_result<api_reply> stream(const api_request& request, const body_sink& sink, bool& whole);

    /// Closes the kept connection.
    void disconnect();

  private:
    op_result<void> connect();
    op_result<void> send(std::string_view bytes, milliseconds patience);
    /// Waits and adds what came. Nothing may have.
    std::optional<op_error> receive(reply_input& input, milliseconds patience);
    op_result<api_reply> read_reply(const api_request& request, const body_sink* sink, bool& whole, bool& any_byte);
    op_result<api_reply> attempt(const api_request& request, const body_sink* sink, bool& whole);

    std::string path_;
    const stop_signal& stop_;
    int socket_ = -1;
    bool reused_ = false;
};

/// Most bytes of a reply that is read whole.
inline constexpr std::size_t max_reply_body = 96UL * 1024 * 1024;

/// `text` as one segment of a path or a value of a query.
std::string percent_encoded(std::string_view text);

} // namespace prooftrack::ctl
