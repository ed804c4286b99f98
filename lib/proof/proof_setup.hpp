#pragma once

// Private to this module: what a request to Proof is made with.

#include <memory>
#include <string_view>
#include <utility>

#include "base/secret.hpp"
#include "proof/origin.hpp"
#include "proof/proof_client.hpp"

namespace prooftrack::proof {

/// Server, certificates, token and settings, bound together and never changed: a reload makes another one. A request
/// holds the one that it began with, so its token goes to the server that it was read for and to no other.
class proof_setup {
  public:
    /// `token` obeys is_sendable_token.
    proof_setup(proof_client_options options, std::shared_ptr<origin> where, secret token)
        : options_(std::move(options)), where_(std::move(where)), token_(std::move(token)) {}

    const proof_client_options& options() const { return options_; }
    const std::shared_ptr<origin>& where() const { return where_; }
    const secret& token() const { return token_; }

    /// What ALPN offers, in TLS's own format. HTTP/1.1 alone needs no such extension.
    std::string_view offered_protocols(steady_time now) const {
        return options_.http2 && !where_->http2().is_forbidden(now) ? "\x02h2\x08http/1.1" : "";
    }

    /// Whether a connection made with the other one may carry requests of this one.
    bool has_server_of(const proof_setup& other) const { return where_ == other.where_; }

  private:
    proof_client_options options_;
    std::shared_ptr<origin> where_; ///< shared by setups of one server: it keeps its TLS sessions
    secret token_;
};

} // namespace prooftrack::proof
