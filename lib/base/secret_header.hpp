#pragma once

// A header of a request whose value nobody else may read.

#include <string>

#include "base/secret.hpp"

namespace prooftrack {

struct secret_header {
    std::string name;
    secret value;

    bool operator==(const secret_header&) const = default;
};

} // namespace prooftrack
