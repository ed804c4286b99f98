#include "prooftrackctl/bridge/bridge_loop.hpp"

#include <algorithm>
#include <random>
#include <utility>

#include <fmt/format.h>

#include "prooftrackctl/exit_status.hpp"

namespace prooftrack::ctl {

namespace {

constexpr milliseconds longest_look{10'000};        ///< at the daemon, while the broker's connection waits
constexpr milliseconds shortest_look{20};           ///< at a daemon that has nothing new
constexpr milliseconds confirm_patience{30'000};    ///< without any news about messages that are out
constexpr milliseconds stop_patience{10'000};       ///< for confirms that are on their way at the stop
constexpr milliseconds acknowledge_interval{1'000}; ///< while a page is on its way

steady_time now() { return std::chrono::steady_clock::now(); }

random_source new_random() {
    std::random_device device;
    return random_source((static_cast<std::uint64_t>(device()) << 32U) | device());
}

} // namespace

bridge_loop::bridge_loop(stop_signal& stop, event_source& source, broker& to, std::string target)
    : stop_(stop), source_(source), broker_(to), target_(std::move(target)), pauses_(new_random()) {}

void bridge_loop::run() {
    source_.begin();
    note(fmt::format("behind event {}", source_.position()));
    while (!is_stopping()) {
        const bool is_due = window_.is_confirmed() || now() - last_acknowledged_ >= acknowledge_interval;
        if (is_due && !acknowledge()) continue;
        if (!is_open_ && !open()) continue;
        if (window_.is_empty() && !fetch()) continue;
        carry();
    }
    finish();
}

bool bridge_loop::is_stopping() {
    if (stop_.take()) stopping_since_ = now();
    return stopping_since_.has_value();
}

bool bridge_loop::open() {
    if (const auto failed = broker_.open()) {
        if (failed->is_lasting && !was_open_ && !stop_.requested())
            throw command_failure(exit_status::refused, fmt::format("{}: {}", target_, failed->text));
        broker_.close();
        pause(fmt::format("{}: {}", target_, failed->text));
        return false;
    }
    window_.begin_again();
    if (!was_open_) {
        note("connected to " + target_);
        if (const std::string warning = broker_.warning(); !warning.empty()) note(warning);
    }
    is_open_ = was_open_ = true;
    last_news_ = now();
    return true;
}

/// Fills the window with the next page; false when there is none now.
bool bridge_loop::fetch() {
    std::vector<broker_verdict> none;
    if (const auto failed = broker_.wait(none, now())) { // heartbeats
        lose(failed->text);
        return false;
    }
    switch (source_.read(page_, max_bridge_window, longest_look)) {
    case source_result::away:
        pause(source_.reason());
        return false;
    case source_result::other_log:
        return false;
    case source_result::done:
        break;
    }
    if (page_.empty()) {
        succeed();
        stop_.sleep(shortest_look); // a daemon that answers before the time (it is stopping) is not asked in a circle
        return false;
    }
    std::vector<bridge_window::item> items;
    items.reserve(page_.size());
    for (const bridge_event& each : page_) items.push_back({each.seq, each.id, each.transaction});
    window_.fill(std::move(items));
    last_news_ = last_acknowledged_ = now();
    return true;
}

/// Publishes what may go, then takes what the broker says.
void bridge_loop::carry() {
    while (const auto next = window_.next()) {
        if (window_.in_flight() == 0) last_news_ = now();
        if (const auto failed = broker_.publish(page_[*next])) return lose(failed->text);
        window_.published(*next);
    }
    std::vector<broker_verdict> verdicts;
    const auto failed = broker_.wait(verdicts, now() + acknowledge_interval);
    take(verdicts); // what came before the end of the connection holds
    if (failed) return lose(failed->text);
    if (window_.is_refused()) return lose(refusal_);
    if (const std::string held_up = broker_.held_up_by(); !held_up.empty()) {
        tell(held_up, "Asking again.");
        last_news_ = now();
    }
    if (window_.in_flight() > 0 && now() - last_news_ >= confirm_patience)
        lose("no confirm of a message in 30 s: is the broker out of memory or disk space?");
}

void bridge_loop::take(const std::vector<broker_verdict>& verdicts) {
    if (verdicts.empty()) return;
    last_news_ = now();
    for (const broker_verdict& each : verdicts) {
        if (each.is_confirmed) {
            window_.confirm(each.tag, each.with_those_before);
            continue;
        }
        refusal_ = each.reason;
        if (each.id.empty()) {
            window_.refuse(each.tag, each.with_those_before);
        } else {
            window_.refuse(each.id);
        }
    }
}

/// Acknowledges what is confirmed without a gap; false when that has to be tried again.
bool bridge_loop::acknowledge() {
    const auto seq = window_.acknowledgeable();
    if (!seq) return true;
    switch (source_.acknowledge(*seq)) {
    case source_result::away:
        pause(source_.reason());
        return false;
    case source_result::other_log:
        window_.clear();
        return true;
    case source_result::done:
        break;
    }
    published_ += window_.acknowledged(*seq);
    last_acknowledged_ = now();
    succeed();
    return true;
}

void bridge_loop::lose(const std::string& why) {
    broker_.close();
    is_open_ = false;
    pause(fmt::format("{}: {}", target_, why));
}

/// Tells a trouble once and waits before the next try.
void bridge_loop::pause(const std::string& why) {
    if (stop_.requested()) return; // it may be why
    tell(why, "Trying again.");
    stop_.sleep(pauses_.next());
}

/// Once, however often it happens in a row.
void bridge_loop::tell(const std::string& why, const char* what_follows) {
    if (why != said_) note(fmt::format("{}\n{}", why, what_follows));
    said_ = why;
}

void bridge_loop::succeed() {
    if (!said_.empty()) note("going on");
    said_.clear();
    pauses_.reset();
}

/// What is on its way is waited for, nothing new is sent; another signal ends the waiting.
void bridge_loop::finish() {
    const steady_time until = *stopping_since_ + stop_patience;
    while (is_open_ && window_.in_flight() > 0 && now() < until && !stop_.requested()) {
        std::vector<broker_verdict> verdicts;
        const auto failed = broker_.wait(verdicts, until);
        take(verdicts);
        if (failed) break;
    }
    if (const auto seq = window_.acknowledgeable()) {
        if (source_.acknowledge(*seq) == source_result::done) {
            published_ += window_.acknowledged(*seq);
        } else {
            note(
                fmt::format("the daemon is away: what it was not told, up to event {}, will be published again", *seq));
        }
    }
    broker_.close();
}

} // namespace prooftrack::ctl
