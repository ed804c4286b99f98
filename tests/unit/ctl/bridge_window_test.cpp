#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>

#include <fmt/format.h>

#include "base/random.hpp"
#include "prooftrackctl/bridge/window.hpp"

namespace prooftrack::ctl {
namespace {

bridge_window::item message(std::uint64_t seq, const std::string& transaction) {
    return {seq, fmt::format("evt_{}", seq), transaction};
}

/// Publishes all that may go; gives their indices.
std::vector<std::size_t> publish_all(bridge_window& window) {
    std::vector<std::size_t> gone;
    while (const auto next = window.next()) {
        window.published(*next);
        gone.push_back(*next);
    }
    return gone;
}

using indices = std::vector<std::size_t>;

TEST(BridgeWindow, OnlyWhatIsConfirmedWithoutAGapIsAcknowledged) {
    bridge_window window;
    EXPECT_TRUE(window.is_empty());
    EXPECT_FALSE(window.next());
    EXPECT_FALSE(window.acknowledgeable());
    window.fill({message(7, "a"), message(8, "b"), message(9, "c")});
    EXPECT_FALSE(window.is_confirmed());
    EXPECT_EQ(publish_all(window), (indices{0, 1, 2}));
    EXPECT_EQ(window.in_flight(), 3U);

    window.confirm(2, false);
    EXPECT_FALSE(window.acknowledgeable()) << "7 is not confirmed";
    window.confirm(1, false);
    EXPECT_EQ(window.acknowledgeable(), 8U);
    EXPECT_EQ(window.acknowledged(8), 2U);
    EXPECT_FALSE(window.acknowledgeable());
    EXPECT_FALSE(window.is_empty());
    window.confirm(3, false);
    EXPECT_TRUE(window.is_confirmed());
    EXPECT_EQ(window.acknowledgeable(), 9U);
    EXPECT_EQ(window.acknowledged(9), 1U);
    EXPECT_TRUE(window.is_empty());
}

TEST(BridgeWindow, AMessageWaitsForTheOneBeforeOfItsTransaction) {
    bridge_window window;
    window.fill({message(1, "a"), message(2, "a"), message(3, "b"), message(4, "a")});
    EXPECT_EQ(publish_all(window), (indices{0, 2}));
    window.confirm(2, false); // the other transaction's
    EXPECT_FALSE(window.next());
    window.confirm(1, false);
    EXPECT_EQ(publish_all(window), indices{1});
    EXPECT_EQ(window.acknowledgeable(), 1U);
    window.confirm(3, false);
    EXPECT_EQ(publish_all(window), indices{3});
    window.confirm(4, false);
    EXPECT_EQ(window.acknowledgeable(), 4U);
}

TEST(BridgeWindow, ARefusalStopsAndARepeatBeginsAtTheFirstThatIsNotConfirmed) {
    bridge_window window;
    window.fill({message(1, "a"), message(2, "b"), message(3, "c"), message(4, "b")});
    EXPECT_EQ(publish_all(window), (indices{0, 1, 2}));
    window.confirm(1, false);
    window.refuse(2, false);
    EXPECT_TRUE(window.is_refused());
    EXPECT_FALSE(window.next()) << "nothing goes behind a refused one";
    window.confirm(3, false);
    EXPECT_EQ(window.acknowledgeable(), 1U);

    window.begin_again();
    EXPECT_FALSE(window.is_refused());
    EXPECT_EQ(window.in_flight(), 0U);
    EXPECT_EQ(publish_all(window), indices{1}) << "3 is there already, 4 waits";
    window.confirm(1, false); // tags begin again
    EXPECT_EQ(publish_all(window), indices{3});
    window.confirm(2, false);
    EXPECT_EQ(window.acknowledgeable(), 4U);
}

TEST(BridgeWindow, AReturnedMessageIsNotConfirmedByTheConfirmBehindIt) {
    bridge_window window;
    window.fill({message(1, "a"), message(2, "b")});
    publish_all(window);
    window.refuse("evt_1");
    window.confirm(2, true);
    EXPECT_TRUE(window.is_refused());
    EXPECT_FALSE(window.acknowledgeable());
    EXPECT_EQ(window.in_flight(), 0U);
    window.refuse("evt_unknown");
    window.refuse("");
    window.begin_again();
    EXPECT_EQ(publish_all(window), indices{0});
}

TEST(BridgeWindow, TagsGoOnOverPagesOfOneConnection) {
    bridge_window window;
    window.fill({message(1, "a"), message(2, "b")});
    publish_all(window);
    window.confirm(2, true);
    window.acknowledged(2);
    window.fill({message(3, "a"), message(4, "b"), message(5, "c")});
    publish_all(window);
    window.confirm(2, true); // of the page before
    window.confirm(6, true); // never given out
    EXPECT_FALSE(window.acknowledgeable());
    window.confirm(3, false);
    EXPECT_EQ(window.acknowledgeable(), 3U);
    window.confirm(0, true); // all that are out
    EXPECT_EQ(window.acknowledgeable(), 5U);
    window.acknowledged(5);

    window.fill({message(6, "a")});
    window.begin_again();
    publish_all(window);
    window.confirm(0, false);
    EXPECT_FALSE(window.acknowledgeable());
    window.confirm(1, false);
    EXPECT_EQ(window.acknowledgeable(), 6U);
}

TEST(BridgeWindow, AnotherLogIsForgottenWithItsTags) {
    bridge_window window;
    window.fill({message(10, "a"), message(11, "b")});
    publish_all(window);
    window.clear();
    EXPECT_TRUE(window.is_empty());
    window.fill({message(1, "a")});
    publish_all(window);
    window.confirm(2, true); // late, of the other log
    EXPECT_FALSE(window.acknowledgeable());
    window.confirm(3, false);
    EXPECT_EQ(window.acknowledgeable(), 1U);
}

TEST(BridgeWindow, ItsRulesForCallersAreChecked) {
    bridge_window window;
    std::vector<bridge_window::item> many;
    for (std::uint64_t seq = 1; seq <= max_bridge_window + 1; ++seq) many.push_back(message(seq, "a"));
    EXPECT_THROW(window.fill(many), std::logic_error);
    many.pop_back();
    window.fill(many);
    EXPECT_THROW(window.fill({message(1, "a")}), std::logic_error);
    EXPECT_THROW(window.published(1), std::logic_error);
    EXPECT_THROW(window.acknowledged(1), std::logic_error);
}

/// A broker that takes, refuses, loses confirms and breaks off at random.
class moody_broker {
  public:
    explicit moody_broker(std::uint64_t seed) : random_(seed) {
        for (std::uint64_t seq = 1; seq <= last; ++seq)
            log_.push_back(message(seq, fmt::format("t{}", random_.between(1, 6))));
    }

    void run() {
        for (int step = 0; step < 20'000 && acknowledged_ < last; ++step) {
            if (window_.is_empty()) fill();
            const auto next = window_.next();
            const std::int64_t dice = random_.between(0, 99);
            if (dice < 3 || (window_.is_refused() && dice < 50)) {
                break_off();
            } else if (next && dice < 60) {
                window_.published(*next);
                out_.emplace_back(++tag_, first_ + *next);
            } else if (!out_.empty() && dice < 90) {
                judge(static_cast<std::size_t>(random_.between(0, static_cast<std::int64_t>(out_.size()) - 1)));
            } else {
                acknowledge();
            }
        }
        EXPECT_EQ(acknowledged_, last);
    }

  private:
    static constexpr std::uint64_t last = 60;

    void fill() {
        first_ = acknowledged_ + 1;
        const std::uint64_t end = std::min<std::uint64_t>(acknowledged_ + 12, last);
        std::vector<bridge_window::item> page;
        for (std::uint64_t seq = first_; seq <= end; ++seq) page.push_back(log_[seq - 1]);
        window_.fill(page);
    }

    void break_off() {
        window_.begin_again();
        out_.clear();
        tag_ = 0;
    }

    void judge(std::size_t which) {
        const auto [tag, seq] = out_[which];
        out_.erase(out_.begin() + static_cast<std::ptrdiff_t>(which));
        const std::int64_t dice = random_.between(0, 99);
        if (dice < 5) return window_.refuse(tag, false);
        if (dice < 10) window_.refuse(log_[seq - 1].id); // returned, and confirmed all the same
        if (dice >= 10) take(seq);
        if (dice < 95) window_.confirm(tag, false); // else the confirm is lost
    }

    void take(std::uint64_t seq) {
        const std::string& transaction = log_[seq - 1].transaction;
        EXPECT_GE(seq, newest_[transaction]) << "turned round";
        newest_[transaction] = seq;
        for (std::uint64_t before = 1; before < seq; ++before) {
            const bool is_there = taken_.contains(before) || log_[before - 1].transaction != transaction;
            EXPECT_TRUE(is_there) << before << " passed over";
        }
        taken_.insert(seq);
    }

    void acknowledge() {
        const auto seq = window_.acknowledgeable();
        if (!seq) return;
        for (std::uint64_t each = acknowledged_ + 1; each <= *seq; ++each) EXPECT_TRUE(taken_.contains(each)) << "lost";
        EXPECT_EQ(window_.acknowledged(*seq), *seq - acknowledged_);
        acknowledged_ = *seq;
    }

    random_source random_;
    bridge_window window_;
    std::vector<bridge_window::item> log_;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> out_; ///< tag and seq of what has no verdict
    std::set<std::uint64_t> taken_;
    std::map<std::string, std::uint64_t> newest_;
    std::uint64_t first_ = 1;
    std::uint64_t tag_ = 0;
    std::uint64_t acknowledged_ = 0;
};

TEST(BridgeWindow, NothingIsLostOrTurnedRoundWhateverTheBrokerDoes) {
    for (std::uint64_t seed = 1; seed <= 300 && !testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE(fmt::format("seed {}", seed));
        moody_broker(seed).run();
    }
}

} // namespace
} // namespace prooftrack::ctl
