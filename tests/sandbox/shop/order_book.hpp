#pragma once

// The shop's orders: an order ends only by what the daemon says. Pure but for the random ids.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace prooftrack::sandbox {

struct shop_order {
    std::string id; ///< unguessable: whoever knows it may look
    std::string type;
    std::string amount;
    std::string transaction;       ///< "" until the session is there
    std::string state = "waiting"; ///< waiting, paid, failed, cancelled: the shop's own word
    std::string status;            ///< Proof's word as the daemon gave it, "" before the first
};

/// What the daemon says about one transaction: an event's `data`, or a transaction of the API.
struct daemon_word {
    std::string transaction;
    std::string status;
    bool final = false; ///< Proof's own terminal word
};

/// Reads the object of `GET /v1/transactions/{id}`.
std::optional<daemon_word> parse_transaction(std::string_view text);
/// Reads the `data` of an event of the stream.
std::optional<daemon_word> parse_event(std::string_view text);

class order_book {
  public:
    static constexpr std::size_t most_orders = 10'000; ///< the oldest are forgotten

    /// "" when it is right, else what is wrong: buy or sell, 1 to 10,000 with at most two decimals, as a string.
    static std::string check(std::string_view type, std::string_view amount);

    std::string add(std::string type, std::string amount);
    void give_transaction(std::string_view order, std::string transaction);
    const shop_order* find(std::string_view order) const;
    /// Transactions of orders that have not ended.
    std::vector<std::string> open_transactions() const;

    /// From the stream: believed. A state that was only asked for (`asked`) never changes an order that has ended.
    void apply(const daemon_word& word, bool asked);

    /// Whether the daemon's stream is there.
    void set_live(bool live);

    /// What the browser sees of it.
    std::string format(const shop_order& order) const;

    /// Called after every change.
    std::function<void()> on_change;

  private:
    bool live_ = false;
    std::map<std::string, shop_order, std::less<>> orders_;
    std::map<std::string, std::string, std::less<>> order_of_; ///< transaction to order
    std::deque<std::string> in_order_;
};

} // namespace prooftrack::sandbox
