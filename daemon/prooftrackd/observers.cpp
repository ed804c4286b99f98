#include "prooftrackd/observers.hpp"

namespace prooftrack::daemon {

void adapter_observers::on_handshake(bool resumed) { counts_.on_handshake(resumed); }
void adapter_observers::on_connections(std::string_view protocol, std::size_t idle, std::size_t busy) {
    counts_.set_connections(protocol, idle, busy);
}

void adapter_observers::on_connected(std::string_view protocol) {
    if (protocol == protocol_) return;
    protocol_ = protocol;
    log_.write(observe::log_event_id::proof_connected, {{"protocol", protocol}});
    if (proof_connected) proof_connected(protocol);
}

void adapter_observers::on_commit(steady_duration took, std::size_t /*operations*/) { counts_.on_commit(took); }

void adapter_observers::on_state(track::store_state state, const op_error& why) {
    if (state == track::store_state::ok) {
        log_.write(observe::log_event_id::store_recovered, {});
    } else {
        const char* const advice =
            state == track::store_state::unreachable
                ? "look at PostgreSQL and the way to it: new work is refused, and it goes on by itself"
                : "make room on the disk of the database (16 MiB, or 2 % of a small one): it goes on by itself";
        log_.write(
            observe::log_event_id::store_error,
            {{"operation", why.operation}, {"error", why.message()}, {"state", to_string(state)}, {"advice", advice}});
    }
    if (store_state_changed) store_state_changed(state);
}

void adapter_observers::on_failover(std::int64_t former, std::int64_t timeline) {
    log_.write(observe::log_event_id::store_failed_over, {{"timeline", timeline}, {"former_timeline", former}});
}

void adapter_observers::on_fatal(const op_error& error) {
    if (error.code == store::store_error::moved) {
        log_.write(
            observe::log_event_id::store_moved,
            {{"error", error.detail},
             {"advice",
              "stop prooftrackd.socket and prooftrackd.service before you touch the database; if the file was "
              "moved, what was acknowledged is in it"}});
        if (store_failed) store_failed(error.detail);
        return;
    }
    if (error.code == store::store_error::rewound) {
        log_.write(
            observe::log_event_id::store_rewound,
            {{"error", error.detail},
             {"advice", "import the ids that were added since: the next start goes on with what is there"}});
        if (store_failed) store_failed(error.detail);
        return;
    }
    const char* const advice = error.code == store::store_error::taken_over
                                   ? "the next start goes on with what is there"
                                   : "check the disk; the next start checks and rewrites the database";
    log_.write(
        observe::log_event_id::store_error,
        {{"operation", error.operation}, {"error", error.message()}, {"state", "failed"}, {"advice", advice}});
    if (store_failed) store_failed(error.message());
}

void adapter_observers::on_export_failed(const op_error& error) {
    log_.write(
        observe::log_event_id::export_failed,
        {{"operation", error.operation},
         {"error", error.message()},
         {"advice",
          "its client got no whole answer and may ask again; if the database is damaged, restoring.md says what to "
          "do"}});
}

void adapter_observers::on_address_refused(std::string_view callback, std::string_view host) {
    log_.write(observe::log_event_id::callback_address_refused, {{"callback", callback}, {"host", host}});
}

void adapter_observers::on_request(const api::api_request_fact& fact) {
    log_.write(
        observe::log_event_id::api_request, {{"method", fact.method},
                                             {"route", fact.route},
                                             {"status", fact.status},
                                             {"uid", fact.uid},
                                             {"took_ms", std::chrono::duration_cast<milliseconds>(fact.took).count()}});
}

} // namespace prooftrack::daemon
