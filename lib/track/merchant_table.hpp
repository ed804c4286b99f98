#pragma once

// The merchant's list in memory: a million lines in about 50 MB. Pure.

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/keyed_hash.hpp"
#include "track/merchant_line.hpp"

namespace prooftrack::track {

/// One line as it comes back out of the table; owns its text.
struct kept_line {
    std::uint64_t line = 0;
    std::string id;
    std::optional<std::string> status;
    std::optional<std::string> fiat_amount;
    std::optional<std::string> fiat_currency;
    std::optional<bool> credited;

    /// Points into this object.
    merchant_belief belief() const;
};

/// Lines by id, and two marks for each. A line takes 8 bytes, its values (a UUID in 17 bytes) and at most 12 bytes of
/// the index.
class merchant_table {
  public:
    /// Most lines: with UUIDs and amounts about 250 MB.
    static constexpr std::size_t default_max_lines = 5'000'000;

    explicit merchant_table(std::size_t max_lines = default_max_lines, hash_key key = process_hash_key());

    enum class outcome : std::uint8_t { added, repeated, full };
    /// `repeated`: the id is there already, from the line `line_of` says; nothing is changed. `full`: nothing either.
    outcome add(const merchant_line& line);

    std::size_t size() const { return lines_.size(); }
    std::size_t capacity() const { return max_lines_; }

    /// Where the id's line is, from 0; nullopt when it is not in the list.
    std::optional<std::size_t> find(std::string_view id) const;

    /// Requires `at` < size(), as do those below.
    kept_line line(std::size_t at) const;
    std::uint64_t line_of(std::size_t at) const { return lines_[at].line; }

    bool is_seen(std::size_t at) const { return has(at, seen_mark); }
    void mark_seen(std::size_t at) { set(at, seen_mark); }
    bool is_owed(std::size_t at) const { return has(at, owed_mark); }
    void mark_owed(std::size_t at) { set(at, owed_mark); }

  private:
    struct place {
        std::uint32_t line;
        std::uint32_t offset; ///< of its bytes in the blocks
    };

    static constexpr unsigned char seen_mark = 1;
    static constexpr unsigned char owed_mark = 2;
    static constexpr std::size_t block_size = 256UL * 1024;

    const char* bytes_of(std::size_t at) const;
    char* bytes_of(std::size_t at);
    bool has(std::size_t at, unsigned char mark) const;
    void set(std::size_t at, unsigned char mark);
    std::optional<std::uint32_t> store(std::string_view bytes);
    /// The slot of the id with these bytes, or the free one where it belongs.
    std::size_t slot_of(std::string_view id_bytes) const;
    void grow();

    std::size_t max_lines_;
    hash_key key_;
    std::deque<place> lines_;
    std::vector<std::unique_ptr<char[]>> blocks_;
    std::size_t block_used_ = block_size;
    std::vector<std::uint32_t> slots_; ///< index into `lines_` + 1; 0 = free
    std::string scratch_;
};

} // namespace prooftrack::track
