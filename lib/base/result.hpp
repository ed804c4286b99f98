#pragma once

// How functions fail: `result<T>` for what depends on the input, `op_result<T>` when a peer or the disk is away (the
// error names the operation), an exception for a broken invariant or a bad start.

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>

namespace prooftrack {

using error_code = boost::system::error_code;

template <class T>
using result = boost::system::result<T>;

/// An error and the operation that met it, as `connect: Connection refused`.
struct op_error {
    error_code code;
    std::string operation; ///< what was being done, a few words: "connect", "commit"
    std::string detail;    ///< what a person should know besides, may be empty

    std::string message() const {
        return detail.empty() ? fmt::format("{}: {}", operation, code.message())
                              : fmt::format("{}: {} ({})", operation, code.message(), detail);
    }
};

/// Lets `op_result<T>::value()` throw: a caller that asked for a value without looking broke an invariant.
[[noreturn]] inline void throw_exception_from_error(const op_error& error, const boost::source_location&) {
    throw boost::system::system_error(error.code, error.operation);
}

template <class T>
using op_result = boost::system::result<T, op_error>;

} // namespace prooftrack
