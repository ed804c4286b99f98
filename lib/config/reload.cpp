#include "config/reload.hpp"

#include "config/key_table.hpp"

namespace prooftrack::config {
namespace {

bool is_per_callback(const config_key& key) { return key.table == "callback"; }

template <class Use>
void for_each_changed_key(configuration& before, configuration& after, Use use) {
    callback_config unused;
    for (const config_key& key : config_keys()) {
        if (is_per_callback(key)) continue;
        const config_field old_field = key.at(before, unused);
        const config_field new_field = key.at(after, unused);
        const bool is_equal = std::visit(
            [&](auto* old_value) { return *old_value == *std::get<decltype(old_value)>(new_field); }, old_field);
        if (!is_equal) use(key, old_field, new_field);
    }
}

} // namespace

std::vector<std::string> changed_keys(const configuration& before, const configuration& after) {
    std::vector<std::string> names;
    configuration old_copy = before;
    configuration new_copy = after;
    for_each_changed_key(
        old_copy, new_copy, [&](const config_key& key, auto&&...) { names.push_back(full_name(key)); });
    if (before.callbacks != after.callbacks) names.emplace_back("callback");
    return names;
}

std::vector<std::string> restart_required(const configuration& before, const configuration& after) {
    std::vector<std::string> names;
    configuration old_copy = before;
    configuration new_copy = after;
    for_each_changed_key(old_copy, new_copy, [&](const config_key& key, auto&&...) {
        if (key.needs_restart) names.push_back(full_name(key));
    });
    return names;
}

configuration applicable_configuration(const configuration& before, configuration after) {
    configuration old_copy = before;
    for_each_changed_key(
        old_copy, after, [](const config_key& key, const config_field& old_field, const config_field& new_field) {
            if (!key.needs_restart) return;
            std::visit([&](auto* old_value) { *std::get<decltype(old_value)>(new_field) = *old_value; }, old_field);
        });
    return after;
}

} // namespace prooftrack::config
