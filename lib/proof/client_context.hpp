#pragma once

// What the connections of one client share.

#include <cstdint>
#include <memory>
#include <utility>

#include "net/resolver.hpp"
#include "proof/proof_client.hpp"
#include "proof/proof_setup.hpp"
#include "proof/proof_stream.hpp"

namespace prooftrack::proof {

/// When a connection is replaced: requests and age by chance +-20 %, so that those made together do not end together.
struct connection_rules {
    std::uint32_t requests = 1000;
    milliseconds age = std::chrono::minutes(5); ///< a fresh one also looks the name up again
    milliseconds idle = seconds(20);
};

/// Owned by the client, outlives the pool and the calls. `setup` is replaced by a reload; connections keep the one they
/// began with.
struct client_context {
    loop_executor loop;
    std::shared_ptr<const proof_setup> setup;
    connection_rules rules;
    proof_client_observer& observer;
    net::host_resolver resolver; ///< of our own: a hung lookup of a callback's host must not delay Proof's

    client_context(loop_executor executor, std::shared_ptr<const proof_setup> given, proof_client_observer& reports)
        : loop(executor), setup(std::move(given)), observer(reports), resolver(executor) {}

    const proof_client_options& options() const { return setup->options(); }
};

/// TLS gets this long after TCP is connected, or what is left of connect_timeout if that is less.
inline constexpr seconds tls_timeout{5};

} // namespace prooftrack::proof
