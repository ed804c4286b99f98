#include "store/postgres/pg_snapshots.hpp"

#include <csignal>

#include <pthread.h>

#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>

#include "store/copy_reader.hpp"
#include "store/postgres/open_postgres.hpp"

namespace prooftrack::store {

void pg_snapshots::request(copy_task task, store_thread::source_handler to_call) {
    forget_ended();
    if (static_cast<std::size_t>(places_.use_count()) - 1 >= most_exports) {
        boost::asio::post(loop_, [to_call = std::move(to_call), name = task.name]() mutable {
            to_call(make_store_error(store_error::busy, name, too_many_exports()));
        });
        return;
    }
    auto work = boost::asio::prefer(loop_, boost::asio::execution::outstanding_work.tracked);
    auto keep_running = [work, to_call = std::move(to_call)](op_result<std::shared_ptr<byte_source>> outcome) mutable {
        to_call(std::move(outcome));
    };
    opening& one = openings_.emplace_back();
    // Signals belong to the loop.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    one.thread =
        std::thread([this, &one, task = std::move(task), then = std::move(keep_running), place = places_]() mutable {
            open(std::move(task), std::move(then), std::move(place));
            one.is_over = true;
        });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

/// On a thread of its own: connecting may take a while.
void pg_snapshots::open(copy_task task, store_thread::source_handler to_call, std::shared_ptr<void> place) {
    op_result<std::shared_ptr<byte_source>> outcome = make_store_error(store_error::stopped, task.name);
    try {
        auto link = open_snapshot(target_, password_, is_stopped_);
        copy_reading what;
        what.task = task;
        what.place = std::move(place);
        what.on_failed = on_failed_;
        std::shared_ptr<byte_source> reader =
            std::make_shared<copy_reader>(loop_, std::make_unique<db_connection>(std::move(link)), std::move(what));
        outcome = op_result<std::shared_ptr<byte_source>>(std::move(reader));
    } catch (const postgres_error& error) {
        if (!is_stopped_) outcome = error.describe(task.name);
    } catch (const std::exception& error) {
        outcome = op_error{make_error_code(boost::system::errc::io_error), task.name, error.what()};
    }
    place.reset(); // before its caller can ask for another
    boost::asio::post(
        loop_, [to_call = std::move(to_call), outcome = std::move(outcome)]() mutable { to_call(std::move(outcome)); });
}

void pg_snapshots::forget_ended() {
    openings_.remove_if([](opening& one) {
        if (!one.is_over) return false;
        one.thread.join();
        return true;
    });
}

pg_snapshots::~pg_snapshots() {
    give_up();
    for (opening& one : openings_) one.thread.join();
}

} // namespace prooftrack::store
