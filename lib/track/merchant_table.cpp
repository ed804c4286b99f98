#include "track/merchant_table.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "base/expects.hpp"
#include "track/compact_id.hpp"

namespace prooftrack::track {

namespace {

// A line's bytes: its marks, the status, then the id, the status as a word that is none of Proof's, the amount and the
// currency, each behind a byte with its length. A UUID has 0 there, as its text is never empty.
constexpr unsigned char has_amount = 8;
constexpr unsigned char has_currency = 16;
constexpr unsigned char says_credited = 32;
constexpr unsigned char credited_value = 64;

constexpr std::array<std::string_view, 5> proof_words{"pending", "processing", "completed", "failed", "cancelled"};
constexpr unsigned char no_word = 0;
constexpr unsigned char other_word = proof_words.size() + 1;

constexpr std::size_t id_place = 2;

void append_text(std::string& out, std::string_view text) {
    out += static_cast<char>(static_cast<unsigned char>(text.size()));
    out += text;
}

unsigned char word_of(const std::optional<std::string_view>& status) {
    if (!status) return no_word;
    const auto* const found = std::find(proof_words.begin(), proof_words.end(), *status);
    return static_cast<unsigned char>(found - proof_words.begin() + 1);
}

/// The id as it is stored and hashed.
void append_id(std::string& out, std::string_view id) {
    if (const auto packed = pack_uuid(id)) {
        out += '\0';
        out.append(reinterpret_cast<const char*>(packed->data()), packed->size());
    } else {
        append_text(out, id);
    }
}

std::string_view id_bytes_at(const char* bytes) {
    const std::size_t length = static_cast<unsigned char>(bytes[id_place]);
    return {bytes + id_place, 1 + (length == 0 ? sizeof(uuid_bytes) : length)};
}

std::string take_text(const char*& at) {
    const std::size_t length = static_cast<unsigned char>(*at);
    std::string text(at + 1, length);
    at += 1 + length;
    return text;
}

std::optional<std::string_view> view_of(const std::optional<std::string>& text) {
    return text ? std::optional<std::string_view>(*text) : std::nullopt;
}

void append_line(std::string& out, const merchant_line& line) {
    const merchant_belief& belief = line.belief;
    const unsigned char word = word_of(belief.status);
    out.push_back('\0');
    out.push_back(static_cast<char>(word));
    append_id(out, line.id);
    if (word == other_word) append_text(out, *belief.status);
    if (belief.fiat_amount) append_text(out, *belief.fiat_amount);
    if (belief.fiat_currency) append_text(out, *belief.fiat_currency);
    unsigned says = 0;
    if (belief.fiat_amount) says |= has_amount;
    if (belief.fiat_currency) says |= has_currency;
    if (belief.credited) says |= *belief.credited ? says_credited | credited_value : says_credited;
    out[0] = static_cast<char>(says);
}

} // namespace

merchant_belief kept_line::belief() const {
    return {view_of(status), view_of(fiat_amount), view_of(fiat_currency), credited};
}

merchant_table::merchant_table(std::size_t max_lines, hash_key key)
    : max_lines_(max_lines), key_(key), slots_(1024, 0) {}

merchant_table::outcome merchant_table::add(const merchant_line& line) {
    scratch_.clear();
    append_line(scratch_, line);
    std::size_t slot = slot_of(id_bytes_at(scratch_.data()));
    if (slots_[slot] != 0) return outcome::repeated;
    if (lines_.size() >= max_lines_) return outcome::full;
    const auto offset = store(scratch_);
    if (!offset) return outcome::full;
    const std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
    lines_.push_back({static_cast<std::uint32_t>(std::min(line.line, most)), *offset});
    slots_[slot] = static_cast<std::uint32_t>(lines_.size());
    if (lines_.size() * 3 > slots_.size() * 2) grow();
    return outcome::added;
}

std::optional<std::size_t> merchant_table::find(std::string_view id) const {
    std::string bytes;
    if (id.empty() || id.size() > std::numeric_limits<unsigned char>::max()) return std::nullopt;
    append_id(bytes, id);
    const std::uint32_t found = slots_[slot_of(bytes)];
    return found == 0 ? std::nullopt : std::optional<std::size_t>(found - 1);
}

kept_line merchant_table::line(std::size_t at) const {
    const char* bytes = bytes_of(at);
    const auto says = static_cast<unsigned char>(bytes[0]);
    const auto word = static_cast<unsigned char>(bytes[1]);
    const char* next = bytes + id_place;
    kept_line line;
    line.line = lines_[at].line;
    if (*next == '\0') {
        uuid_bytes uuid{};
        std::memcpy(uuid.data(), next + 1, uuid.size());
        line.id = unpack_uuid(uuid);
        next += 1 + uuid.size();
    } else {
        line.id = take_text(next);
    }
    if (word == other_word) {
        line.status = take_text(next);
    } else if (word != no_word) {
        line.status = std::string(proof_words.at(word - 1U));
    }
    if ((says & has_amount) != 0) line.fiat_amount = take_text(next);
    if ((says & has_currency) != 0) line.fiat_currency = take_text(next);
    if ((says & says_credited) != 0) line.credited = (says & credited_value) != 0;
    return line;
}

const char* merchant_table::bytes_of(std::size_t at) const {
    expects(at < lines_.size(), "merchant_table: a line that is not there");
    const std::uint32_t offset = lines_[at].offset;
    return blocks_[offset / block_size].get() + offset % block_size;
}

char* merchant_table::bytes_of(std::size_t at) { return const_cast<char*>(std::as_const(*this).bytes_of(at)); }

bool merchant_table::has(std::size_t at, unsigned char mark) const {
    return (static_cast<unsigned char>(*bytes_of(at)) & mark) != 0;
}

void merchant_table::set(std::size_t at, unsigned char mark) {
    char& marks = *bytes_of(at);
    marks = static_cast<char>(static_cast<unsigned char>(marks) | mark);
}

std::optional<std::uint32_t> merchant_table::store(std::string_view bytes) {
    expects(bytes.size() <= block_size, "merchant_table: a line that is too long");
    if (block_used_ + bytes.size() > block_size) {
        if (blocks_.size() >= std::numeric_limits<std::uint32_t>::max() / block_size) return std::nullopt;
        blocks_.emplace_back(new char[block_size]); // not cleared: a short list touches little of it
        block_used_ = 0;
    }
    std::memcpy(blocks_.back().get() + block_used_, bytes.data(), bytes.size());
    const std::size_t offset = (blocks_.size() - 1) * block_size + block_used_;
    block_used_ += bytes.size();
    return static_cast<std::uint32_t>(offset);
}

std::size_t merchant_table::slot_of(std::string_view id_bytes) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t slot = keyed_hash(key_, id_bytes) & mask;
    while (slots_[slot] != 0 && id_bytes_at(bytes_of(slots_[slot] - 1)) != id_bytes) slot = (slot + 1) & mask;
    return slot;
}

void merchant_table::grow() {
    std::vector<std::uint32_t> bigger(slots_.size() * 2, 0);
    slots_.swap(bigger);
    std::vector<std::uint32_t>().swap(bigger);
    for (std::size_t i = 0; i < lines_.size(); ++i)
        slots_[slot_of(id_bytes_at(bytes_of(i)))] = static_cast<std::uint32_t>(i + 1);
}

} // namespace prooftrack::track
