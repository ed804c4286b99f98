#pragma once

// One table of every key: it drives the parser, "did you mean", the reload rule, and the tests that hold the reference
// file.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "config/config.hpp"

namespace prooftrack::config {

/// How a value is written.
enum class key_kind : std::uint8_t {
    text,          ///< "…", may be empty
    path,          ///< "…", not empty
    word,          ///< one of `words`
    flag,          ///< true or false
    count,         ///< a whole number
    file_mode,     ///< "0660": octal in a string
    duration,      ///< "5s"
    duration_pair, ///< ["5s", "10s"], the first at most the second
    duration_list, ///< ["10m", "65m"]
    text_list,     ///< ["…", "…"]
};

/// Where a key's value lives.
using config_field = std::variant<
    milliseconds*, std::pair<milliseconds, milliseconds>*, std::vector<milliseconds>*, bool*, std::size_t*,
    std::uint32_t*, std::string*, std::filesystem::path*, std::vector<std::string>*>;

/// One key of the file.
struct config_key {
    std::string_view table; ///< "" = top level, "callback" = in each [[callback]]
    std::string_view name;
    key_kind kind = key_kind::text;
    std::int64_t least = 0; ///< milliseconds (each entry of a list), a number, or bytes of a text
    std::int64_t most = 0;
    bool zero_is_never = false;   ///< "0s" is allowed below `least`
    std::size_t fewest = 0;       ///< entries of a list
    std::size_t most_entries = 0; ///< entries of a list
    std::string_view words{};     ///< of a `word`, separated by spaces
    bool needs_restart = false;   ///< a reload does not apply it
    std::string_view doc;
    config_field (*at)(configuration& config, callback_config& callback) = nullptr;
};

std::span<const config_key> config_keys();
/// The tables of the file, `callback` and `callback_url` included, in the order of the reference.
std::span<const std::string_view> config_tables();
/// nullptr when there is none.
const config_key* find_config_key(std::string_view table, std::string_view name);
/// What to do about a key that earlier versions had, for people; "" = there was none of that name.
std::string_view advice_on_removed_key(std::string_view table, std::string_view name);
/// `proof.base_url`, `stop_timeout`.
std::string full_name(const config_key& key);

/// A value as it is written in the file: `"5s"`, `["5s", "10s"]`, `64`.
std::string format_config_value(const config_key& key, const config_field& field);
/// What the file may say, for people: `50ms to 1d`.
std::string format_config_range(const config_key& key);

} // namespace prooftrack::config
