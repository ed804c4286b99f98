#pragma once

// Several daemons on one fake_disk, on virtual time: who is there, who owns which shard, and each one's way to the
// database. The rules are those of PostgreSQL's store (pg_membership, cluster_thread, postgres_thread).

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/lifetime.hpp"
#include "base/random.hpp"
#include "store/cluster.hpp"
#include "support/fake_store.hpp"

namespace prooftrack::store {

class fake_node;

/// What the database holds of its nodes. Outlives them; `clock` is the database's as well.
class fake_nodes {
  public:
    explicit fake_nodes(virtual_clock& clock) : clock_(clock) {}

    // Faults of a store, to show that the simulation finds what comes of them.
    bool has_fence = true;
    milliseconds trust = lease_trust; ///< what nodes are told

    struct member {
        std::string boot; ///< this start
        node_state state = node_state::living;
        steady_time seen{};
        steady_time expires{};
    };
    struct gain {
        shard_set shards;
        shard_gain how = shard_gain::unowned;
        milliseconds silent{0};
    };
    struct claim {
        shard_set shards;
        shard_set mine;
        bool buries = false;
        steady_time joined{};
    };

    /// False while a start that may still live has the name.
    bool take_name(const std::string& name, const std::string& boot, const std::string& known_dead);
    bool renew(const std::string& name, const std::string& boot);
    bool may_write(const std::string& name, const std::string& boot) const;
    std::vector<gain> take(const std::string& name, const std::string& boot, const claim& wanted);
    void free(const std::string& name, const std::string& boot, const shard_set& shards);
    void begin_leaving(const std::string& name, const std::string& boot);
    void end(const std::string& name, const std::string& boot);
    /// `owned`, `wanted` and `sharing` are the node's to say.
    cluster_view view() const;
    bool has_expired(const std::string& name) const { return members_.at(name).expires < clock_.now().steady; }

    /// The number of the last commit.
    std::uint64_t batch() const { return batch_; }
    void on_commit() { ++batch_; }
    /// Tells the other nodes of a commit, but for those whose notification is lost.
    void notify(const fake_node& from);
    void enter(fake_node& node) { present_.insert(&node); }
    void leave(fake_node& node) { present_.erase(&node); }

    const std::map<std::string, member>& members() const { return members_; }
    /// "" = nobody.
    const std::string& owner_of(std::uint8_t shard) const { return owners_.at(shard); }
    /// The node whose start owns the shard and may write.
    bool is_owner(std::uint8_t shard, const std::string& name, const std::string& boot) const {
        return owners_.at(shard) == name && may_write(name, boot);
    }
    std::uint64_t takeovers() const { return takeovers_; }

  private:
    void bury_expired(const std::string& except);
    bool are_others_there(const std::string& name) const;

    virtual_clock& clock_;
    std::map<std::string, member> members_;
    std::array<std::string, shard_count> owners_{};
    std::bitset<shard_count> was_owned_;
    std::vector<shard_move> moves_; ///< the newest first
    std::uint64_t batch_ = 0;
    std::uint64_t takeovers_ = 0;
    std::set<fake_node*> present_;
};

/// What a test does to a node's way to the database.
struct fake_node_faults {
    bool is_cut = false;
    double lost_notifications = 0;           ///< share of them
    std::optional<bool> next_commit_is_done; ///< the next commit's answer is lost, and whether it took effect
    std::function<void()> on_cut;            ///< the connection broke at a commit
};

/// One start of a daemon: the interface of its store to the others, and what keeps its lease.
class fake_node final : public cluster_store, public fake_gate {
  public:
    /// The name is taken already, as `boot`. All of it must outlive it; what runs in the daemon is of `group`.
    struct parts {
        fake_nodes& cluster;
        fake_store& store;
        virtual_clock& clock;
        virtual_clock::group group = 0;
        std::string name;
        std::string boot;
        std::uint64_t seed = 1;
        fake_node_faults& faults;
    };
    explicit fake_node(parts with);
    fake_node(const fake_node&) = delete;
    fake_node& operator=(const fake_node&) = delete;
    ~fake_node() override;

    void join(cluster_observer& observer) override;
    void take_up(
        const shard_set& shards, unique_function<void(std::vector<track::active_transaction>)> on_chunk,
        store_handler<std::uint64_t> done) override;
    void let_go(const shard_set& shards, store_handler<std::monostate> handler) override;
    void hand_over(const shard_set& shards) override;
    void leave() override;
    void want_poll(transaction_id id, store_handler<std::monostate> handler) override;
    void tell_throttled(milliseconds /*pause: each node finds a 429 by itself here*/) override {}
    void read_news(news_cursor after, store_handler<cluster_news> handler) override;

    commit_fate before_commit(bool changes) override;
    void after_commit(bool is_news) override;
    const shard_set& held() const override { return held_; }

    /// The connection is back, or gone.
    void on_link_changed();
    void on_notification();
    /// The daemon has stopped cleanly.
    void say_goodbye();

    const std::string& name() const { return with_.name; }
    const std::string& boot() const { return boot_; }

  private:
    template <class Call>
    void tell(Call call);
    void run_in_group(steady_duration wait, unique_function<void()> work);
    steady_duration some_delay() { return milliseconds(random_.between(0, 25)); }
    void beat_again();
    void look_again();
    void beat();
    void renew(steady_duration booted, const std::string& boot);
    void on_renewed(steady_duration booted, const std::string& boot, bool is_renewed);
    void look(bool tells);
    cluster_view decide(fake_nodes::claim& wanted) const;
    bool claim(const fake_nodes::claim& wanted);
    void handle_requests();
    void lose_place(const std::string& why);
    void join_anew();

    parts with_;
    random_source random_;
    cluster_observer* observer_ = nullptr;
    shard_set held_; ///< given out here
    std::string boot_;
    int joins_ = 0;
    bool has_place_ = true;
    bool is_leaving_ = false;
    bool wants_to_leave_ = false;
    bool is_over_ = false;
    shard_set mine_;
    shard_set handed_over_;
    steady_time joined_;
    std::optional<steady_duration> last_beat_; ///< since boot, as the next one
    steady_duration buries_from_{};
    steady_time last_told_{};
    std::uint64_t seen_batch_ = 0;
    bool is_notice_planned_ = false;
    commit_fate fate_ = commit_fate::done;
    lifetime alive_;
};

} // namespace prooftrack::store
