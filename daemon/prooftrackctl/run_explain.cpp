// explain: everything that is known about one transaction, in sentences

#include <fmt/format.h>

#include "prooftrackctl/commands.hpp"
#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/explanation.hpp"
#include "prooftrackctl/requests.hpp"
#include "prooftrackctl/text.hpp"
#include "prooftrackctl/views.hpp"

namespace prooftrack::ctl {

namespace {

constexpr std::size_t widest_prose = 100; // longer lines are hard to read

std::string heading(const char* text, const look& where) { return "\n" + painted(text, paint::bold, where) + "\n"; }

std::string prose(const std::string& text, const look& where) {
    return wrapped(text, where.width == 0 ? widest_prose : std::min(where.width, widest_prose), "  ");
}

std::string words(const json_view& state, const json_view& status) {
    const std::string left = state.text();
    const std::string right = status.text();
    if (left.empty()) return "-";
    return printable(right.empty() ? left : fmt::format("{} {}", left, right));
}

std::string changes_table(const explanation& what, const look& where) {
    table rows({{"  TIME"}, {"FROM", false, 12}, {"TO", false, 12}, {"PROOF'S REQUEST", false, 12}});
    for (const json_view& one : what.changes) {
        rows.add(
            {{"  " + printable(one["at"].text()), paint::dim},
             {words(one["from_state"], one["from_status"])},
             {words(one["to_state"], one["to_status"]), paint_of(one["to_status"].text())},
             {printable(one["request_id"].text())}});
    }
    return rows.format(where);
}

std::string deliveries_text(const explanation& what, const look& where) {
    std::string out;
    for (const delivery_note& note : what.deliveries) {
        const std::string state = note.delivery["state"].text();
        out += fmt::format(
            "  {} {} to {}: {}\n", printable(note.delivery["id"].text()), printable(note.delivery["event_type"].text()),
            painted(printable(note.delivery["callback"].text()), paint::bold, where),
            painted(printable(state), paint_of(state), where));
        out += wrapped(note.what, where.width, "      ");
    }
    return out;
}

std::string in_words(const explained_facts& facts, const explanation& what, const look& where, wall_time now) {
    std::string out = format_transaction(facts.transaction, where, now);
    out += heading("why", where) + prose(what.why, where);
    out += heading("what comes next", where) + prose(what.next, where);
    if (!what.changes.empty()) out += heading("changes", where) + changes_table(what, where);
    out += heading("deliveries", where);
    out += what.deliveries.empty() ? prose("None is owed: no event of it was selected by a callback so far.", where)
                                   : deliveries_text(what, where);
    if (!what.actions.empty()) out += heading("what can be done", where);
    for (const std::string& action : what.actions) out += wrapped(action, where.width, "  ");
    return out;
}

std::string as_json(const explained_facts& facts, const explanation& what) {
    std::string actions;
    for (const std::string& one : what.actions) actions += (actions.empty() ? "" : ", ") + json_string(one);
    std::string deliveries;
    for (const delivery_note& one : what.deliveries) {
        deliveries += fmt::format(
            "{}{{\"delivery\": {}, \"explanation\": {}}}", deliveries.empty() ? "" : ", ", one.delivery.raw(),
            json_string(one.what));
    }
    std::string changes;
    for (const json_view& one : what.changes) changes += fmt::format("{}{}", changes.empty() ? "" : ", ", one.raw());
    return one_line(fmt::format(
        "{{\"transaction\": {}, \"why\": {}, \"next\": {}, \"changes\": [{}], \"deliveries\": "
        "[{}], \"actions\": [{}]}}",
        facts.transaction.raw(), json_string(what.why), json_string(what.next), changes, deliveries, actions));
}

} // namespace

int run(command_context& context, const explain_command& what) {
    const api_reply transaction = ask(context, get_request(what.id));
    const api_reply history = ask(context, history_request(what.id));
    const api_reply status = ask(context, status_request());
    const explained_facts facts{json_of(transaction), json_of(history), json_of(status)};
    const explanation result = explain(facts, context.now());
    context.out.write(
        context.options.json ? as_json(facts, result) + "\n" : in_words(facts, result, context.style(), context.now()));
    return exit_status::done;
}

} // namespace prooftrack::ctl
