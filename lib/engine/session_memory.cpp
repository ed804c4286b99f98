#include "engine/session_memory.hpp"

#include <utility>

namespace prooftrack::engine {
namespace {

/// What an entry costs beside its texts, roughly.
constexpr std::size_t bytes_an_entry = 512;

std::size_t size_of(const kept_reply& reply) {
    return reply.body.reveal().size() + reply.content_type.size() + reply.request_id.size();
}

std::size_t size_of(const kept_answer& answer) {
    if (const auto* reply = std::get_if<kept_reply>(&answer)) return size_of(*reply);
    if (const auto* refused = std::get_if<api::problem>(&answer)) return refused->detail.size();
    const auto& session = std::get<untracked_session>(answer);
    return size_of(session.reply) + session.options.metadata.size() + session.options.metadata_canonical.size() +
           (session.options.callback_url ? session.options.callback_url->size() : 0);
}

} // namespace

kept_reply keep_secret(const api::proxied_reply& reply) {
    return {reply.status, reply.content_type, secret(reply.body), reply.request_id};
}

api::proxied_reply reveal_reply(const kept_reply& kept) {
    return {kept.status, kept.content_type, std::string(kept.body.reveal()), kept.request_id};
}

const session_memory::entry* session_memory::find(const store::digest& key, steady_time now) const {
    const auto found = by_key_.find(key);
    if (found == by_key_.end() || found->second->until <= now) return nullptr;
    return &*found->second;
}

void session_memory::keep(const store::digest& key, const store::digest& body, kept_answer answer, steady_time now) {
    forget(key);
    forget_old(now);
    const std::size_t size = size_of(answer);
    if (size > limits_.largest) return;
    entries_.push_back({key, body, std::move(answer), now + limits_.age, size + bytes_an_entry});
    by_key_[key] = std::prev(entries_.end());
    bytes_ += entries_.back().bytes;
    while (entries_.size() > limits_.entries || bytes_ > limits_.bytes) erase(entries_.begin());
}

void session_memory::forget(const store::digest& key) {
    if (const auto found = by_key_.find(key); found != by_key_.end()) erase(found->second);
}

void session_memory::forget_old(steady_time now) {
    while (!entries_.empty() && entries_.front().until <= now) erase(entries_.begin());
}

std::optional<steady_time> session_memory::next_wake() const {
    if (entries_.empty()) return std::nullopt;
    return entries_.front().until;
}

void session_memory::erase(std::list<entry>::iterator which) {
    bytes_ -= which->bytes;
    by_key_.erase(which->key);
    entries_.erase(which);
}

} // namespace prooftrack::engine
