#pragma once

// The open database that every operation works on. Belongs to the store's thread.

#include <memory>
#include <string>

#include "base/random.hpp"
#include "base/result.hpp"
#include "store/connection.hpp"
#include "store/prune_pace.hpp"
#include "store/search_index.hpp"
#include "store/store.hpp"
#include "store/totals.hpp"

namespace prooftrack::store {

/// The open database. Operations are free functions `op_result<T> name(database&, …)`: they run inside a transaction
/// (and a savepoint of their own) when they change something; an error they return undoes what they did.
struct database {
    std::unique_ptr<db_connection> connection;
    totals sums;
    search_index searched;
    random_source random{1};
    std::filesystem::path path;
    std::string vfs;
    /// Where the next search for transactions to prune goes on; starts over after a restart.
    std::int64_t prune_after_time = 0;
    std::int64_t prune_after_row = 0;
    prune_pace pace;
    /// Of PostgreSQL: its size, and when that was measured.
    std::uint64_t remote_bytes = 0;
    std::optional<steady_time> measured_at;

    statement& sql(sql_literal text) { return connection->prepared(text); }
};

inline op_error make_store_error(store_error error, std::string operation, std::string detail = {}) {
    return {make_error_code(error), std::move(operation), std::move(detail)};
}

} // namespace prooftrack::store
