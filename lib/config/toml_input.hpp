#pragma once

// Private to this room: toml++ as we use it, without exceptions, so that a syntax error is a value.

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>
