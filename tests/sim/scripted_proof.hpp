#pragma once

// Proof on virtual time: what is true of each transaction, how Proof answers (or fails to), and what a poller may never
// do to it.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/random.hpp"
#include "proof/proof_client.hpp"
#include "support/virtual_time.hpp"

namespace prooftrack {

/// One transaction as Proof knows it.
struct proof_truth {
    enum class kind : std::uint8_t { normal, unknown, refused } what = kind::normal;
    steady_time visible_at{};                                  ///< 404 until then
    std::vector<std::pair<steady_time, std::string>> statuses; ///< in order of time
    std::string status_at(steady_time now) const {
        std::string status = statuses.empty() ? "pending" : statuses.front().second;
        for (const auto& [at, word] : statuses) {
            if (at <= now) status = word;
        }
        return status;
    }
    bool changes_between(steady_time a, steady_time b) const { return status_at(a) != status_at(b); }
};

/// How Proof fails for a while.
struct proof_fault {
    enum class kind : std::uint8_t {
        none,
        silence,
        slow,
        server_error,
        throttled,
        unauthorized,
        forbidden,
        unusable,
        not_found_for_all,
        unknown_word
    } what = kind::none;
    steady_time from{};
    steady_time until{};
    double share = 1; ///< of the replies
};

/// What outlives a crash of the daemon: Proof itself, and the watch over its poller.
class proof_world {
  public:
    proof_world(virtual_clock& clock, random_source& random) : clock_(clock), random_(random) {}

    std::map<std::string, proof_truth> transactions;
    std::vector<proof_fault> faults;
    std::string valid_token = "token-1";
    std::pair<milliseconds, milliseconds> interval{5'000, 10'000};
    std::uint32_t max_rate = 0;
    std::uint64_t polls = 0;
    std::uint64_t faults_served = 0;
    std::vector<std::string> broken;

    void allow_sooner(const std::string& id) { exempt_[id] = clock_.now().steady; }
    void on_restart() {
        last_start_.clear(); // a crash forgets counters that were not written: the cadence starts anew
        in_flight_.clear();
        recent_.clear();
    }

    void on_start(const std::string& id) {
        const steady_time now = clock_.now().steady;
        ++polls;
        if (!transactions.contains(id)) complain("a poll of an id that nobody made: {}", id);
        if (in_flight_[id]++ != 0) complain("two polls of {} in flight", id);
        const auto last = last_start_.find(id);
        const auto exempt = exempt_.find(id);
        const bool is_exempt = exempt != exempt_.end() && now - exempt->second <= seconds(30);
        if (last != last_start_.end()) {
            const steady_duration gap = now - last->second;
            if (gap < milliseconds(1'000) - milliseconds(1) && interval.first >= milliseconds(1'000))
                complain("{} twice within a second", id);
            if (!is_exempt && gap < interval.first)
                complain("{} above its cadence: after {} ms", id,
                         std::chrono::duration_cast<milliseconds>(gap).count());
        }
        last_start_[id] = now;
        watch_rate(now);
    }
    void on_end(const std::string& id) { --in_flight_[id]; }
    /// The last poll of an id, for "nobody starves".
    std::optional<steady_time> last_start(const std::string& id) const {
        const auto found = last_start_.find(id);
        return found == last_start_.end() ? std::nullopt : std::optional(found->second);
    }

    /// Answer and how long it takes.
    std::pair<poll_answer, steady_duration> reply(const poll_ticket& ticket, const std::string& token) {
        const steady_time now = clock_.now().steady;
        const proof_fault::kind fault = fault_at(now);
        steady_duration took = milliseconds(random_.between(2, 60));
        poll_answer answer;
        answer.request_id = "req-1";
        answer.server_date = std::chrono::floor<seconds>(clock_.now().wall);
        if (fault != proof_fault::kind::none) ++faults_served;
        if (fault == proof_fault::kind::slow) took = milliseconds(random_.between(1'000, 9'900));
        if (fault == proof_fault::kind::silence) {
            answer.what = reply_class::no_reply;
            answer.error = "reply: timed out after 10s";
            answer.server_date.reset();
            return {answer,
                    random_.between(0, 1) == 0 ? steady_duration(seconds(10)) : steady_duration(milliseconds(1))};
        }
        if (fault == proof_fault::kind::unauthorized || token != valid_token)
            return {refuse(answer, reply_class::unauthorized, 401), took};
        if (fault == proof_fault::kind::forbidden) return {refuse(answer, reply_class::forbidden, 403), took};
        if (fault == proof_fault::kind::server_error) return {refuse(answer, reply_class::server_error, 502), took};
        if (fault == proof_fault::kind::unusable) return {refuse(answer, reply_class::unusable, 200), took};
        if (fault == proof_fault::kind::throttled) {
            answer = refuse(answer, reply_class::throttled, 429);
            if (random_.between(0, 1) == 0) answer.retry_after = seconds(random_.between(1, 20));
            return {answer, took};
        }
        const proof_truth& truth = transactions.at(ticket.id);
        if (truth.what == proof_truth::kind::refused) return {refuse(answer, reply_class::bad_request, 400), took};
        if (fault == proof_fault::kind::not_found_for_all || truth.what == proof_truth::kind::unknown ||
            now < truth.visible_at) {
            return {refuse(answer, reply_class::not_found, 404), took};
        }
        answer.what = reply_class::good;
        answer.http_status = 200;
        answer.status = fault == proof_fault::kind::unknown_word ? "Completed" : truth.status_at(now);
        answer.body = fmt::format(R"({{"merchant_transaction_id":"{}","status":"{}"}})", ticket.id, answer.status);
        answer.body_hash = std::hash<std::string>{}(answer.body) | 1U;
        if (answer.body_hash == ticket.known_body) {
            answer.what = reply_class::unchanged;
            answer.status.clear();
            answer.body.clear();
        }
        return {answer, took};
    }

  private:
    template <class... Args>
    void complain(fmt::format_string<Args...> text, Args&&... args) {
        if (broken.size() < 20) broken.push_back(fmt::format(text, std::forward<Args>(args)...));
    }
    static poll_answer refuse(poll_answer answer, reply_class what, int status) {
        answer.what = what;
        answer.http_status = status;
        answer.error = fmt::format("{}", status);
        return answer;
    }
    proof_fault::kind fault_at(steady_time now) {
        for (const proof_fault& fault : faults) {
            if (fault.from <= now && now < fault.until && random_.unit() < fault.share) return fault.what;
        }
        return proof_fault::kind::none;
    }
    void watch_rate(steady_time now) {
        if (max_rate == 0) return;
        recent_.push_back(now);
        while (recent_.front() + seconds(1) <= now) recent_.erase(recent_.begin());
        if (static_cast<double>(recent_.size()) > 1.02 * max_rate + 2)
            complain("{} polls within a second", recent_.size());
    }

    virtual_clock& clock_;
    random_source& random_;
    std::map<std::string, steady_time> last_start_;
    std::map<std::string, steady_time> exempt_;
    std::map<std::string, int> in_flight_;
    std::vector<steady_time> recent_;
};

/// The client of one life of the daemon.
class scripted_proof final : public proof_client {
  public:
    scripted_proof(proof_world& world, virtual_clock& clock, virtual_clock::group owner, poll_source& source,
                   std::size_t connections)
        : world_(world), clock_(clock), owner_(owner), source_(source), connections_(connections) {}

    void wake() override {
        if (is_woken_ || is_stopped_) return;
        is_woken_ = true;
        clock_.post([this] { pull(); }, owner_);
    }
    void set_token(secret token) { token_ = std::string(token.reveal()); }
    void call(proof_call /*request*/, unique_function<void(op_result<proof_reply>)> handler) override {
        handler(op_error{make_error_code(proof_error::unreachable), "connect", ""});
    }
    void retire_connections() override {}
    void reconfigure(std::shared_ptr<const proof_setup> /*setup*/) noexcept override {}
    void stop(milliseconds within, unique_function<void()> stopped) override {
        is_stopped_ = true;
        clock_.after(within, std::move(stopped), owner_);
    }
    std::size_t busy() const { return busy_; }

  private:
    void pull() {
        is_woken_ = false;
        while (busy_ < connections_ && !is_stopped_) {
            auto ticket = source_.next_poll();
            if (!ticket) return;
            ++busy_;
            world_.on_start(ticket->id);
            auto [answer, took] = world_.reply(*ticket, token_);
            answer.took = took;
            clock_.after(
                took,
                [this, ticket = std::move(*ticket), answer = std::move(answer)]() mutable {
                    --busy_;
                    world_.on_end(ticket.id);
                    source_.on_answer(std::move(ticket), std::move(answer));
                    wake();
                },
                owner_);
        }
    }

    proof_world& world_;
    virtual_clock& clock_;
    virtual_clock::group owner_;
    poll_source& source_;
    std::size_t connections_;
    std::string token_;
    std::size_t busy_ = 0;
    bool is_woken_ = false;
    bool is_stopped_ = false;
};

} // namespace prooftrack
