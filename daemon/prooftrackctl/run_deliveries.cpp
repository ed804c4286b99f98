// deliveries, redeliver, callback test, consumers

#include <algorithm>

#include <fmt/format.h>

#include "prooftrackctl/commands.hpp"
#include "prooftrackctl/complaint.hpp"
#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/pages.hpp"
#include "prooftrackctl/requests.hpp"
#include "prooftrackctl/text.hpp"
#include "prooftrackctl/views.hpp"

namespace prooftrack::ctl {

namespace {

bool is_number(std::string_view text) { return text.find_first_not_of("0123456789") == std::string_view::npos; }

void redeliver_dead(command_context& context, const redeliver_command& what) {
    const api_reply reply = ask(context, retry_dead_request(what.callback));
    if (context.options.json) {
        if (!reply.body.empty()) context.out.line(json_line(reply));
        return;
    }
    std::string count = "all";
    for (const auto& [name, value] : json_view::parse(reply.body).members()) {
        if (value.unsigned_integer()) count = grouped(*value.unsigned_integer());
    }
    context.out.line(fmt::format(
        "{} dead deliveries are due again{}", count, what.callback.empty() ? "" : " for " + printable(what.callback)));
}

void count_dead(command_context& context, const redeliver_command& what) {
    deliveries_command query;
    query.state = "dead";
    query.callback = what.callback;
    std::uint64_t dead = 0;
    std::string cursor;
    do {
        const api_reply reply = ask(context, deliveries_request(query, page_size, cursor));
        const json_view page = json_of(reply);
        dead += page["deliveries"].elements().size();
        const std::string next = page["next_cursor"].text();
        cursor = next == cursor ? "" : next;
    } while (!cursor.empty());
    if (context.options.json) {
        context.out.line(fmt::format("{{\"dead\": {}}}", dead));
    } else {
        context.out.line(fmt::format(
            "{} dead deliveries would be due again{}", grouped(dead),
            what.callback.empty() ? "" : " for " + printable(what.callback)));
    }
}

void redeliver_one(command_context& context, const std::string& id, const std::string& description) {
    const api_reply reply = ask(context, retry_delivery_request(id));
    if (!context.options.json) {
        context.out.line(fmt::format("delivery {}{} is due now", printable(id), printable(description)));
    } else if (!reply.body.empty()) {
        context.out.line(json_line(reply));
    }
}

/// The deliveries of a transaction that did not arrive and were not dismissed; all of them when there are none.
void redeliver_transaction(command_context& context, const redeliver_command& what) {
    struct owed {
        std::string id;
        std::string description;
        bool arrived;
    };
    std::vector<owed> found;
    deliveries_command query;
    query.transaction = what.id;
    query.callback = what.callback;
    std::string cursor;
    do {
        const api_reply reply = ask(context, deliveries_request(query, page_size, cursor));
        const json_view page = json_of(reply);
        for (const json_view& one : page["deliveries"].elements()) {
            found.push_back(
                {one["id"].text(), fmt::format(" ({} to {})", one["event_type"].text(), one["callback"].text()),
                 one["state"].text() == "delivered" || one["state"].text() == "dismissed"});
        }
        const std::string next = page["next_cursor"].text();
        cursor = next == cursor ? "" : next;
    } while (!cursor.empty());
    if (found.empty()) {
        const api_reply transaction = ask(context, get_request(what.id)); // an unknown id is said as such
        throw command_failure(
            exit_status::refused,
            fmt::format(
                "{} has no deliveries{}", what.id, what.callback.empty() ? "" : " to " + printable(what.callback)));
    }
    const bool all_arrived = std::all_of(found.begin(), found.end(), [](const owed& one) { return one.arrived; });
    std::reverse(found.begin(), found.end()); // the list is newest first; events go out in their order
    for (const owed& one : found) {
        if (all_arrived || !one.arrived) redeliver_one(context, one.id, one.description);
    }
}

} // namespace

int run(command_context& context, const deliveries_command& what) {
    paged_list list;
    list.request = [asked = with_times(what, context.now())](std::uint64_t limit, std::string_view cursor) {
        return deliveries_request(asked, limit, cursor);
    };
    list.items = "deliveries";
    list.columns = delivery_columns();
    list.row = delivery_row;
    list.none = "no deliveries";
    print_pages(context, list, what.limit, what.all);
    return exit_status::done;
}

int run(command_context& context, const redeliver_command& what) {
    if (what.dead) {
        if (what.dry_run) {
            count_dead(context, what);
        } else {
            redeliver_dead(context, what);
        }
        return exit_status::done;
    }
    if (is_number(what.id) && what.callback.empty()) {
        // All digits may still be a transaction's id: a delivery of that number goes first.
        const auto answer = context.api.exchange(retry_delivery_request(what.id));
        if (!answer) throw_unreachable(context, answer.error());
        if (answer->ok()) {
            context.out.line(
                context.options.json ? json_line(*answer) : fmt::format("delivery {} is due now", what.id));
            return exit_status::done;
        }
        if (answer->status != 404 && answer->status != 400) throw_refused(*answer);
        deliveries_command query;
        query.transaction = what.id;
        const api_reply reply = ask(context, deliveries_request(query, 1, ""));
        if (json_of(reply)["deliveries"].elements().empty()) throw_refused(*answer);
    }
    redeliver_transaction(context, what);
    return exit_status::done;
}

int run(command_context& context, const callback_test_command& what) {
    const api_reply reply = ask(context, callback_test_request(what.name));
    const json_view answer = json_of(reply);
    const std::uint64_t status = answer["status"].unsigned_integer().value_or(0);
    const std::string error = answer["error"].text();
    // The exit status of a command that succeeded is 0; a receiver's status is at least 100.
    const bool taken = error.empty() && (status == 0 || (status >= 200 && status < 300));
    if (context.options.json) {
        context.out.line(json_line(reply));
        return taken ? exit_status::done : exit_status::refused;
    }
    std::string outcome = status == 0 ? "exit status 0" : fmt::format("answered {}", status);
    if (!error.empty()) outcome = printable(error);
    context.out.line(fmt::format(
        "{}: {} in {}", painted(printable(what.name), paint::bold, context.style()),
        painted(outcome, taken ? paint::good : paint::bad, context.style()),
        short_duration(milliseconds(answer["duration_ms"].unsigned_integer().value_or(0)))));
    if (const std::string body = answer["body"].text(); !body.empty()) context.out.line("  " + printable(body));
    return taken ? exit_status::done : exit_status::refused;
}

int run(command_context& context, const consumers_command& what) {
    const api_reply reply = ask(context, consumers_request(what));
    const json_view json = json_of(reply);
    if (what.what != consumers_command::action::list) {
        if (context.options.json) {
            context.out.line(json_line(reply));
        } else {
            const char* done = what.what == consumers_command::action::remove ? "removed" : "is";
            context.out.line(fmt::format("{} {} at seq {}", printable(what.name), done, printable(json["seq"].text())));
        }
        return exit_status::done;
    }
    table rows({{"NAME", false, 12}, {"SEQ", true}, {"LAG", true}, {"OLDEST", true}});
    for (const json_view& one : json["consumers"].elements()) {
        if (context.options.json) {
            context.out.line(one_line(one.raw()));
            continue;
        }
        const double age = one["age_seconds"].number().value_or(0);
        const std::uint64_t lag = one["lag"].unsigned_integer().value_or(0);
        rows.add(
            {{printable(one["name"].text())},
             {printable(one["seq"].text())},
             {grouped(lag)},
             {lag == 0 ? "-" : short_duration(milliseconds(static_cast<std::int64_t>(age * 1000)))}});
    }
    if (!rows.empty()) context.out.write(rows.format(context.style()));
    if (rows.empty() && json["consumers"].elements().empty() && !context.options.json)
        note("no consumers: `prooftrackctl consumers add NAME` makes one");
    return exit_status::done;
}

} // namespace prooftrack::ctl
