// replay, replays

#include <algorithm>

#include <fmt/format.h>

#include "prooftrackctl/commands.hpp"
#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/progress.hpp"
#include "prooftrackctl/requests.hpp"
#include "prooftrackctl/text.hpp"
#include "prooftrackctl/views.hpp"
#include "prooftrackctl/waiting.hpp"

namespace prooftrack::ctl {

namespace {

constexpr milliseconds between_looks{500};

std::uint64_t number_of(const json_view& object, std::string_view name) {
    return object[name].unsigned_integer().value_or(0);
}

/// What is neither delivered nor pending.
std::uint64_t given_up(const json_view& replay) {
    const std::uint64_t made = number_of(replay, "made");
    return made - std::min(made, number_of(replay, "delivered") + number_of(replay, "pending"));
}

/// The replay of that number; missing when the list has it no more.
json_view find_replay(const json_view& list, std::uint64_t id) {
    for (const json_view& one : list["replays"].elements()) {
        if (number_of(one, "id") == id) return one;
    }
    return {};
}

int end_of_replay(command_context& context, const json_view& replay) {
    const std::string state = replay["state"].text();
    const std::uint64_t events = number_of(replay, "events");
    const std::uint64_t delivered = number_of(replay, "delivered");
    if (context.options.json) {
        context.out.line(one_line(replay.raw()));
    } else {
        context.out.line(fmt::format(
            "{}: {} of {} events delivered", painted(printable(state), paint_of(state), context.style()),
            grouped(delivered), grouped(events)));
        if (given_up(replay) > 0)
            note(fmt::format("{} are dead: `prooftrackctl deliveries --state dead`", grouped(given_up(replay))));
    }
    return state == "done" && given_up(replay) == 0 ? exit_status::done : exit_status::refused;
}

/// Across restarts of the daemon: the replay goes on after each.
int wait_for_replay(command_context& context, std::uint64_t id, std::uint64_t events) {
    progress_bar bar(events);
    reconnect_pause away;
    while (true) {
        const auto answer = context.api.exchange(replays_request());
        if (is_passing(answer) && away.may_go_on()) {
            if (!context.stop.sleep(away.next())) throw stop_requested();
            continue;
        }
        if (!answer) throw_unreachable(context, answer.error());
        if (!answer->ok()) throw_refused(*answer);
        away.reset();
        const json_view list = json_of(*answer);
        const json_view replay = find_replay(list, id);
        if (replay.is_missing())
            throw command_failure(exit_status::refused, fmt::format("replay {} is not known any more", id));
        if (replay["state"].text() != "running") {
            bar.done();
            return end_of_replay(context, replay);
        }
        bar.show_events(number_of(replay, "delivered"));
        if (!context.stop.sleep(between_looks)) throw stop_requested();
    }
}

} // namespace

int run(command_context& context, const replay_command& what) {
    const api_reply reply = ask(context, replay_request(with_times(what, context.now())));
    const json_view begun = json_of(reply);
    const std::uint64_t events = number_of(begun, "events");
    const std::uint64_t id = number_of(begun, "id");
    if (context.options.json) {
        if (!what.wait) context.out.line(json_line(reply));
    } else if (what.dry_run) {
        context.out.line(fmt::format("{} events would be replayed to {}", grouped(events), printable(what.callback)));
    } else {
        context.out.line(fmt::format("replay {} of {} events to {}", id, grouped(events), printable(what.callback)));
    }
    if (!what.wait) return exit_status::done;
    context.out.flush();
    return wait_for_replay(context, id, events);
}

int run(command_context& context, const replays_command& what) {
    if (what.cancel) {
        const api_reply reply = ask(context, cancel_replay_request(*what.cancel));
        const json_view replay = json_of(reply);
        context.out.line(
            context.options.json ? json_line(reply)
                                 : fmt::format(
                                       "replay {} is cancelled: {} of {} events were delivered", *what.cancel,
                                       grouped(number_of(replay, "delivered")), grouped(number_of(replay, "events"))));
        return exit_status::done;
    }
    const api_reply reply = ask(context, replays_request());
    const json_view list = json_of(reply);
    table rows(
        {{"ID", true},
         {"CALLBACK", false, 12},
         {"STATE"},
         {"ONLY", false, 0, true},
         {"EVENTS", true},
         {"MADE", true},
         {"DELIVERED", true},
         {"PENDING", true},
         {"BEGUN", true, 0, true},
         {"ENDED", true, 0, true}});
    for (const json_view& one : list["replays"].elements()) {
        if (context.options.json) {
            context.out.line(one_line(one.raw()));
            continue;
        }
        const std::string state = one["state"].text();
        rows.add(
            {{printable(one["id"].text())},
             {printable(one["callback"].text())},
             {printable(state), paint_of(state)},
             {printable(one["only"].text())},
             {grouped(number_of(one, "events"))},
             {grouped(number_of(one, "made"))},
             {grouped(number_of(one, "delivered"))},
             {grouped(number_of(one, "pending"))},
             {compact_time(one["created_at"].text(), context.now())},
             {compact_time(one["ended_at"].text(), context.now())}});
    }
    if (!rows.empty()) context.out.write(rows.format(context.style()));
    if (rows.empty() && list["replays"].elements().empty() && !context.options.json)
        note("no replays: `prooftrackctl replay CALLBACK` begins one");
    return exit_status::done;
}

} // namespace prooftrack::ctl
