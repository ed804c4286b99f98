#pragma once

// Answers of keyed sessions. They hold an init_token, so they are kept in memory alone, and for a limited time.

#include <cstddef>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <variant>

#include "api/backend.hpp"
#include "base/secret.hpp"
#include "base/time.hpp"
#include "store/store.hpp"

namespace prooftrack::engine {

/// The limits of what is kept; the oldest answers are dropped first.
struct session_memory_limits {
    std::size_t entries = 10'000;
    std::size_t bytes = 32U << 20U;              ///< of all answers together
    std::size_t largest = 64U << 10U;            ///< a longer answer is not kept
    steady_duration age = std::chrono::hours(1); ///< as long as an init_token lives
};

/// A reply that holds a secret: its body is wiped when it goes.
struct kept_reply {
    int status = 0;
    std::string content_type;
    secret body;
    std::string request_id;
};
kept_reply keep_secret(const api::proxied_reply& reply);
api::proxied_reply reveal_reply(const kept_reply& kept);

/// A session that Proof made and the store could not record: the next request with its key has it recorded.
struct untracked_session {
    transaction_id id;
    api::tracking_options options;
    kept_reply reply;
};

using kept_answer = std::variant<kept_reply, api::problem, untracked_session>;

/// Final answers by key. Nothing is found past its age, whether or not `forget_old` was called.
class session_memory {
  public:
    struct entry {
        store::digest key{};
        store::digest body{}; ///< of the request
        kept_answer answer;
        steady_time until{};
        std::size_t bytes = 0;
    };

    explicit session_memory(session_memory_limits limits = {}) : limits_(limits) {}

    /// nullptr when there is none; valid until the next call that is not const.
    const entry* find(const store::digest& key, steady_time now) const;
    /// Takes the place of an older answer of the key. One that is too long is not kept, nor is the older one then.
    void keep(const store::digest& key, const store::digest& body, kept_answer answer, steady_time now);
    void forget(const store::digest& key);
    void forget_old(steady_time now);
    /// When the oldest is to be forgotten.
    std::optional<steady_time> next_wake() const;

    std::size_t size() const { return entries_.size(); }
    std::size_t bytes() const { return bytes_; }

  private:
    void erase(std::list<entry>::iterator which);

    session_memory_limits limits_;
    std::list<entry> entries_; ///< oldest first, which is also the order of `until`
    std::map<store::digest, std::list<entry>::iterator> by_key_;
    std::size_t bytes_ = 0;
};

} // namespace prooftrack::engine
