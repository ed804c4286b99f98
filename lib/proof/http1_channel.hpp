#pragma once

// Polls over HTTP/1.1: one request in flight, on a connection that is kept.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "proof/poll_channel.hpp"
#include "proof/reply_parser.hpp"

namespace prooftrack::proof {

class http1_channel final : public poll_channel, private stream_reader {
  public:
    /// `stream` is open and nobody reads from it.
    http1_channel(std::shared_ptr<proof_stream> stream, poll_channel_events& events);
    ~http1_channel() override;

    std::string_view protocol() const override { return http1_protocol; }
    std::size_t capacity() const override { return events_ == nullptr || request_ ? 0 : 1; }
    void start(poll_in_flight request, const proof_setup& setup) override;
    void flush() override;
    std::size_t in_flight() const override { return request_ ? 1 : 0; }
    steady_time next_deadline() const override { return request_ ? request_->deadline : steady_time::max(); }
    void on_deadline(steady_time now) override;
    void give_up(std::string_view why) override;
    void close() noexcept override;

  private:
    void on_bytes(std::string_view bytes) override;
    void on_end(bool is_clean, const std::string& why) override;

    poll_in_flight take_request();
    bool finish_reply();
    void fail(reply_fault fault);
    void end();

    std::shared_ptr<proof_stream> stream_;
    poll_channel_events* events_; ///< null = ended
    std::optional<poll_in_flight> request_;
    std::string request_bytes_; ///< holds the token; its memory is used again
    reply_parser parser_{0};
};

} // namespace prooftrack::proof
