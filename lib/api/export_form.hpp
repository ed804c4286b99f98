#pragma once

// What an export's rows look like: a JSON object a line, with the members that the lists show, or CSV. Pure.

#include <cstdint>
#include <string>
#include <string_view>

#include "track/queries.hpp"

namespace prooftrack::api {

enum class export_format : std::uint8_t { ndjson, csv };

/// The media type of the whole.
std::string_view content_type_of(export_format format);

/// A query whose rows are written in this format. CSV has one header line: the members' names, those of an event's
/// `data` as they are, those of Proof's documented reply behind `proof_`. Nothing there is an empty cell; strings are
/// their content, everything else is spelled as in JSON.
track::export_query export_of(track::export_list list, export_format format);

} // namespace prooftrack::api
