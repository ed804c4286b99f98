#include "config/parse.hpp"
#include "config/stray_character.hpp"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "config/bounded_file.hpp"
#include "config/document.hpp"
#include "config/key_table.hpp"
#include "config/nearest.hpp"
#include "config/validate.hpp"
#include "config/values.hpp"

namespace prooftrack::config {
namespace {

/// Walks the parsed file by the key table.
class document_reader {
  public:
    explicit document_reader(config_document& document) : document_(document) {}

    void read_root(const toml::table& root) {
        callback_config unused;
        for (const auto& [name, node] : root) {
            if (const config_key* key = find_config_key("", name.str())) {
                read_key(*key, std::string(name.str()), name, node, unused);
            } else if (name.str() == "callback") {
                read_callbacks(name, node);
            } else if (is_table_name(name.str())) {
                read_named_table(name, node);
            } else {
                refuse_unknown("", "", name, node);
            }
        }
    }

  private:
    static bool is_table_name(std::string_view name) {
        const auto tables = config_tables();
        return !name.empty() && std::find(tables.begin(), tables.end(), name) != tables.end();
    }

    void read_key(
        const config_key& key, const std::string& path, const toml::key& name, const toml::node& node,
        callback_config& callback) {
        document_.places.add(path, position_of(name.source()));
        for (auto& problem : read_config_value(node, key, key.at(document_.value, callback))) {
            document_.refuse_at(problem.where, path, std::move(problem.text));
        }
    }

    void read_table(
        std::string_view table_name, const std::string& prefix, const toml::table& table, callback_config& callback) {
        for (const auto& [name, node] : table) {
            const std::string path = fmt::format("{}.{}", prefix, name.str());
            if (const config_key* key = find_config_key(table_name, name.str())) {
                read_key(*key, path, name, node, callback);
            } else {
                refuse_unknown(table_name, prefix, name, node);
            }
        }
    }

    void read_named_table(const toml::key& name, const toml::node& node) {
        const std::string path(name.str());
        document_.places.add(path, position_of(node.source()));
        const toml::table* table = node.as_table();
        if (table == nullptr) {
            document_.refuse_at(
                position_of(node.source()), path,
                node.is_array_of_tables() ? fmt::format("there is one such table: write [{}]", path)
                                          : fmt::format("expected a table: write [{}] and its keys below it", path));
            return;
        }
        callback_config unused;
        read_table(path, path, *table, unused);
    }

    void read_callbacks(const toml::key& name, const toml::node& node) {
        const toml::array* list = node.as_array();
        const bool only_tables = list != nullptr && (list->empty() || node.is_array_of_tables());
        if (!only_tables) {
            document_.refuse_at(position_of(name.source()), "callback", "write [[callback]], one for each callback");
            return;
        }
        if (list->size() > max_callbacks) {
            document_.refuse_at(
                position_of(name.source()), "callback",
                fmt::format("{} callbacks are too many: at most {}", list->size(), max_callbacks));
            return;
        }
        for (const toml::node& entry : *list) {
            const std::string path = fmt::format("callback[{}]", document_.value.callbacks.size());
            document_.places.add(path, position_of(entry.source()));
            callback_config& callback = document_.value.callbacks.emplace_back();
            read_table("callback", path, *entry.as_table(), callback);
        }
    }

    void refuse_unknown(
        std::string_view table_name, const std::string& prefix, const toml::key& name, const toml::node& node) {
        const std::string shown(name.str().substr(0, 64));
        const std::string path = prefix.empty() ? shown : fmt::format("{}.{}", prefix, shown);
        const std::string_view advice = advice_on_removed_key(table_name, shown);
        if (!advice.empty()) return document_.refuse_at(position_of(name.source()), path, std::string(advice));
        const bool wants_table = table_name.empty() && (node.is_table() || node.is_array_of_tables());
        std::vector<std::string_view> candidates;
        if (wants_table) {
            for (const std::string_view table : config_tables()) {
                if (!table.empty()) candidates.push_back(table);
            }
        } else {
            for (const config_key& key : config_keys()) {
                if (key.table == table_name) candidates.push_back(key.name);
            }
        }
        const nearest_word nearest = find_nearest(shown, candidates);
        std::string suggestion =
            table_name.empty() ? std::string(nearest.word) : fmt::format("{}.{}", table_name, nearest.word);
        bool is_close = nearest.is_close;
        if (!is_close && !wants_table) {
            // A key under the wrong heading is commoner than one that is spelt beyond recognition.
            for (const config_key& key : config_keys()) {
                if (key.name != shown) continue;
                suggestion = full_name(key);
                is_close = true;
                break;
            }
        }
        const char* what = wants_table ? "table" : "key";
        document_.refuse_at(
            position_of(name.source()), path,
            is_close ? fmt::format("unknown {}; did you mean {}?", what, suggestion)
                     : fmt::format("unknown {}; the nearest valid one is {}", what, suggestion),
            suggestion);
    }

    config_document& document_;
};

/// The first line that is too long, counted from 1; 0 = none. toml++ recurses once for each part of a dotted key, so
/// the length of a line bounds its use of the stack.
std::uint32_t find_overlong_line(std::string_view text) {
    for (std::uint32_t line = 1; !text.empty(); ++line) {
        const auto length = std::min(text.find('\n'), text.size());
        if (length > max_line_bytes) return line;
        text.remove_prefix(std::min(length + 1, text.size()));
    }
    return 0;
}

} // namespace

void order_and_bound(config_mistakes& mistakes) {
    std::stable_sort(mistakes.begin(), mistakes.end(), [](const config_mistake& a, const config_mistake& b) {
        return std::tie(a.line, a.column) < std::tie(b.line, b.column);
    });
    if (mistakes.size() <= max_reported_mistakes) return;
    const std::size_t more = mistakes.size() - max_reported_mistakes;
    mistakes.resize(max_reported_mistakes);
    mistakes.push_back({mistakes.front().file, 0, 0, {}, fmt::format("and {} more mistakes", more), {}});
}

namespace {

configuration_draft refused_draft(config_mistake mistake) {
    configuration_draft draft;
    draft.mistakes.push_back(std::move(mistake));
    return draft;
}

} // namespace

configuration_draft draft_configuration(
    std::string_view toml, const std::string& file_name, const config_surroundings& surroundings) {
    if (toml.size() > max_configuration_bytes)
        return refused_draft({file_name, 0, 0, {}, fmt::format("larger than {} bytes", max_configuration_bytes), {}});
    if (const auto line = find_overlong_line(toml); line != 0) {
        const std::string problem =
            fmt::format("a line has at most {} bytes: write a list over several", max_line_bytes);
        return refused_draft({file_name, line, 1, {}, problem, {}});
    }
    if (const auto stray = find_stray_character(toml)) {
        const char* problem = "not TOML: outside of strings and comments there is only ASCII";
        return refused_draft({file_name, stray->line, stray->column, {}, problem, {}});
    }
    const toml::parse_result parsed = toml::parse(toml, file_name);
    if (!parsed) {
        const toml::parse_error& error = parsed.error();
        const file_position where = position_of(error.source());
        return refused_draft(
            {file_name, where.line, where.column, {}, fmt::format("not TOML: {}", error.description()), {}});
    }
    config_document document(file_name);
    document_reader(document).read_root(parsed.table());
    validate_configuration(document, surroundings);
    configuration_draft draft;
    if (document.mistakes.empty()) draft.warnings = configuration_warnings(document.value);
    draft.is_toml = true;
    draft.value = std::move(document.value);
    draft.places = std::move(document.places);
    draft.broken = std::move(document.broken);
    draft.mistakes = std::move(document.mistakes);
    order_and_bound(draft.mistakes);
    return draft;
}

configuration_outcome parse_configuration(
    std::string_view toml, const std::string& file_name, const config_surroundings& surroundings) {
    configuration_draft draft = draft_configuration(toml, file_name, surroundings);
    if (!draft.mistakes.empty()) return std::move(draft.mistakes);
    return configuration_reading{std::move(draft.value), std::move(draft.warnings)};
}

configuration_draft load_configuration(
    const std::filesystem::path& file, const config_surroundings& surroundings, const file_reader& read) {
    const auto content = read(file, max_configuration_bytes);
    if (!content) return refused_draft({file.string(), 0, 0, {}, content.error().message(), {}});
    return draft_configuration(content->text, file.string(), surroundings);
}

} // namespace prooftrack::config
