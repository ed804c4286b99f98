#pragma once

// W3C Trace Context: the header `traceparent`, `00-TRACE_ID-PARENT_ID-FLAGS` (https://www.w3.org/TR/trace-context/).

#include <string>
#include <string_view>

namespace prooftrack {

/// Length of each traceparent that we write.
inline constexpr std::size_t traceparent_length = 55;

/// A header's value in the form of version 00, with the flags that are defined (sampled, random). A later version is
/// read as the specification demands: by what it has in common with version 00. "" for anything that is no traceparent,
/// which is to be treated as if there were none.
std::string read_traceparent(std::string_view header);

/// The same trace with another parent id: 16 lower-case hex digits, not all zero. "" when either is not what it should
/// be.
std::string with_parent(std::string_view traceparent, std::string_view parent_id);

} // namespace prooftrack
