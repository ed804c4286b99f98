#pragma once

// Keeps this node's lease, and its place among the others.

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "store/cluster.hpp"
#include "store/postgres/pg_identity.hpp"
#include "store/postgres/pg_membership.hpp"
#include "store/postgres/pg_target.hpp"

namespace prooftrack::store {

/// Called on the thread of cluster_thread; they must not throw, and return soon.
struct cluster_hooks {
    std::function<void(steady_duration until)> lease; ///< what cluster_observer::on_lease gets
    std::function<void(const shard_set&, shard_gain, milliseconds silent)> gained;
    std::function<void(const cluster_view&)> view; ///< complete; after `gained`
    std::function<void()> news;                    ///< others may have committed something
    std::function<void(const std::string& why)> fenced;
    std::function<void()> identity_changed; ///< joined anew: the identity has a boot again. May be empty
};

/// A thread with a connection of its own, so that a heartbeat never waits for a commit. Its node has joined already
/// (join_cluster), less than lease_length ago. A lost connection is made again, for ever; a node that the others took
/// for gone joins again.
class cluster_thread {
  public:
    /// `target`, `password` and `identity` must outlive it. `new_boot` gives 16 hex digits, on its thread.
    cluster_thread(
        const pg_target& target, const secret& password, pg_identity& identity, std::string version,
        std::function<std::string()> new_boot, cluster_hooks hooks);
    cluster_thread(const cluster_thread&) = delete;
    cluster_thread& operator=(const cluster_thread&) = delete;
    ~cluster_thread() { stop(); }

    // From any thread, at once.

    /// This node has committed something: one NOTIFY for all calls within 10 ms.
    void notify_others();
    /// They are free for others. Everything of them is committed.
    void hand_over(const shard_set& shards);
    /// No shard is wanted by this node any more.
    void leave();
    /// The writer was fenced (pg_identity::lose).
    void look_at_identity();

    /// The node is gone and its shards are free, if PostgreSQL can be reached: within a second or two. Its writer has
    /// written its last by then. Waits; no hook is called afterwards.
    void stop();

    static constexpr milliseconds between_beats{1'000};
    static constexpr milliseconds between_looks{500}; ///< at who has expired
    static constexpr milliseconds between_notices{10};
    static constexpr milliseconds writer_patience{3'000}; ///< without its connection no lease is renewed after that
    static constexpr milliseconds first_pause{100};       ///< until it connects again
    static constexpr milliseconds longest_pause{1'000};

  private:
    /// What others ask of the thread.
    struct requests {
        shard_set handed_over;
        bool leaves = false;
        bool notifies = false;
    };
    struct file_closer {
        explicit file_closer(int opened) : number(opened) {}
        file_closer(const file_closer&) = delete;
        file_closer& operator=(const file_closer&) = delete;
        ~file_closer();
        const int number;
    };

    void wake() const;
    void run();
    void connect();
    void serve();
    void say_goodbye();

    void beat();
    void look(bool tells);
    void handle_requests();
    void read_notifications();
    void wait_until(steady_time until);

    shard_claim decide(pg_members& members) const;
    bool claim(const shard_claim& wanted);
    bool is_without_writer() const;
    void lose_place(const std::string& why);
    void join_anew();
    pg_node self() const { return {identity_.name(), boot_, version_}; }

    const pg_target& target_;
    const secret& password_;
    pg_identity& identity_;
    const std::string version_;
    const std::function<std::string()> new_boot_;
    const cluster_hooks hooks_;
    const file_closer wakeup_; ///< an eventfd
    std::atomic<bool> is_stopping_{false};
    std::mutex mutex_;
    requests requests_; ///< guarded by mutex_

    // Of the thread alone.
    std::unique_ptr<pg_link> link_;
    milliseconds pause_ = first_pause;
    std::string boot_;          ///< of the start that joined last
    std::string next_boot_;     ///< of the one that tries to; a join whose answer was lost is repeated
    bool has_place_ = true;     ///< false: fenced, and not joined again yet
    bool has_said_why_ = false; ///< that the name is somebody else's now
    bool is_leaving_ = false;
    shard_set mine_; ///< gained by this start and not handed over
    steady_time joined_;
    steady_time connected_;
    std::optional<steady_duration> last_beat_; ///< start of the last good heartbeat, since boot
    steady_time buries_from_;                  ///< earlier, others may only have been without PostgreSQL, as we were
    steady_time next_beat_;
    steady_time next_look_;
    steady_time next_notice_;
    bool has_to_notify_ = false;
    bool has_to_look_ = false; ///< something has changed
    std::int64_t seen_batch_ = -1;

    std::thread thread_;
};

} // namespace prooftrack::store
