// `/sandbox/*`: how tests and people steer the sandbox.

#include <fmt/format.h>

#include "base/ids.hpp"
#include "proof_site.hpp"

namespace prooftrack::sandbox {
namespace {

constexpr std::string_view controlled_transactions = "/sandbox/transactions/";
constexpr std::string_view controlled_users = "/sandbox/users/";

reply problem(int status, std::string_view message) {
    reply made;
    made.status = status;
    made.body = R"({"error":"sandbox","message":)";
    append_json(made.body, message);
    made.body += "}\n";
    return made;
}

reply done() {
    reply made;
    made.body = "{}\n";
    return made;
}

} // namespace

reply proof_site::control(const incoming_request& request, std::string_view request_id) {
    if (!authorized(request)) return refuse(documented_failure(401), request_id);
    const auto path = request.path();
    const bool put = request.method == "PUT" || request.method == "POST";
    if (path.starts_with(controlled_transactions)) {
        return control_transaction(request, path.substr(controlled_transactions.size()));
    }
    if (path == "/sandbox/transactions" && request.method == "DELETE") {
        world_.forget_all();
        return done();
    }
    if (path == "/sandbox/faults") return control_faults(request);
    if (path == "/sandbox/stats" && request.method == "GET") return control_stats();
    if (path == "/sandbox/script" && put) {
        auto document = parse_script_document(request.body);
        if (!document) return problem(400, document.error().message);
        const auto applied = apply(std::move(*document), request.arrival);
        return applied ? done() : problem(409, applied.error().message);
    }
    if (path.starts_with(controlled_users) && put) {
        const auto status = parse_user_status(request.body);
        if (!status) return problem(400, status.error().message);
        if (!world_.set_kyc_status(std::string(path.substr(controlled_users.size())), *status)) {
            return problem(409, "too many users");
        }
        return done();
    }
    if (path == "/sandbox/log" && request.method == "GET") {
        reply made;
        made.more = log_.format(request.query("path").value_or(""));
        return made;
    }
    if (path == "/sandbox/log" && request.method == "DELETE") {
        log_.clear();
        return done();
    }
    return problem(
        404, "known are PUT, GET, DELETE /sandbox/transactions/{id}, PUT, GET, DELETE /sandbox/faults, GET, DELETE "
             "/sandbox/log, PUT /sandbox/script, PUT /sandbox/users/{id}, GET /sandbox/stats");
}

reply proof_site::control_transaction(const incoming_request& request, std::string_view id) {
    if (!transaction_id::parse(id)) return problem(400, transaction_id_rule);
    if (request.method == "DELETE") return world_.forget(id) ? done() : problem(404, "nobody made this transaction");
    if (request.method == "PUT" || request.method == "POST") {
        auto change = parse_transaction_change(request.body);
        if (!change) return problem(400, change.error().message);
        if (!world_.change(id, std::move(*change), request.arrival)) return problem(409, "too many transactions");
    } else if (request.method != "GET") {
        return problem(405, "use PUT, GET or DELETE");
    }
    const auto* found = world_.find(id, request.arrival);
    if (found == nullptr) return problem(404, "nobody made this transaction");
    reply made;
    made.body = format_transaction(id, *found);
    return made;
}

reply proof_site::control_faults(const incoming_request& request) {
    if (request.method == "DELETE") {
        faults_.clear();
        return done();
    }
    if (request.method == "PUT" || request.method == "POST") {
        auto added = parse_faults(request.body);
        if (!added) return problem(400, added.error().message);
        for (auto& one : *added) {
            if (!faults_.turn_on(std::move(one), request.arrival.steady)) return problem(409, "too many faults");
        }
    } else if (request.method != "GET") {
        return problem(405, "use PUT, GET or DELETE");
    }
    reply made;
    made.body = "[";
    for (const auto& one : faults_.all()) made.body += (made.body.size() > 1 ? "," : "") + format_fault(one);
    made.body += "]\n";
    return made;
}

reply proof_site::control_stats() const {
    reply made;
    made.body = fmt::format(
        R"({{"transactions":{},"requests":{},"connections":{},"most_connections":{},"accepted":{},"handshakes":{},)"
        R"("resumed":{},"failed_handshakes":{},"http2":{}}})"
        "\n",
        world_.size(), requests_, connections.open, connections.most_open, connections.accepted, connections.handshakes,
        connections.resumed, connections.failed_handshakes, connections.http2);
    return made;
}

} // namespace prooftrack::sandbox
