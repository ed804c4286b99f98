#pragma once

// Names to addresses without ever blocking the loop: getaddrinfo runs on helper threads of the resolver's own.

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>

#include "base/result.hpp"
#include "base/time.hpp"
#include "base/unique_function.hpp"

namespace prooftrack::net {

using address_list = std::vector<boost::asio::ip::address>;

struct resolver_options {
    steady_duration deadline = std::chrono::seconds(5);  ///< for one lookup, queueing included
    steady_duration fresh_for = std::chrono::seconds(1); ///< an answer this young is given again without a lookup
    std::size_t threads = 1;                             ///< most lookups at once; threads start as needed
    std::size_t max_hosts = 1024;                        ///< answers remembered
    /// What looks a name up, blocking, on a helper thread; getaddrinfo unless a test says otherwise.
    std::function<result<address_list>(const std::string&)> lookup;
};

/// Resolves names, joins equal lookups, and remembers the last good answer of each host, which is used when DNS is
/// silent or broken (never when DNS says that the name does not exist). Literal addresses need no lookup. Used on one
/// executor; handlers run there, never from inside the call. The destructor does not wait for a hung getaddrinfo (its
/// thread is left behind; the process ends by _exit) and drops handlers that have not run.
class host_resolver {
  public:
    explicit host_resolver(boost::asio::any_io_executor loop, resolver_options options = {});
    ~host_resolver();
    host_resolver(const host_resolver&) = delete;
    host_resolver& operator=(const host_resolver&) = delete;

    /// Addresses in the order that the system prefers, at least one. Errors: net_error::no_address, timed_out, or
    /// getaddrinfo's.
    void resolve(const std::string& host, unique_function<void(op_result<address_list>)> handler);
    boost::asio::awaitable<op_result<address_list>> async_resolve(std::string host);

  private:
    class core;
    std::shared_ptr<core> core_; // shared with the helper threads, which may outlive this object
};

} // namespace prooftrack::net
