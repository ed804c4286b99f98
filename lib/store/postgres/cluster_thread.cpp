#include "store/postgres/cluster_thread.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <fmt/format.h>

#include "net/steady_alarm.hpp"
#include "net/worker_thread.hpp"
#include "store/postgres/pg_ownership.hpp"
#include "store/shard_assignment.hpp"

namespace prooftrack::store {
namespace {

using clock = std::chrono::steady_clock;

constexpr milliseconds answer_patience{2'000};
constexpr milliseconds goodbye_patience{1'000};
/// A paused process must not keep the turn for longer: PostgreSQL ends its transaction.
constexpr milliseconds most_idle_in_transaction{1'000};

int make_wakeup() {
    const int made = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (made < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
    return made;
}

void name_session(pg_link& link, const std::string& boot) {
    const std::string name = session_name(boot);
    const pg_value value{name.data(), static_cast<int>(name.size())};
    link.ask_once(R"sql(SELECT set_config('application_name', $1, false))sql", {&value, 1});
}

shard_set owned_by_nobody(const cluster_view& view) {
    shard_set found;
    for (std::size_t i = 0; i < shard_count; ++i) found[i] = view.owners[i] < 0;
    return found;
}

} // namespace

cluster_thread::file_closer::~file_closer() { ::close(number); }

cluster_thread::cluster_thread(
    const pg_target& target, const secret& password, pg_identity& identity, std::string version,
    std::function<std::string()> new_boot, cluster_hooks hooks)
    : target_(target), password_(password), identity_(identity), version_(std::move(version)),
      new_boot_(std::move(new_boot)), hooks_(std::move(hooks)), wakeup_(make_wakeup()), boot_(identity.boot()),
      joined_(clock::now()) {
    thread_ = net::start_worker("store-cluster", [this] { run(); });
}

void cluster_thread::wake() const {
    const std::uint64_t one = 1;
    static_cast<void>(::write(wakeup_.number, &one, sizeof one)); // fails when it is awake already
}

void cluster_thread::notify_others() {
    {
        const std::lock_guard lock(mutex_);
        if (std::exchange(requests_.notifies, true)) return; // it knows
    }
    wake();
}

void cluster_thread::hand_over(const shard_set& shards) {
    {
        const std::lock_guard lock(mutex_);
        requests_.handed_over |= shards;
    }
    wake();
}

void cluster_thread::leave() {
    {
        const std::lock_guard lock(mutex_);
        requests_.leaves = true;
    }
    wake();
}

void cluster_thread::look_at_identity() { wake(); }

void cluster_thread::stop() {
    is_stopping_ = true;
    wake();
    if (thread_.joinable()) thread_.join();
}

void cluster_thread::run() {
    while (!is_stopping_) {
        try {
            connect();
            serve();
        } catch (const std::exception&) {
            // No server, no room for a session, or one that does not answer: the lease ends by itself.
            link_.reset();
            if (!is_stopping_) wait_until(clock::now() + pause_);
            pause_ = std::min(pause_ * 2, longest_pause);
        }
    }
    try {
        say_goodbye();
    } catch (const std::exception&) {
        // The others find out when the lease has run out.
    }
    link_.reset();
}

void cluster_thread::connect() {
    link_ = std::make_unique<pg_link>(connect_to(target_, password_, session_name(boot_), is_stopping_));
    link_->set_patience(answer_patience);
    configure_session(*link_, most_idle_in_transaction);
    link_->run_script(fmt::format(
        R"sql(
            SET lock_timeout = '1s';
            SELECT set_config('synchronous_commit', 'on', false)
            WHERE current_setting('synchronous_commit') = 'off';
            LISTEN {};
            LISTEN {};
        )sql",
        news_channel, members_channel));
    connected_ = clock::now();
    buries_from_ = std::max(buries_from_, connected_ + lease_length); // another server's clock may be ahead
    next_beat_ = connected_;
    seen_batch_ = -1; // what was said meanwhile is lost
    const std::lock_guard lock(mutex_);
    requests_.leaves = requests_.leaves || std::exchange(is_leaving_, false); // it may not have been heard
}

/// Until it is to stop; throws when the link is lost.
void cluster_thread::serve() {
    while (!is_stopping_) {
        if (identity_.boot().empty() && has_place_) {
            lose_place(
                "a commit found that the others have taken this node for gone, or it has not read for minutes what "
                "they committed");
        }
        if (clock::now() >= next_beat_ && is_without_writer()) next_beat_ = clock::now() + between_beats;
        if (!has_place_ && clock::now() >= next_beat_) join_anew();
        if (has_place_ && clock::now() >= next_beat_) beat();
        if (has_place_) {
            handle_requests();
            if (has_to_look_ || clock::now() >= next_look_) look(std::exchange(has_to_look_, false));
        }
        steady_time next = has_place_ ? std::min(next_beat_, next_look_) : next_beat_;
        if (has_place_ && has_to_notify_) next = std::min(next, next_notice_);
        read_notifications(); // also those that came with an answer
        if (has_place_ && has_to_look_) continue;
        wait_until(next);
        read_notifications();
    }
}

void cluster_thread::beat() {
    const steady_time start = clock::now();
    const steady_duration booted = net::system_clock_source().since_boot();
    next_beat_ = start + between_beats;
    if (!renew_lease(*link_, self()))
        return lose_place("no heartbeat of this node has reached PostgreSQL in time, and the others took it for gone");
    // When PostgreSQL was away, or all machines were suspended, everybody's lease has run out.
    if (!last_beat_ || booted - *last_beat_ > lease_trust) buries_from_ = start + lease_length;
    last_beat_ = booted;
    pause_ = first_pause;
    hooks_.lease(booted + lease_trust);
    has_to_look_ = true;
}

/// It could record nothing of what it finds: others can. After PostgreSQL was away the two connections come back one
/// after the other.
bool cluster_thread::is_without_writer() const {
    const auto lost = identity_.writer_lost_at();
    return lost && clock::now() - std::max(*lost, connected_) >= writer_patience;
}

/// What is wanted now, and of it what can be had. Completes the view.
shard_claim cluster_thread::decide(pg_members& members) const {
    cluster_view& view = members.view;
    shard_claim wanted;
    wanted.buries = clock::now() >= buries_from_;
    std::vector<std::string> living;
    shard_set free = owned_by_nobody(view);
    bool has_somebody_to_bury = false;
    for (std::size_t i = 0; i < view.nodes.size(); ++i) {
        const bool has_expired = wanted.buries && members.has_expired[i] && view.nodes[i].id != view.node;
        has_somebody_to_bury = has_somebody_to_bury || has_expired;
        if (view.nodes[i].state == node_state::living && !has_expired) living.push_back(view.nodes[i].id);
        if (!has_expired && view.nodes[i].state != node_state::gone) continue;
        for (std::size_t shard = 0; shard < shard_count; ++shard)
            if (view.owners[shard] == static_cast<std::int16_t>(i)) free.set(shard);
    }
    view.sharing = std::max<std::size_t>(living.size(), 1);
    view.wanted = wanted_by(living, view.node);
    const shard_set former = view.owned & ~mine_; // of an earlier start
    view.owned &= mine_;
    wanted.shards = view.wanted & (free | former);
    wanted.mine = mine_;
    wanted.joined_ago = std::chrono::floor<milliseconds>(clock::now() - joined_);
    wanted.buries = has_somebody_to_bury;
    return wanted;
}

void cluster_thread::look(bool tells) {
    next_look_ = clock::now() + between_looks;
    pg_members members = read_members(*link_, identity_.name());
    const shard_set former = members.view.owned & ~mine_;
    const shard_claim wanted = decide(members);
    const bool may_claim = !is_leaving_ && !is_without_writer();
    const bool has_changed = may_claim && (wanted.shards.any() || wanted.buries) && claim(wanted);
    const shard_set not_wanted = former & ~members.view.wanted;
    if (not_wanted.any()) free_shards(*link_, self(), not_wanted);
    if (has_changed || not_wanted.any()) {
        notify(*link_, members_channel, boot_);
        members = read_members(*link_, identity_.name());
        decide(members);
    }
    const cluster_view& view = members.view;
    const bool has_others = std::any_of(view.nodes.begin(), view.nodes.end(), [&view](const cluster_node& each) {
        return each.id != view.node && each.state != node_state::gone;
    });
    // In place of a notification that was lost.
    if (std::exchange(seen_batch_, members.batch) != members.batch && has_others) hooks_.news();
    if (tells || has_changed) hooks_.view(view);
}

/// True when something may have changed.
bool cluster_thread::claim(const shard_claim& wanted) {
    try {
        if (wanted.buries) end_sessions_of_expired(*link_, self());
        const auto gained = claim_shards(*link_, self(), wanted);
        if (!gained) return false; // the next heartbeat finds out why
        for (const gained_shards& each : *gained) {
            mine_ |= each.shards;
            const bool is_silent = each.how == shard_gain::taken_over;
            hooks_.gained(each.shards, each.how, is_silent ? each.silent : milliseconds(0));
        }
        return true;
    } catch (const postgres_error& error) {
        if (error.reach() != failure_reach::batch) throw;
        return false; // somebody has the turn for long: at the next look again
    }
}

void cluster_thread::handle_requests() {
    requests asked;
    {
        const std::lock_guard lock(mutex_);
        asked = std::exchange(requests_, {});
    }
    has_to_notify_ = has_to_notify_ || asked.notifies;
    const bool has_to_leave = asked.leaves && !std::exchange(is_leaving_, true);
    const shard_set freed = asked.handed_over & mine_;
    mine_ &= ~freed; // if the link is lost now, the next look frees them
    if (freed.any()) free_shards(*link_, self(), freed);
    if (has_to_leave) begin_leaving(*link_, self());
    if (freed.any() || has_to_leave) {
        notify(*link_, members_channel, boot_);
        has_to_look_ = true;
    }
    if (!has_to_notify_ || clock::now() < next_notice_) return;
    next_notice_ = clock::now() + between_notices;
    has_to_notify_ = false;
    notify(*link_, news_channel, boot_);
}

void cluster_thread::read_notifications() {
    bool has_news = false;
    for (const pg_notification& each : link_->take_notifications()) {
        if (each.payload == boot_) continue;
        has_news = has_news || each.channel == news_channel;
        has_to_look_ = has_to_look_ || each.channel == members_channel;
    }
    if (has_news) hooks_.news();
}

void cluster_thread::wait_until(steady_time until) {
    const auto left = std::chrono::ceil<milliseconds>(until - clock::now());
    if (left.count() <= 0) return;
    std::array<pollfd, 2> both{pollfd{wakeup_.number, POLLIN, 0}, pollfd{link_ ? link_->socket() : -1, POLLIN, 0}};
    ::poll(both.data(), both.size(), static_cast<int>(left.count()));
    std::uint64_t number = 0;
    static_cast<void>(::read(wakeup_.number, &number, sizeof number));
}

void cluster_thread::lose_place(const std::string& why) {
    has_place_ = false;
    has_said_why_ = false;
    mine_.reset();
    identity_.lose(boot_);
    next_beat_ = clock::now();
    hooks_.fenced(why);
}

void cluster_thread::join_anew() {
    next_beat_ = clock::now() + between_beats;
    if (next_boot_.empty()) next_boot_ = new_boot_();
    const pg_node next{identity_.name(), next_boot_, version_, boot_};
    try {
        if (const auto refusal = join_cluster(*link_, next, milliseconds(0))) {
            if (!std::exchange(has_said_why_, true)) hooks_.fenced(*refusal);
            return;
        }
    } catch (const postgres_error& error) {
        if (error.reach() != failure_reach::batch) throw;
        return; // somebody has the turn for long
    }
    boot_ = std::exchange(next_boot_, {});
    joined_ = clock::now();
    has_place_ = true;
    {
        const std::lock_guard lock(mutex_);
        requests_.handed_over.reset(); // what the former start had
        requests_.leaves = requests_.leaves || std::exchange(is_leaving_, false);
    }
    next_beat_ = joined_;
    name_session(*link_, boot_);
    identity_.become(boot_);
    if (hooks_.identity_changed) hooks_.identity_changed();
    notify(*link_, members_channel, boot_);
}

void cluster_thread::say_goodbye() {
    if (!link_ || !has_place_) return;
    link_->set_patience(goodbye_patience);
    end_membership(*link_, self());
    notify(*link_, members_channel, boot_);
}

} // namespace prooftrack::store
