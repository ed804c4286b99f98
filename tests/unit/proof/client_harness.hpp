#pragma once

// A client on a real loop with a source and an observer that remember, and what scripts of servers need.

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "proof/proof_client.hpp"
#include "support/scripted_http_server.hpp"

namespace prooftrack::testing_support {

struct answered_poll {
    track::poll_ticket ticket;
    track::poll_answer answer;
};

/// Gives out what `due` holds and remembers every answer.
class scripted_source final : public proof::poll_source {
  public:
    std::optional<track::poll_ticket> next_poll() override {
        ++pulls;
        if (due.empty()) return std::nullopt;
        track::poll_ticket ticket;
        ticket.slot = static_cast<std::uint32_t>(taken++);
        ticket.id = due.front();
        ticket.known_body = known[ticket.id];
        due.pop_front();
        return ticket;
    }
    bool has_poll() override { return !due.empty(); }
    bool may_repeat(const track::poll_ticket& ticket) override {
        repeats_asked.push_back(ticket.id);
        return allow_repeats;
    }
    void on_answer(track::poll_ticket ticket, track::poll_answer answer) override {
        if (!seen.insert({ticket.slot, true}).second) throw std::logic_error("a ticket was answered twice");
        answers.push_back({std::move(ticket), std::move(answer)});
        if (after_answer) after_answer();
    }

    /// The only answer about `id`; throws when there is none or more than one.
    const track::poll_answer& answer_to(const std::string& id) const {
        const track::poll_answer* found = nullptr;
        for (const auto& each : answers) {
            if (each.ticket.id != id) continue;
            if (found != nullptr) throw std::logic_error("two answers about " + id);
            found = &each.answer;
        }
        if (found == nullptr) throw std::logic_error("no answer about " + id);
        return *found;
    }

    std::deque<std::string> due;
    std::map<std::string, std::uint64_t> known;
    std::vector<answered_poll> answers;
    std::vector<std::string> repeats_asked;
    std::map<std::uint32_t, bool> seen;
    std::function<void()> after_answer;
    bool allow_repeats = true;
    std::size_t taken = 0;
    std::size_t pulls = 0;
};

struct recording_observer final : proof::proof_client_observer {
    void on_handshake(bool resumed) override { ++(resumed ? resumed_handshakes : full_handshakes); }
    void on_connected(std::string_view protocol) override { connected.emplace_back(protocol); }
    void on_connections(std::string_view protocol, std::size_t now_idle, std::size_t now_busy) override {
        if (protocol == proof::h2_protocol) return;
        idle = now_idle;
        busy = now_busy;
        most = std::max(most, idle + busy);
    }

    std::size_t resumed_handshakes = 0;
    std::size_t full_handshakes = 0;
    std::vector<std::string> connected; ///< the protocol of each connection for polls
    std::size_t idle = 0;
    std::size_t busy = 0;
    std::size_t most = 0;
};

inline proof::proof_call session_call(std::string body = R"({"amount":"10"})") {
    return {proof::proof_call::method_kind::post, "/widget/session", std::move(body)};
}

/// The id that a request asks about.
inline std::string asked_id(const std::string& request) {
    const std::string path = "/widget/transactions/";
    const std::size_t begin = request.find(path) + path.size();
    return request.substr(begin, request.find(' ', begin) - begin);
}

inline std::string transaction_body(const std::string& id, const std::string& status = "pending") {
    return R"({"merchant_transaction_id":")" + id + R"(","status":")" + status + R"("})";
}

inline std::string http_reply(
    int status, const std::string& body, const std::string& fields = "Content-Type: application/json\r\n") {
    return "HTTP/1.1 " + std::to_string(status) + " X\r\n" + fields + "Content-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
}

/// The good reply to a request for a transaction.
inline std::string good_reply(const std::string& request, const std::string& status = "pending") {
    return http_reply(200, transaction_body(asked_id(request), status));
}

/// Answers every request well until the peer goes.
inline void serve_well(scripted_connection& connection) {
    while (true) connection.send(good_reply(connection.read_request()));
}

/// Requests that servers saw, from any thread.
class request_log {
  public:
    std::string add(std::string request) {
        const std::lock_guard lock(mutex_);
        requests_.push_back(request);
        return request;
    }
    std::vector<std::string> all() const {
        const std::lock_guard lock(mutex_);
        return requests_;
    }
    std::size_t size() const { return all().size(); }

  private:
    mutable std::mutex mutex_;
    std::vector<std::string> requests_;
};

/// Source, observer, loop and the client; the client goes first.
class client_harness {
  public:
    static constexpr std::size_t at_once = 64; ///< polls in flight that the client may open connections for

    explicit client_harness(proof::proof_client_options wanted) { start(std::move(wanted)); }
    client_harness() = default;

    static proof::proof_client_options options_for(const scripted_http_server& server, net::trust_roots trust = {}) {
        proof::proof_client_options options;
        options.base_url = server.base_url();
        options.trust = std::move(trust);
        return options;
    }

    void start(proof::proof_client_options wanted) {
        options = std::move(wanted);
        setup = prepare_proof_setup(options, secret("token-1"));
        client = make_https_proof_client(io.get_executor(), setup, source, observer);
    }

    /// A reload to these.
    void reconfigure(proof::proof_client_options wanted, const std::string& token = "token-1") {
        setup = prepare_proof_setup(wanted, secret(token), setup.get());
        options = std::move(wanted);
        client->reconfigure(setup);
    }

    /// The token's file has changed.
    void set_token(const std::string& token) { reconfigure(options, token); }

    /// Makes these due and wakes the client.
    void poll(const std::vector<std::string>& ids) {
        source.due.insert(source.due.end(), ids.begin(), ids.end());
        client->wake(at_once);
    }

    /// Runs the loop until the condition holds; throws after `limit`.
    void run_until(const std::function<bool()>& condition, std::chrono::seconds limit = std::chrono::seconds(20)) {
        const auto until = std::chrono::steady_clock::now() + limit;
        while (!condition()) {
            if (std::chrono::steady_clock::now() >= until)
                throw std::runtime_error("the condition did not come true in time");
            io.restart();
            io.run_one_for(milliseconds(5));
        }
    }
    void run_until_answers(std::size_t count) {
        run_until([&] { return source.answers.size() >= count; });
    }
    /// Polls `ids` and waits for all answers.
    void poll_and_wait(const std::vector<std::string>& ids) {
        const std::size_t wanted = source.answers.size() + ids.size();
        poll(ids);
        run_until_answers(wanted);
    }
    void run_for(milliseconds time) {
        io.restart();
        io.run_for(time);
    }

    op_result<proof::proof_reply> call(proof::proof_call request) {
        std::optional<op_result<proof::proof_reply>> outcome;
        client->call(std::move(request), [&](op_result<proof::proof_reply> got) { outcome.emplace(std::move(got)); });
        run_until([&] { return outcome.has_value(); });
        return std::move(*outcome);
    }

    void stop(milliseconds within = milliseconds(1000)) {
        bool stopped = false;
        client->stop(within, [&] { stopped = true; });
        run_until([&] { return stopped; });
    }

    boost::asio::io_context io{1};
    scripted_source source;
    recording_observer observer;
    proof::proof_client_options options;
    std::shared_ptr<const proof::proof_setup> setup;
    std::unique_ptr<proof::proof_client> client;
};

} // namespace prooftrack::testing_support
