#include "config/values.hpp"

#include <array>
#include <optional>
#include <string_view>

#include <fmt/format.h>

namespace prooftrack::config {
namespace {

/// Reads the entries of one value and collects what is wrong with them.
class value_reader {
  public:
    explicit value_reader(const config_key& key) : key_(key) {}

    std::vector<value_problem> take_problems() { return std::move(problems_); }

    void read(const toml::node& node, std::string& out) {
        if (const auto text = text_of(node, "a text in quotes"); text && is_word(node, *text)) out = *text;
    }
    void read(const toml::node& node, std::filesystem::path& out) {
        if (const auto text = text_of(node, "a path in quotes")) out = *text;
    }
    void read(const toml::node& node, bool& out) {
        if (const auto* value = node.as_boolean()) {
            out = value->get();
        } else {
            refuse(node, fmt::format("expected true or false without quotes, found {}", type_name(node)));
        }
    }
    void read(const toml::node& node, std::size_t& out) {
        if (const auto number = number_of(node)) out = static_cast<std::size_t>(*number);
    }
    void read(const toml::node& node, std::uint32_t& out) {
        const auto number = key_.kind == key_kind::file_mode ? mode_of(node) : number_of(node);
        if (number) out = static_cast<std::uint32_t>(*number);
    }
    void read(const toml::node& node, milliseconds& out) {
        if (const auto duration = duration_of(node)) out = *duration;
    }
    void read(const toml::node& node, std::pair<milliseconds, milliseconds>& out) {
        const toml::array* list = node.as_array();
        if (list == nullptr || list->size() != 2) {
            refuse(node, "expected two durations, the shortest and the longest, as in [\"5s\", \"10s\"]");
            return;
        }
        const auto low = duration_of(*list->get(0));
        const auto high = duration_of(*list->get(1));
        if (!low || !high) return;
        if (*low > *high) {
            refuse(
                node, fmt::format(
                          "the first must not be longer than the second: write [\"{}\", \"{}\"]",
                          format_duration(*high), format_duration(*low)));
            return;
        }
        out = {*low, *high};
    }
    void read(const toml::node& node, std::vector<milliseconds>& out) {
        read_list(node, out, "durations, as in [\"10m\", \"65m\"]", [this](const toml::node& entry) {
            return duration_of(entry);
        });
    }
    void read(const toml::node& node, std::vector<std::string>& out) {
        read_list(node, out, "texts, as in [\"a\", \"b\"]", [this](const toml::node& entry) {
            return text_of(entry, "a text in quotes");
        });
    }

  private:
    void refuse(const toml::node& node, std::string text) {
        problems_.push_back({position_of(node.source()), std::move(text)});
    }

    static std::string_view type_name(const toml::node& node) {
        switch (node.type()) {
        case toml::node_type::none:
            return "nothing";
        case toml::node_type::table:
            return "a table";
        case toml::node_type::array:
            return "a list";
        case toml::node_type::string:
            return "a text";
        case toml::node_type::integer:
            return "a number";
        case toml::node_type::floating_point:
            return "a number with a fraction";
        case toml::node_type::boolean:
            return "true or false";
        case toml::node_type::date:
        case toml::node_type::time:
        case toml::node_type::date_time:
            return "a date or time";
        }
        return "something else";
    }

    template <class Entry, class Read>
    void read_list(const toml::node& node, std::vector<Entry>& out, std::string_view of_what, Read read_entry) {
        const toml::array* list = node.as_array();
        if (list == nullptr) {
            refuse(node, fmt::format("expected a list of {}, found {}", of_what, type_name(node)));
            return;
        }
        if (list->size() < key_.fewest || list->size() > key_.most_entries) {
            refuse(
                node, fmt::format("expected {} to {} entries, found {}", key_.fewest, key_.most_entries, list->size()));
            return;
        }
        std::vector<Entry> entries;
        for (const toml::node& entry : *list) {
            if (auto value = read_entry(entry)) entries.push_back(std::move(*value));
        }
        if (problems_.empty()) out = std::move(entries);
    }

    std::optional<std::string> text_of(const toml::node& node, std::string_view what) {
        const auto* value = node.as_string();
        if (value == nullptr) {
            refuse(node, fmt::format("expected {}, found {}", what, type_name(node)));
            return std::nullopt;
        }
        const std::string& text = value->get();
        const auto size = static_cast<std::int64_t>(text.size());
        if (size < key_.least || size > key_.most) {
            refuse(
                node, size == 0 ? std::string("must not be empty")
                                : fmt::format("{} bytes are too many: at most {}", size, key_.most));
            return std::nullopt;
        }
        for (const char c : text) {
            if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) continue;
            refuse(node, "must not hold control characters");
            return std::nullopt;
        }
        return text;
    }

    bool is_word(const toml::node& node, std::string_view text) {
        if (key_.kind != key_kind::word) return true;
        std::string_view rest = key_.words;
        while (!rest.empty()) {
            const std::string_view word = rest.substr(0, rest.find(' '));
            if (word == text) return true;
            rest.remove_prefix(std::min(rest.size(), word.size() + 1));
        }
        refuse(node, fmt::format("\"{}\" is not {}", text, format_config_range(key_)));
        return false;
    }

    std::optional<std::int64_t> number_of(const toml::node& node) {
        const auto* value = node.as_integer();
        if (value == nullptr) {
            refuse(node, fmt::format("expected a whole number without quotes, found {}", type_name(node)));
            return std::nullopt;
        }
        if (value->get() < key_.least || value->get() > key_.most) {
            refuse(node, fmt::format("{} is out of range: {}", value->get(), format_config_range(key_)));
            return std::nullopt;
        }
        return value->get();
    }

    std::optional<std::int64_t> mode_of(const toml::node& node) {
        constexpr std::string_view rule = "expected three or four octal digits in quotes, as in \"0660\"";
        const auto* value = node.as_string();
        if (value == nullptr) {
            refuse(node, fmt::format("{}, found {}", rule, type_name(node)));
            return std::nullopt;
        }
        const std::string& text = value->get();
        if (text.size() < 3 || text.size() > 4 || text.find_first_not_of("01234567") != std::string::npos) {
            refuse(node, std::string(rule));
            return std::nullopt;
        }
        std::int64_t mode = 0;
        for (const char c : text) mode = mode * 8 + (c - '0');
        if (mode > key_.most || (mode & key_.least) != key_.least) {
            refuse(
                node,
                "the owner needs read and write, and nothing above 0777 makes sense for a socket: \"0660\" is usual");
            return std::nullopt;
        }
        return mode;
    }

    /// The unit that a person most likely meant: `5 sec`, `5min`, `5` (seconds).
    static std::string likely_duration(std::string_view text) {
        const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
        if (digits == 0 || digits > 9) return "5s";
        const auto letter = text.find_first_not_of(" _-", digits);
        const std::string_view unit = letter == std::string_view::npos ? "" : text.substr(letter);
        if (unit.starts_with("ms") || unit.starts_with("mil")) return fmt::format("{}ms", text.substr(0, digits));
        constexpr std::string_view letters = "smhd";
        const char short_unit =
            unit.empty() || letters.find(unit.front()) == std::string_view::npos ? 's' : unit.front();
        return fmt::format("{}{}", text.substr(0, digits), short_unit);
    }

    std::optional<milliseconds> duration_of(const toml::node& node) {
        if (const auto* number = node.as_integer()) {
            refuse(
                node,
                fmt::format(
                    "a duration needs a unit: write \"{}s\" (ms, s, m, h, d)", number->get() < 0 ? 5 : number->get()));
            return std::nullopt;
        }
        const auto* value = node.as_string();
        if (value == nullptr) {
            refuse(node, fmt::format("expected a duration in quotes, as in \"5s\", found {}", type_name(node)));
            return std::nullopt;
        }
        const auto duration = parse_duration(value->get());
        if (!duration) {
            refuse(
                node, fmt::format(
                          "\"{}\" is not a duration (a whole number and ms, s, m, h or d): did you mean \"{}\"?",
                          value->get().substr(0, 64), likely_duration(value->get())));
            return std::nullopt;
        }
        if (key_.zero_is_never && *duration == milliseconds(0)) return duration;
        if (duration->count() < key_.least || duration->count() > key_.most) {
            refuse(node, fmt::format("{} is out of range: {}", format_duration(*duration), format_config_range(key_)));
            return std::nullopt;
        }
        return duration;
    }

    const config_key& key_;
    std::vector<value_problem> problems_;
};

} // namespace

file_position position_of(const toml::source_region& region) {
    return {static_cast<std::uint32_t>(region.begin.line), static_cast<std::uint32_t>(region.begin.column)};
}

std::vector<value_problem> read_config_value(const toml::node& node, const config_key& key, const config_field& field) {
    value_reader reader(key);
    std::visit([&](auto* target) { reader.read(node, *target); }, field);
    return reader.take_problems();
}

} // namespace prooftrack::config
