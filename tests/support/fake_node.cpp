#include "store/shard_assignment.hpp"
#include "support/fake_disk_reading.hpp"
#include "support/fake_news.hpp"
#include "support/fake_nodes.hpp"

namespace prooftrack::store {
namespace {

constexpr milliseconds between_beats{1'000};
constexpr milliseconds between_looks{500};
constexpr milliseconds between_notices{10};

} // namespace

fake_node::fake_node(parts with)
    : with_(std::move(with)), random_(with_.seed), boot_(with_.boot), joined_(with_.clock.now().steady) {
    with_.store.share(*this, this);
    with_.cluster.enter(*this);
}

fake_node::~fake_node() { with_.cluster.leave(*this); }

void fake_node::run_in_group(steady_duration wait, unique_function<void()> work) {
    with_.clock.after(wait, alive_.guarded([work = std::move(work)]() mutable { work(); }), with_.group);
}

/// On the loop, in the order in which they were told.
template <class Call>
void fake_node::tell(Call call) {
    if (observer_ == nullptr) return;
    last_told_ = std::max(last_told_, with_.clock.now().steady + some_delay());
    with_.clock.at(
        last_told_, alive_.guarded([this, call = std::move(call)] {
            if (observer_ != nullptr) call(*observer_);
        }),
        with_.group);
}

// ---- calls of the engine

void fake_node::join(cluster_observer& observer) {
    observer_ = &observer;
    beat_again();
    look_again();
}

void fake_node::take_up(
    const shard_set& shards, unique_function<void(std::vector<track::active_transaction>)> on_chunk,
    store_handler<std::uint64_t> done) {
    auto rows = std::make_shared<std::vector<track::active_transaction>>();
    auto chunks = std::make_shared<unique_function<void(std::vector<track::active_transaction>)>>(std::move(on_chunk));
    with_.store.read<std::uint64_t>(
        [this, shards, rows](fake_disk& disk) {
            held_ |= shards;
            const std::set<std::uint64_t> wanted = fake_open_wishes(disk);
            for (track::active_transaction& row : fake_active(disk)) {
                if (!shards.test(row.shard)) continue;
                row.is_wanted = wanted.contains(disk.transactions.at(row.id.str()).number);
                rows->push_back(std::move(row));
            }
            return op_result<std::uint64_t>(rows->size());
        },
        [rows, chunks, done = std::move(done)](op_result<std::uint64_t> count) mutable {
            // Also when it fails: what was posted cannot be taken back.
            if (!rows->empty()) (*chunks)(std::move(*rows));
            done(std::move(count));
        });
}

void fake_node::let_go(const shard_set& shards, store_handler<std::monostate> handler) {
    with_.store.run_here<std::monostate>(
        [this, shards](fake_disk&) {
            held_ &= ~shards;
            return op_result<std::monostate>(std::monostate());
        },
        std::move(handler));
}

void fake_node::hand_over(const shard_set& shards) {
    with_.store.run_here<std::monostate>(
        [](fake_disk&) { return op_result<std::monostate>(std::monostate()); },
        alive_.guarded([this, shards](const op_result<std::monostate>&) {
            handed_over_ |= shards;
            run_in_group(some_delay(), [this] { handle_requests(); });
        }));
}

void fake_node::leave() {
    wants_to_leave_ = true;
    run_in_group(some_delay(), [this] { handle_requests(); });
}

void fake_node::want_poll(transaction_id id, store_handler<std::monostate> handler) {
    with_.store.change<std::monostate>(
        [id = std::move(id), now = with_.clock.now().wall](fake_disk& disk) {
            return fake_want_poll(disk, id.str(), now);
        },
        std::move(handler));
}

void fake_node::read_news(news_cursor after, store_handler<cluster_news> handler) {
    with_.store.read<cluster_news>(
        [after](fake_disk& disk) { return op_result<cluster_news>(fake_read_news(disk, after)); }, std::move(handler));
}

// ---- the way to the database

commit_fate fake_node::before_commit(bool changes) {
    fake_node_faults& faults = with_.faults;
    fate_ = commit_fate::done;
    const bool may_write = (has_place_ && with_.cluster.may_write(with_.name, boot_)) || !with_.cluster.has_fence;
    if (faults.is_cut) {
        fate_ = commit_fate::away;
    } else if (changes && !may_write) {
        fate_ = commit_fate::fenced;
        if (has_place_)
            run_in_group({}, [this] {
                if (has_place_ && !with_.cluster.may_write(with_.name, boot_)) lose_place("a commit found it fenced");
            });
    } else if (changes && faults.next_commit_is_done) {
        fate_ = *faults.next_commit_is_done ? commit_fate::unsure : commit_fate::lost;
        faults.next_commit_is_done.reset();
        faults.is_cut = true;
        faults.on_cut();
    }
    return fate_;
}

void fake_node::after_commit(bool is_news) {
    if (fate_ != commit_fate::done && fate_ != commit_fate::unsure) return;
    with_.cluster.on_commit();
    if (!is_news || fate_ == commit_fate::unsure || std::exchange(is_notice_planned_, true)) return;
    run_in_group(between_notices, [this] {
        is_notice_planned_ = false;
        if (!with_.faults.is_cut) with_.cluster.notify(*this);
    });
}

void fake_node::on_notification() {
    if (with_.faults.is_cut || random_.unit() < with_.faults.lost_notifications) return;
    tell([](cluster_observer& to) { to.on_news(); });
}

void fake_node::on_link_changed() {
    const bool is_cut = with_.faults.is_cut;
    run_in_group(milliseconds(random_.between(0, is_cut ? 1'000 : 400)), [this, is_cut] {
        if (with_.faults.is_cut != is_cut || is_over_) return;
        if (is_cut) {
            with_.store.go_away();
        } else {
            with_.store.come_back();
        }
    });
}

void fake_node::say_goodbye() {
    is_over_ = true;
    observer_ = nullptr;
    if (!with_.faults.is_cut && has_place_) with_.cluster.end(with_.name, boot_);
}

// ---- the lease

void fake_node::beat_again() {
    if (is_over_) return;
    run_in_group(between_beats, [this] { beat_again(); });
    beat();
}

void fake_node::look_again() {
    if (is_over_) return;
    run_in_group(between_looks, [this] { look_again(); });
    if (!with_.faults.is_cut && has_place_) look(false);
}

void fake_node::beat() {
    if (with_.faults.is_cut) return;
    if (!has_place_) join_anew();
    if (!has_place_) return;
    const steady_duration booted = with_.clock.since_boot();
    // It is on its way, whatever becomes of the daemon.
    with_.clock.after(some_delay(), alive_.guarded([this, booted, boot = boot_] { renew(booted, boot); }));
}

void fake_node::renew(steady_duration booted, const std::string& boot) {
    if (with_.faults.is_cut) return;
    const bool is_renewed = with_.cluster.renew(with_.name, boot);
    run_in_group(some_delay(), [this, booted, boot, is_renewed] { on_renewed(booted, boot, is_renewed); });
}

void fake_node::on_renewed(steady_duration booted, const std::string& boot, bool is_renewed) {
    if (with_.faults.is_cut || is_over_ || !has_place_ || boot != boot_) return;
    if (!is_renewed) {
        lose_place("no heartbeat came in time");
        return;
    }
    if (!last_beat_ || booted - *last_beat_ > lease_trust) buries_from_ = booted + lease_length;
    last_beat_ = booted;
    tell([until = booted + with_.cluster.trust](cluster_observer& to) { to.on_lease(until); });
    look(true);
}

cluster_view fake_node::decide(fake_nodes::claim& wanted) const {
    cluster_view view = with_.cluster.view();
    view.node = with_.name;
    const bool may_bury = with_.clock.since_boot() >= buries_from_;
    std::vector<std::string> living;
    std::set<std::int16_t> dead;
    for (std::size_t i = 0; i < view.nodes.size(); ++i) {
        const cluster_node& node = view.nodes[i];
        const bool has_expired =
            may_bury && node.state != node_state::gone && node.id != with_.name && with_.cluster.has_expired(node.id);
        wanted.buries = wanted.buries || has_expired;
        if (node.state == node_state::living && !has_expired) living.push_back(node.id);
        if (has_expired || node.state == node_state::gone) dead.insert(static_cast<std::int16_t>(i));
    }
    shard_set free;
    for (std::size_t i = 0; i < shard_count; ++i) {
        const std::int16_t owner = view.owners[i];
        if (owner < 0 || dead.contains(owner)) free.set(i);
        if (owner >= 0 && view.nodes[static_cast<std::size_t>(owner)].id == with_.name) view.owned.set(i);
    }
    view.sharing = std::max<std::size_t>(living.size(), 1);
    view.wanted = wanted_by(living, with_.name);
    const shard_set former = view.owned & ~mine_;
    wanted.shards = view.wanted & (free | former);
    wanted.mine = mine_;
    wanted.joined = joined_;
    return view;
}

void fake_node::look(bool tells) {
    handle_requests();
    fake_nodes::claim wanted;
    cluster_view view = decide(wanted);
    const shard_set not_wanted = view.owned & ~mine_ & ~view.wanted;
    bool has_changed = !is_leaving_ && (wanted.shards.any() || wanted.buries) && claim(wanted);
    if (not_wanted.any()) with_.cluster.free(with_.name, boot_, not_wanted);
    if (has_changed || not_wanted.any()) {
        fake_nodes::claim again;
        view = decide(again);
    }
    view.owned &= mine_;
    if (std::exchange(seen_batch_, with_.cluster.batch()) != with_.cluster.batch())
        tell([](cluster_observer& to) { to.on_news(); });
    if (tells || has_changed) tell([view](cluster_observer& to) { to.on_view(view); });
}

bool fake_node::claim(const fake_nodes::claim& wanted) {
    const auto gained = with_.cluster.take(with_.name, boot_, wanted);
    for (const fake_nodes::gain& each : gained) {
        mine_ |= each.shards;
        const milliseconds silent = each.how == shard_gain::taken_over ? each.silent : milliseconds(0);
        tell([each, silent](cluster_observer& to) { to.on_gained(each.shards, each.how, silent); });
    }
    return !gained.empty();
}

void fake_node::handle_requests() {
    if (with_.faults.is_cut || !has_place_ || is_over_) return;
    const shard_set freed = std::exchange(handed_over_, {}) & mine_;
    mine_ &= ~freed;
    if (freed.any()) with_.cluster.free(with_.name, boot_, freed);
    const bool has_to_leave = wants_to_leave_ && !std::exchange(is_leaving_, true);
    if (has_to_leave) with_.cluster.begin_leaving(with_.name, boot_);
    if (freed.any() || has_to_leave)
        run_in_group({}, [this] {
            if (!with_.faults.is_cut && has_place_ && !is_over_) look(true);
        });
}

void fake_node::lose_place(const std::string& why) {
    has_place_ = false;
    mine_.reset();
    held_.reset(); // whoever owns them now hears of what is changed here
    tell([why](cluster_observer& to) { to.on_fenced(why); });
    run_in_group(some_delay(), [this] { beat(); });
}

void fake_node::join_anew() {
    const std::string next = with_.boot + "-" + std::to_string(++joins_);
    if (!with_.cluster.take_name(with_.name, next, boot_)) return;
    boot_ = next;
    joined_ = with_.clock.now().steady;
    has_place_ = true;
    is_leaving_ = false; // it says so again, when it wanted to
    handed_over_.reset();
}

} // namespace prooftrack::store
