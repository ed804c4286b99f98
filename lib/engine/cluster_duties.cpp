#include "engine/cluster_duties.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "engine/cluster_report.hpp"

namespace prooftrack::engine {
namespace {

using store::node_state;

/// PostgreSQL may be slow, or a great many be there; the others serve meanwhile.
constexpr seconds longest_start{10};

std::size_t count_nodes(const store::cluster_view& view, node_state state) {
    const auto has_state = [state](const store::cluster_node& node) { return node.state == state; };
    return static_cast<std::size_t>(std::count_if(view.nodes.begin(), view.nodes.end(), has_state));
}

/// Whose shards this node has taken over last; "" = not known.
std::string last_taken_from(const store::cluster_view& view) {
    const auto is_own = [&view](const store::shard_move& move) {
        return move.node == view.node && move.how == store::shard_gain::taken_over;
    };
    const auto found = std::find_if(view.moves.begin(), view.moves.end(), is_own);
    return found == view.moves.end() ? std::string() : found->former;
}

} // namespace

// ---- the life of the daemon

void cluster_duties::start(unique_function<void()> ready) {
    if (!is_clustered()) {
        ready();
        return;
    }
    ready_ = std::move(ready);
    ready_by_ = around_.clock.now().steady + longest_start;
    has_joined_ = true;
    // Before anything is taken up: what is committed between the two is read twice, not missed.
    news_.start([this] {
        for (gained_shards& gained : std::exchange(early_, {})) take(std::move(gained));
    });
    around_.cluster->join(*this);
}

void cluster_duties::stop(milliseconds within, unique_function<void()> done) {
    ready_ = {};
    stopped_ = std::move(done);
    is_stopping_ = true;
    if (has_joined_) {
        news_.stop();
        around_.cluster->leave();
        for (const gained_shards& gained : std::exchange(early_, {})) around_.cluster->hand_over(gained.shards);
        handover_.hand_over_all(held_, around_.clock.now().steady + within);
    }
    finish_stop();
}

void cluster_duties::finish_start() {
    if (!ready_) return;
    const bool is_in = view_ && early_.empty() && intake_.is_idle();
    if (!is_in && around_.clock.now().steady < ready_by_) return;
    auto ready = std::exchange(ready_, {});
    ready();
}

void cluster_duties::finish_stop() {
    if (!is_stopping_ || !stopped_ || !handover_.is_idle()) return;
    auto done = std::exchange(stopped_, {});
    done();
}

std::optional<steady_time> cluster_duties::next_wake() const {
    if (!is_clustered()) return std::nullopt; // asked at each poll
    std::optional<steady_time> next = news_.next_wake();
    if (ready_ && (!next || ready_by_ < *next)) next = ready_by_;
    for (const auto& other : {intake_.next_wake(), handover_.next_wake()}) {
        if (other && (!next || *other < *next)) next = other;
    }
    return next;
}

void cluster_duties::on_wake(instant now) {
    if (!is_clustered()) return;
    news_.on_wake(now);
    intake_.on_wake(now);
    handover_.on_wake(now);
    finish_start();
    finish_stop();
}

// ---- shards come and go

void cluster_duties::on_gained(const shard_set& shards, store::shard_gain how, milliseconds silent) {
    if (is_stopping_) {
        around_.cluster->hand_over(shards);
        return;
    }
    // While it was taken for gone, mail may have been pruned that it has not read.
    if (std::exchange(has_missed_news_, false)) news_.reread_controls();
    drop(shards); // had they gone and come back between two views, what is known of them is old
    gained_shards gained{shards, how, silent, former_owners(shards), around_.clock.now().steady};
    if (news_.is_ready()) {
        take(std::move(gained));
    } else {
        early_.push_back(std::move(gained));
    }
}

void cluster_duties::take(gained_shards gained) {
    held_ |= gained.shards;
    around_.work.hold(gained.shards);
    if (gained.how == store::shard_gain::taken_over) around_.counts.on_takeover();
    intake_.take(std::move(gained));
}

void cluster_duties::on_taken_up(const gained_shards& gained, std::uint64_t count) {
    finish_start();
    if (gained.how != store::shard_gain::taken_over) return;
    const auto took = std::chrono::duration_cast<milliseconds>(around_.clock.now().steady - gained.since);
    std::string former = gained.former;
    if (former.empty() && view_) former = last_taken_from(*view_);
    around_.log.write(
        observe::log_event_id::cluster_taken_over,
        {{"from", former}, {"shards", gained.shards.count()}, {"transactions", count}, {"took_ms", took.count()}});
}

/// The view before the gain knows them.
std::string cluster_duties::former_owners(const shard_set& shards) const {
    if (!view_) return {};
    std::set<std::string_view> owners;
    for (std::size_t i = 0; i < shard_count; ++i) {
        if (shards.test(i)) owners.insert(view_->owner_of(static_cast<std::uint8_t>(i)));
    }
    std::string names;
    for (const std::string_view owner : owners) {
        if (owner.empty() || owner == view_->node) continue;
        if (!names.empty()) names += ' ';
        names += owner;
    }
    return names;
}

void cluster_duties::let_go(const shard_set& shards, bool keeps_facts) {
    held_ &= ~shards;
    intake_.drop(shards);
    around_.cluster->let_go(shards, [](const op_result<std::monostate>& /*what is given out is not attempted*/) {});
    around_.work.let_go(shards, keeps_facts);
}

/// Somebody else's by now: whatever is known of them is of the past.
void cluster_duties::drop(const shard_set& shards) {
    handover_.forget(shards);
    for (gained_shards& gained : early_) gained.shards &= ~shards;
    std::erase_if(early_, [](const gained_shards& gained) { return gained.shards.none(); });
    const shard_set lost = held_ & shards;
    if (lost.any()) let_go(lost, false);
}

// ---- what the cluster says

void cluster_duties::on_lease(steady_duration until) {
    lease_until_ = until;
    around_.work.trust_until(until);
}

void cluster_duties::on_view(const store::cluster_view& view) {
    note_nodes(view);
    const std::size_t shared_before = view_ ? view_->sharing : 1;
    view_ = view;
    drop(~view.owned);
    if (!is_stopping_) handover_.hand_over(held_ & ~view.wanted);
    if (view.sharing != shared_before) around_.work.share_among(view.sharing);
    finish_start();
    finish_stop();
}

void cluster_duties::on_news() { news_.hurry(); }

void cluster_duties::on_fenced(const std::string& why) {
    is_fenced_ = true;
    has_missed_news_ = true;
    const std::string node = view_ ? view_->node : std::string();
    around_.log.write(observe::log_event_id::cluster_fenced, {{"node", node}, {"error", why}});
    on_lease(around_.clock.since_boot() - milliseconds(1));
    early_.clear();
    handover_.forget(all_shards());
    let_go(all_shards(), false);
    seen_.erase(node);
    finish_stop();
}

/// Of the nodes that are there before this one knows anybody it tells only how many they are.
void cluster_duties::note_nodes(const store::cluster_view& view) {
    const std::size_t living = count_nodes(view, node_state::living);
    std::map<std::string, node_state> before = std::exchange(seen_, {});
    for (const store::cluster_node& node : view.nodes) {
        const bool is_self = node.id == view.node;
        const auto known = before.find(node.id);
        const bool was_there = known != before.end() && known->second != node_state::gone;
        if (known != before.end()) before.erase(known);
        seen_.emplace(node.id, node.state);
        if (node.state == node_state::living && is_self) is_fenced_ = false;
        if (node.state == node_state::living && !was_there && (is_self || view_)) {
            around_.log.write(
                observe::log_event_id::cluster_joined, {{"node", node.id}, {"nodes", living}, {"shards", node.shards}});
        } else if (node.state == node_state::gone && was_there && !is_self) {
            around_.log.write(observe::log_event_id::cluster_left, {{"node", node.id}, {"nodes", living}});
        }
    }
    for (const auto& [id, state] : before) {
        if (state == node_state::gone) continue;
        around_.log.write(observe::log_event_id::cluster_left, {{"node", id}, {"nodes", living}});
    }
}

// ---- what others are told

std::string cluster_duties::why_idle() const {
    if (is_fenced_) return "the other nodes took this one for gone: it is joining them again";
    if (lease_until_ && *lease_until_ <= around_.clock.since_boot())
        return "this node's lease has run out: nothing is polled or delivered until PostgreSQL takes a heartbeat again";
    return {};
}

void cluster_duties::report() const {
    if (!view_) return;
    cluster_numbers numbers;
    numbers.shards = held_.count();
    numbers.living = count_nodes(*view_, node_state::living);
    numbers.leaving = count_nodes(*view_, node_state::leaving);
    numbers.gone = count_nodes(*view_, node_state::gone);
    numbers.unowned_shards = count_unowned(*view_);
    if (lease_until_) numbers.lease = std::max(steady_duration(0), *lease_until_ - around_.clock.since_boot());
    around_.counts.set_cluster(numbers);
}

} // namespace prooftrack::engine
