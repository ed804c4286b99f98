#pragma once

// Use cases: requests of users that the daemon passes on to Proof.

#include <string>
#include <utility>

#include "api/backend.hpp"
#include "base/task.hpp"
#include "engine/change_audit.hpp"
#include "engine/session_service.hpp"

namespace prooftrack::engine {

class session_calls final : public api::session_backend {
  public:
    session_calls(session_service& service, change_audit& audit) : service_(service), audit_(audit) {}

    void create_session(
        api::session_request request, api::client_identity who,
        api::backend_handler<api::proxied_reply> handler) override {
        auto audited = audit_.audited({"session", "", "", who}, std::move(handler));
        start(service_.create(std::move(request)), std::move(audited));
    }
    void kyc_status(std::string partner_user_id, api::backend_handler<api::proxied_reply> handler) override {
        start(service_.kyc_status(std::move(partner_user_id)), std::move(handler));
    }

  private:
    session_service& service_;
    change_audit& audit_;
};

} // namespace prooftrack::engine
