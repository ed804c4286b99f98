#include "store/search_index.hpp"

#include <algorithm>
#include <string>

#include "net/json.hpp"
#include "store/segments.hpp"

namespace prooftrack::store {
namespace {

constexpr int hash_bits = 28;
constexpr int term_bits = hash_bits + segment_bits; ///< hash and place
constexpr std::size_t term_bytes = term_bits / 8;
/// So many in one row: it fits a page of 4 KiB.
constexpr std::size_t terms_a_row = 800;
/// An older segment is not sorted anew for so few additional terms.
constexpr std::size_t most_added_terms = 4 * terms_a_row;
/// The newest one is for more additions: a row of its own a commit makes no more before it is full, but changed
/// metadata may.
constexpr std::int64_t most_new_additions = std::int64_t{1} << segment_bits;
/// One with more terms than this, and than twice those that it needed last, is made anew from its rows: metadata that
/// changes again and again leaves old terms.
constexpr std::size_t most_sorted_terms = std::size_t{16} << segment_bits;

constexpr std::uint64_t term_mask = (std::uint64_t{1} << term_bits) - 1;

/// Keys of `metadata_terms`: segment (up to 2^22 of them), sorted or not, then the first term of the row or the
/// addition's number.
constexpr std::int64_t additions_of(std::int64_t segment) { return segment << (term_bits + 1); }
constexpr std::int64_t sorted_of(std::int64_t segment) {
    return additions_of(segment) + (std::int64_t{1} << term_bits);
}

/// FNV-1a (Fowler, Noll, Vo), its upper bits mixed: stable, as it stands in the file, on every machine.
std::uint64_t hash_of(std::string_view name, std::string_view value) {
    std::uint64_t hash = 0xcbf29ce484222325ULL;
    const auto take = [&hash](unsigned char byte) { hash = (hash ^ byte) * 0x100000001b3ULL; };
    for (const char c : name) take(static_cast<unsigned char>(c));
    take(0xFF); // stands in no UTF-8 text
    for (const char c : value) take(static_cast<unsigned char>(c));
    hash ^= hash >> 32U;
    hash *= 0xd6e8feb86659fd93ULL;
    return hash >> (64U - hash_bits);
}

void append_term(std::string& bytes, std::uint64_t term) {
    for (std::size_t shift = term_bits; shift > 0; shift -= 8) bytes += static_cast<char>(term >> (shift - 8) & 0xFFU);
}

template <class Take>
void read_terms(std::string_view bytes, const Take& take) {
    for (; bytes.size() >= term_bytes; bytes.remove_prefix(term_bytes)) {
        std::uint64_t term = 0;
        for (std::size_t i = 0; i < term_bytes; ++i) term = term << 8U | static_cast<unsigned char>(bytes[i]);
        take(term);
    }
}

/// Those of the row's metadata, without the segment.
void add_terms(std::int64_t row, std::string_view metadata, std::vector<std::uint64_t>& terms) {
    if (metadata == "{}") return;
    const auto members = net::top_level_members(metadata, {.allow_duplicate_keys = true});
    if (!members) return;
    const auto place = static_cast<std::uint64_t>(row - first_key_of(segment_of(row)));
    for (const net::json_member& member : *members) {
        const auto text = net::decode_json_string(member.value);
        const std::uint64_t hash = hash_of(member.key, text ? std::string_view(*text) : member.value);
        terms.push_back(hash << segment_bits | place);
    }
}

/// The terms of the metadata that the segment's rows have now.
std::vector<std::uint64_t> read_terms_of_rows(db_connection& db, std::int64_t segment) {
    static constexpr sql_literal of_segment = R"sql(
        SELECT row, metadata
        FROM transactions
        WHERE row BETWEEN ? AND ?
    )sql";
    std::vector<std::uint64_t> terms;
    query row = db.prepared(of_segment).select(first_key_of(segment), last_key_of(segment));
    while (row.next()) add_terms(row.integer(0), row.text(1), terms);
    std::sort(terms.begin(), terms.end());
    terms.erase(std::unique(terms.begin(), terms.end()), terms.end());
    return terms;
}

constexpr sql_literal insert_terms = R"sql(INSERT INTO metadata_terms VALUES (?, ?))sql";

/// All terms of the segment in the table, in order.
std::vector<std::uint64_t> read_terms_of_segment(db_connection& db, std::int64_t segment) {
    static constexpr sql_literal of_segment = R"sql(
        SELECT key, terms
        FROM metadata_terms
        WHERE key BETWEEN ? AND ?
        ORDER BY key
    )sql";
    std::vector<std::uint64_t> terms;
    std::ptrdiff_t added = 0;
    query row = db.prepared(of_segment).select(additions_of(segment), additions_of(segment + 1) - 1);
    while (row.next()) {
        read_terms(row.text(1), [&terms](std::uint64_t term) { terms.push_back(term); });
        if (row.integer(0) < sorted_of(segment)) added = static_cast<std::ptrdiff_t>(terms.size());
    }
    std::sort(terms.begin(), terms.begin() + added);
    std::inplace_merge(terms.begin(), terms.begin() + added, terms.end());
    terms.erase(std::unique(terms.begin(), terms.end()), terms.end());
    return terms;
}

/// A few full rows in the place of all that the segment has.
void write_sorted(db_connection& db, std::int64_t segment, const std::vector<std::uint64_t>& terms) {
    db.prepared(R"sql(DELETE FROM metadata_terms WHERE key BETWEEN ? AND ?)sql")
        .execute(additions_of(segment), additions_of(segment + 1) - 1);
    for (std::size_t at = 0; at < terms.size(); at += terms_a_row) {
        std::string bytes;
        for (std::size_t i = at; i < std::min(at + terms_a_row, terms.size()); ++i) append_term(bytes, terms[i]);
        db.prepared(insert_terms).execute(sorted_of(segment) + static_cast<std::int64_t>(terms[at]), blob_view{bytes});
    }
}

/// They are numbered from 0.
bool has_more_new_additions(db_connection& db, std::int64_t segment) {
    static constexpr sql_literal last_addition = R"sql(
        SELECT max(key)
        FROM metadata_terms
        WHERE key BETWEEN ? AND ?
    )sql";
    query row = db.prepared(last_addition).select(additions_of(segment), sorted_of(segment) - 1);
    return row.next() && !row.is_null(0) && row.integer(0) >= additions_of(segment) + most_new_additions;
}

/// The terms in the rows from one key to another.
std::size_t count_terms(db_connection& db, std::int64_t first, std::int64_t last) {
    static constexpr sql_literal all_bytes = R"sql(
        SELECT coalesce(sum(length(terms)), 0)
        FROM metadata_terms
        WHERE key BETWEEN ? AND ?
    )sql";
    query row = db.prepared(all_bytes).select(first, last);
    return row.next() ? row.count(0) / term_bytes : 0;
}

/// In a row of their own.
void append_row(db_connection& db, std::int64_t segment, const std::string& bytes) {
    static constexpr sql_literal append = R"sql(
        INSERT INTO metadata_terms
        SELECT coalesce(max(key) + 1, ?), ?
        FROM metadata_terms
        WHERE key BETWEEN ? AND ?
    )sql";
    db.prepared(append).execute(additions_of(segment), blob_view{bytes}, additions_of(segment), sorted_of(segment) - 1);
}

/// Behind those of the last addition as long as they fit its row.
void extend_last_row(db_connection& db, std::int64_t segment, const std::string& bytes) {
    std::int64_t key = -1;
    std::string all;
    {
        static constexpr sql_literal last_addition = R"sql(
            SELECT key, terms
            FROM metadata_terms
            WHERE key BETWEEN ? AND ?
            ORDER BY key DESC
            LIMIT 1
        )sql";
        query row = db.prepared(last_addition).select(additions_of(segment), sorted_of(segment) - 1);
        if (row.next() && row.text(1).size() + bytes.size() <= terms_a_row * term_bytes) {
            key = row.integer(0);
            all = row.text(1);
        }
    }
    if (key < 0) {
        append_row(db, segment, bytes);
    } else {
        all += bytes;
        db.prepared(R"sql(UPDATE metadata_terms SET terms = ? WHERE key = ?)sql").execute(blob_view{all}, key);
    }
}

/// -1 without any.
std::int64_t read_newest_segment(db_connection& db) {
    query row = db.prepared(R"sql(SELECT max(key) FROM metadata_terms)sql").select();
    return row.next() && !row.is_null(0) ? row.integer(0) >> (term_bits + 1) : -1;
}

} // namespace

void search_index::note(ranged_list list, std::int64_t key, std::int64_t value) {
    // Rounded: a busy list is written once in four seconds, or 4,096 events.
    constexpr std::int64_t rounding = 4095;
    range& known = known_.at(static_cast<std::size_t>(list));
    const std::int64_t segment = segment_of(key);
    if (known.segment == segment && known.least <= value && value <= known.greatest) return;
    const range wider{segment, value & ~rounding, value | rounding};
    if (known.segment == segment) {
        known.least = std::min(known.least, wider.least);
        known.greatest = std::max(known.greatest, wider.greatest);
    } else {
        known = wider;
    }
    const auto [noted, is_new] = to_write_.try_emplace({list, segment}, wider);
    if (is_new) return;
    noted->second.least = std::min(noted->second.least, wider.least);
    noted->second.greatest = std::max(noted->second.greatest, wider.greatest);
}

void search_index::note_metadata(std::int64_t row, std::string_view metadata) {
    const std::size_t before = terms_.size();
    add_terms(row, metadata, terms_);
    const std::uint64_t segment = static_cast<std::uint64_t>(segment_of(row)) << term_bits;
    for (std::size_t i = before; i < terms_.size(); ++i) terms_[i] |= segment;
}

void search_index::flush(db_connection& db) {
    for (const auto& [place, values] : to_write_) {
        static constexpr sql_literal widen = R"sql(
            INSERT INTO segment_ranges VALUES (?, ?, ?, ?)
            ON CONFLICT (list, segment) DO UPDATE
            SET least = CASE WHEN excluded.least < segment_ranges.least THEN excluded.least
                    ELSE segment_ranges.least END,
                greatest = CASE WHEN excluded.greatest > segment_ranges.greatest THEN excluded.greatest
                    ELSE segment_ranges.greatest END
        )sql";
        db.prepared(widen).execute(place.first, place.second, values.least, values.greatest);
    }
    to_write_.clear();
    if (terms_.empty()) return;
    if (!newest_segment_) newest_segment_ = read_newest_segment(db);
    const auto segment_at = [this](std::size_t i) { return static_cast<std::int64_t>(terms_[i] >> term_bits); };
    // Rows come in their order: what is not, got other metadata.
    std::stable_sort(
        terms_.begin(), terms_.end(), [](std::uint64_t a, std::uint64_t b) { return a >> term_bits < b >> term_bits; });
    for (std::size_t i = 0; i < terms_.size();) {
        const std::int64_t segment = segment_at(i);
        std::string bytes;
        for (; i < terms_.size() && segment_at(i) == segment; ++i) append_term(bytes, terms_[i] & term_mask);
        if (segment < *newest_segment_) {
            add_to_older(db, segment, bytes);
            continue;
        }
        append_row(db, segment, bytes);
        if (segment > *newest_segment_) {
            if (*newest_segment_ >= 0) sort(db, *newest_segment_);
            newest_segment_ = segment;
        } else if (has_more_new_additions(db, segment)) {
            sort(db, segment);
        }
    }
    terms_.clear();
}

void search_index::add_to_older(db_connection& db, std::int64_t segment, const std::string& bytes) {
    auto known = sizes_.find(segment);
    if (known == sizes_.end()) {
        const segment_terms size{
            count_terms(db, sorted_of(segment), additions_of(segment + 1) - 1),
            count_terms(db, additions_of(segment), sorted_of(segment) - 1), 0};
        known = sizes_.emplace(segment, size).first;
    }
    extend_last_row(db, segment, bytes);
    segment_terms& size = known->second;
    size.added += bytes.size() / term_bytes;
    if (size.added > std::max(most_added_terms, size.sorted / 4)) sort(db, segment);
}

void search_index::sort(db_connection& db, std::int64_t segment) {
    segment_terms& size = sizes_[segment];
    std::vector<std::uint64_t> terms = read_terms_of_segment(db, segment);
    if (terms.size() > std::max(most_sorted_terms, 2 * size.needed)) {
        terms = read_terms_of_rows(db, segment);
        size.needed = terms.size();
    }
    write_sorted(db, segment, terms);
    size.sorted = terms.size();
    size.added = 0;
}

void search_index::forget() { *this = search_index(); }

std::vector<std::int64_t> keys_with_member(
    db_connection& db, std::int64_t segment, std::string_view name, std::string_view value) {
    const std::uint64_t hash = hash_of(name, value);
    const std::int64_t first_key = first_key_of(segment);
    std::vector<std::int64_t> keys;
    const auto take = [&](std::uint64_t term) {
        if (term >> segment_bits != hash) return;
        keys.push_back(first_key + static_cast<std::int64_t>(term & static_cast<std::uint64_t>(last_key_of(0))));
    };
    {
        static constexpr sql_literal additions = R"sql(
            SELECT terms
            FROM metadata_terms
            WHERE key >= ? AND key < ?
        )sql";
        query row = db.prepared(additions).select(additions_of(segment), sorted_of(segment));
        while (row.next()) read_terms(row.text(0), take);
    }
    // The last row that may begin with the hash, and those before it until one begins with a smaller one.
    static constexpr sql_literal sorted = R"sql(
        SELECT key, terms
        FROM metadata_terms
        WHERE key BETWEEN ? AND ?
        ORDER BY key DESC
    )sql";
    const auto first_term = static_cast<std::int64_t>(hash << segment_bits);
    query row = db.prepared(sorted).select(sorted_of(segment), sorted_of(segment) + first_term + last_key_of(0));
    while (row.next()) {
        read_terms(row.text(1), take);
        if (row.integer(0) < sorted_of(segment) + first_term) break;
    }
    return keys;
}

std::vector<std::int64_t> segments_in_range(
    db_connection& db, ranged_list list, std::int64_t least, std::int64_t greatest) {
    static constexpr sql_literal in_range = R"sql(
        SELECT segment
        FROM segment_ranges
        WHERE list = ?
          AND greatest >= ?
          AND least <= ?
        ORDER BY segment
    )sql";
    std::vector<std::int64_t> segments;
    query row = db.prepared(in_range).select(list, least, greatest);
    while (row.next()) segments.push_back(row.integer(0));
    return segments;
}

void search_index::remove_segment(db_connection& db, std::int64_t segment) {
    sizes_.erase(segment);
    known_ = {}; // it may be the newest, which gets more rows
    db.prepared(R"sql(DELETE FROM metadata_terms WHERE key BETWEEN ? AND ?)sql")
        .execute(additions_of(segment), additions_of(segment + 1) - 1);
    db.prepared(R"sql(DELETE FROM segment_ranges WHERE list = 0 AND segment = ?)sql").execute(segment);
}

void remove_ranges_below(db_connection& db, ranged_list list, std::int64_t segment) {
    db.prepared(R"sql(DELETE FROM segment_ranges WHERE list = ? AND segment < ?)sql").execute(list, segment);
}

void index_everything(db_connection& db) {
    search_index index;
    {
        statement all(db.handle(), R"sql(SELECT row, tracked_at, metadata FROM transactions ORDER BY row)sql");
        query row = all.select();
        std::int64_t number = 0;
        while (row.next()) {
            index.note(ranged_list::tracked, row.integer(0), row.integer(1));
            index.note_metadata(row.integer(0), row.text(2));
            if (++number % 1000 == 0) index.flush(db);
        }
    }
    {
        statement all(db.handle(), R"sql(SELECT seq, recorded_at FROM events)sql");
        query row = all.select();
        while (row.next()) {
            index.note(ranged_list::recorded, row.integer(0), row.integer(1));
            index.flush(db);
        }
    }
    {
        statement all(db.handle(), R"sql(SELECT id, event_seq FROM deliveries)sql");
        query row = all.select();
        while (row.next()) {
            index.note(ranged_list::owed, row.integer(0), row.integer(1));
            index.flush(db);
        }
    }
    index.flush(db);
    db.forget_statements();
}

} // namespace prooftrack::store
