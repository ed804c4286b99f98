#pragma once

// The Proof client of one life of the daemon: pulls polls from the engine and brings the answers of a `proof_world`.

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "sim/proof_world.hpp"
#include "sim/swarm.hpp"

namespace prooftrack::sim {

class scripted_proof final : public proof::proof_client {
  public:
    /// Called at an instant of an id; what it posts to the clock runs first if it says true.
    using moment_hook = std::function<bool(moment_kind, const std::string&)>;

    scripted_proof(
        proof_world& world, virtual_clock& clock, virtual_clock::group owner, proof::poll_source& source,
        std::size_t connections, proof_observer& observer, moment_hook hook)
        : world_(world), clock_(clock), owner_(owner), source_(source), connections_(connections), observer_(observer),
          hook_(std::move(hook)) {}

    void wake(std::size_t) override {
        if (is_woken_ || is_stopped_) return;
        is_woken_ = true;
        clock_.post([this] { pull(); }, owner_);
    }
    void set_token(secret token) { token_ = std::string(token.reveal()); }
    void call(proof::proof_call request, unique_function<void(op_result<proof::proof_reply>)> handler) override {
        auto [reply, took] = world_.session(request.body, token_, observer_);
        clock_.after(
            took, [reply = std::move(reply), handler = std::move(handler)]() mutable { handler(std::move(reply)); },
            owner_);
    }
    std::size_t most_at_once() const override { return 64; }
    void retire_connections() override {}
    void reconfigure(std::shared_ptr<const proof::proof_setup> /*setup*/) noexcept override {}
    void stop(milliseconds within, unique_function<void()> stopped) override {
        is_stopped_ = true;
        clock_.after(within, std::move(stopped), owner_);
    }
    bool is_saturated() const { return busy_ >= connections_; }

  private:
    void pull() {
        is_woken_ = false;
        while (busy_ < connections_ && !is_stopped_) {
            auto ticket = source_.next_poll();
            if (!ticket) return;
            ++busy_;
            world_.on_start(ticket->id);
            observer_.on_poll_started(ticket->id);
            proof_answer answer = world_.reply(*ticket, token_);
            const auto took = answer.took;
            answer.answer.took = took;
            hook_(moment_kind::poll_started, ticket->id);
            clock_.after(
                took,
                [this, ticket = std::move(*ticket), answer = std::move(answer)]() mutable {
                    bring(std::move(ticket), std::move(answer));
                },
                owner_);
        }
    }
    void bring(track::poll_ticket ticket, proof_answer answer) {
        if (!hook_(moment_kind::answer_due, ticket.id)) {
            give(std::move(ticket), std::move(answer));
            return;
        }
        clock_.post(
            [this, ticket = std::move(ticket), answer = std::move(answer)]() mutable {
                give(std::move(ticket), std::move(answer));
            },
            owner_);
    }
    void give(track::poll_ticket ticket, proof_answer answer) {
        --busy_;
        world_.cadence.on_end(ticket.id);
        observer_.on_poll_answered(ticket.id, answer);
        source_.on_answer(std::move(ticket), std::move(answer.answer));
        wake(0);
    }

    proof_world& world_;
    virtual_clock& clock_;
    virtual_clock::group owner_;
    proof::poll_source& source_;
    std::size_t connections_;
    proof_observer& observer_;
    moment_hook hook_;
    std::string token_;
    std::size_t busy_ = 0;
    bool is_woken_ = false;
    bool is_stopped_ = false;
};

} // namespace prooftrack::sim
