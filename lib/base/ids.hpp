#pragma once

// Strong identifiers. No bare string or integer stands for one of these.

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace prooftrack {

/// Most characters of a merchant_transaction_id.
inline constexpr std::size_t max_transaction_id_length = 128;

/// Proof's merchant_transaction_id: opaque, 1 to 128 of `A-Z a-z 0-9 . _ ~ -`, neither `.` nor `..` (so it is safe in a
/// URL path).
class transaction_id {
  public:
    /// nullopt when `text` is not a valid id.
    static std::optional<transaction_id> parse(std::string_view text);

    const std::string& str() const { return text_; }
    std::strong_ordering operator<=>(const transaction_id&) const = default;
    bool operator==(const transaction_id&) const = default;

  private:
    explicit transaction_id(std::string_view text) : text_(text) {}
    std::string text_;
};

/// The error text for an id that `transaction_id::parse` refuses.
inline constexpr std::string_view transaction_id_rule =
    "an id is 1 to 128 characters of A-Z a-z 0-9 . _ ~ - and neither '.' nor '..'";

/// An event's position in the log: from 1, without gaps, in the order in which events become visible. 0 = before the
/// first.
enum class event_seq : std::uint64_t {};
constexpr std::uint64_t value_of(event_seq seq) { return static_cast<std::uint64_t>(seq); }

/// One delivery of one event to one callback; grows with the order of recording.
enum class delivery_id : std::uint64_t {};
constexpr std::uint64_t value_of(delivery_id id) { return static_cast<std::uint64_t>(id); }

/// One replay of the event log to a callback, from 1.
enum class replay_id : std::uint64_t {};
constexpr std::uint64_t value_of(replay_id id) { return static_cast<std::uint64_t>(id); }

/// How often a stored transaction has been written, from 1: a change carries the revision that it was judged for, and
/// the store refuses it when the row has another one by now. 0 = of no row. (32 bits: a write a second for 136 years.)
enum class row_revision : std::uint32_t {};
constexpr std::uint32_t value_of(row_revision revision) { return static_cast<std::uint32_t>(revision); }

} // namespace prooftrack

template <>
struct std::hash<prooftrack::transaction_id> {
    std::size_t operator()(const prooftrack::transaction_id& id) const noexcept {
        return std::hash<std::string_view>{}(id.str());
    }
};
