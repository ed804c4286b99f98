#include "api/deadline_set.hpp"

namespace prooftrack::api {

deadline_entry::~deadline_entry() {
    if (set_ != nullptr) set_->stop(*this);
}

deadline_set::deadline_set(const boost::asio::any_io_executor& loop) : timer_(loop) {}

deadline_set::~deadline_set() {
    for (auto& [when, entry] : entries_) entry->set_ = nullptr;
}

void deadline_set::start(deadline_entry& entry, steady_duration within) {
    stop(entry);
    entry.place_ = entries_.emplace(std::chrono::steady_clock::now() + within, &entry);
    entry.set_ = this;
    arm();
}

void deadline_set::stop(deadline_entry& entry) {
    if (entry.set_ == nullptr) return;
    entries_.erase(entry.place_);
    entry.set_ = nullptr;
}

void deadline_set::arm() {
    if (entries_.empty()) return;
    const steady_time next = entries_.begin()->first;
    // A deadline that went leaves the timer as it is: one idle wake-up is cheaper than setting it anew each time.
    if (armed_ && *armed_ <= next) return;
    armed_ = next;
    timer_.expires_at(next);
    timer_.async_wait(lifetime_.guarded([this](const boost::system::error_code& error) {
        if (!error) fire();
    }));
}

void deadline_set::fire() {
    armed_.reset();
    const steady_time until = std::chrono::steady_clock::now() + slack;
    while (!entries_.empty() && entries_.begin()->first <= until) {
        deadline_entry& entry = *entries_.begin()->second;
        stop(entry);
        entry.on_deadline();
    }
    arm();
}

} // namespace prooftrack::api
