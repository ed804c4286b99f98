// A configuration file: a valid one or mistakes that say where, never both, never neither.

#include <cstdint>
#include <string_view>
#include <variant>

#include "config/parse.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace prooftrack;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto read = config::parse_configuration(text, "fuzz.toml");
    if (const auto* mistakes = std::get_if<config::config_mistakes>(&read)) {
        if (mistakes->empty() || mistakes->size() > config::max_reported_mistakes + 1) __builtin_trap();
        for (const config::config_mistake& mistake : *mistakes) {
            if (format_mistake(mistake).find('\n') != std::string::npos) __builtin_trap();
        }
    } else if (std::get<config::configuration_reading>(read).value.proof.base_url.empty()) {
        __builtin_trap();
    }
    return 0;
}
