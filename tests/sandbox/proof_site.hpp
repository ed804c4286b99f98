#pragma once

// Proof itself: its documented endpoints, the faults in front of them, and the control endpoints beside them.

#include <string>

#include "base/random.hpp"
#include "base/secret.hpp"
#include "faults.hpp"
#include "request_log.hpp"
#include "script_document.hpp"
#include "session.hpp"
#include "site.hpp"
#include "widget_host.hpp"
#include "world.hpp"

namespace prooftrack::sandbox {

struct proof_site_options {
    session_rules rules;
    bool accept_any = false;
    secret token;
    std::string base_url;   ///< for `widget_url`
    std::uint64_t seed = 1; ///< for request ids
};

/// Counts for `GET /sandbox/stats`, kept by the server.
struct connection_counts {
    std::uint64_t open = 0;
    std::uint64_t most_open = 0;
    std::uint64_t accepted = 0;
    std::uint64_t handshakes = 0;
    std::uint64_t resumed = 0;
    std::uint64_t failed_handshakes = 0;
    std::uint64_t http2 = 0; ///< handshakes that agreed on HTTP/2
};

class proof_site final : public site {
  public:
    explicit proof_site(proof_site_options options);

    bool admits_connection(instant now) override;
    std::uint64_t body_limit(std::string_view target) const override;
    reply_plan answer(const incoming_request& request) override;
    std::optional<std::uint32_t> stream_limit(instant now) const override;

    /// Everything that a script file or `PUT /sandbox/script` says, from `now` on.
    document_result<void> apply(script_document document, instant now);

    /// `/widget-host/*`, for the shop's listener: what the widget in a browser asks.
    reply answer_widget(const incoming_request& request) { return widgets_.answer(request, world_); }

    connection_counts connections;

  private:
    bool authorized(const incoming_request& request) const;
    reply refuse(const proof_failure& failure, std::string_view request_id) const;
    reply serve(const incoming_request& request, std::string_view request_id, bool wrong_id);
    reply serve_session(const incoming_request& request, std::string_view request_id);
    reply serve_transaction(std::string_view id, instant now, std::string_view request_id, bool wrong_id);
    reply serve_kyc(std::string_view user, const incoming_request& request);
    reply make_fault_reply(const fault& what, const incoming_request& request, std::string_view request_id);
    void strike(const fault& what, const incoming_request& request, reply_plan& plan);
    reply control(const incoming_request& request, std::string_view request_id);
    reply control_transaction(const incoming_request& request, std::string_view id);
    reply control_faults(const incoming_request& request);
    reply control_stats() const;
    std::string next_request_id();

    proof_site_options options_;
    sandbox_world world_;
    widget_host widgets_;
    fault_list faults_;
    request_log log_;
    random_source random_;
    std::uint64_t requests_ = 0;
};

} // namespace prooftrack::sandbox
