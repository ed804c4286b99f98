#pragma once

// Which process on which machine: whether an earlier start of this node still lives is seen at once when it ran here.

#include <cstdint>
#include <string>

namespace prooftrack::store {

struct node_process {
    std::string host;       ///< its name, and behind a space what tells machines and containers apart
    std::int64_t pid = 0;   ///< in that machine or container
    std::int64_t start = 0; ///< in ticks since the machine's start; tells one pid from its next use. 0 = not known

    std::string host_name() const { return host.substr(0, host.find(' ')); }
};

node_process this_process();

/// It ran where this one does, and has ended. False also when nobody here can tell.
bool is_known_dead(const node_process& process);

} // namespace prooftrack::store
