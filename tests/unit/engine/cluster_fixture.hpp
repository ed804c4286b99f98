#pragma once

// cluster_duties on virtual time between a cluster and an engine that only write down what they are asked, and when.

#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/cluster_duties.hpp"
#include "support/recorded_log.hpp"
#include "support/virtual_time.hpp"

namespace prooftrack::engine {

inline shard_set range(std::size_t first, std::size_t last) {
    shard_set set;
    for (std::size_t i = first; i <= last; ++i) set.set(i);
    return set;
}

/// `0-31 40`, `none`.
inline std::string text_of(const shard_set& set) {
    std::string out;
    for (std::size_t i = 0; i < shard_count; ++i) {
        if (!set.test(i)) continue;
        std::size_t last = i;
        while (last + 1 < shard_count && set.test(last + 1)) ++last;
        out += fmt::format("{}{}", out.empty() ? "" : " ", i);
        if (last > i) out += fmt::format("-{}", last);
        i = last;
    }
    return out.empty() ? "none" : out;
}

/// What was asked for, each with the milliseconds since the beginning: `20 hand_over 0-31`.
class journal {
  public:
    explicit journal(const virtual_clock& clock) : clock_(clock), since_(clock.now().steady) {}
    void add(const std::string& what) {
        const auto at = std::chrono::duration_cast<milliseconds>(clock_.now().steady - since_);
        lines_.push_back(fmt::format("{} {}", at.count(), what));
    }
    std::vector<std::string> take() { return std::exchange(lines_, {}); }
    /// Those about that.
    std::vector<std::string> take(const std::string& word) {
        std::vector<std::string> found;
        for (const std::string& line : take()) {
            if (line.find(word) != std::string::npos) found.push_back(line);
        }
        return found;
    }

  private:
    const virtual_clock& clock_;
    steady_time since_;
    std::vector<std::string> lines_;
};

class written_cluster final : public store::cluster_store {
  public:
    explicit written_cluster(journal& book) : book_(book) {}

    void join(store::cluster_observer&) override { book_.add("join"); }
    void take_up(
        const shard_set& shards, unique_function<void(std::vector<track::active_transaction>)> on_chunk,
        store::store_handler<std::uint64_t> done) override {
        book_.add("take_up " + text_of(shards));
        taking.push_back({std::move(on_chunk), std::move(done)});
    }
    void let_go(const shard_set& shards, store::store_handler<std::monostate>) override {
        book_.add("cluster lets go " + text_of(shards));
    }
    void hand_over(const shard_set& shards) override { book_.add("hand_over " + text_of(shards)); }
    void leave() override { book_.add("leave"); }
    void want_poll(transaction_id, store::store_handler<std::monostate>) override {}
    void tell_throttled(milliseconds) override {}
    void read_news(store::news_cursor after, store::store_handler<store::cluster_news> handler) override {
        book_.add(fmt::format("read_news {}", after.row));
        reading.push_back(std::move(handler));
    }

    struct take_up_call {
        unique_function<void(std::vector<track::active_transaction>)> on_chunk;
        store::store_handler<std::uint64_t> done;
    };
    std::deque<take_up_call> taking;
    std::deque<store::store_handler<store::cluster_news>> reading;

  private:
    journal& book_;
};

class written_work final : public shard_work {
  public:
    explicit written_work(const virtual_clock& clock, journal& book) : clock_(clock), book_(book) {}

    void hold(const shard_set& shards) override { book_.add("hold " + text_of(shards)); }
    void load(std::vector<track::active_transaction> rows, milliseconds within) override {
        std::string ids;
        for (const track::active_transaction& row : rows) ids += " " + row.id.str();
        book_.add(fmt::format("load{} within {}", ids, within.count()));
    }
    void on_loaded(const shard_set& shards) override { book_.add("loaded " + text_of(shards)); }
    void let_go(const shard_set& shards, bool keeps_facts) override {
        book_.add(fmt::format("work lets go {}{}", text_of(shards), keeps_facts ? ", saved" : ""));
    }
    std::size_t count_in(const shard_set& shards) const override { return 10 * shards.count(); }
    bool is_busy(const shard_set& shards) const override { return (busy & shards).any(); }
    bool is_saving() const override { return saving; }
    void trust_until(steady_duration until) override {
        const auto left = std::chrono::duration_cast<milliseconds>(until - clock_.since_boot());
        book_.add(fmt::format("trust for {}", left.count()));
    }
    void share_among(std::size_t nodes) override { book_.add(fmt::format("share among {}", nodes)); }
    void refresh(track::active_transaction row) override { book_.add("refresh " + row.id.str()); }
    void poll_soon(const transaction_id& id) override { book_.add("poll " + id.str()); }
    void reread_lanes(const std::vector<std::string>& lanes, const std::vector<delivery_id>& retried) override {
        book_.add(fmt::format("lanes {} retried {}", lanes.size(), retried.size()));
    }
    void reread_controls(unique_function<void()> failed) override {
        book_.add("controls");
        controls_failed = std::move(failed);
    }
    void reread_replays() override { book_.add("replays"); }
    void pause_polls(milliseconds pause) override { book_.add(fmt::format("pause {}", pause.count())); }
    void catch_up(event_seq last_seq, event_seq first_seq) override {
        book_.add(fmt::format("catch_up {} from {}", value_of(last_seq), value_of(first_seq)));
    }

    shard_set busy;
    bool saving = false;
    unique_function<void()> controls_failed;

  private:
    const virtual_clock& clock_;
    journal& book_;
};

class Cluster : public testing::Test {
  protected:
    using node_state = store::node_state;

    static track::active_transaction row(const std::string& id, std::uint8_t shard) {
        track::active_transaction made{*transaction_id::parse(id), {}, row_revision{1}};
        made.shard = shard;
        return made;
    }
    static op_error away() { return {store::make_error_code(store::store_error::unreachable), "read", "no server"}; }

    /// Nodes and what belongs to them: node 0 is this one. Everything that it owns is wanted unless told.
    static store::cluster_view view_of(
        const std::vector<std::pair<store::cluster_node, shard_set>>& nodes, const shard_set& unwanted = {}) {
        store::cluster_view view;
        view.owners.fill(-1);
        view.sharing = 0;
        for (std::size_t n = 0; n < nodes.size(); ++n) {
            view.nodes.push_back(nodes[n].first);
            view.nodes.back().shards = nodes[n].second.count();
            view.sharing += nodes[n].first.state == node_state::living ? 1U : 0U;
            for (std::size_t i = 0; i < shard_count; ++i) {
                if (nodes[n].second.test(i)) view.owners.at(i) = static_cast<std::int16_t>(n);
            }
        }
        view.node = nodes.front().first.id;
        view.owned = nodes.front().second;
        view.wanted = view.owned & ~unwanted;
        view.sharing = std::max<std::size_t>(1, view.sharing);
        return view;
    }
    static store::cluster_node node(const std::string& id, node_state state = node_state::living) {
        return {id, state, "1.0", 0, seconds(1)};
    }

    /// The end of the news is known from then on.
    void begin() {
        duties_.start([this] { is_ready_ = true; });
        answer_news({});
        book_.take();
    }
    void answer_news(store::cluster_news news) {
        auto handler = std::move(cluster_.reading.front());
        cluster_.reading.pop_front();
        news.next = {++cursor_, 0};
        handler(std::move(news));
    }
    void fail_news() {
        auto handler = std::move(cluster_.reading.front());
        cluster_.reading.pop_front();
        handler(away());
    }
    void chunk(std::vector<track::active_transaction> rows) { cluster_.taking.front().on_chunk(std::move(rows)); }
    void end_taking(op_result<std::uint64_t> count) {
        auto call = std::move(cluster_.taking.front());
        cluster_.taking.pop_front();
        call.done(std::move(count));
    }
    /// Gained and loaded, of nobody.
    void own(const shard_set& shards) {
        duties_.on_gained(shards, store::shard_gain::unowned, milliseconds(0));
        end_taking(0U);
        duties_.on_view(view_of({{node("a"), shards}}));
        book_.take();
        log_.clear();
    }

    /// The news have nothing new.
    void run_with_news(milliseconds span) {
        const steady_time end = clock_.now().steady + span;
        while (clock_.now().steady < end) {
            run_for(milliseconds(20));
            if (!cluster_.reading.empty()) answer_news({});
        }
    }
    /// The alarm: rings when the duties have said so, and finds out when they have not.
    void run_for(milliseconds span) {
        const steady_time end = clock_.now().steady + span;
        for (auto next = due(); next && *next <= end; next = due()) {
            clock_.run_until(*next);
            duties_.on_wake(clock_.now());
            armed_ = duties_.next_wake();
        }
        clock_.run_until(end);
    }

    virtual_clock clock_;
    journal book_{clock_};
    recorded_log log_;
    observe::metrics registry_{"1"};
    meters counts_{registry_};
    config::configuration config_;
    written_cluster cluster_{book_};
    written_work work_{clock_, book_};
    std::optional<steady_time> armed_;
    bool is_ready_ = false;
    cluster_duties duties_{
        {clock_, log_, counts_, &cluster_, work_, config_, [this] { armed_ = duties_.next_wake(); }}};

  private:
    std::optional<steady_time> due() {
        const auto next = duties_.next_wake();
        EXPECT_TRUE(!next || (armed_ && *armed_ <= *next)) << "nobody was told of an earlier wake";
        return next;
    }

    std::int64_t cursor_ = 0;
};

} // namespace prooftrack::engine
