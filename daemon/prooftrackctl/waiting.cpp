#include "prooftrackctl/waiting.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "prooftrackctl/complaint.hpp"
#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/requests.hpp"
#include "prooftrackctl/text.hpp"
#include "prooftrackctl/views.hpp"

namespace prooftrack::ctl {

namespace {

steady_time now() { return std::chrono::steady_clock::now(); }

/// How long until the timeout; nullopt = there is none.
std::optional<milliseconds> time_left(const std::optional<steady_time>& until) {
    if (!until) return std::nullopt;
    return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(*until - now()));
}

void print_transaction(command_context& context, const json_view& transaction) {
    context.out.write(
        context.options.json ? one_line(transaction.raw()) + "\n"
                             : format_transaction(transaction, context.style(), context.now()));
    context.out.flush();
}

} // namespace

bool reconnect_pause::may_go_on() const { return !away_since_ || now() - *away_since_ < longest_absence; }

milliseconds reconnect_pause::next() {
    if (!away_since_) away_since_ = now();
    const milliseconds pause = pause_;
    pause_ = std::min(pause_ * 2, milliseconds(2'000));
    return pause;
}

void reconnect_pause::reset() {
    away_since_.reset();
    pause_ = milliseconds(100);
}

int wait_for_end(command_context& context, const std::string& id, std::optional<milliseconds> timeout, bool known) {
    const std::optional<steady_time> until = timeout ? std::optional<steady_time>(now() + *timeout) : std::nullopt;
    reconnect_pause away;
    for (;;) {
        const auto left = time_left(until);
        const auto answer =
            context.api.exchange(wait_request(id, std::min(left.value_or(longest_wait_request), longest_wait_request)));
        if (context.stop.requested()) throw stop_requested();
        known = known || was_reached(answer);
        if (answer && answer->ok()) {
            away.reset();
            const json_view transaction = json_of(*answer);
            const int status = exit_status_of(transaction["state"].text(), transaction["status"].text());
            const bool over = until && now() >= *until;
            if (status == exit_status::not_ended && !over) {
                // A daemon that answers before the time (it is stopping) must not be asked in a circle.
                if (!context.stop.sleep(milliseconds(100))) throw stop_requested();
                continue;
            }
            print_transaction(context, transaction);
            if (status == exit_status::not_ended)
                note(fmt::format("{} has not ended within {}", id, short_duration(*timeout)));
            return status;
        }
        if (!known || !is_passing(answer) || (until && now() >= *until) || !away.may_go_on()) {
            if (answer) throw_refused(*answer);
            throw_unreachable(context, answer.error());
        }
        if (!away.is_away() && !answer)
            note(describe_unreachable(answer.error(), context.options.socket) + "\nWaiting for it to come back.");
        const milliseconds pause = away.next();
        if (!context.stop.sleep(left ? std::min(pause, *left) : pause)) throw stop_requested();
    }
}

} // namespace prooftrack::ctl
