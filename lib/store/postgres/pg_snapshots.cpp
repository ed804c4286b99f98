#include "store/postgres/pg_snapshots.hpp"

#include <system_error>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>

#include "net/worker_thread.hpp"
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
    opening& one = openings_.emplace_back();
    one.task = std::move(task);
    one.place = places_;
    one.to_call = [work = boost::asio::prefer(loop_, boost::asio::execution::outstanding_work.tracked),
                   then = std::move(to_call)](op_result<std::shared_ptr<byte_source>> outcome) mutable {
        then(std::move(outcome));
    };
    try {
        one.thread = net::start_worker("export-open", [this, &one] {
            open(one);
            one.is_over = true;
        });
    } catch (const std::system_error& error) {
        answer(one, op_error{make_error_code(boost::system::errc::io_error), one.task.name, error.what()});
        openings_.pop_back();
    }
}

/// On a thread of its own: connecting may take a while.
void pg_snapshots::open(opening& one) {
    const char* const name = one.task.name;
    op_result<std::shared_ptr<byte_source>> outcome = make_store_error(store_error::stopped, name);
    try {
        auto link = open_snapshot(target_, password_, is_stopped_);
        copy_reading what;
        what.task = std::move(one.task);
        what.place = std::move(one.place);
        what.on_failed = on_failed_;
        std::shared_ptr<byte_source> reader =
            std::make_shared<copy_reader>(loop_, std::make_unique<db_connection>(std::move(link)), std::move(what));
        outcome = op_result<std::shared_ptr<byte_source>>(std::move(reader));
    } catch (const postgres_error& error) {
        if (!is_stopped_) outcome = error.describe(name);
    } catch (const std::exception& error) {
        outcome = op_error{make_error_code(boost::system::errc::io_error), name, error.what()};
    }
    answer(one, std::move(outcome));
}

void pg_snapshots::answer(opening& one, op_result<std::shared_ptr<byte_source>> outcome) {
    one.task = {};     // it may hold a list of many megabytes
    one.place.reset(); // before its caller can ask for another
    boost::asio::post(loop_, [to_call = std::move(one.to_call), outcome = std::move(outcome)]() mutable {
        to_call(std::move(outcome));
    });
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
