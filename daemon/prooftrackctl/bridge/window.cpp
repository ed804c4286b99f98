#include "prooftrackctl/bridge/window.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "base/expects.hpp"

namespace prooftrack::ctl {

void bridge_window::fill(std::vector<item> items) {
    expects(items_.empty(), "bridge_window: filled before it was empty");
    expects(items.size() <= max_bridge_window, "bridge_window: too many messages");
    clear();
    std::map<std::string_view, std::size_t> last;
    items_.reserve(items.size()); // `last` points into it
    for (item& each : items) {
        entry made;
        made.what = std::move(each);
        items_.push_back(std::move(made));
        entry& placed = items_.back();
        const std::size_t index = items_.size() - 1;
        const auto [found, is_first] = last.try_emplace(placed.what.transaction, index);
        if (is_first) continue;
        placed.predecessor = found->second;
        found->second = index;
    }
}

void bridge_window::clear() {
    items_.clear();
    earlier_tags_ += tags_.size();
    tags_.clear();
    confirmed_ = refused_ = in_flight_ = acknowledged_ = 0;
}

std::optional<std::size_t> bridge_window::next() const {
    if (is_refused()) return std::nullopt;
    for (std::size_t index = acknowledged_; index < items_.size(); ++index) {
        const entry& one = items_[index];
        if (one.how != progress::waiting) continue;
        if (one.predecessor == nothing || items_[one.predecessor].how == progress::confirmed) return index;
    }
    return std::nullopt;
}

void bridge_window::published(std::size_t index) {
    expects(next() == index, "bridge_window: published out of turn");
    items_[index].how = progress::published;
    tags_.push_back(index);
    ++in_flight_;
}

void bridge_window::settle(std::size_t index, progress how) {
    entry& one = items_[index];
    if (one.how != progress::published) return;
    one.how = how;
    --in_flight_;
    ++(how == progress::confirmed ? confirmed_ : refused_);
}

void bridge_window::settle_tags(std::uint64_t tag, bool with_those_before, progress how) {
    const std::uint64_t last = earlier_tags_ + tags_.size();
    if (tag == 0 && with_those_before) tag = last; // AMQP: all that are out
    if (tag <= earlier_tags_ || tag > last) return;
    const std::uint64_t behind = tag - earlier_tags_;
    for (std::uint64_t each = with_those_before ? 0 : behind - 1; each < behind; ++each) settle(tags_[each], how);
}

void bridge_window::confirm(std::uint64_t tag, bool with_those_before) {
    settle_tags(tag, with_those_before, progress::confirmed);
}

void bridge_window::refuse(std::uint64_t tag, bool with_those_before) {
    settle_tags(tag, with_those_before, progress::refused);
}

void bridge_window::refuse(std::string_view id) {
    for (std::size_t index = 0; index < items_.size(); ++index) {
        if (items_[index].what.id == id) settle(index, progress::refused);
    }
}

void bridge_window::begin_again() {
    for (entry& one : items_) {
        if (one.how != progress::confirmed) one.how = progress::waiting;
    }
    tags_.clear();
    earlier_tags_ = 0;
    refused_ = in_flight_ = 0;
}

std::optional<std::uint64_t> bridge_window::acknowledgeable() const {
    std::size_t end = acknowledged_;
    while (end < items_.size() && items_[end].how == progress::confirmed) ++end;
    if (end == acknowledged_) return std::nullopt;
    return items_[end - 1].what.seq;
}

std::size_t bridge_window::acknowledged(std::uint64_t seq) {
    const std::size_t before = acknowledged_;
    while (acknowledged_ < items_.size() && items_[acknowledged_].what.seq <= seq) {
        expects(items_[acknowledged_].how == progress::confirmed, "bridge_window: not confirmed yet");
        ++acknowledged_;
    }
    const std::size_t count = acknowledged_ - before;
    if (acknowledged_ == items_.size()) clear();
    return count;
}

} // namespace prooftrack::ctl
