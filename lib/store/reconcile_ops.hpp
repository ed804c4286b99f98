#pragma once

// A reconciliation with what a copy of the database knows.

#include "store/piece_writer.hpp"
#include "track/reconcile_source.hpp"

namespace prooftrack::store {

/// Runs the job over the copy and writes its lines. Throws sqlite_error, and what the job throws.
void write_reconciliation(database& copy, const track::reconcile_job& job, piece_writer& out);

/// Sets the amount and the currency from Proof's last good reply ("" = none yet): a string's content, a number's
/// spelling.
void read_amounts(std::string_view proof, track::known_transaction& into);

} // namespace prooftrack::store
