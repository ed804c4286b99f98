#include "prooftrackctl/explanation.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

namespace {

/// `3m 20s ago (2026-04-01T10:03:45.120Z)`; "" for null.
std::string at(const json_view& time, wall_time now) {
    const std::string text = time.text();
    return text.empty() ? "" : fmt::format("{} ({})", relative_time(text, now), printable(text));
}

std::string quoted(const json_view& word) { return fmt::format("\"{}\"", printable(word.text())); }

bool is_known_open(std::string_view status) { return status == "pending" || status == "processing"; }

/// The newest change, the one that made the state what it is; missing without a history.
json_view last_change(const std::vector<json_view>& changes) { return changes.empty() ? json_view() : changes.back(); }

std::string request_of(const json_view& change) {
    const std::string id = printable(change["request_id"].text());
    return id.empty() ? "" : fmt::format(" Proof's request id is {}.", id);
}

std::string errors_of(const json_view& transaction) {
    const std::uint64_t row = transaction["consecutive_errors"].unsigned_integer().value_or(0);
    if (row == 0) return "";
    return fmt::format(
        " The last {} gave no good reply: {}.", row == 1 ? "poll" : fmt::format("{} polls", grouped(row)),
        printable(transaction["last_error"].text()));
}

std::string why_tracking(const json_view& transaction, wall_time now) {
    const std::string status = transaction["status"].text();
    if (status.empty()) {
        if (transaction["polls"].unsigned_integer().value_or(0) == 0) {
            return fmt::format(
                "It is tracked since {} and Proof has not been asked yet.", at(transaction["tracked_at"], now));
        }
        const bool unknown_there = transaction["last_error"].text().find("404") != std::string::npos;
        return "Proof has not said a status yet." + errors_of(transaction) +
               (unknown_there ? " A 404 may mean \"not visible yet\": after poll.not_found_grace it becomes not_found."
                              : "");
    }
    std::string why = fmt::format(
        "Proof's last word is {}, which is not its last: it is asked until it says completed, failed or cancelled.",
        quoted(transaction["status"]));
    if (!is_known_open(status)) why += " This version does not know the word; it counts as not terminal.";
    return why + errors_of(transaction);
}

std::string why_settled(const json_view& transaction, const std::vector<json_view>& changes, wall_time now) {
    const json_view change = last_change(changes);
    const bool reversed =
        change["from_state"].text() == "settled" && change["from_status"].text() != change["to_status"].text();
    if (reversed) {
        return fmt::format(
            "Proof first said {} and changed its word to {} {}: it was reversed.{}", quoted(change["from_status"]),
            quoted(transaction["status"]), at(change["at"], now), request_of(change));
    }
    return fmt::format(
        "Proof said {} {}, a terminal word.{}", quoted(transaction["status"]), at(transaction["settled_at"], now),
        request_of(change));
}

std::string last_word(const json_view& transaction) {
    return transaction["status"].text().empty() ? "Proof never said a status"
                                                : fmt::format("Proof's last word is {}", quoted(transaction["status"]));
}

std::string why_of(const json_view& transaction, const std::vector<json_view>& changes, wall_time now) {
    const std::string state = transaction["state"].text();
    if (state == "tracking") return why_tracking(transaction, now);
    if (state == "settled") return why_settled(transaction, changes, now);
    if (state == "overdue") {
        return fmt::format(
            "Its time was over {} without a terminal status; {}. That is not a failure: it is still asked.{}",
            at(transaction["overdue_at"], now), last_word(transaction), errors_of(transaction));
    }
    if (state == "not_found") {
        return "Proof has answered 404 for longer than poll.not_found_grace: the id is unknown to it, or another "
               "merchant's. "
               "A good reply brings it back.";
    }
    if (state == "rejected") {
        return fmt::format(
            "Proof refused the id three times in a row with 400 ({}). A good reply brings it back.",
            printable(transaction["last_error"].text()));
    }
    if (state == "abandoned") {
        return fmt::format(
            "poll.give_up_after passed without a terminal status; {}. That is our giving up, not a failure at Proof.",
            last_word(transaction));
    }
    if (state == "untracked") {
        const json_view change = last_change(changes);
        return fmt::format(
            "A user ended the tracking{}; {}.", change.is_missing() ? "" : " " + at(change["at"], now),
            last_word(transaction));
    }
    return fmt::format("Its state is {}.", quoted(transaction["state"]));
}

/// Why that time, in terms of the configuration.
std::string_view schedule_of(const json_view& transaction) {
    const std::string state = transaction["state"].text();
    const bool has_errors = transaction["consecutive_errors"].unsigned_integer().value_or(0) > 0;
    if (state == "settled")
        return "poll.verify_after: a terminal word is checked again, because a failed payment can be retried under the "
               "same id";
    if (state == "overdue" || state == "not_found" || state == "rejected")
        return "poll.tail_interval: in this state it is asked rarely";
    if (state == "tracking" && has_errors) return "poll.backoff: after an error it waits longer each time";
    if (state == "tracking") return "poll.interval: the band for open transactions";
    return "a poll on demand";
}

std::string health_of(const json_view& status, wall_time now) {
    const json_view proof = status["proof"];
    const std::string health = proof["health"].text();
    if (health.empty() || health == "ok") return "";
    const std::string detail = printable(proof["detail"].text());
    const std::string since = at(proof["since"], now);
    return fmt::format(
        " Proof is {}{}{}: {}", printable(health), since.empty() ? "" : " since " + since,
        detail.empty() ? "" : fmt::format(" ({})", detail),
        health == "throttled" ? "all polls wait until it takes them again."
                              : "until that ends only a probe goes out now and then.");
}

/// With several daemons: another one polls it, and knows when.
std::optional<std::string> next_elsewhere(const explained_facts& facts) {
    const std::string node = facts.transaction["node"].text();
    const std::string state = facts.transaction["state"].text();
    if (node.empty() || node == facts.status["cluster"]["node"].text()) return std::nullopt;
    if (state == "abandoned" || state == "untracked") return std::nullopt;
    if (state == "settled")
        return fmt::format(
            "Node {} knows whether it is asked once more (poll.verify_after): ask there.", printable(node));
    return fmt::format("Node {} polls it, and knows when it does so next: ask there.", printable(node));
}

std::string next_of(const explained_facts& facts, wall_time now) {
    const json_view& transaction = facts.transaction;
    const std::string state = transaction["state"].text();
    const std::string next = transaction["next_poll_at"].text();
    const bool ended = state == "settled" || state == "abandoned" || state == "untracked";
    if (next.empty()) {
        const bool is_held = facts.status["maintenance"]["on"].boolean().value_or(false);
        if (const auto elsewhere = next_elsewhere(facts); elsewhere && (ended || !is_held)) return *elsewhere;
        if (state == "settled") return "No poll is planned: every time of poll.verify_after is over.";
        if (ended) return fmt::format("No poll is planned: it is {}.", state);
        if (is_held)
            return fmt::format(
                "No poll is planned: maintenance is on since {}; `prooftrackctl maintenance off` ends it.",
                at(facts.status["maintenance"]["since"], now));
        return "No poll is planned now: one is on its way, or Proof takes none." + health_of(facts.status, now);
    }
    const auto when = parse_wall_time(next);
    const bool late = when && *when < now - milliseconds(1000);
    std::string text = fmt::format(
        "The next poll {} {} ({}).", late ? "was due" : "is", relative_time(next, now), schedule_of(transaction));
    const std::string health = health_of(facts.status, now);
    if (late && health.empty()) text += " Polls are behind: `prooftrackctl status` shows their lag.";
    return text + health;
}

std::string callback_state(const json_view& status, const std::string& name) {
    for (const json_view& one : status["callbacks"].elements()) {
        if (one["name"].text() == name) return one["state"].text();
    }
    return "";
}

std::string note_of(
    const std::vector<json_view>& deliveries, std::size_t index, const json_view& status, wall_time now) {
    const json_view& one = deliveries[index];
    const std::string state = one["state"].text();
    const std::string callback = one["callback"].text();
    const std::uint64_t attempts = one["attempts"].unsigned_integer().value_or(0);
    const std::string tries = attempts == 1 ? "1 attempt" : fmt::format("{} attempts", grouped(attempts));
    const std::string error = printable(one["last_error"].text());
    if (state == "delivered")
        return fmt::format("arrived {}, {}", relative_time(one["last_attempt_at"].text(), now), tries);
    if (state == "dead") return fmt::format("dead after {}: {}", tries, error.empty() ? "no reason recorded" : error);
    if (state == "dismissed") {
        const std::string note = printable(one["note"].text());
        return fmt::format("given up after {}, then dismissed by a user{}", tries, note.empty() ? "" : ": " + note);
    }
    for (std::size_t before = 0; before < index; ++before) {
        const json_view& other = deliveries[before];
        if (other["callback"].text() == callback && other["state"].text() == "pending") {
            return fmt::format(
                "waits behind delivery {} ({}): order is kept", printable(other["id"].text()),
                printable(other["event_type"].text()));
        }
    }
    const std::string health = callback_state(status, callback);
    const std::string last = error.empty() ? "" : fmt::format("; the last attempt: {}", error);
    if (status["maintenance"]["on"].boolean().value_or(false))
        return fmt::format("waits until maintenance is off, {} so far{}", tries, last);
    if (health == "unconfigured") return "waits until the callback is configured again";
    if (health == "paused")
        return fmt::format(
            "waits, {} so far: a user has paused the callback, `prooftrackctl resume {}` lets it go on", tries,
            printable(callback));
    if (health == "failing")
        return fmt::format(
            "the callback is failing: its oldest due delivery is tried, at most every 30 s, the others wait{}", last);
    const std::string next = one["next_attempt_at"].text();
    if (next.empty()) return fmt::format("on its way, {} so far{}", tries, last);
    return attempts == 0 ? fmt::format("first attempt {}", relative_time(next, now))
                         : fmt::format("{} so far, the next {}{}", tries, relative_time(next, now), last);
}

bool is_owed(const json_view& delivery) {
    return delivery["state"].text() != "delivered" && delivery["state"].text() != "dismissed";
}

/// The paused callbacks of what `redeliver` would send, for which it would be refused.
std::set<std::string> paused_for(const std::vector<json_view>& deliveries, bool owed, const json_view& status) {
    std::set<std::string> names;
    for (const json_view& one : deliveries) {
        const std::string callback = one["callback"].text();
        if ((is_owed(one) || !owed) && callback_state(status, callback) == "paused") names.insert(callback);
    }
    return names;
}

std::vector<std::string> actions_of(const explained_facts& facts, const std::vector<json_view>& deliveries) {
    const std::string id = printable(facts.transaction["merchant_transaction_id"].text());
    const std::string state = facts.transaction["state"].text();
    std::vector<std::string> actions;
    const auto add = [&actions](const std::string& command, const char* effect) {
        actions.push_back(fmt::format("prooftrackctl {}: {}", command, effect));
    };
    const bool open = state != "settled" && state != "abandoned" && state != "untracked";
    if (state != "untracked") add("poll " + id, open ? "asks Proof now" : "asks Proof once more");
    if (open) add("wait " + id, "waits for its end");
    if (open) add("untrack " + id, "ends the tracking");
    if (state == "abandoned" || state == "untracked") add("track " + id, "tracks it anew");
    const bool owed = std::any_of(deliveries.begin(), deliveries.end(), is_owed);
    const std::set<std::string> paused = paused_for(deliveries, owed, facts.status);
    for (const std::string& callback : paused)
        add("resume " + printable(callback), "ends the pause: before, nothing is sent to it");
    if (owed && paused.empty()) {
        add("redeliver " + id, "sends what did not arrive now");
    } else if (!deliveries.empty() && paused.empty()) {
        add("redeliver " + id, "sends its events again (same ids)");
    }
    const std::string health = facts.status["proof"]["health"].text();
    if (health == "unauthorized")
        actions.emplace_back("put a valid client_token into proof.token_file: it is read again within seconds");
    if (health == "forbidden") actions.emplace_back("have Proof put this server's address on its allowlist");
    return actions;
}

} // namespace

explanation explain(const explained_facts& facts, wall_time now) {
    explanation result;
    result.changes = facts.history["changes"].elements();
    std::stable_sort(result.changes.begin(), result.changes.end(), [](const json_view& left, const json_view& right) {
        return left["at"].text() < right["at"].text();
    });
    std::vector<json_view> deliveries = facts.history["deliveries"].elements();
    std::stable_sort(deliveries.begin(), deliveries.end(), [](const json_view& left, const json_view& right) {
        return left["id"].unsigned_integer().value_or(0) < right["id"].unsigned_integer().value_or(0);
    });
    for (std::size_t i = 0; i < deliveries.size(); ++i)
        result.deliveries.push_back({deliveries[i], note_of(deliveries, i, facts.status, now)});
    result.why = why_of(facts.transaction, result.changes, now);
    result.next = next_of(facts, now);
    result.actions = actions_of(facts, deliveries);
    return result;
}

} // namespace prooftrack::ctl
