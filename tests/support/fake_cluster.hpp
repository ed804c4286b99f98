#pragma once

// What a use case asks of the other daemons, noted down; they answer when the test says.

#include <string>
#include <utility>
#include <vector>

#include "store/cluster.hpp"

namespace prooftrack {

class fake_cluster final : public store::cluster_store {
  public:
    void join(store::cluster_observer& /*observer*/) override {}
    void take_up(
        const shard_set& /*shards*/, unique_function<void(std::vector<track::active_transaction>)> /*on_chunk*/,
        store::store_handler<std::uint64_t> done) override {
        done(0);
    }
    void let_go(const shard_set& /*shards*/, store::store_handler<std::monostate> handler) override {
        handler(std::monostate{});
    }
    void hand_over(const shard_set& /*shards*/) override {}
    void leave() override {}
    void want_poll(transaction_id id, store::store_handler<std::monostate> handler) override {
        wanted.push_back(id.str());
        if (refuse_polls == store::store_error{}) {
            handler(std::monostate{});
        } else {
            handler(op_error{make_error_code(refuse_polls), "want a poll", {}});
        }
    }
    void tell_throttled(milliseconds pause) override { told.push_back(pause); }
    void read_news(store::news_cursor after, store::store_handler<store::cluster_news> handler) override {
        store::cluster_news nothing;
        nothing.next = after;
        handler(std::move(nothing));
    }

    std::vector<std::string> wanted;   ///< the ids of which a poll was wanted
    std::vector<milliseconds> told;    ///< pauses after a 429
    store::store_error refuse_polls{}; ///< none: they are taken
};

} // namespace prooftrack
