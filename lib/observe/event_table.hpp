#pragma once

// The one table of what is logged: names, levels, keys and meanings. Man page, journal catalog and tests are held
// against it.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "observe/log.hpp"

namespace prooftrack::observe {

/// How often lines of one event may repeat: at most `lines_per_window` a `repeat_window` for equal values of the
/// `repeat` keys.
inline constexpr int lines_per_window = 5;

/// One kind of line.
struct log_event_info {
    log_event_id id;
    std::string_view name; ///< as in `event=`
    log_level level;
    std::string_view keys;       ///< every key that it may have, separated by spaces
    std::string_view repeat;     ///< keys that make two lines "the same", `*` = the event alone, "" = every line counts
    std::string_view message_id; ///< 32 hex digits of its journal catalog entry, "" = none: no action needed
    std::string_view meaning;    ///< a sentence for people
};

std::span<const log_event_info> log_events();
const log_event_info& info_of(log_event_id event);
/// nullptr when there is none.
const log_event_info* find_log_event(std::string_view name);
/// A field's key as it is written: what every line has (`ts`, `level`, `event`) is not written twice.
std::string_view shown_key(std::string_view key);
/// Keys of `fields` that the table does not give to `event`: tests of the modules that log expect none.
std::vector<std::string> unregistered_keys(log_event_id event, std::span<const log_field> fields);

/// Calls `use` with each word of a list separated by spaces.
template <class Use>
void for_each_word(std::string_view words, Use use) {
    while (!words.empty()) {
        const auto end = words.find(' ');
        if (end != 0) use(words.substr(0, end));
        words.remove_prefix(end == std::string_view::npos ? words.size() : end + 1);
    }
}

} // namespace prooftrack::observe
