#include "config/key_table.hpp"

#include <fstream>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/parse.hpp"

namespace prooftrack::config {
namespace {

/// The reference with its commented examples switched on, and the values written there by full name.
struct reference_file {
    std::string text;
    std::map<std::string, std::string> values; ///< first occurrence
    std::map<std::string, std::string> comments;
};

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(' ');
    return first == std::string_view::npos ? std::string_view()
                                           : text.substr(first, text.find_last_not_of(' ') - first + 1);
}

/// Where the comment behind a value begins; a # inside quotes is none.
std::size_t comment_begin(std::string_view line) {
    bool quoted = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] == '"') quoted = !quoted;
        if (line[i] == '#' && !quoted) return i;
    }
    return line.size();
}

reference_file read_reference() {
    std::ifstream in(PROOFTRACK_SOURCE_DIR "/conf/prooftrackd.toml");
    EXPECT_TRUE(in.good());
    reference_file file;
    std::string table;
    std::string written;
    while (std::getline(in, written)) {
        const bool is_example = written.size() > 1 && written[0] == '#' && written[1] != ' ';
        const std::string line = is_example ? written.substr(1) : written;
        file.text += line + "\n";
        const auto comment = comment_begin(line);
        const std::string_view content = trimmed(std::string_view(line).substr(0, comment));
        const auto equals = content.find('=');
        if (content.starts_with('[')) {
            const auto name = content.find_first_not_of('[');
            table = content.substr(name, content.find(']') - name);
        } else if (equals != std::string_view::npos) {
            const std::string name =
                (table.empty() ? "" : table + ".") + std::string(trimmed(content.substr(0, equals)));
            file.values.emplace(name, trimmed(content.substr(equals + 1)));
            file.comments.emplace(name, line.substr(comment));
        } else if (!content.empty()) {
            ADD_FAILURE() << "neither heading, key nor comment: " << line;
        }
    }
    return file;
}

/// Two spellings of one value: people write 24h for a day, and the manual's markup escapes a star.
std::string normal_form(std::string text) {
    for (const auto& [from, to] : {std::pair{"\"24h\"", "\"1d\""}, std::pair{"\\*", "*"}}) {
        const auto at = text.find(from);
        if (at != std::string::npos) text.replace(at, std::string_view(from).size(), to);
    }
    return text;
}

/// Keys without a default show an example in the reference.
const std::set<std::string> without_default{
    "proof.base_url", "callback.name", "callback.url", "callback.command", "callback.secret_file"};

TEST(KeyTable, TheReferenceHasEveryKeyAndNoOther) {
    const reference_file reference = read_reference();
    std::set<std::string> in_table;
    for (const config_key& key : config_keys()) in_table.insert(full_name(key));
    EXPECT_EQ(in_table.size(), config_keys().size()) << "a key stands twice in the table";
    std::set<std::string> in_reference;
    for (const auto& [name, value] : reference.values) in_reference.insert(name);
    EXPECT_EQ(in_reference, in_table);
}

TEST(KeyTable, TheReferenceShowsTheDefaults) {
    const reference_file reference = read_reference();
    configuration config;
    callback_config callback;
    for (const config_key& key : config_keys()) {
        const std::string name = full_name(key);
        if (without_default.contains(name)) continue;
        EXPECT_EQ(normal_form(reference.values.at(name)), format_config_value(key, key.at(config, callback))) << name;
    }
}

TEST(KeyTable, TheReferenceSaysWhatNeedsARestart) {
    const reference_file reference = read_reference();
    for (const config_key& key : config_keys()) {
        const std::string& comment = reference.comments.at(full_name(key));
        EXPECT_FALSE(comment.empty()) << full_name(key) << " has no comment";
        EXPECT_EQ(comment.find("(restart)") != std::string::npos, key.needs_restart) << full_name(key);
    }
}

TEST(KeyTable, TheReferenceIsValidWithAndWithoutItsExamples) {
    const auto with_examples = parse_configuration(read_reference().text, "prooftrackd.toml");
    if (const auto* mistakes = std::get_if<config_mistakes>(&with_examples)) {
        for (const auto& mistake : *mistakes) ADD_FAILURE() << format_mistake(mistake);
    } else {
        EXPECT_EQ(std::get<configuration_reading>(with_examples).value.callbacks.size(), 2U);
        EXPECT_THAT(std::get<configuration_reading>(with_examples).warnings, testing::IsEmpty());
    }
    const auto as_it_is = load_configuration(PROOFTRACK_SOURCE_DIR "/conf/prooftrackd.toml");
    ASSERT_TRUE(as_it_is.mistakes.empty());
    configuration defaults;
    defaults.proof.base_url = "https://proof.example";
    EXPECT_EQ(as_it_is.value, defaults);
}

TEST(KeyTable, EveryKeyIsDocumentedAndItsDefaultIsInRange) {
    configuration config;
    callback_config callback;
    for (const config_key& key : config_keys()) {
        EXPECT_FALSE(key.doc.empty()) << full_name(key);
        EXPECT_FALSE(format_config_range(key).empty()) << full_name(key);
        EXPECT_EQ(find_config_key(key.table, key.name), &key);
        if (without_default.contains(full_name(key))) continue;
        const std::string line =
            std::string(key.name) + " = " + format_config_value(key, key.at(config, callback)) + "\n";
        std::string text = "[proof]\nbase_url = \"https://proof.example\"\n";
        if (key.table.empty()) {
            text = line + text;
        } else if (key.table == "proof") {
            text += line;
        } else if (key.table == "callback") {
            text += "[[callback]]\nname = \"a\"\nurl = \"https://x.example\"\nsecret_file = \"/s\"\n" + line;
        } else {
            text += "[" + std::string(key.table) + "]\n" + line;
        }
        EXPECT_TRUE(std::holds_alternative<configuration_reading>(parse_configuration(text, "x"))) << text;
    }
}

/// prooftrackd.toml(5): for each table the paragraphs of its keys, `*name* = default` and what follows.
std::map<std::string, std::string> read_manual() {
    std::ifstream in(PROOFTRACK_SOURCE_DIR "/daemon/man/prooftrackd.toml.5.scd");
    EXPECT_TRUE(in.good());
    std::map<std::string, std::string> paragraphs;
    std::string table;
    std::string name;
    std::string line;
    while (std::getline(in, line)) {
        if (line.starts_with("# ")) {
            const auto open = line.find_first_of('[');
            const auto begin = line.find_first_not_of('[', open);
            table = open == std::string::npos ? "" : line.substr(begin, line.find(']') - begin);
            name.clear();
        } else if (line.starts_with('*') && line.find('*', 1) != std::string::npos) {
            const std::string key = line.substr(1, line.find('*', 1) - 1);
            name = table.empty() ? key : table + "." + key;
            paragraphs[name] = line + "\n";
        } else if (!name.empty()) {
            paragraphs[name] += line + "\n";
        }
    }
    return paragraphs;
}

TEST(KeyTable, TheManualHasEveryKeyWithItsDefault) {
    const auto manual = read_manual();
    configuration config;
    callback_config callback;
    for (const config_key& key : config_keys()) {
        const std::string name = full_name(key);
        const auto found = manual.find(name);
        if (found == manual.end()) {
            ADD_FAILURE() << name << " is not in prooftrackd.toml(5)";
            continue;
        }
        EXPECT_EQ(found->second.find("restart") != std::string::npos, key.needs_restart) << name;
        if (without_default.contains(name)) continue;
        const std::string first_line = normal_form(found->second.substr(0, found->second.find('\n')));
        EXPECT_THAT(first_line, testing::HasSubstr(" = " + format_config_value(key, key.at(config, callback)))) << name;
    }
}

} // namespace
} // namespace prooftrack::config
