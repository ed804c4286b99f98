#include "engine/news_reader.hpp"

#include <utility>

namespace prooftrack::engine {
namespace {

constexpr milliseconds shortest_pause{10};
/// A notification that got lost costs that much.
constexpr milliseconds longest_pause{500};

} // namespace

void news_reader::start(unique_function<void()> ready) {
    then_ready_ = std::move(ready);
    is_running_ = true;
    read(around_.clock.now());
}

void news_reader::hurry() {
    is_wanted_ = true;
    const instant now = around_.clock.now();
    const auto due = next_wake();
    if (due && *due <= now.steady) {
        read(now);
    } else {
        around_.wake_changed();
    }
}

std::optional<steady_time> news_reader::next_wake() const {
    if (!is_running_ || is_reading_) return std::nullopt;
    return read_at_ + (is_wanted_ ? shortest_pause : longest_pause);
}

void news_reader::on_wake(instant now) {
    const auto due = next_wake();
    if (due && *due <= now.steady) read(now);
}

void news_reader::read(instant now) {
    is_reading_ = true;
    is_wanted_ = false;
    read_at_ = now.steady;
    around_.cluster->read_news(
        cursor_, alive_.guarded([this](op_result<store::cluster_news> given) { on_read(std::move(given)); }));
}

void news_reader::on_read(op_result<store::cluster_news> read_now) {
    is_reading_ = false;
    if (!is_running_) return;
    if (read_now) {
        cursor_ = read_now->next;
        const bool is_more = read_now->more;
        if (read_now->throttled) around_.work.pause_polls(*read_now->throttled);
        if (is_ready_) {
            apply(*std::move(read_now));
        } else {
            is_ready_ = true;
            // Others may have changed these between the reads of the start and this one.
            reread_controls();
            around_.work.reread_replays();
            then_ready_();
        }
        if (is_more) read(around_.clock.now());
    }
    around_.wake_changed(); // one that failed is repeated after the longest pause
}

void news_reader::apply(store::cluster_news news) {
    for (track::active_transaction& row : news.rows) around_.work.refresh(std::move(row));
    for (const transaction_id& id : news.wanted_polls) around_.work.poll_soon(id);
    if (!news.lanes.empty() || !news.retried.empty()) around_.work.reread_lanes(news.lanes, news.retried);
    if (news.controls_changed || owes_controls_) reread_controls();
    if (news.replays_changed) around_.work.reread_replays();
    around_.work.catch_up(news.last_seq, news.first_seq);
}

void news_reader::reread_controls() {
    owes_controls_ = false;
    around_.work.reread_controls(alive_.guarded([this] { owes_controls_ = true; }));
}

} // namespace prooftrack::engine
