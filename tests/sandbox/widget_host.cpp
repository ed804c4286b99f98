#include "widget_host.hpp"

#include <fmt/format.h>

#include "random_text.hpp"

namespace prooftrack::sandbox {
namespace {

constexpr std::string_view prefix = "/widget-host/";
constexpr auto payment_takes = milliseconds(1'500);

reply refuse(int status, std::string_view code) {
    reply made;
    made.status = status;
    made.body = fmt::format(R"({{"error":"{}"}})", code);
    return made;
}

reply say_status(std::string_view word) {
    reply made;
    made.body = R"({"status":)";
    append_json(made.body, word);
    made.body += '}';
    return made;
}

/// What a button makes of the transaction; nullopt for a button that there is not.
std::optional<transaction_change> change_of(std::string_view action) {
    transaction_change change;
    if (action == "cancel") {
        change.status = "cancelled";
    } else if (action == "pay" || action == "fail") {
        change.status = "processing";
        change.script = {{payment_takes, action == "pay" ? "completed" : "failed"}};
    } else {
        return std::nullopt;
    }
    return change;
}

} // namespace

void widget_host::remember(std::string_view transaction, std::string_view init_token, instant now) {
    sessions_.insert_or_assign(std::string(init_token), session{std::string(transaction), now.steady, false});
    tokens_in_order_.emplace_back(init_token);
    if (tokens_in_order_.size() <= most_sessions) return;
    sessions_.erase(tokens_in_order_.front());
    tokens_in_order_.pop_front();
}

reply widget_host::answer(const incoming_request& request, sandbox_world& world) {
    constexpr std::string_view scheme = "Bearer ";
    if (request.method != "POST") return refuse(405, "method_not_allowed");
    if (!request.authorization.starts_with(scheme)) return refuse(401, "unauthorised");
    const auto credential = request.authorization.substr(scheme.size());
    const auto action = request.path().substr(prefix.size());
    return action == "open" ? open(credential, request, world) : act(action, credential, request, world);
}

reply widget_host::open(std::string_view init_token, const incoming_request& request, sandbox_world& world) {
    const auto found = sessions_.find(init_token);
    if (found == sessions_.end() || request.arrival.steady - found->second.made > token_life) {
        return refuse(401, "unauthorised");
    }
    if (found->second.opened) return refuse(409, "session_already_used");
    const auto* transaction = world.find(found->second.transaction, request.arrival);
    if (transaction == nullptr) return refuse(404, "transaction_not_found");
    found->second.opened = true;
    const auto key = random_hex(24);
    keys_.emplace(key, found->second.transaction);
    keys_in_order_.push_back(key);
    if (keys_in_order_.size() > most_sessions) {
        keys_.erase(keys_in_order_.front());
        keys_in_order_.pop_front();
    }
    auto made = say_status(transaction->status);
    made.body.insert(1, fmt::format(R"("key":"{}",)", key));
    return made;
}

reply widget_host::act(
    std::string_view action, std::string_view key, const incoming_request& request, sandbox_world& world) {
    const auto found = keys_.find(key);
    if (found == keys_.end()) return refuse(401, "unauthorised");
    auto change = change_of(action);
    if (!change) return refuse(404, "not_found");
    const auto* transaction = world.find(found->second, request.arrival);
    if (transaction == nullptr) return refuse(404, "transaction_not_found");
    if (transaction->status != "pending") return refuse(409, "session_already_used");
    if (!world.change(found->second, std::move(*change), request.arrival)) return refuse(500, "internal_error");
    // Not the API's words: a widget says "paid" long before anybody should believe it.
    return say_status(action == "pay" ? "paid" : action == "fail" ? "declined" : "closed");
}

} // namespace prooftrack::sandbox
