// The router's action that turns maintenance on and off.

#include <string>

#include "api/answer.hpp"
#include "api/json_fields.hpp"
#include "api/router.hpp"
#include "base/json_string.hpp"

namespace prooftrack::api {
namespace {

std::string render_maintenance(const std::optional<track::maintenance_mark>& mark) {
    if (!mark) return R"({"on":false,"since":null,"note":null})";
    std::string out = R"({"on":true,"since":)";
    append_json_string(out, format_wall_time(mark->since));
    out += ",\"note\":";
    if (mark->note.empty()) {
        out += "null";
    } else {
        append_json_string(out, mark->note);
    }
    return out + '}';
}

} // namespace

request_ticket router::set_maintenance(api_call call) {
    if (auto query = call.query.allow_only({}); !query) return answer_problem(call.respond, query.error());
    const auto fields = json_fields::parse(call.body, {"on", "note"});
    if (!fields) return answer_problem(call.respond, fields.error());
    const auto on = fields->raw("on");
    if (on != "true" && on != "false") {
        return answer_problem(
            call.respond, make_problem(problem_code::invalid_request, "on is missing: true or false"));
    }
    auto note = read_note(*fields);
    if (!note) return answer_problem(call.respond, note.error());
    behind_.set_maintenance(
        on == "true", std::move(*note), call.head.who,
        answer_with<std::optional<track::maintenance_mark>>(
            std::move(call.respond), [](const std::optional<track::maintenance_mark>& mark) {
                return json_response(200, render_maintenance(mark));
            }));
    return no_ticket;
}

} // namespace prooftrack::api
