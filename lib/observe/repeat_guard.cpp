#include "observe/repeat_guard.hpp"

#include <algorithm>

#include "observe/event_table.hpp"

namespace prooftrack::observe {
namespace {

constexpr std::size_t most_compared = 128;

/// The values that make two lines the same, as text.
std::string sameness(std::string_view repeat, std::span<const log_field> fields) {
    std::string same;
    for_each_word(repeat, [&](std::string_view key) {
        const auto field = std::find_if(fields.begin(), fields.end(), [&](const log_field& f) { return f.key == key; });
        if (field == fields.end()) return;
        if (!same.empty()) same += ' ';
        same += key;
        same += '=';
        same += std::string_view(field->value).substr(0, most_compared);
    });
    return same;
}

std::string id_of(std::span<const log_field> fields) {
    for (const log_field& field : fields) {
        if (field.key == "merchant_transaction_id") return std::string(std::string_view(field.value));
    }
    return {};
}

std::string map_key(log_event_id event, std::string_view same) {
    std::string key(1, static_cast<char>(event));
    key += same;
    return key;
}

} // namespace

bool repeat_guard::admits(
    log_event_id event, std::span<const log_field> fields, steady_time now, std::vector<suppressed_lines>& summaries) {
    const std::string_view repeat = info_of(event).repeat;
    if (repeat.empty()) return true;
    std::string same = sameness(repeat, fields);
    auto found = windows_.find(map_key(event, same));
    if (found == windows_.end() && windows_.size() >= max_repeat_keys) {
        same = "(many)";
        found = windows_.find(map_key(event, same));
    }
    if (found != windows_.end() && now - found->second.begin >= repeat_window) {
        if (found->second.suppressed > 0) summaries.push_back({event, found->second.same, found->second.suppressed});
        windows_.erase(found);
        found = windows_.end();
    }
    if (found == windows_.end()) {
        found = windows_.emplace(map_key(event, same), window{event, same, now}).first;
        next_expiry_ = std::min(next_expiry_, now + repeat_window);
    }
    window& current = found->second;
    std::string id = event == log_event_id::poll_error ? id_of(fields) : std::string();
    if (current.written == lines_per_window ||
        (!id.empty() && std::find(current.ids.begin(), current.ids.end(), id) != current.ids.end())) {
        ++current.suppressed;
        return false;
    }
    ++current.written;
    if (!id.empty()) current.ids.push_back(std::move(id));
    return true;
}

void repeat_guard::expire(steady_time now, std::vector<suppressed_lines>& summaries) {
    if (now < next_expiry_) return;
    next_expiry_ = steady_time::max();
    for (auto at = windows_.begin(); at != windows_.end();) {
        const window& current = at->second;
        if (now - current.begin < repeat_window) {
            next_expiry_ = std::min(next_expiry_, current.begin + repeat_window);
            ++at;
            continue;
        }
        if (current.suppressed > 0) summaries.push_back({current.event, current.same, current.suppressed});
        at = windows_.erase(at);
    }
}

void repeat_guard::end_all(std::vector<suppressed_lines>& summaries) {
    for (const auto& [key, current] : windows_) {
        if (current.suppressed > 0) summaries.push_back({current.event, current.same, current.suppressed});
    }
    windows_.clear();
    next_expiry_ = steady_time::max();
}

} // namespace prooftrack::observe
