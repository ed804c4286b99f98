#pragma once

// PostgreSQL held to the contract, in the program's server.

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio/io_context.hpp>

#include "contract/store/store_under_test.hpp"

namespace prooftrack::store {

class postgres_under_test : public store_under_test {
  public:
    /// Where it begins: with the tables of the test before, emptied, which is much faster, or in a new schema.
    enum class place { shared, fresh };
    explicit postgres_under_test(place where = place::shared);

    store& subject() override;
    void run() override;
    void reopen() override;
    void crash(crash_point where, std::uint64_t seed, const std::function<void(store&)>& calls) override;
    void set_full(bool is_full) override { is_full_ = is_full; }
    void break_disk() override; ///< another daemon takes over
    const recorded_store_facts& reported() const override { return reported_; }
    /// For certain: the commit before waits for the last call.
    void together(const std::function<void(store&)>& calls) override;

    const std::string& schema() const { return schema_; }
    postgres_options options();
    /// Runs at the next moment of that kind, once.
    void at(commit_moment moment, std::function<void(int socket)> what);
    /// The same at the commit of what is called `together` next.
    void at_theirs(commit_moment moment, std::function<void(int socket)> what) { theirs_ = {moment, std::move(what)}; }
    boost::asio::io_context& loop() { return *loop_; }

  private:
    void on_commit(commit_moment moment, int socket);

    std::string schema_;
    std::atomic<bool> is_full_{false};
    std::atomic<bool> is_crashing_{false};
    std::atomic<bool> has_cut_{false};
    crash_point where_{};
    bool is_cut_before_ = false;
    commit_moment awaited_{};
    std::function<void(int)> then_;
    std::pair<commit_moment, std::function<void(int)>> theirs_;
    recorded_store_facts reported_;
    std::unique_ptr<boost::asio::io_context> loop_ = std::make_unique<boost::asio::io_context>(1);
    std::unique_ptr<store> store_;
};

} // namespace prooftrack::store
