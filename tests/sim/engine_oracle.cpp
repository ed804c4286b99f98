#include "sim/engine_oracle.hpp"

#include <stdexcept>

namespace prooftrack::sim {

void engine_oracle::check_step() {
    try {
        world_.daemon().core().check_invariants();
    } catch (const std::logic_error& failed) {
        world_.watch.broken().add("invariant: {}", failed.what());
    }
}

void engine_oracle::check_attempt(const callback::delivery_job& job) {
    if (job.event_type == to_string(track::event_type::test)) return;
    for (auto event = world_.disk.events.rbegin(); event != world_.disk.events.rend(); ++event) {
        if (event->second.id != job.event_id) continue;
        if (*event->second.body != *job.body)
            world_.watch.broken().add("{} is sent with other bytes than were recorded", job.event_id);
        return;
    }
    world_.watch.broken().add("{} is sent and not durable", job.event_id);
}

void engine_oracle::check_end() {
    violations& broken = world_.watch.broken();
    std::uint64_t expected = 1;
    std::set<std::string> ids;
    for (const auto& [seq, event] : world_.disk.events) {
        if (seq != expected++) broken.add("seq has a gap before {}", seq);
        if (!ids.insert(event.id).second) broken.add("{} stands twice", event.id);
    }
    for (const auto& [id, row] : world_.disk.transactions) check_transaction(id, row);
    check_memory();
    if (world_.daemon().deliverer().in_flight() != 0) broken.add("a delivery is left over");
}

void engine_oracle::check_transaction(const std::string& id, const fake_disk::transaction_row& row) {
    violations& broken = world_.watch.broken();
    const track::tracking_facts& facts = row.facts;
    const proof_truth& truth = world_.proof.transactions.at(id);
    const steady_time now = world_.clock.now().steady;
    const std::string word = truth.what == proof_truth::kind::normal ? truth.status_at(now) : "";
    if (facts.state == track::tracking_state::untracked || facts.state == track::tracking_state::abandoned) return;
    if (is_terminal(track::classify_status(word)) && facts.state != track::tracking_state::settled)
        broken.add("{} is {} and Proof says {}", id, to_string(facts.state), word);
    const bool is_regular = !world_.has_jumped && !world_.has_changed_rules && facts.settled_at &&
                            !world_.profile.uses(action_kind::proof_fault) &&
                            !world_.profile.uses(action_kind::poison) && !world_.config.poll.verify_after.empty();
    if (!is_regular || facts.state != track::tracking_state::settled) return;
    const wall_time verified = *facts.settled_at + world_.config.poll.verify_after.back();
    const steady_time verified_at = now - (world_.clock.now().wall - verified) - seconds(60);
    const bool has_moved_since = std::any_of(truth.statuses.begin(), truth.statuses.end(), [&](const auto& one) {
        return one.first > verified_at && one.first <= now;
    });
    if (is_terminal(track::classify_status(word)) && facts.status != word && !has_moved_since)
        broken.add("{} is {}, and Proof said {} when it was to be asked again", id, facts.status, word);
}

/// What memory watches is what the disk has to be watched.
void engine_oracle::check_memory() {
    violations& broken = world_.watch.broken();
    const track::tracker& core = world_.daemon().core();
    if (core.recording() != 0) return; // those that are never given up are asked on
    std::size_t watched = 0;
    for (const auto& [id, row] : world_.disk.transactions) {
        const auto slot = core.find(id);
        watched += slot ? 1 : 0;
        if (slot.has_value() != row.facts.watched) {
            broken.add(
                "{} is {} on the disk and {} in memory", id, row.facts.watched ? "watched" : "not watched",
                slot ? "watched" : "not there");
        }
        if (!slot) continue;
        const track::tracking_facts live = core.live(*slot, world_.clock.now()).facts;
        if (live.state != row.facts.state || live.status != row.facts.status)
            broken.add("{} is {} on the disk and {} in memory", id, to_string(row.facts.state), to_string(live.state));
    }
    if (watched != core.size()) broken.add("{} are watched that the disk does not know", core.size() - watched);
}

} // namespace prooftrack::sim
