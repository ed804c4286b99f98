#pragma once

// Arguments of prooftrackctl that should be taken, and those that should not.

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "prooftrackctl/command_line.hpp"

namespace prooftrack::ctl {

inline std::variant<invocation, parse_end> parse(std::vector<std::string> arguments) {
    return parse_command_line(std::move(arguments), "");
}

template <class Command>
Command parsed(std::vector<std::string> arguments) {
    const auto result = parse(std::move(arguments));
    if (const auto* end = std::get_if<parse_end>(&result)) {
        ADD_FAILURE() << end->text;
        return {};
    }
    const auto* what = std::get_if<Command>(&std::get<invocation>(result).what);
    if (what == nullptr) {
        ADD_FAILURE() << "another command";
        return {};
    }
    return *what;
}

inline parse_end refused(std::vector<std::string> arguments) {
    const auto result = parse(std::move(arguments));
    const auto* end = std::get_if<parse_end>(&result);
    if (end == nullptr) {
        ADD_FAILURE() << "was taken";
        return {};
    }
    return *end;
}

} // namespace prooftrack::ctl
