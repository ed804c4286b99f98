#pragma once

// After an fsync or I/O error it is unknown which pages reached the disk: the next start checks every page and writes
// all of them anew.

#include "store/store.hpp"

namespace prooftrack::store {

/// integrity_check, then VACUUM INTO a file beside it, synced and renamed over the database. Nothing happens to a file
/// without tables. Throws store_start_error (65 damaged, 75 no room) and sqlite_error; the database is then as it was.
void rewrite_database(const store_options& options);

} // namespace prooftrack::store
