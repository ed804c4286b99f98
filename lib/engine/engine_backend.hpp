#pragma once

// The use cases as the one backend of the API: each call goes to the class that implements it.

#include <string>
#include <utility>
#include <vector>

#include "api/backend.hpp"
#include "engine/event_feed.hpp"
#include "engine/lookup_calls.hpp"

namespace prooftrack::engine {

/// The classes that implement the calls.
struct backend_parts {
    api::tracking_backend& tracking;
    lookup_calls& lookup;
    api::change_backend& changes;
    api::options_backend& options;
    api::bulk_backend& bulk;
    api::session_backend& sessions;
    event_feed& feed;
    api::delivery_backend& delivery;
    api::control_backend& control;
    api::replay_backend& replay;
    api::consumer_backend& consumer;
    api::status_backend& status;
    api::operator_backend& operation;
    api::maintenance_backend& maintenance;
};

class engine_backend final : public api::backend {
  public:
    explicit engine_backend(backend_parts parts) : parts_(parts) {}

    void track(
        api::track_request request, api::client_identity who, api::backend_handler<api::tracked> handler) override {
        parts_.tracking.track(std::move(request), who, std::move(handler));
    }
    void import(
        std::vector<api::import_line> lines, api::client_identity who,
        api::backend_handler<api::import_summary> handler) override {
        parts_.tracking.import(std::move(lines), who, std::move(handler));
    }

    api::wait_id get(
        transaction_id id, milliseconds wait, api::backend_handler<track::transaction_view> handler) override {
        return parts_.lookup.get(std::move(id), wait, std::move(handler));
    }
    void list(track::transaction_query query, api::backend_handler<track::transaction_page> handler) override {
        parts_.lookup.list(std::move(query), std::move(handler));
    }
    void history(transaction_id id, api::backend_handler<track::transaction_history> handler) override {
        parts_.lookup.history(std::move(id), std::move(handler));
    }

    void untrack(
        transaction_id id, api::client_identity who, api::backend_handler<track::transaction_view> handler) override {
        parts_.changes.untrack(std::move(id), who, std::move(handler));
    }
    void poll_now(transaction_id id, api::client_identity who, api::backend_handler<std::monostate> handler) override {
        parts_.changes.poll_now(std::move(id), who, std::move(handler));
    }
    void hint(transaction_id id, api::backend_handler<std::monostate> handler) override {
        parts_.changes.hint(std::move(id), std::move(handler));
    }

    void set_options(
        transaction_id id, api::options_patch patch, api::client_identity who,
        api::backend_handler<track::transaction_view> handler) override {
        parts_.options.set_options(std::move(id), std::move(patch), who, std::move(handler));
    }
    void untrack_matching(
        api::untrack_request request, api::client_identity who,
        api::backend_handler<api::untrack_summary> handler) override {
        parts_.bulk.untrack_matching(std::move(request), who, std::move(handler));
    }

    void create_session(
        api::session_request request, api::client_identity who,
        api::backend_handler<api::proxied_reply> handler) override {
        parts_.sessions.create_session(std::move(request), who, std::move(handler));
    }
    void kyc_status(std::string partner_user_id, api::backend_handler<api::proxied_reply> handler) override {
        parts_.sessions.kyc_status(std::move(partner_user_id), std::move(handler));
    }

    api::wait_id events(
        event_seq after, std::size_t limit, milliseconds wait, api::backend_handler<api::event_list> handler) override {
        return parts_.feed.events(after, limit, wait, std::move(handler));
    }
    void events_between(track::event_query query, api::backend_handler<api::event_list> handler) override {
        parts_.feed.events_between(query, std::move(handler));
    }
    event_seq last_seq() const override { return parts_.feed.last_seq(); }
    void set_event_listener(api::event_listener* listener) override { parts_.feed.set_event_listener(listener); }
    void cancel_wait(api::wait_id wait) override {
        parts_.lookup.cancel(wait);
        parts_.feed.cancel(wait);
    }

    void deliveries(track::delivery_query query, api::backend_handler<track::delivery_page> handler) override {
        parts_.delivery.deliveries(std::move(query), std::move(handler));
    }
    void retry_delivery(
        delivery_id id, api::client_identity who, api::backend_handler<std::monostate> handler) override {
        parts_.delivery.retry_delivery(id, who, std::move(handler));
    }
    void retry_dead(
        std::optional<std::string> callback, api::client_identity who,
        api::backend_handler<std::uint64_t> handler) override {
        parts_.delivery.retry_dead(std::move(callback), who, std::move(handler));
    }
    void test_callback(
        std::string name, api::client_identity who, api::backend_handler<api::callback_test_result> handler) override {
        parts_.delivery.test_callback(std::move(name), who, std::move(handler));
    }

    void pause_callback(
        std::string name, api::client_identity who, api::backend_handler<std::string> handler) override {
        parts_.control.pause_callback(std::move(name), who, std::move(handler));
    }
    void resume_callback(
        std::string name, api::client_identity who, api::backend_handler<std::string> handler) override {
        parts_.control.resume_callback(std::move(name), who, std::move(handler));
    }
    void flush_callback(
        std::string name, api::client_identity who, api::backend_handler<std::uint64_t> handler) override {
        parts_.control.flush_callback(std::move(name), who, std::move(handler));
    }
    void dismiss_delivery(
        delivery_id id, std::string note, api::client_identity who,
        api::backend_handler<track::delivery_view> handler) override {
        parts_.control.dismiss_delivery(id, std::move(note), who, std::move(handler));
    }
    void dismiss_dead(
        std::optional<std::string> callback, std::string note, api::client_identity who,
        api::backend_handler<std::uint64_t> handler) override {
        parts_.control.dismiss_dead(std::move(callback), std::move(note), who, std::move(handler));
    }

    void begin_replay(
        api::replay_request request, api::client_identity who,
        api::backend_handler<track::replay_view> handler) override {
        parts_.replay.begin_replay(std::move(request), who, std::move(handler));
    }
    void replays(api::backend_handler<std::vector<track::replay_view>> handler) override {
        parts_.replay.replays(std::move(handler));
    }
    void cancel_replay(
        replay_id id, api::client_identity who, api::backend_handler<track::replay_view> handler) override {
        parts_.replay.cancel_replay(id, who, std::move(handler));
    }

    void put_consumer(
        std::string name, std::optional<event_seq> seq, api::client_identity who,
        api::backend_handler<std::pair<bool, track::consumer_view>> handler) override {
        parts_.consumer.put_consumer(std::move(name), seq, who, std::move(handler));
    }
    void delete_consumer(
        std::string name, api::client_identity who, api::backend_handler<track::consumer_view> handler) override {
        parts_.consumer.delete_consumer(std::move(name), who, std::move(handler));
    }
    void acknowledge(std::string name, event_seq seq, api::backend_handler<track::consumer_view> handler) override {
        parts_.consumer.acknowledge(std::move(name), seq, std::move(handler));
    }
    void consumers(api::backend_handler<std::vector<track::consumer_view>> handler) override {
        parts_.consumer.consumers(std::move(handler));
    }
    wall_time wall_now() const override { return parts_.consumer.wall_now(); }

    void status_json(api::backend_handler<std::string> handler) override {
        parts_.status.status_json(std::move(handler));
    }
    api::health_report ready() const override { return parts_.status.ready(); }
    api::health_report healthy() const override { return parts_.status.healthy(); }
    void metrics_text(api::backend_handler<std::string> handler) override {
        parts_.status.metrics_text(std::move(handler));
    }

    void export_rows(track::export_query query, api::backend_handler<std::shared_ptr<byte_source>> handler) override {
        parts_.operation.export_rows(std::move(query), std::move(handler));
    }
    void reconcile(track::reconcile_job job, api::backend_handler<std::shared_ptr<byte_source>> handler) override {
        parts_.operation.reconcile(std::move(job), std::move(handler));
    }
    void backup(api::client_identity who, api::backend_handler<std::filesystem::path> handler) override {
        parts_.operation.backup(who, std::move(handler));
    }
    void set_log_level(
        std::string level, api::client_identity who, api::backend_handler<std::monostate> handler) override {
        parts_.operation.set_log_level(std::move(level), who, std::move(handler));
    }
    void set_maintenance(
        bool is_on, std::string note, api::client_identity who,
        api::backend_handler<std::optional<track::maintenance_mark>> handler) override {
        parts_.maintenance.set_maintenance(is_on, std::move(note), who, std::move(handler));
    }

  private:
    backend_parts parts_;
};

} // namespace prooftrack::engine
