#pragma once

// A feed over a store by hand, and what its readers got.

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/event_feed.hpp"
#include "support/fake_store.hpp"
#include "support/virtual_time.hpp"
#include "track/event.hpp"

namespace prooftrack::engine {

class EventFeed : public testing::Test {
  protected:
    /// What a reader got: "nothing", the seqs, or the problem's word.
    struct reader {
        int answers = 0;
        std::string problem;
        std::vector<std::uint64_t> seqs;
        std::uint64_t next_after = 0;
        std::string log_id;
        std::vector<api::problem_member> members;
        steady_time at{};
    };

    EventFeed() { feed_.restore(disk_.status()); }

    static std::string frozen(std::uint64_t number, std::size_t bytes = 0) {
        track::event_facts facts;
        facts.id = "evt_" + std::string(32 - std::to_string(number).size(), '0') + std::to_string(number);
        facts.transaction = "t1";
        const std::string filling = R"({"x":")" + std::string(bytes, 'x') + R"("})";
        if (bytes > 0) facts.metadata = filling;
        return format_event(facts);
    }
    /// Durable, and published like the engine does.
    void publish(std::uint64_t seq, std::size_t bytes = 0) {
        commit(seq, bytes);
        feed_.publish(event_seq{seq}, frozen(seq, bytes));
    }
    /// Durable, but nobody was told yet.
    void commit(std::uint64_t seq, std::size_t bytes = 0) {
        disk_.last_seq = seq;
        disk_.events[seq] = {"",
                             track::event_type::completed,
                             clock_.now().wall,
                             "t1",
                             0,
                             std::make_shared<const std::string>(frozen(seq, bytes))};
    }
    void publish_up_to(std::uint64_t last, std::size_t bytes = 0) {
        while (value_of(feed_.last_seq()) < last) publish(value_of(feed_.last_seq()) + 1, bytes);
    }

    std::shared_ptr<reader> read(std::uint64_t after, std::size_t limit = 100, milliseconds wait = milliseconds(0)) {
        auto got = std::make_shared<reader>();
        last_wait_ = feed_.events(event_seq{after}, limit, wait, taker_of(got));
        return got;
    }
    std::shared_ptr<reader> search(const track::event_query& query) {
        auto got = std::make_shared<reader>();
        feed_.events_between(query, taker_of(got));
        return got;
    }
    api::backend_handler<api::event_list> taker_of(std::shared_ptr<reader> got) {
        return [this, got](api::outcome<api::event_list> result) {
            ++got->answers;
            got->at = clock_.now().steady;
            if (const auto* refused = std::get_if<api::problem>(&result)) {
                got->problem = word_of(refused->code);
                got->members = refused->members;
                return;
            }
            const auto& list = std::get<api::event_list>(result);
            for (const api::log_event& event : list.events) {
                got->seqs.push_back(value_of(event.seq));
                EXPECT_NE(event.json->find("\"seq\":" + std::to_string(value_of(event.seq)) + ","), std::string::npos);
            }
            got->next_after = value_of(list.next_after);
            got->log_id = list.log_id;
        };
    }
    /// The feed's part of the engine's alarm, until then.
    void run_to(steady_time end) {
        while (feed_.next_wake() && *feed_.next_wake() <= end) {
            clock_.run_until(*feed_.next_wake());
            feed_.on_wake(clock_.now());
        }
        clock_.run_until(end);
        feed_.on_wake(clock_.now());
    }

    virtual_clock clock_;
    fake_disk disk_;
    store::fake_store store_{disk_}; // by hand
    wait_numbers numbers_;
    int wakes_changed_ = 0;
    event_feed feed_{store_, clock_, numbers_, [this] { ++wakes_changed_; }};
    api::wait_id last_wait_ = api::no_wait; ///< of the last read
    const steady_time start_ = clock_.now().steady;
};

} // namespace prooftrack::engine
