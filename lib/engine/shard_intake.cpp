#include "engine/shard_intake.hpp"

#include "track/shard_pace.hpp"

namespace prooftrack::engine {
namespace {

constexpr milliseconds between_tries{200};

} // namespace

void shard_intake::take(gained_shards gained) {
    const std::uint64_t number = ++last_;
    intake& one = intakes_[number];
    one.left = gained.shards;
    one.gained = std::move(gained);
    begin(number, one);
}

void shard_intake::begin(std::uint64_t number, intake& one) {
    one.again_at.reset();
    auto on_rows = alive_.guarded(
        [this, number](std::vector<track::active_transaction> rows) { on_chunk(number, std::move(rows)); });
    auto done = alive_.guarded([this, number](const op_result<std::uint64_t>& count) { on_taken_up(number, count); });
    one.asked = track::next_to_take_up(one.left);
    around_.cluster->take_up(one.asked, std::move(on_rows), std::move(done));
}

void shard_intake::on_chunk(std::uint64_t number, std::vector<track::active_transaction> rows) {
    const auto found = intakes_.find(number);
    if (found == intakes_.end()) return;
    const gained_shards& gained = found->second.gained;
    std::erase_if(rows, [&gained](const track::active_transaction& row) { return !gained.shards.test(row.shard); });
    if (!rows.empty()) around_.work.load(std::move(rows), spread_of(gained));
}

void shard_intake::on_taken_up(std::uint64_t number, const op_result<std::uint64_t>& count) {
    const auto found = intakes_.find(number);
    if (found == intakes_.end()) return;
    intake& one = found->second;
    if (!count) {
        one.again_at = around_.clock.now().steady + between_tries;
        around_.wake_changed();
        return;
    }
    one.count += *count;
    const shard_set loaded = one.asked & one.left;
    one.left &= ~one.asked;
    if (loaded.any()) around_.work.on_loaded(loaded);
    if (one.left.any()) return begin(number, one);
    const intake done = std::move(one);
    intakes_.erase(found);
    done_(done.gained, done.count);
}

milliseconds shard_intake::spread_of(const gained_shards& gained) const {
    switch (gained.how) {
    case store::shard_gain::unowned:
        return track::spread_of_idle(around_.config.poll.interval);
    case store::shard_gain::handed_over:
        return track::spread_of_handed_over;
    case store::shard_gain::taken_over:
        return track::spread_of_lost(gained.silent + (around_.clock.now().steady - gained.since));
    }
    return track::spread_of_handed_over;
}

void shard_intake::drop(const shard_set& shards) {
    std::vector<intake> done;
    for (auto at = intakes_.begin(); at != intakes_.end();) {
        intake& one = at->second;
        one.gained.shards &= ~shards;
        one.left &= ~shards;
        if (one.left.any()) {
            ++at;
            continue;
        }
        if (one.gained.shards.any()) done.push_back(std::move(one));
        at = intakes_.erase(at);
    }
    for (const intake& each : done) done_(each.gained, each.count);
}

std::optional<steady_time> shard_intake::next_wake() const {
    std::optional<steady_time> next;
    for (const auto& [number, one] : intakes_) {
        if (one.again_at && (!next || *one.again_at < *next)) next = one.again_at;
    }
    return next;
}

void shard_intake::on_wake(instant now) {
    for (auto& [number, one] : intakes_) {
        if (one.again_at && *one.again_at <= now.steady) begin(number, one);
    }
}

} // namespace prooftrack::engine
