#include "support/fake_nodes.hpp"

#include <algorithm>

#include "support/virtual_time.hpp"

namespace prooftrack::store {

bool fake_nodes::take_name(const std::string& name, const std::string& boot, const std::string& known_dead) {
    const steady_time now = clock_.now().steady;
    const auto found = members_.find(name);
    if (found != members_.end()) {
        const member& holder = found->second;
        const bool is_over = holder.state == node_state::gone || holder.expires < now;
        if (!is_over && holder.boot != boot && holder.boot != known_dead) return false;
    }
    members_[name] = {boot, node_state::living, now, now + lease_length};
    ++batch_;
    return true;
}

bool fake_nodes::renew(const std::string& name, const std::string& boot) {
    if (!may_write(name, boot)) return false;
    member& self = members_.at(name);
    self.seen = clock_.now().steady;
    self.expires = self.seen + lease_length;
    return true;
}

bool fake_nodes::may_write(const std::string& name, const std::string& boot) const {
    const auto found = members_.find(name);
    return found != members_.end() && found->second.boot == boot && found->second.state != node_state::gone;
}

void fake_nodes::bury_expired(const std::string& except) {
    for (auto& [name, one] : members_) {
        if (name != except && one.expires < clock_.now().steady) one.state = node_state::gone;
    }
}

bool fake_nodes::are_others_there(const std::string& name) const {
    return std::any_of(members_.begin(), members_.end(), [&](const auto& each) {
        return each.first != name && each.second.state != node_state::gone;
    });
}

/// As the statement of claim_shards does it.
std::vector<fake_nodes::gain> fake_nodes::take(const std::string& name, const std::string& boot, const claim& wanted) {
    if (!may_write(name, boot) || members_.at(name).state != node_state::living) return {};
    if (wanted.buries) bury_expired(name);
    const steady_time now = clock_.now().steady;
    const bool has_others = are_others_there(name);
    std::array<gain, 3> ways;
    std::map<std::pair<std::string, std::size_t>, std::size_t> moved;
    for (std::size_t i = 0; i < shard_count; ++i) {
        if (!wanted.shards.test(i)) continue;
        const std::string former = owners_[i];
        const auto known = members_.find(former);
        const bool is_own = former == name;
        const bool is_free = former.empty() || known == members_.end() || (is_own && !wanted.mine.test(i)) ||
                             known->second.state == node_state::gone;
        if (!is_free) continue;
        milliseconds silent{0};
        if (is_own) silent = lease_length;
        if (!former.empty() && !is_own) silent = std::chrono::floor<milliseconds>(now - known->second.seen);
        shard_gain how = shard_gain::unowned;
        if (former.empty() && was_owned_.test(i) && (has_others || wanted.mine.any())) how = shard_gain::handed_over;
        const bool was_there = !is_own && now - wanted.joined > silent - lease_length;
        if (!former.empty() && (has_others || was_there)) how = shard_gain::taken_over;
        owners_[i] = name;
        was_owned_.set(i);
        gain& one = ways.at(static_cast<std::size_t>(how));
        one.how = how;
        one.shards.set(i);
        one.silent = std::max(one.silent, silent);
        ++moved[{former, static_cast<std::size_t>(how)}];
        if (how == shard_gain::taken_over) ++takeovers_;
    }
    for (const auto& [from, count] : moved)
        moves_.insert(
            moves_.begin(), {clock_.true_wall(), name, from.first, count, static_cast<shard_gain>(from.second)});
    if (moves_.size() > 50) moves_.resize(50);
    ++batch_;
    std::vector<gain> gained;
    for (const gain& each : ways) {
        if (each.shards.any()) gained.push_back(each);
    }
    return gained;
}

void fake_nodes::free(const std::string& name, const std::string& boot, const shard_set& shards) {
    if (!may_write(name, boot)) return;
    for (std::size_t i = 0; i < shard_count; ++i) {
        if (shards.test(i) && owners_[i] == name) owners_[i].clear();
    }
}

void fake_nodes::begin_leaving(const std::string& name, const std::string& boot) {
    if (may_write(name, boot)) members_.at(name).state = node_state::leaving;
}

void fake_nodes::end(const std::string& name, const std::string& boot) {
    if (!may_write(name, boot)) return;
    free(name, boot, all_shards());
    member& self = members_.at(name);
    self.state = node_state::gone;
    self.seen = clock_.now().steady;
    self.expires = self.seen;
}

cluster_view fake_nodes::view() const {
    cluster_view view;
    view.owners.fill(-1);
    view.moves = moves_;
    for (const auto& [name, one] : members_) {
        cluster_node node;
        node.id = name;
        node.state = one.state;
        node.version = "sim";
        node.seen_ago = std::chrono::floor<seconds>(clock_.now().steady - one.seen);
        for (std::size_t i = 0; i < shard_count; ++i) {
            if (owners_[i] != name) continue;
            ++node.shards;
            view.owners[i] = static_cast<std::int16_t>(view.nodes.size());
        }
        view.nodes.push_back(std::move(node));
    }
    return view;
}

void fake_nodes::notify(const fake_node& from) {
    for (fake_node* const each : present_) {
        if (each != &from) each->on_notification();
    }
}

} // namespace prooftrack::store
