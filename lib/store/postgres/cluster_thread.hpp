#pragma once
// STUB
#include <functional>
#include <memory>
#include "store/cluster.hpp"
#include "store/postgres/pg_identity.hpp"
#include "store/postgres/pg_target.hpp"
namespace prooftrack::store {
struct cluster_hooks {
    std::function<void(steady_time)> lease;
    std::function<void(const shard_set&, shard_gain, milliseconds)> gained;
    std::function<void(const cluster_view&)> view;
    std::function<void()> news;
    std::function<void(const std::string&)> fenced;
    std::function<void()> identity_changed;
};
struct cluster_thread_parts { const pg_target& target; const secret& password; std::string version; std::uint64_t seed; };
class cluster_thread {
  public:
    cluster_thread(cluster_thread_parts, std::shared_ptr<pg_identity>, cluster_hooks);
    void notify_others();
    void hand_over(const shard_set&);
    void leave();
    void look_at_identity();
    void stop();
};
}
