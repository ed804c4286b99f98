#pragma once

// PostgreSQL's side of a copy from SQLite (copy_to_postgres.hpp), and of a new name for the log.

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "store/copied_tables.hpp"
#include "store/postgres/pg_target.hpp"
#include "store/store.hpp"

namespace prooftrack::store {

/// What PostgreSQL's errors mean for whoever started the program: store_start_error(75).
[[noreturn]] void throw_unreachable(const postgres_error& error, const std::string& url);

/// One transaction, undone unless `finish` returns.
class copy_target {
  public:
    /// Connects and takes the lock of a start. Throws store_start_error(75).
    explicit copy_target(const postgres_options& options);

    /// Which database, and where, for people. Without a password.
    const std::string& place() const { return place_; }
    /// The digest of a finished copy that is there; "" without one. Throws store_start_error(75) when the schema is not
    /// this program's.
    std::string former_copy();
    /// Makes the tables, or empties those of a daemon that never had a transaction. Throws store_start_error: 1 when
    /// they are in use, 75 while a daemon runs on them.
    void require_unused();

    void take(const copied_table& table, const std::function<bool(std::string& piece)>& next);
    /// What `finish` shall find.
    void expect(const copied_table& table, std::uint64_t rows, std::string digest);
    /// Reads everything back, compares, and commits with the digest of all. `on_table` is called before each. Throws
    /// store_start_error(75) when they differ.
    void finish(const std::string& digest_of_all, const std::function<void(std::string_view table)>& on_table);

    /// Runs the work and says what PostgreSQL's errors mean.
    template <class Work>
    auto explained(Work work) {
        try {
            return work();
        } catch (const postgres_error& error) {
            throw_unreachable(error, target_.shown);
        }
    }

  private:
    struct expected_table {
        const copied_table* table;
        std::string digest;
    };

    void connect(const postgres_options& options);
    void take_lock();
    bool has_tables();
    void create();
    void require_never_used();

    const std::atomic<bool> never_{false};
    pg_target target_;
    std::unique_ptr<db_connection> db_;
    std::string place_;
    std::int64_t taken_ = 0; ///< rows of the table that was sent last
    std::vector<expected_table> expected_;
};

struct renamed_log {
    std::string former;
    std::string now;
};
/// After PostgreSQL's own restore: another log_id. Throws store_start_error: 75 while a daemon runs on the database, 1
/// when it is none of prooftrackd's.
renamed_log rename_log(const postgres_options& options);

} // namespace prooftrack::store
