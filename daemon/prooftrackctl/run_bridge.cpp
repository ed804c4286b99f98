// bridge: events of a named consumer to RabbitMQ or Redis, until a signal

#include <cstdlib>

#include <fmt/format.h>
#include <sys/stat.h>

#include "prooftrackctl/bridge/bridge_loop.hpp"
#include "prooftrackctl/commands.hpp"
#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

namespace {

void warn_of_open_file(const std::string& file) {
    struct stat info {};
    if (file.empty() || stat(file.c_str(), &info) != 0 || (info.st_mode & (S_IROTH | S_IWOTH)) == 0) return;
    note(fmt::format("others can read or write {}: chmod o= {}", printable(file), printable(file)));
}

std::unique_ptr<broker> make_broker(const bridge_command& what, const stop_signal& stop) {
    if (what.stream.empty()) {
        broker_access access{what.amqp, what.ca_file, what.credentials_file};
        return make_amqp_broker(std::move(access), {what.exchange, what.routing_key}, stop);
    }
    broker_access access{what.redis, what.ca_file, what.credentials_file};
    return make_redis_broker(std::move(access), {what.stream, what.max_length, what.replicas}, stop);
}

} // namespace

int run(command_context& context, const bridge_command& what) {
    // The resolver has no deadline to be given: one try of 5 s for each of its servers.
    setenv("RES_OPTIONS", "timeout:5 attempts:1", 0); // NOLINT(concurrency-mt-unsafe): there is no other thread
    warn_of_open_file(what.credentials_file);
    const auto to = make_broker(what, context.stop);
    const std::string target = printable(format_broker_url(what.stream.empty() ? what.amqp : what.redis));
    event_source source(context, what.consumer, what.from_oldest);
    bridge_loop loop(context.stop, source, *to, target);
    try {
        loop.run();
    } catch (const stop_requested&) { // ending it is the way to end a bridge
    }
    note(fmt::format("{} events published", grouped(loop.published())));
    return exit_status::done;
}

} // namespace prooftrack::ctl
