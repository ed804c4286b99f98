#pragma once

// How the sandbox awaits: what failed comes as an error code beside the result, not as an exception.

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace prooftrack::sandbox {

inline constexpr boost::asio::as_tuple_t<boost::asio::use_awaitable_t<>> as_pair{boost::asio::use_awaitable};

} // namespace prooftrack::sandbox
