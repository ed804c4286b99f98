#include "store/load_ops.hpp"

#include <algorithm>
#include <set>

#include <malloc.h>

#include <boost/asio/post.hpp>

#include "store/news_ops.hpp"
#include "store/postgres/dialect.hpp"
#include "store/row_codec.hpp"

namespace prooftrack::store {
namespace {

constexpr std::size_t chunk_size = 10'000;

/// A row between reading and sorting: fixed numbers here, the two texts in one arena.
struct packed_row {
    std::int64_t last_polled_at; ///< minimum = never
    std::int64_t tracked_at;
    std::int64_t overdue_at;
    std::int64_t settled_at;
    std::int64_t not_found_since;
    std::int64_t recheck_until;
    std::uint64_t polls;
    std::uint64_t text_at;
    row_revision revision;
    std::uint8_t id_length;
    std::uint8_t status_length;
    std::uint8_t state;
    std::uint8_t bad_requests;
    std::uint8_t verifications_done;
    bool id_is_uuid;
    bool was_overdue;
    std::uint8_t shard;
    bool is_wanted;
};

constexpr std::int64_t none = std::numeric_limits<std::int64_t>::min();

std::int64_t time_or_none(const query& row, int column) { return row.is_null(column) ? none : row.integer(column); }

std::optional<wall_time> time_from(std::int64_t value) {
    if (value == none) return std::nullopt;
    return wall_time(milliseconds(value));
}

struct packed_rows {
    std::vector<packed_row> rows;
    std::string texts;
    std::set<std::int64_t> wanted; ///< numbers of rows
};

/// Of a `select_active`.
void take_rows(query row, packed_rows& all) {
    while (row.next()) {
        const std::string_view id = row.text(0);
        const std::string_view status = row.text(3);
        if (id.size() > max_transaction_id_length || status.size() > track::max_status_length) {
            throw sqlite_error(SQLITE_CORRUPT, "an id or a status is too long");
        }
        all.rows.push_back(
            {time_or_none(row, 9), row.integer(4), row.integer(5), time_or_none(row, 6), time_or_none(row, 7),
             time_or_none(row, 8), row.count(10), all.texts.size(), read_revision(row, 14),
             static_cast<std::uint8_t>(id.size()), static_cast<std::uint8_t>(status.size()),
             static_cast<std::uint8_t>(read_tracking_state(row, 1)), static_cast<std::uint8_t>(row.integer(11)),
             static_cast<std::uint8_t>(row.integer(12)), row.is_blob(0), row.flag(13), shard_of_row(row.integer(15)),
             all.wanted.contains(row.integer(15))});
        all.texts += id;
        all.texts += status;
    }
}

/// Of these shards, in a database that several daemons share. Rows of one page are of many shards, and each visit of a
/// page after a change writes it: all of them are read in the order of the pages, by a bitmap.
packed_rows read_shards(database& db, const shard_set& shards) {
    packed_rows all;
    all.wanted = read_open_wishes(db);
    pg_array list;
    for (std::size_t shard = 0; shard < shard_count; ++shard) {
        if (shards.test(shard)) list.add(std::to_string(shard));
    }
    static constexpr sql_literal watched_of_shards = select_active<R"sql(
        WHERE watched = 1
          AND (row & 255) = ANY (CAST(CAST(? AS TEXT) AS BIGINT[]))
    )sql">;
    db.connection->execute(R"sql(SET LOCAL enable_indexscan = off)sql");
    take_rows(db.sql(watched_of_shards).stream(list.text()), all);
    return all;
}

packed_rows read_rows(database& db, const shard_set& shards) {
    if (db.connection->is_remote()) return read_shards(db, shards);
    packed_rows all;
    std::uint64_t expected = 0;
    for (std::size_t state = 0; state < track::tracking_state_count; ++state) {
        for (std::size_t kind = 0; kind < totals::kinds; ++kind) {
            const auto each = static_cast<track::tracking_state>(state);
            if (!is_ended(each)) expected += db.sums.transactions({each, static_cast<track::status_kind>(kind)});
        }
    }
    all.rows.reserve(expected); // most of the watched ones: those that have not ended
    all.texts.reserve(expected * 24);
    static constexpr sql_literal watched_rows = select_active<R"sql( INDEXED BY transactions_watched
        WHERE watched = 1
    )sql">;
    take_rows(db.sql(watched_rows).stream(), all);
    return all;
}

track::active_transaction unpack(const packed_rows& all, const packed_row& row) {
    const std::string_view texts = all.texts;
    const std::string_view stored = texts.substr(row.text_at, row.id_length);
    auto id = row.id_is_uuid ? transaction_id::parse(unpack_uuid(stored)) : transaction_id::parse(stored);
    if (!id) throw sqlite_error(SQLITE_CORRUPT, "an id in the database is not an id");
    track::tracking_facts facts;
    facts.state = static_cast<track::tracking_state>(row.state);
    facts.status = texts.substr(row.text_at + row.id_length, row.status_length);
    facts.tracked_at = wall_time(milliseconds(row.tracked_at));
    facts.overdue_at = wall_time(milliseconds(row.overdue_at));
    facts.settled_at = time_from(row.settled_at);
    facts.not_found_since = time_from(row.not_found_since);
    facts.recheck_until = time_from(row.recheck_until);
    facts.last_polled_at = time_from(row.last_polled_at);
    facts.polls = row.polls;
    facts.bad_requests = row.bad_requests;
    facts.verifications_done = row.verifications_done;
    facts.was_overdue = row.was_overdue;
    return {*std::move(id), std::move(facts), row.revision, row.shard, row.is_wanted};
}

/// A place among the waiting chunks, given back when the chunk goes.
class permit {
  public:
    explicit permit(std::shared_ptr<chunk_gate> gate) : gate_(std::move(gate)) {}
    permit(permit&&) = default;
    permit(const permit&) = delete;
    permit& operator=(const permit&) = delete;
    permit& operator=(permit&&) = delete;
    ~permit() {
        if (gate_) gate_->leave();
    }

  private:
    std::shared_ptr<chunk_gate> gate_;
};

} // namespace

bool chunk_gate::enter() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_open_ || waiting_ < most_waiting; });
    ++waiting_;
    return !is_open_;
}

void chunk_gate::leave() {
    const std::lock_guard lock(mutex_);
    --waiting_;
    changed_.notify_one();
}

void chunk_gate::open_for_good() {
    const std::lock_guard lock(mutex_);
    is_open_ = true;
    changed_.notify_all();
}

op_result<std::uint64_t> load_watched(
    database& db, const boost::asio::any_io_executor& loop, const std::shared_ptr<chunk_handler>& on_chunk,
    const std::shared_ptr<chunk_gate>& gate, const shard_set& shards) {
    std::uint64_t number = 0;
    // Sorting, and a loop that is busy, take longer than a transaction that has the turn may wait. This one has none.
    if (db.connection->is_remote())
        db.connection->execute(R"sql(SET LOCAL idle_in_transaction_session_timeout = '10min')sql");
    {
        const packed_rows all = read_rows(db, shards);
        number = all.rows.size();
        std::vector<std::uint32_t> order(all.rows.size());
        for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
        std::stable_sort(order.begin(), order.end(), [&all](std::uint32_t a, std::uint32_t b) {
            return all.rows[a].last_polled_at < all.rows[b].last_polled_at;
        });
        for (std::size_t begin = 0; begin < order.size(); begin += chunk_size) {
            const std::size_t end = std::min(begin + chunk_size, order.size());
            std::vector<track::active_transaction> chunk;
            chunk.reserve(end - begin);
            for (std::size_t i = begin; i < end; ++i) chunk.push_back(unpack(all, all.rows[order[i]]));
            const bool is_wanted = gate->enter();
            permit held(gate);
            if (!is_wanted) return make_store_error(store_error::stopped, "load transactions");
            boost::asio::post(loop, [on_chunk, chunk = std::move(chunk), held = std::move(held)]() mutable {
                (*on_chunk)(std::move(chunk));
            });
        }
    }
    ::malloc_trim(0); // what was held while sorting goes back to the system
    return number;
}

} // namespace prooftrack::store
