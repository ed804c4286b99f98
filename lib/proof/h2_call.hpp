#pragma once

// A call over HTTP/2: the one stream of a connection of its own.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "proof/call_channel.hpp"
#include "proof/h2_session.hpp"

namespace prooftrack::proof {

/// Tells the origin whether HTTP/2 works there. Of a call without a reply it says so only if HTTP/2 has brought no
/// reply since the call was sent: many sessions that hang at Proof say nothing about the protocol of the polls.
class h2_call final : public call_channel {
  public:
    h2_call(const proof_setup& setup, std::size_t max_reply);

    void start(const proof_call& call, const proof_setup& setup) override;
    std::optional<call_end> receive(std::string_view bytes) override;
    call_end finish(bool is_clean, const std::string& why) override;
    void close() override;
    void take_output(std::string& out) override { session_.take_output(out); }

  private:
    call_end judge(const h2_outcome& outcome);

    std::shared_ptr<origin> where_;
    h2_session session_;
    std::size_t slot_ = 0;
    steady_time started_{};
    bool is_lost_ = false; ///< the connection ended; else it fails because of what the peer sent
    bool has_replied_ = false;
    bool is_refused_ = false; ///< in good HTTP/2
};

} // namespace prooftrack::proof
