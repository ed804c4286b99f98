#pragma once

// Rows that the operations of one transaction will look at, read in one go: PostgreSQL is as far away as its answers
// take, and each operation would wait for some.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.hpp"
#include "store/connection.hpp"
#include "store/stored_rows.hpp"

namespace prooftrack::store {

/// What an operation looks at before it changes it. Besides these it only adds rows, or forgets here what it changes.
struct row_wishes {
    struct transaction {
        transaction_id id;
        bool is_whole = false; ///< with what an event is made of
    };
    std::vector<transaction> transactions;
    std::vector<delivery_id> deliveries;
};

/// Holds each row until it is taken, since whoever takes it changes it: who comes later asks the database. Nobody else
/// may commit meanwhile. Belongs to the store's thread.
class foreseen_rows {
  public:
    /// Reads all of them; of no use with SQLite.
    void read(db_connection& db, const std::vector<const row_wishes*>& wishes);
    void forget();

    /// nullopt: it was not foreseen, or is not there.
    std::optional<stored_row> take(const transaction_id& id);
    std::optional<whole_row> take_whole(const transaction_id& id);
    std::optional<stored_delivery> take(delivery_id id);

    /// It is changed by its id.
    void forget(const transaction_id& id);
    /// A delivery of the transaction was added: what the others are was said without it.
    void forget_deliveries_of(std::int64_t transaction_row);

  private:
    void read_transactions(db_connection& db, const std::string& ids);
    void read_whole_transactions(db_connection& db, const std::string& ids);
    void read_deliveries(db_connection& db, const std::string& ids);

    struct foreseen_transaction {
        whole_row row;
        bool is_whole = false;
    };
    std::map<std::string, foreseen_transaction> transactions_;
    std::map<delivery_id, stored_delivery> deliveries_;
};

} // namespace prooftrack::store
