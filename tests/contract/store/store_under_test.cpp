#include "contract/store/store_under_test.hpp"

#include <filesystem>

#include <boost/asio/io_context.hpp>

#include "contract/store/postgres_under_test.hpp"
#include "support/fake_store.hpp"
#include "support/postgres_server.hpp"
#include "support/power_loss_vfs.hpp"
#include "support/store_world.hpp"

namespace prooftrack::store {
namespace {

/// SQLite on files whose disk loses power, is full and fails on demand.
class sqlite_under_test final : public store_under_test {
  public:
    store& subject() override {
        if (!store_) store_ = make_sqlite_store(loop_->get_executor(), {path_, 7, disk_.name()}, reported_);
        return *store_;
    }
    void run() override {
        loop_->restart();
        loop_->run();
    }
    void reopen() override {
        subject().close([] {});
        run();
        store_.reset();
        subject();
    }
    void crash(crash_point where, std::uint64_t seed, const std::function<void(store&)>& calls) override {
        subject();
        if (where == crash_point::before_commit) disk_.cut_at_write(1);
        if (where == crash_point::in_commit) disk_.cut_at_sync(1, power_loss_disk::moment::before);
        calls(subject());
        store_.reset(); // its thread works off what is queued
        loop_ = std::make_unique<boost::asio::io_context>(1);
        if (where == crash_point::after_commit) return;
        std::filesystem::remove(path_.string() + ".lock"); // a machine without power leaves no mark of a failure
        disk_.restore(seed);
    }
    void set_full(bool is_full) override { disk_.set_full(is_full); }
    void break_disk() override { disk_.fail_sync(1, SQLITE_IOERR_FSYNC); }
    const recorded_store_facts& reported() const override { return reported_; }

  private:
    temporary_directory directory_;
    std::filesystem::path path_ = directory_.path() / "db" / "prooftrackd.db";
    power_loss_disk disk_{"store-contract"};
    recorded_store_facts reported_;
    std::unique_ptr<boost::asio::io_context> loop_ = std::make_unique<boost::asio::io_context>(1);
    std::unique_ptr<store> store_;
};

/// What the simulation and the engine's tests run on.
class fake_under_test final : public store_under_test {
  public:
    store& subject() override { return opened(); }
    void run() override { opened().pump(); }
    void reopen() override {
        opened().close([] {});
        run();
        store_.reset();
    }
    void crash(crash_point where, std::uint64_t seed, const std::function<void(store&)>& calls) override {
        calls(opened());
        if (where == crash_point::after_commit || (where == crash_point::in_commit && seed % 2 == 0)) store_->commit();
        store_->crash();
        store_.reset();
    }
    void set_full(bool is_full) override { opened().set_full(is_full); }
    void break_disk() override { opened().set_failed(); }
    const recorded_store_facts& reported() const override { return reported_; }

  private:
    fake_store& opened() {
        if (!store_) store_ = std::make_unique<fake_store>(disk_, nullptr, fake_store_options{}, &reported_);
        return *store_;
    }

    fake_disk disk_;
    recorded_store_facts reported_;
    std::unique_ptr<fake_store> store_;
};

} // namespace

std::vector<store_kind> store_kinds() {
    std::vector<store_kind> kinds{
        {"Sqlite", [] { return std::make_unique<sqlite_under_test>(); }},
        {"Fake", [] { return std::make_unique<fake_under_test>(); }}};
    if (postgres_server::programs()) // else PostgresServer.IsInstalled says that they are missing
        kinds.push_back({"Postgres", [] { return std::make_unique<postgres_under_test>(); }});
    return kinds;
}

} // namespace prooftrack::store
