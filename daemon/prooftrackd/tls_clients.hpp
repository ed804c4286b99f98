#pragma once

// The TLS clients of one configuration, one for each set of authorities.

#include <memory>
#include <utility>
#include <vector>

#include "net/tls.hpp"

namespace prooftrack::daemon {

class tls_clients {
  public:
    /// The client that trusts these: one that was made before, also by `earlier` (null = none), else a new one; so its
    /// sessions outlive a reload that changes nothing of it. Throws boost::system::system_error as tls_client.
    std::shared_ptr<net::tls_client> get(const net::trust_roots& trust, const tls_clients* earlier) {
        if (auto made = find(trust)) return made;
        auto client = earlier != nullptr ? earlier->find(trust) : nullptr;
        if (!client) client = std::make_shared<net::tls_client>(trust);
        made_.emplace_back(trust, client);
        return client;
    }

  private:
    std::shared_ptr<net::tls_client> find(const net::trust_roots& trust) const {
        for (const auto& [roots, client] : made_) {
            if (roots == trust) return client;
        }
        return nullptr;
    }

    std::vector<std::pair<net::trust_roots, std::shared_ptr<net::tls_client>>> made_;
};

} // namespace prooftrack::daemon
