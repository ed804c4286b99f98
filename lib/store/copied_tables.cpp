#include "store/copied_tables.hpp"

#include <new>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "store/row_codec.hpp"

namespace prooftrack::store {
namespace {

constexpr std::size_t piece_bytes = 256UL * 1024;

/// PostgreSQL's documentation of COPY, "Binary Format": a signature, no flags, no extension; each row has the number of
/// its columns, each column its length; and an end.
constexpr std::string_view head{"PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19};
constexpr std::string_view tail{"\377\377", 2};

template <class Number>
void append_number(std::string& out, Number number) {
    for (std::size_t left = sizeof(number); left > 0; --left)
        out += static_cast<char>((static_cast<std::uint64_t>(number) >> (8 * (left - 1))) & 0xFFU);
}

void append_bytes(std::string& out, std::string_view bytes) {
    append_number(out, static_cast<std::uint32_t>(bytes.size()));
    out += bytes;
}

// The lease columns of SQLite's transactions were never used.
constexpr std::array tables{
    copied_table{
        "counters", "one",
        "one, next_transaction, next_history, next_delivery, next_event, first_event, probes, log_id, base_url",
        "nnnnnnnbb"},
    copied_table{"transaction_counts", "state, kind", "state, kind, number", "nnn"},
    copied_table{
        "transactions", "row",
        "row, id, state, kind, watched, status, tracked_at, overdue_at, settled_at, not_found_since, recheck_until, "
        "last_polled_at, polls, bad_requests, verifications_done, was_overdue, ended_at, last_event_at, "
        "options_digest, callback_url, callback_lane, metadata, revision, traceparent",
        "ninnnbnnnnnnnnnnnnbbbbnb"},
    copied_table{"metadata_terms", "key", "key, terms", "nb"},
    copied_table{"segment_ranges", "list, segment", "list, segment, least, greatest", "nnnn"},
    copied_table{"proofs", "transaction_row", "transaction_row, body", "nb"},
    copied_table{
        "history", "transaction_row, number",
        "transaction_row, number, at, from_state, to_state, from_status, to_status, request_id, reply_sha256",
        "nnnnnbbbb"},
    copied_table{
        "events", "seq", "seq, id, type, transaction_row, state, status, recorded_at, body, traceparent", "nbbnnbnbb"},
    copied_table{"lanes", "row", "row, lane, callback, pending, dead, total, failing_since", "nbbnnnn"},
    copied_table{
        "deliveries", "id",
        "id, event_seq, transaction_row, lane, state, attempts, last_attempt_at, last_status, next_attempt_at, "
        "last_error, url, note, replay",
        "nnnnnnnnnbbbn"},
    copied_table{"consumers", "name", "name, seq", "bn"},
    copied_table{"session_keys", "key", "key, body, claimed_at, transaction_id", "bbnb"},
    copied_table{"pauses", "callback", "callback, since", "bn"},
    copied_table{"maintenance", "one", "one, since, note", "nnb"},
    copied_table{
        "replays", "id",
        "id, callback, after_seq, before_seq, since, until, types, missing, events, next_seq, made, delivered, "
        "created_at, ended_at, cancelled",
        "nbnnnnbnnnnnnnn"},
};

std::string select_sql(const copied_table& table) {
    return fmt::format(R"sql(SELECT {} FROM {} ORDER BY {})sql", table.columns, table.name, table.key);
}

void require(int done) {
    if (done != 1) throw std::bad_alloc();
}

} // namespace

std::span<const copied_table> copied_tables() { return tables; }

std::string copy_in_sql(const copied_table& table) {
    // FREEZE: nobody sees the table before the commit, and no VACUUM has to write it once more afterwards.
    return fmt::format(R"sql(COPY {} ({}) FROM STDIN (FORMAT binary, FREEZE))sql", table.name, table.columns);
}

std::string copy_out_sql(const copied_table& table) {
    return fmt::format(R"sql(COPY ({}) TO STDOUT (FORMAT binary))sql", select_sql(table));
}

row_stream::row_stream(db_connection& source, const copied_table& table)
    : table_(table), select_(source.handle(), select_sql(table)), rows_(select_.select()) {}

bool row_stream::next(std::string& piece) {
    if (has_ended_) return false;
    if (!has_begun_) piece += head;
    has_begun_ = true;
    while (piece.size() < piece_bytes) {
        if (!rows_.next()) {
            piece += tail;
            has_ended_ = true;
            break;
        }
        append_row(piece);
        ++count_;
    }
    return true;
}

void row_stream::append_row(std::string& out) const {
    append_number(out, static_cast<std::uint16_t>(table_.forms.size()));
    int column = 0;
    for (const char form : table_.forms) {
        if (rows_.is_null(column)) {
            append_number(out, ~std::uint32_t{0});
        } else if (form == 'n') {
            append_number(out, std::uint32_t{8});
            append_number(out, rows_.integer(column));
        } else if (form == 'i') {
            append_bytes(out, read_id(rows_, column).str());
        } else {
            append_bytes(out, rows_.text(column));
        }
        ++column;
    }
}

running_digest::running_digest() : state_(EVP_MD_CTX_new()) {
    if (state_ == nullptr) throw std::bad_alloc();
    require(EVP_DigestInit_ex(state_, EVP_sha256(), nullptr));
}

running_digest::~running_digest() { EVP_MD_CTX_free(state_); }

void running_digest::add(std::string_view bytes) { require(EVP_DigestUpdate(state_, bytes.data(), bytes.size())); }

std::string running_digest::finish() {
    std::array<char, 32> digest{};
    require(EVP_DigestFinal_ex(state_, reinterpret_cast<unsigned char*>(digest.data()), nullptr));
    return to_hex({digest.data(), digest.size()});
}

} // namespace prooftrack::store
