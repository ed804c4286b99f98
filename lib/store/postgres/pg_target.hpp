#pragma once

// Where a URL of libpq leads, and the way there.

#include <atomic>
#include <map>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "store/postgres/pg_link.hpp"

namespace prooftrack::store {

/// A URL taken apart: the parameters of libpq for each of its hosts, which are tried one after the other.
struct pg_target {
    using parameters = std::map<std::string, std::string>;
    std::vector<parameters> hosts;
    std::string shown; ///< for people: without a password
};

/// Reads the URL and adds what it leaves open: `sslmode` is verify-full for every host that is neither loopback nor a
/// socket, with the system's certificates; `target_session_attrs` is read-write. Errors say what is wrong with it; a
/// password in it is one.
op_result<pg_target> parse_pg_url(const std::string& url);

/// How long one host may take.
inline constexpr milliseconds pg_connect_patience{5'000};

/// The first host that lets us in. `application` is what pg_stat_activity shows; `ended` as pg_link::end_when. Throws
/// postgres_error with what each host said.
pg_connection connect_to(
    const pg_target& target, const secret& password, const std::string& application, const std::atomic<bool>& ended);

} // namespace prooftrack::store
