#include "session.hpp"

#include <algorithm>
#include <array>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>

namespace prooftrack::sandbox {
namespace {

namespace json = boost::json;

constexpr std::string_view sandbox_wallet = "TSandboxWalletAddress000000000000";
constexpr std::string_view sandbox_widget = "wid_sandbox";

template <std::size_t Count>
bool one_of(std::string_view word, const std::array<std::string_view, Count>& words) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

bool is_amount(std::string_view text) {
    const auto dot = text.find('.');
    const auto whole = text.substr(0, dot);
    const auto fraction = dot == std::string_view::npos ? std::string_view("0") : text.substr(dot + 1);
    const auto digits = [](std::string_view part) {
        return !part.empty() && part.size() <= 18 &&
               std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    };
    return digits(whole) && digits(fraction) && text.find_first_of("123456789") != std::string_view::npos;
}

/// Reads string members and remembers the first thing that is wrong.
class request_reader {
  public:
    explicit request_reader(const json::object& members) : members_(members) {}

    bool has(std::string_view name) const { return members_.contains(json::string_view(name)); }

    /// "" when absent; an error when it is not a string, or empty though required.
    std::string text(std::string_view name, bool required) {
        const auto* member = members_.if_contains(json::string_view(name));
        if (member == nullptr || (member->is_null() && !required)) {
            if (required) fail(fmt::format("{} is required", name));
            return {};
        }
        const auto* value = member->if_string();
        if (value == nullptr) {
            fail(fmt::format("{} must be a string", name));
            return {};
        }
        if (required && value->empty()) fail(fmt::format("{} must not be empty", name));
        return std::string(value->data(), value->size());
    }

    std::string amount(std::string_view name, bool required) {
        auto value = text(name, required);
        if (!value.empty() && !is_amount(value)) fail(fmt::format("{} must be a positive decimal string", name));
        return value;
    }

    void fail(std::string message, std::string_view code = "invalid_request") {
        if (!failure_) failure_ = proof_failure{400, "invalid_request", code, std::move(message)};
    }
    const std::optional<proof_failure>& failure() const { return failure_; }

  private:
    const json::object& members_;
    std::optional<proof_failure> failure_;
};

void read_common(request_reader& reader, session_order& order) {
    order.facts.partner_user_id = reader.text("partner_user_id", true);
    order.user_email = reader.text("user_email", true);
    const auto at = order.user_email.find('@');
    if (at == 0 || at == std::string::npos || at + 1 == order.user_email.size()) {
        reader.fail("user_email must be an e-mail address");
    }
    order.facts.currency = reader.text("currency", true);
    if (auto type = reader.text("type", false); !type.empty()) order.facts.type = std::move(type);
    if (order.facts.type != "buy" && order.facts.type != "sell") reader.fail("type must be buy or sell");
    order.redirect_url = reader.text("redirect_url", false);
    order.address = sandbox_wallet;
}

void read_first(request_reader& reader, session_order& order) {
    order.facts.generation = api_generation::first;
    static constexpr std::array<std::string_view, 2> fiats{"EUR", "USD"};
    static constexpr std::array<std::string_view, 2> networks{"TRC20", "ERC20"};
    if (order.facts.currency != "USDT") reader.fail("currency must be USDT", "unsupported_currency");
    order.facts.fiat_currency = reader.text("fiat_currency", true);
    if (!one_of(order.facts.fiat_currency, fiats))
        reader.fail("fiat_currency must be EUR or USD", "currency_not_allowed");
    if (auto network = reader.text("network", false); !network.empty()) order.facts.network = std::move(network);
    if (!one_of(order.facts.network, networks)) reader.fail("network must be TRC20 or ERC20", "wallet_not_supported");
    const auto fiat = reader.amount("fiat_amount", false);
    const auto crypto = reader.amount("crypto_amount", false);
    if (!fiat.empty() && !crypto.empty()) reader.fail("fiat_amount and crypto_amount exclude each other");
    // The sandbox changes one to one: amounts stay strings that nobody calculated.
    const std::string amount = fiat.empty() ? (crypto.empty() ? "100.00" : crypto) : fiat;
    order.facts.fiat_amount = amount;
    order.facts.crypto_amount = amount;
}

void read_current(request_reader& reader, session_order& order) {
    order.facts.generation = api_generation::current;
    static constexpr std::array<std::string_view, 2> currencies{"USDT", "USDC"};
    static constexpr std::array<std::string_view, 6> networks{"TRC20", "ERC20", "BEP20", "POLYGON", "SOL", "TON"};
    if (!one_of(order.facts.currency, currencies)) {
        reader.fail("currency must be USDT or USDC", "unsupported_currency");
    }
    order.facts.network = reader.text("network", true);
    if (!one_of(order.facts.network, networks)) reader.fail("network is not supported", "wallet_not_supported");
    order.facts.crypto_amount = reader.amount("amount", true);
    order.facts.fiat_amount = order.facts.crypto_amount;
    if (auto address = reader.text("address", false); !address.empty()) order.address = std::move(address);
    reader.text("client_ip", false);
}

} // namespace

std::variant<session_order, proof_failure> parse_session_request(const session_rules& rules, std::string_view body) {
    const auto refuse = [](std::string message) {
        return proof_failure{400, "invalid_request", "invalid_request", std::move(message)};
    };
    boost::system::error_code error;
    const auto parsed = json::parse(json::string_view(body), error);
    if (error) return refuse("the body is not JSON");
    const auto* members = parsed.if_object();
    if (members == nullptr) return refuse("the body must be a JSON object");
    request_reader reader(*members);
    session_order order;
    read_common(reader, order);
    const bool current = rules.generation == api_generation::current ||
                         (rules.either && reader.has("amount") && !reader.has("fiat_currency"));
    if (current) {
        read_current(reader, order);
    } else {
        read_first(reader, order);
    }
    if (reader.failure()) return *reader.failure();
    return order;
}

std::string format_session(const session_order& order, const session_secrets& secrets, std::string_view base_url) {
    const auto& facts = order.facts;
    std::string out;
    const auto add_raw = [&out](std::string_view name, std::string_view value) {
        out += out.empty() ? '{' : ',';
        append_json(out, name);
        out += ':';
        out += value;
    };
    const auto add = [&](std::string_view name, std::string_view value) {
        std::string text;
        append_json(text, value);
        add_raw(name, text);
    };
    const bool current = facts.generation == api_generation::current;
    add("merchant_transaction_id", secrets.transaction_id);
    add("widget_id", sandbox_widget);
    add("address", order.address);
    add("signature", secrets.signature);
    add("init_token", secrets.init_token);
    add("init_token_type", current ? "sdk_partner_authorization" : "sdk_customer_token");
    add("currency", facts.currency);
    add("fiat_currency", facts.fiat_currency);
    add("fiat_amount", facts.fiat_amount);
    add("type", facts.type);
    add("widget_url", fmt::format("{}/widget/embed/{}", base_url, secrets.transaction_id));
    if (current) {
        add("network", facts.network);
        add_raw("networks", R"(["TRC20","ERC20","BEP20","POLYGON","SOL","TON"])");
        add_raw("currencies", R"(["USDT","USDC"])");
        add("amount", facts.crypto_amount);
        add_raw("fix_currency", "true");
        add_raw("fix_network", "true");
        add_raw("fix_amount", "true");
        add_raw("fiat_currencies", R"(["EUR","USD"])");
        add_raw("fix_fiat_currency", "false");
        add_raw("fix_fiat_amount", "false");
        add("lang", "en");
        add("theme", "light");
        add("redirect_url", order.redirect_url);
    }
    out += '}';
    return out;
}

std::optional<std::vector<script_step>> script_by_email(std::string_view email) {
    const auto local = email.substr(0, email.find('@'));
    if (local == "fails") return std::vector<script_step>{{seconds(2), "processing"}, {seconds(4), "failed"}};
    if (local == "cancels") return std::vector<script_step>{{seconds(2), "cancelled"}};
    if (local == "waits") return std::vector<script_step>{};
    return std::nullopt;
}

} // namespace prooftrack::sandbox
