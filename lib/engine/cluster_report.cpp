#include "engine/cluster_report.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/json_string.hpp"

namespace prooftrack::engine {
namespace {

std::string format_node(const store::cluster_node& node) {
    std::string out = "{\"id\":";
    append_json_string(out, node.id);
    out += ",\"state\":";
    append_json_string(out, to_string(node.state));
    out += fmt::format(R"(,"shards":{},"seen_seconds_ago":{},"version":)", node.shards, node.seen_ago.count());
    append_json_string(out, node.version);
    return out + "}";
}

std::string format_move(const store::shard_move& move) {
    std::string out = "{\"at\":";
    append_json_string(out, format_wall_time(move.at));
    out += ",\"node\":";
    append_json_string(out, move.node);
    out += ",\"from\":";
    if (move.former.empty()) {
        out += "null";
    } else {
        append_json_string(out, move.former);
    }
    out += fmt::format(R"(,"shards":{},"how":)", move.shards);
    append_json_string(out, to_string(move.how));
    return out + "}";
}

} // namespace

std::size_t count_unowned(const store::cluster_view& view) {
    const auto is_nobody = [](std::int16_t owner) { return owner < 0; };
    return static_cast<std::size_t>(std::count_if(view.owners.begin(), view.owners.end(), is_nobody));
}

std::string format_cluster(const store::cluster_view& view) {
    std::string out = "{\"node\":";
    append_json_string(out, view.node);
    out += ",\"nodes\":[";
    for (std::size_t i = 0; i < view.nodes.size(); ++i) {
        if (i > 0) out += ',';
        out += format_node(view.nodes[i]);
    }
    out += fmt::format(R"(],"unowned_shards":{},"moves":[)", count_unowned(view));
    for (std::size_t i = 0; i < view.moves.size(); ++i) {
        if (i > 0) out += ',';
        out += format_move(view.moves[i]);
    }
    return out + "]}";
}

} // namespace prooftrack::engine
