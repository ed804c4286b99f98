#include "sim/cluster_world.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "observe/event_table.hpp"

namespace prooftrack::sim {
namespace {

constexpr std::array<std::string_view, node_fault_count> fault_names{"kill",  "pause", "cut",  "unsure",
                                                                     "leave", "slow",  "deaf", "proof_fault"};
constexpr std::array<const char*, 3> node_names{"a", "b", "c"};

cluster_profile draw_cluster_profile(random_source& random) {
    cluster_profile profile;
    for (double& weight : profile.weight) weight = random.between(0, 1) == 0 ? 0 : std::exp2(4 * random.unit() - 2);
    // Gaps are held against the promise only while Proof answers.
    double& of_proof = profile.weight[static_cast<std::size_t>(node_fault::proof_fault)];
    if (random.between(0, 2) != 0) of_proof = 0;
    if (std::all_of(profile.weight.begin(), profile.weight.end(), [](double weight) { return weight <= 0; }))
        profile.weight[static_cast<std::size_t>(node_fault::kill)] = 1;
    constexpr std::array chances{0.0, 0.0, 0.002, 0.01, 0.03};
    profile.moment_chance = chances.at(static_cast<std::size_t>(random.between(0, 4)));
    constexpr std::array pauses{0, 0, 4'000, 10'000, 25'000};
    profile.between_faults = milliseconds(pauses.at(static_cast<std::size_t>(random.between(0, 4))));
    if (profile.between_faults == milliseconds(0)) profile.moment_chance = 0;
    profile.transactions = random.between(0, 3) == 0 ? random.between(20, 40) : random.between(3, 14);
    profile.between_calls = random.between(0, 2) == 0 ? milliseconds(300) : milliseconds(3'000);
    return profile;
}

config::callback_config make_callback(const std::string& name, std::vector<std::string> events) {
    config::callback_config callback;
    callback.name = name;
    callback.url = "https://shop.example/" + name;
    callback.events = std::move(events);
    callback.max_in_flight = 4;
    callback.retry_schedule = {seconds(1), seconds(2), seconds(5), seconds(10), seconds(15), seconds(20)};
    return callback;
}

config::configuration draw_cluster_configuration(random_source& random) {
    config::configuration config;
    config.proof.base_url = "https://proof.example";
    config.proof.connections = 40;
    config.store.retention = milliseconds(0);
    config.poll.interval = {seconds(2), seconds(4)};
    config.poll.backoff.second = seconds(10);
    config.poll.probe_interval = seconds(5);
    config.poll.overdue_after = std::chrono::hours(2);
    config.poll.verify_after.clear();
    if (random.between(0, 1) == 0) config.poll.verify_after = {seconds(20)};
    config.callback_url.allow_hosts = {"tx.shop.example"};
    config.callbacks.push_back(make_callback("backend", {"transaction.*"}));
    config.callbacks.push_back(make_callback("ledger", {"transaction.completed", "transaction.reversed"}));
    return config;
}

} // namespace

std::string_view to_string(node_fault fault) { return fault_names.at(static_cast<std::size_t>(fault)); }

cluster_world::cluster_world(std::uint64_t seed)
    : random(seed), profile(draw_cluster_profile(random)), config(draw_cluster_configuration(random)),
      proof(clock, random), cluster(clock), watch(clock, disk, cluster, proof), start(clock.now().steady) {
    proof.watches_cadence = false;
    proof.draw_truth = [this](steady_time added) { return draw_truth(added); };
    watch.checks_gaps = profile.weight[static_cast<std::size_t>(node_fault::proof_fault)] <= 0;
    watch.on_configured(config);
    disk.ignores_revisions = std::getenv("PROOFTRACK_SIM_NO_REVISION") != nullptr;
    disk.sends_no_mail = std::getenv("PROOFTRACK_SIM_NO_MAIL") != nullptr;
    cluster.has_fence = std::getenv("PROOFTRACK_SIM_NO_FENCE") == nullptr;
    if (std::getenv("PROOFTRACK_SIM_LONG_TRUST") != nullptr) cluster.trust = seconds(30);
    disk.last_number = static_cast<std::uint64_t>(random.between(0, 1'000));
    const bool are_skewed = random.between(0, 1) == 0;
    for (const char* name : node_names) {
        nodes.push_back(std::make_unique<node>(*this, name));
        node& made = *nodes.back();
        if (are_skewed) made.local.skew = some_milliseconds(seconds(-12), seconds(12));
        made.log.keeps_lines = false;
        made.log.on_line = [this, &made](const recorded_log::line& line) {
            if (line.event == observe::log_event_id::cluster_fenced) ++fences;
            if (std::getenv("PROOFTRACK_TRACE") == nullptr) return;
            std::string text = made.self.name + ": " + std::string(info_of(line.event).name);
            for (const auto& [key, value] : line.fields) text += fmt::format(" {}={}", key, value);
            trace(text);
        };
        made.faults.on_cut = [this, &made] {
            trace(made.self.name + ": a commit is lost on the way");
            cut(made, some_milliseconds(milliseconds(200), random.between(0, 1) == 0 ? seconds(3) : seconds(20)));
        };
    }
}

cluster_world::~cluster_world() {
    for (auto& one : nodes) {
        if (one->life) one->life->disk_side().crash();
    }
}

void cluster_world::trace(const std::string& text) const {
    if (std::getenv("PROOFTRACK_TRACE") != nullptr) fmt::print("{} {}\n", format_wall_time(clock.true_wall()), text);
}

proof_truth cluster_world::draw_truth(steady_time added) {
    proof_truth truth;
    truth.visible_at = added;
    truth.statuses.emplace_back(start, "pending");
    steady_time at = added + some_milliseconds(milliseconds(0), seconds(90));
    truth.statuses.emplace_back(at, "processing");
    at += some_milliseconds(milliseconds(0), seconds(120));
    const auto end = random.between(0, 9);
    if (end <= 6) truth.statuses.emplace_back(at, "completed");
    if (end == 7) truth.statuses.emplace_back(at, "cancelled");
    if (end == 8 || end == 9) truth.statuses.emplace_back(at, "failed");
    if (end == 9) truth.statuses.emplace_back(at + some_milliseconds(seconds(1), seconds(40)), "completed");
    return truth;
}

// ---- lives

void cluster_world::boot_all() {
    for (auto& one : nodes) {
        const auto wait = random.between(0, 2) == 0 ? milliseconds(0) : some_milliseconds(milliseconds(0), seconds(3));
        clock.after(wait, [this, &one] { boot(*one); });
    }
}

life_surroundings cluster_world::surroundings_of(node& one) {
    life_surroundings around{clock,      one.group, disk, proof, one.log, one.asked,
                             one.reader, {},        {},   {},    {},      random.next()};
    around.cluster = &cluster;
    around.node = one.self.name;
    around.boot = one.self.boot;
    around.faults = &one.faults;
    around.local = &one.local;
    around.receiver = [this, &one](const callback::delivery_job& job) {
        scripted_reply reply = receive(one.now(), job);
        one.verdicts[value_of(job.id)] = reply.outcome.what;
        return reply;
    };
    around.at_moment = [this, &one](moment_kind, const std::string&) { return at_moment(one); };
    around.on_attempt_answered = [this, &one](const callback::delivery_job& job) {
        watch.on_attempt_answered(job, one.verdicts[value_of(job.id)]);
    };
    around.on_ready = [] {};
    around.on_start_failed = [this, &one, life = one.self.life] {
        clock.post([this, &one, life] {
            if (one.life && one.self.life == life) end_life(one, seconds(1));
        });
    };
    return around;
}

/// Its name may still be taken, or the database not be there: it tries again.
void cluster_world::boot(node& one) {
    if (one.life) return;
    const std::string name = one.self.name + std::to_string(last_life_ + 1);
    // On the same machine a new process sees that the old one is dead.
    const auto known = cluster.members().find(one.self.name);
    const bool is_known_dead = known != cluster.members().end() && (one.has_stopped || random.between(0, 1) == 0);
    const std::string dead = is_known_dead ? known->second.boot : "";
    if (one.faults.is_cut || !cluster.take_name(one.self.name, name, dead)) {
        clock.after(seconds(1), [this, &one] { boot(one); });
        return;
    }
    one.group = ++last_group_;
    one.self.life = ++last_life_;
    one.self.boot = name;
    one.is_stopping = false;
    one.has_stopped = false;
    one.wished.reset();
    one.verdicts.clear();
    one.paused_until = {};
    trace(one.self.name + ": starts as " + name);
    one.life = std::make_unique<daemon_life>(config, surroundings_of(one));
}

void cluster_world::end_life(node& one, milliseconds down) {
    clock.drop_group(one.group);
    one.life->disk_side().crash();
    one.life.reset();
    watch.on_lost(one.self);
    clock.after(down, [this, &one] { boot(one); });
}

void cluster_world::settle_wishes() {
    for (auto& one : nodes) {
        if (!one->life) continue;
        if (one->has_stopped) {
            one->life->node().say_goodbye();
            trace(one->self.name + ": has stopped");
            end_life(*one, some_milliseconds(milliseconds(0), is_safe ? seconds(2) : seconds(15)));
        } else if (one->wished) {
            make_fault(*one, *std::exchange(one->wished, std::nullopt));
        }
    }
}

cluster_world::node* cluster_world::any_node() {
    std::vector<node*> up;
    for (auto& one : nodes) {
        if (one->is_up()) up.push_back(one.get());
    }
    if (up.empty()) return nullptr;
    return up[static_cast<std::size_t>(random.between(0, static_cast<std::int64_t>(up.size()) - 1))];
}

void cluster_world::on_node(node& at, unique_function<void(node&)> call) {
    clock.post(
        [&at, call = std::move(call)]() mutable {
            if (at.is_up()) call(at);
        },
        at.group);
}

bool cluster_world::is_anybody_well() const {
    return std::any_of(nodes.begin(), nodes.end(), [](const auto& one) {
        return one->is_up() && !one->is_paused() && !one->faults.is_cut;
    });
}

bool cluster_world::are_all_well() const {
    return std::all_of(nodes.begin(), nodes.end(), [](const auto& one) {
        return one->is_up() && !one->is_paused() && !one->faults.is_cut;
    });
}

// ---- faults

void cluster_world::make_fault() {
    double sum = 0;
    for (const double weight : profile.weight) sum += weight;
    double place = random.unit() * sum;
    std::size_t kind = 0;
    while (kind + 1 < node_fault_count && (place >= profile.weight[kind] || profile.weight[kind] <= 0)) {
        place -= profile.weight[kind];
        ++kind;
    }
    node& one = *nodes[static_cast<std::size_t>(random.between(0, static_cast<std::int64_t>(nodes.size()) - 1))];
    make_fault(one, static_cast<node_fault>(kind));
}

bool cluster_world::at_moment(node& one) {
    if (is_safe || one.wished || random.unit() >= profile.moment_chance) return false;
    constexpr std::array sudden{node_fault::kill, node_fault::pause, node_fault::cut, node_fault::unsure};
    const node_fault fault = sudden.at(static_cast<std::size_t>(random.between(0, 3)));
    if (profile.weight[static_cast<std::size_t>(fault)] > 0) one.wished = fault;
    return false;
}

void cluster_world::make_fault(node& one, node_fault fault) {
    if (is_safe || !one.life) return;
    ++faults[static_cast<std::size_t>(fault)];
    trace(fmt::format("{}: fault {}", one.self.name, to_string(fault)));
    watch.on_trouble();
    switch (fault) {
    case node_fault::kill:
        kill(one);
        break;
    case node_fault::pause:
        pause(one);
        break;
    case node_fault::cut:
        cut(one, some_milliseconds(milliseconds(100), seconds(30)));
        break;
    case node_fault::unsure:
        one.faults.next_commit_is_done = random.between(0, 1) == 0;
        break;
    case node_fault::leave:
        leave(one);
        break;
    case node_fault::slow:
        one.life->disk_side().delay_commit(some_milliseconds(milliseconds(10), seconds(3)));
        one.life->disk_side().delay_answers(some_milliseconds(milliseconds(10), seconds(3)));
        break;
    case node_fault::deaf:
        one.faults.lost_notifications = random.between(0, 1) == 0 ? 1 : 0.5;
        clock.after(some_milliseconds(seconds(1), seconds(60)), [&one] { one.faults.lost_notifications = 0; });
        break;
    case node_fault::proof_fault:
        constexpr std::array kinds{
            proof_fault::kind::silence, proof_fault::kind::slow, proof_fault::kind::server_error,
            proof_fault::kind::throttled};
        const steady_time now = clock.now().steady;
        proof.faults.push_back(
            {kinds.at(static_cast<std::size_t>(random.between(0, 3))), now,
             now + some_milliseconds(seconds(1), seconds(20)), 0.2 + 0.8 * random.unit()});
        break;
    }
}

void cluster_world::kill(node& one) {
    const bool is_short = random.between(0, 2) == 0;
    end_life(one, some_milliseconds(milliseconds(0), is_short ? seconds(2) : seconds(30)));
}

void cluster_world::pause(node& one) {
    one.paused_until = std::max(one.paused_until, clock.now().steady + some_milliseconds(seconds(1), seconds(30)));
    clock.hold_group(one.group, one.paused_until);
    clock.at(one.paused_until, [this] { watch.on_trouble(); });
}

void cluster_world::cut(node& one, milliseconds span) {
    one.faults.is_cut = true;
    watch.on_trouble();
    const std::uint64_t life = one.self.life;
    const auto tell = [&one, life] {
        if (one.life && one.self.life == life) one.life->node().on_link_changed();
    };
    clock.post(tell);
    clock.after(span, [this, &one, tell] {
        one.faults.is_cut = false;
        trace(one.self.name + ": reaches the database");
        watch.on_trouble();
        tell();
    });
}

void cluster_world::leave(node& one) {
    if (!one.is_up()) return;
    one.is_stopping = true;
    const std::uint64_t life = one.self.life;
    const auto is_still_it = [&one, life] { return one.life != nullptr && one.self.life == life; };
    clock.post(
        [this, &one, is_still_it] {
            one.life->daemon().stop(seconds(10), [this, &one, is_still_it] {
                clock.post([&one, is_still_it] {
                    if (is_still_it()) one.has_stopped = true;
                });
            });
        },
        one.group);
    clock.after(seconds(90), [this, &one, is_still_it] { // as the service manager does
        if (!is_still_it()) return;
        if (!one.is_paused() && is_safe) watch.broken().add("{} does not come to an end", one.self.name);
        end_life(one, seconds(1));
    });
}

void cluster_world::heal() {
    is_safe = true;
    proof.heal();
    is_failing_.clear();
    for (auto& one : nodes) {
        one->faults.lost_notifications = 0;
        one->faults.next_commit_is_done.reset();
    }
}

// ---- receivers

scripted_reply cluster_world::receive(const node_ref& node, const callback::delivery_job& job) {
    ++attempts;
    watch.on_attempt(node, job);
    if (is_safe) return reply_delivered(milliseconds(random.between(1, 200)));
    bool& fails = is_failing_[job.callback];
    if (random.between(0, 19) == 0) fails = !fails;
    const auto dice = random.between(0, 99);
    if (dice < (fails ? 90 : 10))
        return reply_failed(random.between(0, 1) == 0 ? 500 : 0, milliseconds(random.between(1, 3'000)));
    return reply_delivered(milliseconds(random.between(1, 400)));
}

} // namespace prooftrack::sim
