#pragma once

// Proof's memory: transactions whose status follows a script, and users. Pure: `now` is an argument, statuses advance
// when looked at.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/time.hpp"
#include "proof_error.hpp"

namespace prooftrack::sandbox {

/// One step of a transaction's life.
struct script_step {
    milliseconds after{}; ///< since the script was set
    std::string status;
};

/// What was ordered; many transactions share the default one. Amounts are decimal strings.
struct order_facts {
    std::string partner_user_id = "user_sandbox";
    std::string type = "buy";
    std::string currency = "USDT";
    std::string network = "TRC20";
    std::string crypto_amount = "100.000000";
    std::string fiat_currency = "EUR";
    std::string fiat_amount = "100.00";
    api_generation generation = api_generation::first;
};

struct sandbox_transaction {
    std::string status;
    wall_time created_at{};
    wall_time updated_at{};
    std::vector<script_step> script; ///< steps still to come, times since `script_began`
    instant script_began{};
    std::shared_ptr<const order_facts> order;
    std::string raw_body; ///< sent instead of the fields, byte for byte, when not empty
};

/// How a transaction is to be: a status at once, steps from now on, or both.
struct transaction_change {
    std::optional<std::string> status;
    std::vector<script_step> script;
    std::optional<std::string> raw_body;
};

class sandbox_world {
  public:
    /// Beyond this many nothing new is remembered (an `accept_any` id is then answered pending each time).
    static constexpr std::size_t most_transactions = 2'000'000;
    static constexpr std::size_t most_users = 100'000;

    sandbox_world(api_generation generation, bool accept_any);

    /// The transaction as it is now, advanced along its script; null when nobody made it. With `accept_any` it is made
    /// on first ask. The pointer is valid until the next call.
    const sandbox_transaction* find(std::string_view id, instant now);

    /// Makes or changes one; false when the world is full. A script replaces the one before, and so does a status.
    bool change(std::string_view id, transaction_change change, instant now);
    /// The same for an id that a session has just got.
    bool add_order(std::string_view id, order_facts order, std::vector<script_step> script, instant now);
    bool forget(std::string_view id);
    void forget_all();
    std::size_t size() const { return transactions_.size(); }

    /// "not_started" for a user nobody spoke of.
    std::string kyc_status(std::string_view user) const;
    bool set_kyc_status(std::string user, std::string status);

    /// The life of a session's transaction that did not ask for another one.
    std::vector<script_step> session_script;

  private:
    struct text_hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
    };
    bool accept_any_;
    std::shared_ptr<const order_facts> default_order_;
    sandbox_transaction overflow_;
    std::unordered_map<std::string, sandbox_transaction, text_hash, std::equal_to<>> transactions_;
    std::map<std::string, std::string, std::less<>> users_;
};

/// The body of `GET /widget/transactions/{id}`: Proof's fields in the transaction's generation.
std::string format_transaction(std::string_view id, const sandbox_transaction& transaction);

} // namespace prooftrack::sandbox
