#pragma once

// What Proof's widget host does for the widget in a customer's browser: a single-use init_token opens the widget, and
// the key that this gives lets its buttons move the transaction. Pure.

#include <deque>
#include <map>
#include <string>
#include <string_view>

#include "reply.hpp"
#include "world.hpp"

namespace prooftrack::sandbox {

class widget_host {
  public:
    /// The oldest are forgotten beyond this many.
    static constexpr std::size_t most_sessions = 10'000;
    static constexpr auto token_life = std::chrono::hours(1);

    /// A session was made: its token may open the widget once, within the hour.
    void remember(std::string_view transaction, std::string_view init_token, instant now);

    /// `POST /widget-host/open` (Authorization: Bearer init_token) gives `{"key", "status"}`;
    /// `POST /widget-host/pay`, `/fail`, `/cancel` (Bearer key) give `{"status"}`, the widget's word for it.
    reply answer(const incoming_request& request, sandbox_world& world);

  private:
    struct session {
        std::string transaction;
        steady_time made{};
        bool opened = false;
    };
    reply open(std::string_view init_token, const incoming_request& request, sandbox_world& world);
    reply act(std::string_view action, std::string_view key, const incoming_request& request, sandbox_world& world);

    std::map<std::string, session, std::less<>> sessions_; ///< by init_token
    std::map<std::string, std::string, std::less<>> keys_; ///< key of an open widget to its transaction
    std::deque<std::string> tokens_in_order_;
    std::deque<std::string> keys_in_order_;
};

} // namespace prooftrack::sandbox
