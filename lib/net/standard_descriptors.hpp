#pragma once

namespace prooftrack::net {

/// Opens /dev/null as whichever of the descriptors 0 to 2 is closed. The first thing that a program does: else the
/// first file that it opens (a lock file, a database, a backup) becomes its stdout or stderr and gets what is printed.
void fill_standard_descriptors();

} // namespace prooftrack::net
