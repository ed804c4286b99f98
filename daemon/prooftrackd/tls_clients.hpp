#pragma once

// The TLS clients of one configuration, one for each set of authorities and each certificate of ours.

#include <memory>
#include <vector>

#include "net/tls.hpp"

namespace prooftrack::daemon {

class tls_clients {
  public:
    /// The client that trusts these and shows that: one that was made before, also by `earlier` (null = none), else a
    /// new one; so its sessions outlive a reload that changes nothing of it. Throws boost::system::system_error as
    /// tls_client.
    std::shared_ptr<net::tls_client> get(
        const net::trust_roots& trust, const net::client_identity& identity, const tls_clients* earlier) {
        if (auto known = find(trust, identity)) return known;
        auto client = earlier != nullptr ? earlier->find(trust, identity) : nullptr;
        if (!client) client = std::make_shared<net::tls_client>(trust, identity);
        made_.push_back({trust, identity, client});
        return client;
    }

  private:
    struct made {
        net::trust_roots trust;
        net::client_identity identity;
        std::shared_ptr<net::tls_client> client;
    };

    std::shared_ptr<net::tls_client> find(const net::trust_roots& trust, const net::client_identity& identity) const {
        for (const made& each : made_) {
            if (each.trust == trust && each.identity == identity) return each.client;
        }
        return nullptr;
    }

    std::vector<made> made_;
};

} // namespace prooftrack::daemon
