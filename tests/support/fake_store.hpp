#pragma once

// The store interface over a fake_disk. With a clock it works by itself: operations wait for a commit, answers for
// their handler, and a crash between the two leaves a durable change that was not reported. Without a clock the test
// calls `pump`.

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "store/cluster.hpp"
#include "store/store.hpp"
#include "support/fake_replays.hpp"
#include "support/fake_store_queue.hpp"

namespace prooftrack::store {

class fake_store final : public fake_replay_calls<fake_store>, public fake_store_queue {
    friend class fake_replay_calls<fake_store>;

  public:
    /// `clock` = nullptr: by hand.
    explicit fake_store(
        fake_disk& disk, virtual_clock* clock = nullptr, fake_store_options options = {},
        store_observer* observer = nullptr);
    ~fake_store() override;
    fake_store(const fake_store&) = delete;
    fake_store& operator=(const fake_store&) = delete;

    void load_active(
        unique_function<void(std::vector<track::active_transaction>)> on_chunk,
        store_handler<std::uint64_t> done) override;

    void add(
        std::vector<track::new_transaction> transactions, std::optional<digest> session,
        store_handler<std::vector<add_outcome>> handler) override;
    void record(transition wanted, store_handler<recorded_transition> handler) override;
    void set_options(options_change wanted, store_handler<row_revision> handler) override;
    void save_facts(std::vector<track::active_transaction> rows, store_handler<std::monostate> handler) override;

    void find(transaction_id id, store_handler<std::optional<track::transaction_view>> handler) override;
    void list(track::transaction_query query, store_handler<track::transaction_page> handler) override;
    void history(transaction_id id, store_handler<std::optional<track::transaction_history>> handler) override;
    void events_after(event_seq after, std::size_t limit, store_handler<event_page> handler) override;

    void events_between(track::event_query query, store_handler<event_page> handler) override;

    void deliveries(track::delivery_query query, store_handler<track::delivery_page> handler) override;
    void next_heads(std::string lane, std::size_t limit, store_handler<std::vector<delivery_head>> handler) override;
    void load_delivery(delivery_id id, store_handler<std::optional<delivery_record>> handler) override;
    void record_attempt(attempt_record attempt, store_handler<std::optional<delivery_head>> handler) override;
    void retry_delivery(delivery_id id, wall_time now, store_handler<delivery_head> handler) override;
    void retry_dead(std::optional<std::string> callback, wall_time now, store_handler<std::uint64_t> handler) override;
    void set_maintenance(
        std::optional<track::maintenance_mark> mark,
        store_handler<std::optional<track::maintenance_mark>> handler) override;
    void set_failing(std::string lane, std::optional<wall_time> since, store_handler<std::monostate> handler) override;
    void end_failing(std::string lane, lane_recovery how, store_handler<std::uint64_t> handler) override;

    void set_paused(
        std::string callback, std::optional<wall_time> since, store_handler<std::optional<wall_time>> handler) override;
    void flush_callback(std::string callback, wall_time now, store_handler<std::uint64_t> handler) override;
    void dismiss_delivery(delivery_id id, std::string note, store_handler<track::delivery_view> handler) override;
    void dismiss_dead(
        std::optional<std::string> callback, std::string note, store_handler<std::uint64_t> handler) override;

    void put_consumer(
        std::string name, std::optional<event_seq> seq,
        store_handler<std::pair<bool, track::consumer_view>> handler) override;
    void delete_consumer(std::string name, store_handler<track::consumer_view> handler) override;
    void acknowledge(std::string name, event_seq seq, store_handler<track::consumer_view> handler) override;
    void consumers(store_handler<std::vector<track::consumer_view>> handler) override;

    void claim_session(digest key, digest body, wall_time now, store_handler<session_claim> handler) override;
    void release_session(digest key, store_handler<std::monostate> handler) override;

    void prune(prune_request request, store_handler<prune_result> handler) override;
    void export_rows(track::export_query query, store_handler<std::shared_ptr<byte_source>> handler) override;
    void reconcile(track::reconcile_job job, store_handler<std::shared_ptr<byte_source>> handler) override;
    void backup(store_handler<backup_file> handler) override;
    void status(store_handler<store_status> handler) override;
    std::uint64_t probes() const { return probes_; } ///< how often it was probed
    void probe(store_handler<std::monostate> handler) override;
    void remember_base_url(std::string base_url, store_handler<std::string> handler) override;

    void close(unique_function<void()> closed) override;

    /// From now on this daemon is one of several, and reaches the database through `gate`.
    void share(cluster_store& cluster, fake_gate* gate = nullptr) {
        cluster_ = &cluster;
        gate_ = gate;
    }
    cluster_store* cluster() override { return cluster_; }

  private:
    cluster_store* cluster_ = nullptr;

    /// A recovery that goes slice by slice, each behind what was asked for meanwhile.
    struct recovery_work {
        std::string lane;
        lane_recovery how;
        fake_disk::head_place after;
        std::uint64_t freed = 0;
    };
    void free_heads(recovery_work work, store_handler<std::uint64_t> handler);

    template <class Write>
    void stream(Write write, store_handler<std::shared_ptr<byte_source>> handler);
};

} // namespace prooftrack::store
