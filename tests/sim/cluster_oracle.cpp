#include "sim/cluster_oracle.hpp"

#include <algorithm>

#include "sim/seen_event.hpp"
#include "track/event.hpp"

namespace prooftrack::sim {
namespace {

/// What is promised of the ids of a lost node, and what an alarm and a commit may add.
constexpr milliseconds takeover{10'000};
constexpr milliseconds late_by{1'500};
/// A node that lost the database attempts until it does not trust its lease any more; others have heard of a pause by
/// then, however slow the database is.
constexpr milliseconds pause_reach{8'000};

reported_state state_of(track::tracking_state state) {
    switch (state) {
    case track::tracking_state::settled:
        return reported_state::final;
    case track::tracking_state::abandoned:
        return reported_state::abandoned;
    case track::tracking_state::untracked:
        return reported_state::untracked;
    default:
        return reported_state::open;
    }
}

int metadata_of(const std::string& metadata) {
    const auto digit = metadata.find_first_of("123456789");
    return digit == std::string::npos ? 0 : metadata[digit] - '0';
}

} // namespace

std::string cluster_oracle::log_bytes(const fake_disk& disk, std::uint64_t seq) {
    return track::insert_seq(*disk.events.at(seq).body, event_seq{seq});
}

void cluster_oracle::note(const std::string& id, const std::string& happened) {
    const std::string line = format_wall_time(clock_.true_wall()) + " " + happened;
    if (is_traced_) fmt::print("{} {}\n", id, line);
    auto& story = ids_[id].story;
    if (story.size() >= 16) story.erase(story.begin());
    story.push_back(line);
}

void cluster_oracle::blame(const std::string& id, const std::string& what) {
    std::string story;
    for (const std::string& one : ids_[id].story) story += "\n      " + one;
    broken_.add("{}: {}{}", id, what, story);
}

// ---- calls

/// As it was goes to the past as long as a reader may have read it.
cluster_oracle::id_record& cluster_oracle::changing(const std::string& id) {
    ++step_;
    id_record& record = ids_[id];
    const bool is_read = std::any_of(
        calls_.begin(), calls_.end(), [&](const auto& each) { return each.second.id == id && !each.second.place; });
    if (!is_read) {
        record.past.clear();
    } else {
        record.past.emplace_back(step_, record.model);
    }
    return record;
}

cluster_oracle::call cluster_oracle::begin(
    const node_ref& node, const std::string& id, std::optional<std::size_t> place) {
    calls_[++last_call_] = {node, id, place, step_};
    return {last_call_, place};
}

cluster_oracle::call cluster_oracle::begin(const node_ref& node, const std::string& what, const std::string& id) {
    note(id, what + " on " + node.name);
    return begin(node, id, std::nullopt);
}

cluster_oracle::call cluster_oracle::begin_post(
    const node_ref& node, const std::string& id, const asked_options& options) {
    note(id, fmt::format("POST n={} url={} on {}", options.metadata, options.url, node.name));
    return begin(node, id, changing(id).model.begin_post(options, step_, clock_.true_wall()));
}

cluster_oracle::call cluster_oracle::begin_untrack(const node_ref& node, const std::string& id) {
    note(id, "DELETE on " + node.name);
    return begin(node, id, changing(id).model.begin_untrack());
}

cluster_oracle::call cluster_oracle::begin_change(
    const node_ref& node, const std::string& id, std::optional<int> metadata, std::optional<int> url) {
    note(id, fmt::format("PATCH n={} url={} on {}", metadata.value_or(-1), url.value_or(-1), node.name));
    return begin(node, id, changing(id).model.begin_change(metadata, url));
}

std::optional<cluster_oracle::open_call> cluster_oracle::take(const call& done) {
    const auto found = calls_.find(done.number);
    if (found == calls_.end()) return std::nullopt;
    open_call one = std::move(found->second);
    calls_.erase(found);
    return one;
}

void cluster_oracle::end(const call& done, call_effect effect) {
    const auto one = take(done);
    if (!one || !one->place) return;
    id_record& record = changing(one->id);
    const std::string before = record.model.text();
    note(one->id, fmt::format("answered {} by {}", to_string(effect), one->node.name));
    if (!record.model.end(*one->place, effect))
        blame(one->id, fmt::format("answered {}, but it was {}", to_string(effect), before));
}

void cluster_oracle::end_unknown(const call& done) {
    const auto one = take(done);
    if (!one || !one->place) return;
    note(one->id, "answered with an error by " + one->node.name);
    changing(one->id).model.end_unknown(*one->place);
}

void cluster_oracle::refuse(const call& done) {
    const auto one = take(done);
    if (!one || !one->place) return;
    note(one->id, "refused by " + one->node.name);
    changing(one->id).model.give_up_call(*one->place);
}

void cluster_oracle::end(const call& done) { take(done); }

void cluster_oracle::look(const call& done, const std::optional<track::transaction_view>& view) {
    const auto one = take(done);
    if (!one) return;
    ++step_;
    id_record& record = ids_[one->id];
    const reported_state state = view ? state_of(view->facts.state) : reported_state::none;
    const track::status_kind word = view ? track::classify_status(view->facts.status) : track::status_kind::none;
    const std::optional<int> metadata = view ? std::optional(metadata_of(view->metadata)) : std::nullopt;
    std::vector<episode_model> was;
    for (const auto& [until, model] : record.past) {
        if (until > one->since) was.push_back(model);
    }
    if (was.empty() && record.model.look(state, word, metadata)) return;
    episode_model now = record.model;
    was.push_back(std::move(now));
    const bool is_possible =
        std::any_of(was.begin(), was.end(), [&](episode_model& model) { return model.look(state, word, metadata); });
    if (is_possible) return;
    blame(
        one->id, fmt::format(
                     "is shown as {} ({}) with n={} by {}, but it was {}", to_string(state), to_string(word),
                     metadata.value_or(-1), one->node.name, record.model.text()));
}

void cluster_oracle::on_lost(const node_ref& node) {
    std::vector<std::uint64_t> lost;
    for (const auto& [number, one] : calls_) {
        if (one.node.life == node.life) lost.push_back(number);
    }
    for (const std::uint64_t number : lost) end_unknown({number, std::nullopt});
    for (auto& [id, record] : ids_) record.polled_by.erase(node.life);
    read_up_to_.erase(node.life);
    on_trouble();
}

// ---- readers

void cluster_oracle::on_streamed(const node_ref& node, const api::log_event& event) {
    const std::uint64_t seq = value_of(event.seq);
    const auto known = read_up_to_.find(node.life);
    if (known != read_up_to_.end() && seq != known->second + 1)
        broken_.add("{} shows event {} behind {}", node.name, seq, known->second);
    read_up_to_[node.life] = seq;
    if (!disk_.events.contains(seq)) {
        broken_.add("{} shows event {}, which is not durable", node.name, seq);
    } else if (*event.json != log_bytes(disk_, seq)) {
        broken_.add("{} shows event {} with other bytes than were recorded", node.name, seq);
    }
}

bool cluster_oracle::is_known_everywhere(std::uint64_t seq) const {
    const auto known = committed_at_.find(seq);
    constexpr milliseconds longest_way{8'000};
    return known != committed_at_.end() && clock_.now().steady - std::max(known->second, disturbed_at_) > longest_way;
}

void cluster_oracle::on_page(std::uint64_t after, const api::event_list& page, const std::string& node) {
    for (const api::log_event& event : page.events) {
        const std::uint64_t seq = value_of(event.seq);
        if (seq != ++after) broken_.add("a reader of {} misses event {}", node, after);
        after = seq;
        if (!disk_.events.contains(seq) || *event.json != log_bytes(disk_, seq))
            broken_.add("event {} is read on {} with other bytes than were recorded", seq, node);
    }
}

// ---- the database, Proof and receivers

void cluster_oracle::on_configured(const config::configuration& config) {
    longest_interval_ = config.poll.interval.second;
    deliveries_.on_configured(config.callbacks);
}

void cluster_oracle::on_trouble() {
    on_disturbance();
    deliveries_.on_restart(); // what is under way there may be repeated by another node
}

void cluster_oracle::check_step() {
    while (seen_seq_ < disk_.last_seq) take_event(++seen_seq_);
    if (std::exchange(seen_takeovers_, cluster_.takeovers()) != cluster_.takeovers()) deliveries_.on_restart();
}

void cluster_oracle::take_event(std::uint64_t seq) {
    committed_at_[seq] = clock_.now().steady;
    const auto read = read_event(log_bytes(disk_, seq));
    if (!read || read->seq != seq) {
        broken_.add("event {} cannot be read", seq);
        return;
    }
    const auto [known, is_first] = event_ids_.emplace(read->id, seq);
    if (!is_first) broken_.add("{} stands twice in the log, as {} and {}", read->id, known->second, seq);
    const std::string& id = read->transaction;
    id_record& record = changing(id);
    const std::string before = record.model.text();
    const auto verdict = record.model.tell(
        read->reported, [&](const possible_state& one) { return is_caused(record, read->reported, one); });
    note(id, fmt::format("event {} {} {}", seq, to_string(read->reported.type), to_string(read->reported.word)));
    if (verdict == episode_model::verdict::impossible)
        blame(id, fmt::format("{} {} cannot follow, it was {}", read->id, to_string(read->reported.type), before));
    if (verdict == episode_model::verdict::uncaused)
        blame(id, fmt::format("{} {} without a cause", read->id, to_string(read->reported.type)));
    const auto& states = record.model.states();
    const auto has_url = [](const possible_state& one) { return one.options.url != 0; };
    deliveries_.on_event(
        *read, std::any_of(states.begin(), states.end(), has_url), std::all_of(states.begin(), states.end(), has_url));
}

bool cluster_oracle::is_caused(
    const id_record& record, const reported_event& event, const possible_state& state) const {
    switch (event.type) {
    case track::event_type::completed:
    case track::event_type::failed:
    case track::event_type::cancelled:
    case track::event_type::reversed:
        return record.last_of_word[static_cast<std::size_t>(event.word)] > state.opened_by;
    default:
        return true;
    }
}

void cluster_oracle::check_hold(const node_ref& node, const std::string& what) {
    if (held_since_ && disk_.maintenance && clock_.now().steady - *held_since_ > pause_reach)
        broken_.add("{} by {} within maintenance", what, node.name);
}

void cluster_oracle::on_poll_started(const node_ref& node, const std::string& id) {
    ++step_;
    id_record& record = ids_[id];
    const auto row = disk_.transactions.find(id);
    if (row == disk_.transactions.end()) {
        broken_.add("{} polls {}, which nobody tracks", node.name, id);
        return;
    }
    const std::uint8_t shard = fake_disk::shard_of(row->second);
    note(id, "polled by " + node.name);
    if (row->second.facts.watched) check_hold(node, id + " is polled");
    // One that is given up is asked about by whoever was asked to.
    if (row->second.facts.watched && !cluster_.is_owner(shard, node.name, node.boot))
        blame(
            id, fmt::format(
                    "is polled by {}, and its shard {} is owned by '{}'", node.name, shard, cluster_.owner_of(shard)));
    if (!record.polled_by.insert(node.life).second) blame(id, "has two polls in flight from " + node.name);
    const steady_time now = clock_.now().steady;
    record.last_poll = {node.life, now};
    record.asked_at = now;
}

void cluster_oracle::on_poll_answered(const node_ref& node, const std::string& id, const proof_answer& answer) {
    ++step_;
    id_record& record = ids_[id];
    record.polled_by.erase(node.life);
    if (answer.word.empty()) return;
    note(id, fmt::format("served {} to {}", answer.word, node.name));
    record.last_of_word[static_cast<std::size_t>(track::classify_status(answer.word))] = step_;
}

void cluster_oracle::check_gaps(bool is_anybody_well) {
    const steady_time now = clock_.now().steady;
    if (!is_anybody_well || disk_.maintenance) disturbed_at_ = now;
    if (!checks_gaps) return;
    for (const auto& [id, row] : disk_.transactions) {
        id_record& record = ids_[id];
        if (std::exchange(record.revision, row.revision) != row.revision) record.asked_at = now;
        if (!row.facts.watched || row.facts.state != track::tracking_state::tracking) continue;
        ++gaps_checked_;
        longest_gap_ = std::max(longest_gap_, std::chrono::floor<milliseconds>(now - record.asked_at));
        const steady_time since = std::max(record.asked_at, disturbed_at_);
        if (now - since <= takeover + longest_interval_ + late_by) continue;
        const std::uint8_t shard = fake_disk::shard_of(row);
        blame(
            id, fmt::format(
                    "has not been polled for {} ms although somebody could (shard {} of '{}')",
                    std::chrono::floor<milliseconds>(now - record.asked_at).count(), shard, cluster_.owner_of(shard)));
        record.asked_at = now;
    }
}

void cluster_oracle::on_attempt(const node_ref& node, const callback::delivery_job& job) {
    if (job.event_type == to_string(track::event_type::test)) return;
    if (!event_ids_.contains(job.event_id)) {
        broken_.add("{} attempts {} of {}, which is not durable", node.name, job.event_id, job.transaction);
        return;
    }
    const auto row = disk_.rows.find(value_of(job.id));
    if (row == disk_.rows.end()) return; // of a replay that another node has just cancelled
    note(
        job.transaction, fmt::format("{} attempts {} for {} ({})", node.name, job.event_id, job.callback, job.attempt));
    check_hold(node, job.event_id + " is attempted");
    if (*row->second.body != *job.body) broken_.add("{} is sent with other bytes than were recorded", job.event_id);
    const std::uint8_t shard = shard_of_row(static_cast<std::int64_t>(disk_.number_of(row->second)));
    if (!cluster_.is_owner(shard, node.name, node.boot))
        blame(
            job.transaction, fmt::format(
                                 "{} is attempted by {}, and its shard {} is owned by '{}'", job.event_id, node.name,
                                 shard, cluster_.owner_of(shard)));
    const auto paused = paused_.find(job.callback);
    if (paused != paused_.end() && disk_.pauses.contains(job.callback) &&
        clock_.now().steady - paused->second > pause_reach)
        broken_.add("{} goes to {} from {}, which is paused", job.event_id, job.callback, node.name);
    deliveries_.on_attempt(job, true);
}

void cluster_oracle::on_attempt_answered(
    const callback::delivery_job& job, callback::delivery_outcome::verdict verdict) {
    deliveries_.on_answer(job, verdict);
}

// ---- the end

void cluster_oracle::check_end() {
    for (const auto& [number, one] : calls_)
        broken_.add("a call about '{}' on {} was never answered", one.id, one.node.name);
    std::uint64_t expected = 1;
    for (const auto& [seq, event] : disk_.events) {
        if (seq != expected++) broken_.add("seq has a gap before {}", seq);
    }
    for (const auto& [life, seq] : read_up_to_) {
        if (seq != disk_.last_seq) broken_.add("a stream stands at event {} of {}", seq, disk_.last_seq);
    }
    std::set<std::pair<std::string, std::string>> dead;
    for (const auto& [id, row] : disk_.rows) {
        const auto state = row.view.state;
        if (state == track::delivery_state::pending)
            broken_.add("{} of {} is still pending for {}", row.view.event_id, row.view.transaction.str(), row.lane);
        if (state == track::delivery_state::dead || state == track::delivery_state::dismissed)
            dead.insert({row.view.event_id, row.view.callback});
    }
    deliveries_.check_end(dead);
    for (const auto& [id, replay] : disk_.replays) {
        if (!replay.ended_at) broken_.add("replay {} is not at its end", value_of(id));
    }
    for (const auto& [id, row] : disk_.transactions) {
        const auto truth = proof_.transactions.find(id);
        if (truth == proof_.transactions.end()) continue;
        const auto word = track::classify_status(truth->second.status_at(clock_.now().steady));
        if (is_terminal(word) && row.facts.state == track::tracking_state::tracking)
            blame(id, fmt::format("is still tracked, and Proof says {}", to_string(word)));
        if (ids_[id].model.is_certainly(reported_state::open) && is_terminal(word))
            blame(id, "was acknowledged and is forgotten");
    }
}

} // namespace prooftrack::sim
