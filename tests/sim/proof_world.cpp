#include "sim/proof_world.hpp"

#include <algorithm>

namespace prooftrack::sim {
namespace {

using kind = proof_fault::kind;

track::poll_answer with(track::poll_answer answer, track::reply_class what, int status) {
    answer.what = what;
    answer.http_status = status;
    answer.error = fmt::format("{}", status);
    return answer;
}

std::string tag_of(const std::string& body) {
    constexpr std::string_view member = "\"tag\":\"";
    const auto from = body.find(member) + member.size();
    return body.substr(from, body.find('"', from) - from);
}

} // namespace

std::string proof_truth::status_at(steady_time now) const {
    std::string status = statuses.empty() ? "pending" : statuses.front().second;
    for (const auto& [at, word] : statuses) {
        if (at <= now) status = word;
    }
    return status;
}

void proof_truth::move_to(const std::string& word, steady_time now) {
    std::erase_if(statuses, [now](const auto& planned) { return planned.first > now; });
    statuses.emplace_back(now, word);
}

void cadence_watch::set_interval(std::pair<milliseconds, milliseconds> interval) {
    interval_ = interval.first;
    for (auto& [id, last] : last_start_) last.second = std::min(last.second, interval_);
}

void cadence_watch::begin_anew(const std::string& id) {
    last_start_.erase(id);
    in_flight_.erase(id);
}

void cadence_watch::on_restart() {
    last_start_.clear(); // a crash forgets counters that were not written: the cadence starts anew
    in_flight_.clear();
    recent_.clear();
}

void cadence_watch::on_start(const std::string& id) {
    const steady_time now = clock_.now().steady;
    if (in_flight_[id]++ > 0) complain("two polls of {} in flight", id);
    const auto last = last_start_.find(id);
    if (last != last_start_.end()) {
        const steady_duration gap = now - last->second.first;
        const auto gap_ms = std::chrono::duration_cast<milliseconds>(gap).count();
        if (gap < milliseconds(999) && interval_ >= milliseconds(1'000)) complain("{} twice within a second", id);
        const bool is_soon = gap < last->second.second;
        if (is_soon && exempt_[id] <= 0) complain("{} above its cadence: after {} ms", id, gap_ms);
        if (is_soon) --exempt_[id];
    }
    last_start_[id] = {now, interval_};
    watch_rate(now);
}

void cadence_watch::watch_rate(steady_time now) {
    if (max_rate == 0) return;
    recent_.push_back(now);
    while (recent_.front() + seconds(1) <= now) recent_.erase(recent_.begin());
    if (static_cast<double>(recent_.size()) > 1.02 * max_rate + 2) complain("{} polls within a second", recent_.size());
}

void proof_world::on_start(const std::string& id) {
    ++polls;
    if (!transactions.contains(id) && broken.size() < 20) broken.push_back("a poll of an id that nobody made: " + id);
    if (watches_cadence) cadence.on_start(id);
}

proof_answer proof_world::reply(const track::poll_ticket& ticket, const std::string& token) {
    const steady_time now = clock_.now().steady;
    kind fault = fault_for(ticket.id, now);
    if (fault != kind::none) ++faults_served;
    if (fault == kind::none && token != valid_token) fault = kind::unauthorized;
    track::poll_answer answer;
    answer.request_id = "req-1";
    answer.server_date = std::chrono::floor<seconds>(clock_.true_wall());
    const proof_truth& truth = transactions[ticket.id];
    if (fault == kind::none && truth.what == proof_truth::kind::refused) fault = kind::bad_request;
    const bool is_unknown = truth.what == proof_truth::kind::unknown || now < truth.visible_at;
    if (fault == kind::none && is_unknown) fault = kind::not_found;
    if (auto refused = refuse(fault, answer)) return *std::move(refused);
    proof_answer good =
        tell(ticket, std::move(answer), fault == kind::unknown_word ? "Completed" : truth.status_at(now));
    if (fault == kind::slow) good.took = milliseconds(random_.between(1'000, 9'900));
    return good;
}

std::optional<proof_answer> proof_world::refuse(kind fault, track::poll_answer answer) {
    const steady_duration took = milliseconds(random_.between(2, 60));
    switch (fault) {
    case kind::none:
    case kind::slow:
    case kind::unknown_word:
        return std::nullopt;
    case kind::silence:
        answer.what = track::reply_class::no_reply;
        answer.error = "reply: timed out after 10s";
        answer.server_date.reset();
        return proof_answer{answer, "", random_.between(0, 1) == 0 ? steady_duration(seconds(10)) : milliseconds(1)};
    case kind::server_error:
        return proof_answer{with(answer, track::reply_class::server_error, 502), "", took};
    case kind::throttled:
        answer = with(answer, track::reply_class::throttled, 429);
        if (random_.between(0, 1) == 0) answer.retry_after = seconds(random_.between(1, 20));
        return proof_answer{answer, "", took};
    case kind::unauthorized:
        return proof_answer{with(answer, track::reply_class::unauthorized, 401), "", took};
    case kind::forbidden:
        return proof_answer{with(answer, track::reply_class::forbidden, 403), "", took};
    case kind::unusable:
        return proof_answer{with(answer, track::reply_class::unusable, 200), "", took};
    case kind::not_found:
        return proof_answer{with(answer, track::reply_class::not_found, 404), "", took};
    case kind::bad_request:
        return proof_answer{with(answer, track::reply_class::bad_request, 400), "", took};
    }
    return std::nullopt;
}

proof_answer proof_world::tell(const track::poll_ticket& ticket, track::poll_answer answer, const std::string& word) {
    answer.what = track::reply_class::good;
    answer.http_status = 200;
    answer.status = word;
    answer.body = fmt::format(R"({{"merchant_transaction_id":"{}","status":"{}"}})", ticket.id, word);
    answer.body_hash = std::hash<std::string>{}(answer.body) | 1U;
    if (answer.body_hash == ticket.known_body) {
        answer.what = track::reply_class::unchanged;
        answer.status.clear();
        answer.body.clear();
    }
    return {std::move(answer), word, milliseconds(random_.between(2, 60))};
}

kind proof_world::fault_for(const std::string& id, steady_time now) {
    const auto holds = [&](const proof_fault& fault) {
        return fault.from <= now && now < fault.until && random_.unit() < fault.share;
    };
    const auto [first, last] = poisoned.equal_range(id);
    for (auto one = first; one != last; ++one) {
        if (holds(one->second)) return one->second.what;
    }
    const auto found = std::find_if(faults.begin(), faults.end(), holds);
    return found == faults.end() ? kind::none : found->what;
}

bool proof_world::was_at_fault_since(steady_time since) const {
    const steady_time now = clock_.now().steady;
    return std::any_of(faults.begin(), faults.end(), [&](const proof_fault& fault) {
        return fault.from <= now && fault.until >= since;
    });
}

void proof_world::heal() {
    faults.clear();
    poisoned.clear();
}

std::pair<op_result<proof::proof_reply>, steady_duration> proof_world::session(
    const std::string& body, const std::string& token, proof_observer& observer) {
    const steady_duration took = milliseconds(random_.between(5, 300));
    const auto failed = [](proof::proof_error why) { return op_error{make_error_code(why), "session", ""}; };
    const std::int64_t dice = random_.between(0, 19);
    const kind fault = fault_for("", clock_.now().steady);
    if (dice == 0) return {failed(proof::proof_error::unreachable), took};
    proof::proof_reply reply;
    reply.content_type = "application/json";
    reply.request_id = "req-2";
    if (token != valid_token || fault == kind::unauthorized || dice == 1) {
        reply.status = 401;
        reply.is_own_error = true;
        reply.error_code = "unauthorized";
        reply.body = R"({"error":"unauthorized"})";
        return {reply, took};
    }
    const std::string tag = tag_of(body);
    ++sessions_made[tag];
    ++last_session_;
    // Rarely an id that is known already: another daemon's, or one that was posted before.
    const bool is_known = dice == 5 && !transactions.empty();
    const std::string id = is_known ? transactions.begin()->first : fmt::format("session-{}", last_session_);
    if (!is_known)
        transactions.emplace(id, draw_truth(clock_.now().steady)).first->second.what = proof_truth::kind::normal;
    reply.status = 200;
    reply.body = fmt::format(R"({{"merchant_transaction_id":"{}","init_token":"secret-{}"}})", id, last_session_);
    observer.on_session_made(tag, id, reply.body);
    cadence.begin_anew(id); // the daemon may poll it before its own reply is sent
    if (dice == 2 || fault == kind::silence) return {failed(proof::proof_error::timed_out), seconds(10)};
    if (dice == 3) return {failed(proof::proof_error::interrupted), took};
    if (dice == 4 || fault == kind::server_error) { // Proof made it, and a gateway answers
        reply.status = 502;
        reply.content_type = "text/html";
        reply.body = "<html>bad gateway</html>";
    }
    return {reply, took};
}

} // namespace prooftrack::sim
