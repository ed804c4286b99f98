#pragma once

// The interface between the nodes, of PostgreSQL's store: calls become operations of the store's thread, what the
// thread of the lease reports goes to the loop.

#include <memory>
#include <mutex>
#include <string>

#include "store/cluster.hpp"
#include "store/load_ops.hpp"
#include "store/operation_queue.hpp"
#include "store/postgres/cluster_thread.hpp"
#include "store/postgres/pg_identity.hpp"
#include "store/postgres/pg_target.hpp"

namespace prooftrack::store {

/// Lives on the loop, but for what says otherwise.
class postgres_cluster final : public cluster_store {
  public:
    /// What it works with; the references must outlive it.
    struct parts {
        operation_queue& queue;
        const pg_target& target;
        const secret& password;
        std::string version;
        pg_identity& identity;
        std::uint64_t seed = 1;
    };
    explicit postgres_cluster(parts with) : with_(std::move(with)), gate_(std::make_shared<chunk_gate>()) {}

    void join(cluster_observer& observer) override;
    void take_up(const shard_set& shards, chunk_handler on_chunk, store_handler<std::uint64_t> done) override;
    void let_go(const shard_set& shards, store_handler<std::monostate> handler) override;
    void hand_over(const shard_set& shards) override;
    void leave() override;
    void want_poll(transaction_id id, store_handler<std::monostate> handler) override;
    void tell_throttled(milliseconds pause) override;
    void read_news(news_cursor after, store_handler<cluster_news> handler) override;

    /// No chunk is waited for any more.
    void open_gate() { gate_->open_for_good(); }

    // The store's thread's.
    /// Others should read the news.
    void notify_others();
    /// The fence refused a commit of that start. False when nobody keeps a lease, so nobody joins anew.
    bool on_writer_fenced(const std::string& boot);
    /// The lease ends.
    void stop();

  private:
    void give_place_up();
    template <class T, class Work>
    void submit(
        const char* name, operation_kind kind, std::size_t weight, Work work, store_handler<T> handler,
        std::optional<row_wishes> wishes = std::nullopt) {
        with_.queue.submit(
            make_operation<T>(name, kind, weight, std::move(work), std::move(handler), std::move(wishes)));
    }
    cluster_hooks make_hooks(cluster_observer& observer);

    parts with_;
    std::shared_ptr<chunk_gate> gate_;
    std::mutex mutex_;
    std::unique_ptr<cluster_thread> lease_; ///< guarded by mutex_ until it is there
};

} // namespace prooftrack::store
