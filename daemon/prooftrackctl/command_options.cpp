#include "prooftrackctl/command_options.hpp"

#include <algorithm>
#include <utility>

#include "base/ids.hpp"
#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

CLI::Validator is_transaction_id() {
    return {
        [](std::string& text) {
            return transaction_id::parse(text) ? std::string() : std::string(transaction_id_rule);
        },
        "", "id"};
}

CLI::Validator is_duration() {
    return {
        [](std::string& text) {
            if (parse_duration(text)) return std::string();
            return "'" + text + "' is not a duration: a whole number and a unit, as 250ms, 5s, 10m, 24h or 7d";
        },
        "", "duration"};
}

CLI::Validator is_time() {
    return {
        [](std::string& text) {
            if (time_or_date(text) || parse_duration(text)) return std::string();
            return "'" + text + "' is not a time: 2026-04-01, 2026-04-01T10:03:45Z, or that long ago: 90s, 24h, 7d";
        },
        "", "time"};
}

CLI::Validator is_whole_number() {
    return {
        [](std::string& text) {
            const bool digits =
                !text.empty() && text.size() <= 18 && text.find_first_not_of("0123456789") == std::string::npos;
            return digits ? std::string() : "'" + text + "' is not a whole number";
        },
        "", "number"};
}

CLI::Validator is_positive() {
    return {
        [](std::string& text) {
            return text.find_first_of("123456789") != std::string::npos ? std::string() : "at least 1";
        },
        "", "positive"};
}

void add_member(
    std::vector<std::pair<std::string, std::string>>& members, const std::string& option, std::string name,
    std::string value) {
    const bool is_there =
        std::any_of(members.begin(), members.end(), [&](const auto& one) { return one.first == name; });
    if (is_there) throw CLI::ValidationError(option, "'" + name + "' is given twice");
    members.emplace_back(std::move(name), std::move(value));
}

void add_pairs(
    std::vector<std::pair<std::string, std::string>>& members, const std::string& option,
    const std::vector<std::string>& pairs) {
    for (const std::string& pair : pairs) {
        const std::size_t at = pair.find('=');
        if (at == std::string::npos || at == 0) throw CLI::ValidationError(option, "'" + pair + "' is not KEY=VALUE");
        add_member(members, option, pair.substr(0, at), pair.substr(at + 1));
    }
}

void add_example(CLI::App* command, const std::string& text) { command->footer("Example:\n  prooftrackctl " + text); }

CLI::Option* add_id(CLI::App* command, std::string& into) {
    return command->add_option("ID", into, "A merchant_transaction_id")
        ->required()
        ->type_name("")
        ->check(is_transaction_id());
}

CLI::Option* add_metadata(
    CLI::App* command, std::vector<std::pair<std::string, std::string>>& into, const std::string& help) {
    return command
        ->add_option_function<std::vector<std::string>>(
            "--metadata", [&into](const std::vector<std::string>& pairs) { add_pairs(into, "--metadata", pairs); },
            help)
        ->type_name("K=V")
        ->type_size(1)
        ->allow_extra_args(false);
}

std::vector<CLI::Option*> add_tracking_options(CLI::App* command, tracking_arguments& into) {
    auto* metadata =
        add_metadata(command, into.metadata, "A member of the metadata, given back with every event; repeatable");
    auto* url =
        command
            ->add_option(
                "--callback-url", into.callback_url, "Tell this URL too (within the daemon's [callback_url] rules)")
            ->type_name("URL");
    auto* overdue =
        command
            ->add_option(
                "--overdue-after", into.overdue_after, "Overdue after that long, in place of the configured time")
            ->type_name("D")
            ->check(is_duration());
    return {metadata, url, overdue};
}

CLI::Option* add_time(CLI::App* command, const std::string& name, std::string& into, const std::string& help) {
    return command->add_option(name, into, help)->type_name("T")->check(is_time());
}

CLI::Option* add_duration(
    CLI::App* command, const std::string& name, std::optional<milliseconds>& into, const std::string& help) {
    return command
        ->add_option_function<std::string>(
            name, [&into](const std::string& text) { into = parse_duration(text); }, help)
        ->type_name("D")
        ->check(is_duration());
}

} // namespace prooftrack::ctl
