// listen: a local receiver of webhooks

#include <fmt/format.h>

#include "callback/secret_file.hpp"
#include "prooftrackctl/commands.hpp"
#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/input_file.hpp"
#include "prooftrackctl/receiver_server.hpp"
#include "prooftrackctl/text.hpp"
#include "prooftrackctl/views.hpp"
#include "prooftrackctl/webhook_receiver.hpp"

namespace prooftrack::ctl {

namespace {

std::vector<secret> read_secrets(const std::string& file, const stop_signal& stop) {
    const secret text(read_small_file(file, callback::max_secret_file_bytes, stop));
    auto secrets = callback::parse_secret_file(text.reveal(), printable(file));
    if (!secrets) throw command_failure(exit_status::refused, fmt::format("cannot use {}", secrets.error().message()));
    std::vector<secret> keys;
    for (callback::webhook_secret& each : *secrets) keys.push_back(std::move(each.key));
    return keys;
}

std::string event_line(const json_view& event, const std::string& id, const look& where) {
    const json_view data = event["data"];
    const std::string type = event["type"].text();
    const std::string status = data["status"].text();
    return fmt::format(
        "{}  {}  {}  {}  {}", painted(printable(event["timestamp"].text()), paint::dim, where),
        painted(printable(type), paint_of(type), where), printable(data["merchant_transaction_id"].text()),
        painted(status.empty() ? "-" : printable(status), paint_of(status), where),
        painted(printable(id), paint::dim, where));
}

} // namespace

int run(command_context& context, const listen_command& what) {
    webhook_receiver receiver(read_secrets(what.secret_file, context.stop), what.answer);
    receiver_server server(what.address, context.stop);
    context.out.line(
        context.options.json ? fmt::format("{{\"listening\": {}}}", json_string(server.url()))
                             : fmt::format("listening on {}", server.url()));
    context.out.flush();
    std::uint64_t events = 0;
    std::uint64_t repeats = 0;
    std::uint64_t refused = 0;
    const request_handler handler = [&](const received_request& request, bool& go_on) {
        const receipt result = receiver.take(request, context.now());
        if (!result.reason.empty()) {
            ++refused;
            note(fmt::format("refused with {}: {}", result.status, printable(result.reason)));
            return result.status;
        }
        if (!result.is_new) {
            ++repeats;
            return result.status;
        }
        ++events;
        context.out.line(
            context.options.json ? one_line(request.body)
                                 : event_line(json_view::parse(request.body), result.id, context.style()));
        context.out.flush();
        go_on = !what.count || events < *what.count;
        return result.status;
    };
    try {
        server.run(handler);
    } catch (const stop_requested&) {
    }
    note(fmt::format("{} events, {} repeats, {} refused", grouped(events), grouped(repeats), grouped(refused)));
    return exit_status::done;
}

} // namespace prooftrack::ctl
