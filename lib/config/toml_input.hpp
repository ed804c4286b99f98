#pragma once

// Private to this module: toml++ as we use it, without exceptions, so that a syntax error is a value.

#define TOML_EXCEPTIONS 0
// toml++ 3.3 asserts (with NDEBUG: assumes, which is worse) that a key begins like one, before it looks and reports
// that it does not:
// `[[[a]]]` would end the process. Without its assertions the check behind them is reached.
#define TOML_ASSERT(expression) static_assert(true)
#pragma push_macro("NDEBUG")
#undef NDEBUG
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")
