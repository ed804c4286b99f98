#pragma once

// A connection to PostgreSQL. What need not be waited for is only posted and goes with the next thing that is asked
// (libpq's pipeline mode): a batch costs one round trip for each answer that its operations read, and two at its end.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <libpq-fe.h>

#include "base/time.hpp"
#include "store/postgres/postgres_error.hpp"

namespace prooftrack::store {

struct pg_result_freer {
    void operator()(PGresult* result) const { PQclear(result); }
};
using pg_result = std::unique_ptr<PGresult, pg_result_freer>;
struct pg_connection_closer {
    void operator()(PGconn* connection) const { PQfinish(connection); }
};
using pg_connection = std::unique_ptr<PGconn, pg_connection_closer>;

/// A parameter in PostgreSQL's binary form; a null pointer is NULL.
struct pg_value {
    const char* data = nullptr;
    int length = 0;
};

/// Rows of one table that wait, to be posted as one statement.
class kept_rows {
  public:
    virtual ~kept_rows() = default;
    virtual std::string_view table() const = 0;
    virtual void post_kept() = 0;
    virtual void drop_kept() = 0;

  protected:
    kept_rows() = default;
    kept_rows(const kept_rows&) = default;
    kept_rows& operator=(const kept_rows&) = default;
};

/// What another session said with NOTIFY.
struct pg_notification {
    std::string channel;
    std::string payload;
};

/// Used by one thread at a time. Throws postgres_error; after one that reaches the link it is of no use any more.
class pg_link {
  public:
    /// Takes a connection that is made.
    explicit pg_link(pg_connection connection);
    pg_link(const pg_link&) = delete;
    pg_link& operator=(const pg_link&) = delete;

    /// How long one answer may take. Then the socket is closed: what the server did stays open.
    void set_patience(milliseconds patience) { patience_ = patience; }
    /// Waiting ends soon after the flag is set, likewise.
    void end_when(const std::atomic<bool>& flag) { ended_ = &flag; }

    /// Waits: what is posted behind an error would not be prepared.
    void prepare(const std::string& name, const std::string& sql);
    void post(const std::string& name, std::span<const pg_value> values);
    pg_result ask(const std::string& name, std::span<const pg_value> values);
    void post(const std::string& sql);
    pg_result ask(const std::string& sql);
    /// Not prepared, with parameters.
    pg_result ask_once(const std::string& sql, std::span<const pg_value> values);
    /// Rows that `of` keeps go before whatever is posted for its table, and before anything is asked.
    void keep(kept_rows& of);
    /// Those of one table, "" = of all.
    void post_kept(std::string_view table = {});
    /// Of a transaction that is undone.
    void drop_kept();
    /// Several statements without parameters, in one implicit transaction unless one is open.
    void run_script(const std::string& sql);

    /// COPY … FROM STDIN: sends pieces until `next`, which fills an empty one, is false. The rows that were taken. What
    /// `next` throws leaves the connection of no use.
    std::int64_t copy_in(const std::string& sql, const std::function<bool(std::string& piece)>& next);
    /// COPY … TO STDOUT: gives everything to `take`, likewise.
    void copy_out(const std::string& sql, const std::function<void(std::string_view bytes)>& take);

    /// Sends what was posted, without waiting for answers.
    void send();
    /// Waits for everything that was posted; the last result. Throws the first error.
    pg_result finish();
    /// Rows changed by what was posted last; rows that are kept stay so.
    std::int64_t changes();
    /// Statements posted by name and rows kept so far: what changes something.
    std::uint64_t posted() const { return posted_; }

    /// Whether a transaction is open, as of the last `finish`.
    bool in_transaction() const;
    bool has_failed_transaction() const { return PQtransactionStatus(connection_.get()) == PQTRANS_INERROR; }
    /// Looks at the socket without waiting.
    bool is_alive();
    /// What came on the channels that this session listens to, without waiting.
    std::vector<pg_notification> take_notifications();
    int socket() const { return PQsocket(connection_.get()); }
    int server_process() const { return PQbackendPID(connection_.get()); }
    int version() const { return PQserverVersion(connection_.get()); }
    /// Whether this session has left its mark (pg_marks.hpp).
    bool has_mark() const { return has_mark_; }
    void note_mark() { has_mark_ = true; }
    /// Says goodbye.
    void close() { connection_.reset(); }

  private:
    void check(int sent);
    pg_result read_answers();
    void send_prepared(const std::string& name, std::span<const pg_value> values);
    void begin_plainly(const std::string& sql);
    void end_plainly();
    void require_copying(ExecStatusType how);
    void push_out(steady_time until);
    void wait(bool for_room, steady_time until);
    [[noreturn]] void lose(const char* state, const std::string& why);
    void require_open() const;

    pg_connection connection_;
    milliseconds patience_{10'000};
    const std::atomic<bool>* ended_ = nullptr;
    bool is_synced_ = false; ///< `send` ran, and its answers were not read
    std::size_t unread_ = 0; ///< commands without an answer
    std::uint64_t posted_ = 0;
    std::vector<kept_rows*> keeping_; ///< in the order in which they began to
    std::int64_t changes_ = 0;
    bool has_mark_ = false;
};

} // namespace prooftrack::store
