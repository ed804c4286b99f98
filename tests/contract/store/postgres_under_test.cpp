#include "contract/store/postgres_under_test.hpp"

#include <future>

#include <sys/socket.h>

#include "store/postgres/postgres_error.hpp"
#include "support/postgres_server.hpp"

namespace prooftrack::store {

namespace {

void empty_shared_schema() {
    postgres_server::shared().run(R"sql(
        CREATE SCHEMA IF NOT EXISTS shared;
        DO $$
        DECLARE
            name TEXT;
        BEGIN
            FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'shared' LOOP
                EXECUTE format('DELETE FROM shared.%I', name);
            END LOOP;
            IF to_regclass('shared.counters') IS NOT NULL THEN
                INSERT INTO shared.counters VALUES (1, 1, 1, 1, 1, 1, 0, md5(random()::TEXT), '');
                INSERT INTO shared.prooftrackd VALUES (1, 2, 0);
            END IF;
        END
        $$;
    )sql");
}

} // namespace

postgres_under_test::postgres_under_test(place where) : schema_("shared") {
    if (where == place::shared) {
        empty_shared_schema();
        return;
    }
    static int number = 0;
    schema_ = "test_" + std::to_string(++number);
    postgres_server::shared().run("CREATE SCHEMA " + schema_);
}

postgres_options postgres_under_test::options() {
    postgres_options options;
    options.url = postgres_server::shared().url(schema_);
    options.seed = 7;
    options.at_commit = [this](commit_moment moment, int socket) { on_commit(moment, socket); };
    return options;
}

store& postgres_under_test::subject() {
    if (!store_) store_ = make_postgres_store(loop_->get_executor(), options(), reported_);
    return *store_;
}

void postgres_under_test::run() {
    loop_->restart();
    loop_->run();
}

void postgres_under_test::reopen() {
    subject().close([] {});
    run();
    store_.reset();
    subject();
}

void postgres_under_test::on_commit(commit_moment moment, int socket) {
    if (then_ && moment == awaited_) std::exchange(then_, nullptr)(socket);
    if (is_full_ && moment == commit_moment::before) throw postgres_error("53100", "No space left on device");
    if (!is_crashing_ || where_ == crash_point::after_commit) return;
    const bool is_cut_now = moment == commit_moment::sent || is_cut_before_ || has_cut_;
    if (!is_cut_now) return;
    has_cut_ = true; // nothing comes behind it
    ::shutdown(socket, SHUT_RDWR);
}

void postgres_under_test::crash(crash_point where, std::uint64_t seed, const std::function<void(store&)>& calls) {
    subject();
    where_ = where;
    is_cut_before_ = where == crash_point::before_commit || seed % 2 == 0;
    has_cut_ = false;
    is_crashing_ = true;
    calls(subject());
    store_.reset(); // its thread works off what is queued
    is_crashing_ = false;
    loop_ = std::make_unique<boost::asio::io_context>(1);
}

void postgres_under_test::break_disk() {
    postgres_server::shared().run("UPDATE " + schema_ + ".writers SET boot = 'another daemon'");
}

void postgres_under_test::together(const std::function<void(store&)>& calls) {
    std::promise<void> is_committing;
    std::promise<void> are_called;
    subject();
    at(commit_moment::before, [&, until = std::chrono::seconds(30)](int) {
        is_committing.set_value();
        are_called.get_future().wait_for(until);
        at(commit_moment::sent, [this](int) { at(theirs_.first, std::exchange(theirs_.second, nullptr)); });
    });
    subject().probe([](const auto&) {});
    is_committing.get_future().wait_for(std::chrono::seconds(30));
    calls(subject());
    are_called.set_value();
    run();
}

void postgres_under_test::at(commit_moment moment, std::function<void(int socket)> what) {
    awaited_ = moment;
    then_ = std::move(what);
}

} // namespace prooftrack::store
