#include "prooftrackctl/cluster_view.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

namespace {

constexpr double trusted_seconds = 3; ///< store::lease_trust: a node that is well is heard of each second

std::uint64_t number_of(const json_view& count) { return count.unsigned_integer().value_or(0); }

std::string shards(std::uint64_t number) {
    return fmt::format("{} {}", grouped(number), number == 1 ? "shard" : "shards");
}

bool is_gone(const json_view& node) { return node["state"].text() == "gone"; }

/// Nodes that are not gone; this one counts also where the daemon has not listed it yet.
std::size_t count_sharing(const json_view& cluster) {
    const auto nodes = cluster["nodes"].elements();
    const auto count = std::count_if(nodes.begin(), nodes.end(), [](const json_view& one) { return !is_gone(one); });
    return std::max<std::size_t>(1, static_cast<std::size_t>(count));
}

std::uint64_t own_shards(const json_view& cluster) {
    const std::string self = cluster["node"].text();
    for (const json_view& node : cluster["nodes"].elements()) {
        if (node["id"].text() == self) return number_of(node["shards"]);
    }
    return 0;
}

std::string seen(const json_view& node) {
    const double ago = node["seen_seconds_ago"].number().value_or(0);
    return ago < 1 ? "now" : short_duration(milliseconds(static_cast<std::int64_t>(ago * 1'000))) + " ago";
}

paint paint_of_node(const json_view& node) {
    const std::string state = node["state"].text();
    if (state == "living") return paint::good;
    if (state == "leaving") return paint::warn;
    return number_of(node["shards"]) > 0 ? paint::bad : paint::dim;
}

std::string node_table(const json_view& cluster, const look& where) {
    table rows({{"NODE", false, 12}, {"STATE"}, {"SHARDS", true}, {"SEEN"}, {"VERSION", false, 0, true}, {""}});
    const std::string self = cluster["node"].text();
    for (const json_view& node : cluster["nodes"].elements()) {
        const std::string id = node["id"].text();
        rows.add(
            {{printable(id), id == self ? paint::bold : paint::plain},
             {printable(node["state"].text()), paint_of_node(node)},
             {grouped(number_of(node["shards"]))},
             {seen(node)},
             {printable(node["version"].text())},
             {id == self ? "this one" : "", paint::dim}});
    }
    return rows.format(where);
}

std::string how_in_words(const std::string& how) {
    if (how == "unowned") return "nobody had them";
    if (how == "handed_over") return "handed over";
    if (how == "taken_over") return "taken over: its lease had run out";
    return printable(how);
}

std::string move_table(const json_view& moves, const look& where, wall_time now) {
    const auto all = moves.elements();
    if (all.empty()) return "";
    table rows({{"WHEN"}, {"NODE", false, 12}, {"TOOK", true}, {"FROM", false, 12}, {"HOW", false, 12}});
    const std::size_t shown = std::min(shown_moves, all.size());
    for (std::size_t i = 0; i < shown; ++i) {
        const json_view& one = all[i];
        const std::string former = one["from"].text();
        const std::string how = one["how"].text();
        rows.add(
            {{relative_time(one["at"].text(), now)},
             {printable(one["node"].text())},
             {grouped(number_of(one["shards"]))},
             {former.empty() ? "-" : printable(former)},
             {how_in_words(how), how == "taken_over" ? paint::warn : paint::plain}});
    }
    std::string out =
        "\n" + painted("who took shards, the newest first", paint::bold, where) + "\n" + rows.format(where);
    if (shown < all.size()) out += fmt::format("and {} more: --json has them\n", all.size() - shown);
    return out;
}

std::string unowned_line(std::uint64_t unowned) {
    return fmt::format("{} {} no owner", shards(unowned), unowned == 1 ? "has" : "have");
}

/// A line for each version that runs, `1.2 on a, b`.
std::vector<std::pair<std::string, std::string>> versions_in_use(const json_view& cluster) {
    std::vector<std::pair<std::string, std::string>> versions;
    for (const json_view& node : cluster["nodes"].elements()) {
        if (is_gone(node)) continue;
        const std::string version = node["version"].text();
        const auto known = std::find_if(
            versions.begin(), versions.end(), [&version](const auto& one) { return one.first == version; });
        if (known == versions.end()) {
            versions.emplace_back(version, node["id"].text());
        } else {
            known->second += ", " + node["id"].text();
        }
    }
    return versions;
}

void diagnose_silent(const json_view& cluster, std::vector<finding>& findings) {
    for (const json_view& node : cluster["nodes"].elements()) {
        const std::string id = node["id"].text();
        if (node["seen_seconds_ago"].number().value_or(0) <= trusted_seconds && !is_gone(node)) continue;
        if (id == cluster["node"].text()) {
            findings.push_back(
                {"cluster", finding_level::problem,
                 fmt::format("this node, {}, was last heard of {}: it polls and delivers nothing", id, seen(node)),
                 "can it reach PostgreSQL? Its log says why not (store.error, cluster.fenced)"});
        } else if (is_gone(node)) {
            findings.push_back(
                {"cluster", finding_level::warning, fmt::format("node {} is gone, last heard of {}", id, seen(node)),
                 "start it again; one that is not to come back is forgotten after an hour"});
        } else {
            findings.push_back(
                {"cluster", finding_level::warning, fmt::format("node {} was last heard of {}", id, seen(node)),
                 "the others take its shards 4 s after its last heartbeat; see its log"});
        }
    }
}

} // namespace

bool is_clustered(const json_view& cluster) { return cluster.kind() == json_view::type::object; }

std::string format_cluster(const json_view& cluster, const look& where, wall_time now) {
    if (!is_clustered(cluster)) {
        return "this daemon is alone: its database is a file of its own\n"
               "Several daemons share the work when `store.url` of each names one PostgreSQL database "
               "(`prooftrackd --copy-store` takes the file's contents there).\n";
    }
    std::string out = node_table(cluster, where);
    if (const std::uint64_t unowned = number_of(cluster["unowned_shards"]); unowned > 0) {
        out += painted(
            fmt::format("{}: nobody polls their transactions or delivers their events", unowned_line(unowned)),
            paint::bad, where);
        out += '\n';
    }
    out += move_table(cluster["moves"], where, now);
    out += '\n';
    out += painted(
        "After a restored backup, before any node is started: `prooftrackd --new-log-id --config FILE`.", paint::dim,
        where);
    return out + '\n';
}

std::string cluster_line(const json_view& cluster, const look& where) {
    std::string line = fmt::format(
        "node {} of {}, {}", printable(cluster["node"].text()), count_sharing(cluster), shards(own_shards(cluster)));
    if (const std::uint64_t unowned = number_of(cluster["unowned_shards"]); unowned > 0)
        line += ", " + painted(unowned_line(unowned), paint::bad, where);
    return line;
}

void diagnose_cluster(const json_view& cluster, std::vector<finding>& findings) {
    if (!is_clustered(cluster)) return;
    const std::size_t before = findings.size();
    diagnose_silent(cluster, findings);
    if (const std::uint64_t unowned = number_of(cluster["unowned_shards"]); unowned > 0) {
        findings.push_back(
            {"cluster", finding_level::problem,
             unowned_line(unowned) + ": nobody polls their transactions or delivers their events",
             "a living node takes them within seconds: look again; if they stay, the nodes' logs say why (cluster.*)"});
    }
    if (const auto versions = versions_in_use(cluster); versions.size() > 1) {
        std::string said;
        for (const auto& [version, nodes] : versions)
            said += fmt::format("{}{} on {}", said.empty() ? "" : "; ", version, nodes);
        findings.push_back(
            {"cluster", finding_level::warning, "the nodes' versions differ: " + said, "upgrade the others as well"});
    }
    if (findings.size() == before)
        findings.push_back({"cluster", finding_level::ok, cluster_line(cluster, look{}), ""});
}

} // namespace prooftrack::ctl
