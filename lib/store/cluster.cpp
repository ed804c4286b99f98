#include "store/cluster.hpp"

namespace prooftrack::store {

std::string_view to_string(node_state state) {
    switch (state) {
    case node_state::living:
        return "living";
    case node_state::leaving:
        return "leaving";
    case node_state::gone:
        return "gone";
    }
    return "";
}

std::string_view to_string(shard_gain how) {
    switch (how) {
    case shard_gain::unowned:
        return "unowned";
    case shard_gain::handed_over:
        return "handed_over";
    case shard_gain::taken_over:
        return "taken_over";
    }
    return "";
}

} // namespace prooftrack::store
