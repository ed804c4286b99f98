#pragma once

// What the kernel says about this process.

#include <cstdint>

namespace prooftrack::observe {

struct process_numbers {
    std::uint64_t resident_bytes = 0;
    double cpu_seconds = 0;        ///< user and system
    double start_time_seconds = 0; ///< unix time
    std::uint64_t open_fds = 0;
};

/// Reads /proc/self; what cannot be read is 0.
process_numbers read_process_numbers();

/// Gives the allocator's free pages back to the kernel.
void release_free_memory();

} // namespace prooftrack::observe
