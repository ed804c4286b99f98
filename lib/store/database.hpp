#pragma once

// The open database that every operation works on. Belongs to the store's thread.

#include <memory>
#include <string>

#include "base/random.hpp"
#include "base/result.hpp"
#include "base/shards.hpp"
#include "store/connection.hpp"
#include "store/foreseen_rows.hpp"
#include "store/mail.hpp"
#include "store/prune_pace.hpp"
#include "store/search_index.hpp"
#include "store/store.hpp"
#include "store/totals.hpp"

namespace prooftrack::store {

/// The open database. Operations are free functions `op_result<T> name(database&, …)`: they run inside a transaction
/// when they change something; an error they return undoes what they did, and what others did beside them stays.
struct database {
    std::unique_ptr<db_connection> connection;
    totals sums;
    search_index searched;
    outgoing_mail mail;
    foreseen_rows foreseen;        ///< of the open transaction
    shard_set held = all_shards(); ///< whose deliveries are given out here; the others' owners are told by mail
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
    bool holds(std::int64_t transaction_row) const { return held.test(shard_of_row(transaction_row)); }
    bool holds_all() const { return held.all(); }
    /// The transaction's owner, another daemon, has to hear of a change.
    void tell_owner(std::int64_t transaction_row) {
        if (!holds(transaction_row)) mail.note(mail_kind::row, transaction_row);
    }
    /// The same of what is due on a lane.
    void tell_owner_of_lane(std::int64_t transaction_row, std::int64_t lane) {
        if (!holds(transaction_row)) mail.note(mail_kind::lane, lane);
    }
    /// All other daemons have to hear of it.
    void tell_all(mail_kind kind) {
        if (connection->is_remote()) mail.note(kind);
    }
};

inline op_error make_store_error(store_error error, std::string operation, std::string detail = {}) {
    return {make_error_code(error), std::move(operation), std::move(detail)};
}

} // namespace prooftrack::store
