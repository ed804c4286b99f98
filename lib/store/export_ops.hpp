#pragma once

// The rows of an export.

#include "store/piece_writer.hpp"

namespace prooftrack::store {

/// Writes `head` and every row of the query. Throws sqlite_error.
void write_export(database& copy, const track::export_query& query, piece_writer& out);

} // namespace prooftrack::store
