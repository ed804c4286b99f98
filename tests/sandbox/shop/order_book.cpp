#include "order_book.hpp"

#include <algorithm>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include "../random_text.hpp"
#include "../reply.hpp"

namespace prooftrack::sandbox {
namespace {

namespace json = boost::json;

constexpr std::size_t order_id_bytes = 12;
constexpr std::size_t most_whole_digits = 5;

std::string text_of(const json::object& members, std::string_view name) {
    const auto* member = members.if_contains(json::string_view(name));
    const auto* text = member == nullptr ? nullptr : member->if_string();
    return text == nullptr ? std::string() : std::string(text->data(), text->size());
}

std::string state_of(std::string_view status) { return std::string(status == "completed" ? "paid" : status); }

bool are_digits(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

} // namespace

std::optional<daemon_word> parse_transaction(std::string_view text) {
    boost::system::error_code error;
    const auto parsed = json::parse(json::string_view(text), error);
    const auto* members = error ? nullptr : parsed.if_object();
    if (members == nullptr) return std::nullopt;
    daemon_word word{text_of(*members, "merchant_transaction_id"), text_of(*members, "status"), false};
    word.final = text_of(*members, "state") == "settled";
    return word;
}

std::optional<daemon_word> parse_event(std::string_view text) {
    boost::system::error_code error;
    const auto parsed = json::parse(json::string_view(text), error);
    const auto* members = error ? nullptr : parsed.if_object();
    const auto* data = members == nullptr ? nullptr : members->if_contains("data");
    const auto* fields = data == nullptr ? nullptr : data->if_object();
    if (fields == nullptr) return std::nullopt;
    daemon_word word{text_of(*fields, "merchant_transaction_id"), text_of(*fields, "status"), false};
    const auto* final = fields->if_contains("final");
    word.final = final != nullptr && final->is_bool() && final->get_bool();
    return word;
}

std::string order_book::check(std::string_view type, std::string_view amount) {
    if (type != "buy" && type != "sell") return "Choose buy or sell.";
    const auto dot = amount.find('.');
    const auto whole = amount.substr(0, dot);
    const auto fraction = dot == std::string_view::npos ? std::string_view("0") : amount.substr(dot + 1);
    const bool right = are_digits(whole) && whole.size() <= most_whole_digits && are_digits(fraction) &&
                       fraction.size() <= 2 && whole.find_first_not_of('0') != std::string_view::npos &&
                       (whole.size() < most_whole_digits || amount == "10000");
    return right ? "" : "Enter an amount from 1 to 10,000, with at most two decimals.";
}

std::string order_book::add(std::string type, std::string amount) {
    shop_order order;
    order.id = "ord_" + random_hex(order_id_bytes);
    order.type = std::move(type);
    order.amount = std::move(amount);
    std::string id = order.id;
    orders_.emplace(id, std::move(order));
    in_order_.push_back(id);
    if (in_order_.size() > most_orders) {
        const auto oldest = orders_.find(in_order_.front());
        order_of_.erase(oldest->second.transaction);
        orders_.erase(oldest);
        in_order_.pop_front();
    }
    return id;
}

void order_book::give_transaction(std::string_view order, std::string transaction) {
    const auto found = orders_.find(order);
    if (found == orders_.end()) return;
    found->second.transaction = transaction;
    order_of_.insert_or_assign(std::move(transaction), std::string(order));
}

const shop_order* order_book::find(std::string_view order) const {
    const auto found = orders_.find(order);
    return found == orders_.end() ? nullptr : &found->second;
}

std::vector<std::string> order_book::open_transactions() const {
    std::vector<std::string> open;
    for (const auto& [id, order] : orders_) {
        if (order.state == "waiting" && !order.transaction.empty()) open.push_back(order.transaction);
    }
    return open;
}

void order_book::apply(const daemon_word& word, bool asked) {
    const auto order = order_of_.find(word.transaction);
    if (order == order_of_.end() || word.status.empty()) return;
    auto& found = orders_.at(order->second);
    // A reply may be older than the event that overtook it, and a late "processing" is no news after the end.
    if (found.state != "waiting" && (asked || !word.final)) return;
    found.status = word.status;
    if (word.final) found.state = state_of(word.status);
    if (on_change) on_change();
}

void order_book::set_live(bool live) {
    if (live_ == live) return;
    live_ = live;
    if (on_change) on_change();
}

std::string order_book::format(const shop_order& order) const {
    std::string out = "{";
    const auto add = [&out](std::string_view name, std::string_view value) {
        if (out.size() > 1) out += ',';
        append_json(out, name);
        out += ':';
        append_json(out, value);
    };
    add("order", order.id);
    add("type", order.type);
    add("amount", order.amount);
    add("state", order.state);
    add("status", order.status);
    out += live_ ? R"(,"live":true})" : R"(,"live":false})";
    return out;
}

} // namespace prooftrack::sandbox
