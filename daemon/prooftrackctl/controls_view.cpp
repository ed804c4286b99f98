#include "prooftrackctl/controls_view.hpp"

#include <cstdint>

#include <fmt/format.h>

#include "prooftrackctl/status_view.hpp"
#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

namespace {

std::uint64_t number_of(const json_view& count) { return count.unsigned_integer().value_or(0); }

/// `1 delivery`, `2,000 dead deliveries`.
std::string deliveries(std::uint64_t number, std::string_view kind = "") {
    return fmt::format(
        "{} {}{}{}", grouped(number), kind, kind.empty() ? "" : " ", number == 1 ? "delivery" : "deliveries");
}

std::string describe_resumed(const std::string& name, const json_view& callback) {
    const std::uint64_t backlog = number_of(callback["backlog"]);
    if (backlog == 0) return fmt::format("{} is not paused any more; nothing waits for it", name);
    const std::string state = callback["state"].text();
    std::string_view outlook = "to be made now";
    if (state == "failing") outlook = "to be made when it answers: it is failing, `prooftrackctl status` says why";
    if (state == "unconfigured") outlook = "to be made when a [[callback]] has this name again";
    return fmt::format("{} is not paused any more, with {} {}", name, deliveries(backlog), outlook);
}

} // namespace

std::string describe(const callback_control_command& what, const json_view& answer) {
    const std::string name = printable(what.name);
    switch (what.what) {
    case callback_control_command::action::pause:
        return fmt::format(
            "{} is paused (since {}), with {} waiting; `prooftrackctl resume {}` lets it go on", name,
            printable(answer["paused_since"].text()), deliveries(number_of(answer["backlog"])), name);
    case callback_control_command::action::resume:
        return describe_resumed(name, answer);
    case callback_control_command::action::flush: {
        const std::uint64_t due = number_of(answer["due"]);
        if (due == 0) return fmt::format("nothing waits for {}", name);
        return fmt::format("{} to {} {} due now", deliveries(due), name, due == 1 ? "is" : "are");
    }
    }
    return {};
}

std::string describe(const dismiss_command& what, const json_view& answer) {
    if (!what.dead) {
        return fmt::format(
            "delivery {} ({} to {}) is dismissed", printable(what.delivery), printable(answer["event_type"].text()),
            printable(answer["callback"].text()));
    }
    const std::string to = what.callback.empty() ? "" : " to " + printable(what.callback);
    const std::uint64_t dismissed = number_of(answer["dismissed"]);
    if (dismissed == 0) return fmt::format("no delivery{} is dead: there was nothing to dismiss", to);
    return fmt::format("{}{} {} dismissed", deliveries(dismissed, "dead"), to, dismissed == 1 ? "is" : "are");
}

std::string describe(const maintenance_command& what, const json_view& mark, const look& where, wall_time now) {
    const bool is_end = what.what == maintenance_command::action::off;
    return "maintenance is " + maintenance_line(mark, where, now) + (is_end ? ": polls and deliveries go on" : "");
}

} // namespace prooftrack::ctl
