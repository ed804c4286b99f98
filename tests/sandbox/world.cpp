#include "world.hpp"

#include <fmt/format.h>

namespace prooftrack::sandbox {
namespace {

void advance(sandbox_transaction& transaction, instant now) {
    std::size_t done = 0;
    for (const auto& step : transaction.script) {
        if (transaction.script_began.steady + step.after > now.steady) break;
        if (transaction.status != step.status) {
            transaction.status = step.status;
            transaction.updated_at = transaction.script_began.wall + step.after;
        }
        ++done;
    }
    if (done == transaction.script.size()) {
        std::vector<script_step>().swap(transaction.script);
    } else {
        transaction.script.erase(
            transaction.script.begin(), transaction.script.begin() + static_cast<std::ptrdiff_t>(done));
    }
}

sandbox_transaction make_pending(instant now, std::shared_ptr<const order_facts> order) {
    sandbox_transaction made;
    made.status = "pending";
    made.created_at = now.wall;
    made.updated_at = now.wall;
    made.script_began = now;
    made.order = std::move(order);
    return made;
}

} // namespace

sandbox_world::sandbox_world(api_generation generation, bool accept_any)
    : session_script{{seconds(2), "processing"}, {seconds(4), "completed"}}, accept_any_(accept_any) {
    order_facts order;
    order.generation = generation;
    default_order_ = std::make_shared<const order_facts>(std::move(order));
}

const sandbox_transaction* sandbox_world::find(std::string_view id, instant now) {
    auto found = transactions_.find(id);
    if (found == transactions_.end()) {
        if (!accept_any_) return nullptr;
        if (transactions_.size() >= most_transactions) {
            overflow_ = make_pending(now, default_order_);
            return &overflow_;
        }
        found = transactions_.emplace(std::string(id), make_pending(now, default_order_)).first;
    }
    if (!found->second.script.empty()) advance(found->second, now);
    return &found->second;
}

bool sandbox_world::change(std::string_view id, transaction_change change, instant now) {
    auto found = transactions_.find(id);
    if (found == transactions_.end()) {
        if (transactions_.size() >= most_transactions) return false;
        found = transactions_.emplace(std::string(id), make_pending(now, default_order_)).first;
    }
    auto& transaction = found->second;
    advance(transaction, now);
    if (change.status && transaction.status != *change.status) {
        transaction.status = std::move(*change.status);
        transaction.updated_at = now.wall;
    }
    if (change.raw_body) transaction.raw_body = std::move(*change.raw_body);
    transaction.script = std::move(change.script);
    transaction.script_began = now;
    return true;
}

bool sandbox_world::add_order(std::string_view id, order_facts order, std::vector<script_step> script, instant now) {
    if (transactions_.size() >= most_transactions) return false;
    auto made = make_pending(now, std::make_shared<const order_facts>(std::move(order)));
    made.script = std::move(script);
    transactions_.insert_or_assign(std::string(id), std::move(made));
    return true;
}

bool sandbox_world::forget(std::string_view id) {
    const auto found = transactions_.find(id);
    if (found == transactions_.end()) return false;
    transactions_.erase(found);
    return true;
}

void sandbox_world::forget_all() { transactions_.clear(); }

std::string sandbox_world::kyc_status(std::string_view user) const {
    const auto found = users_.find(user);
    return found == users_.end() ? "not_started" : found->second;
}

bool sandbox_world::set_kyc_status(std::string user, std::string status) {
    if (users_.size() >= most_users && !users_.contains(user)) return false;
    users_.insert_or_assign(std::move(user), std::move(status));
    return true;
}

std::string format_transaction(std::string_view id, const sandbox_transaction& transaction) {
    if (!transaction.raw_body.empty()) return transaction.raw_body;
    const auto& order = *transaction.order;
    const bool current = order.generation == api_generation::current;
    std::string out;
    out.reserve(400);
    const auto add = [&out](std::string_view name, std::string_view value) {
        out += out.empty() ? '{' : ',';
        append_json(out, name);
        out += ':';
        append_json(out, value);
    };
    add("merchant_transaction_id", id);
    if (current) add("partner_user_id", order.partner_user_id);
    add("type", order.type);
    add("status", transaction.status);
    add("currency", order.currency);
    if (current) add("network", order.network);
    // What the crypto leg comes to is known once the payment is captured.
    add("crypto_amount", transaction.status == "pending" ? std::string_view() : order.crypto_amount);
    add("fiat_currency", order.fiat_currency);
    add("fiat_amount", order.fiat_amount);
    add("created_at", format_wall_time(transaction.created_at));
    add("updated_at", format_wall_time(transaction.updated_at));
    out += '}';
    return out;
}

} // namespace prooftrack::sandbox
