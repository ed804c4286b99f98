#pragma once

// A call over HTTP/1.1, on a connection that ends with it.

#include <string>

#include "proof/call_channel.hpp"
#include "proof/reply_parser.hpp"

namespace prooftrack::proof {

class http1_call final : public call_channel {
  public:
    explicit http1_call(std::size_t max_reply) : parser_(max_reply) {}

    void start(const proof_call& call, const proof_setup& setup) override;
    std::optional<call_end> receive(std::string_view bytes) override;
    call_end finish(bool is_clean, const std::string& why) override;
    void close() override {}
    void take_output(std::string& out) override;

  private:
    call_end reply() const;

    reply_parser parser_;
    std::string request_; ///< until it was taken
};

} // namespace prooftrack::proof
