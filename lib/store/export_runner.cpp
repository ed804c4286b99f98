#include "store/export_runner.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>

#include "store/copy_reader.hpp"
#include "store/disk_space.hpp"

namespace prooftrack::store {
namespace {

void post_answer(
    const boost::asio::any_io_executor& loop, export_runner::handler to_call,
    op_result<std::shared_ptr<byte_source>> outcome) {
    boost::asio::post(
        loop, [to_call = std::move(to_call), outcome = std::move(outcome)]() mutable { to_call(std::move(outcome)); });
}

} // namespace

void export_runner::request(copy_task task, handler to_call) {
    const std::lock_guard lock(mutex_);
    const auto others = static_cast<std::size_t>(places_.use_count()) - 1;
    if (others >= most_exports) {
        return post_answer(
            loop_, std::move(to_call), make_store_error(store_error::busy, task.name, too_many_exports()));
    }
    auto work = boost::asio::prefer(loop_, boost::asio::execution::outstanding_work.tracked);
    auto keep_running = [work, to_call = std::move(to_call)](op_result<std::shared_ptr<byte_source>> outcome) mutable {
        to_call(std::move(outcome));
    };
    waiting_.push_back({std::move(task), std::move(keep_running), places_});
}

bool export_runner::take_next() {
    const std::lock_guard lock(mutex_);
    if (waiting_.empty()) return false;
    current_ = std::make_unique<waiting_export>(std::move(waiting_.front()));
    waiting_.pop_front();
    return true;
}

void export_runner::step(database& db, std::chrono::milliseconds budget) {
    try {
        if (!copy_) {
            if (!take_next()) return;
            if (!has_space_for_copy(db.path))
                return answer(make_store_error(store_error::no_space_for_copy, current_->task.name));
            copy_ = std::make_unique<database_copy>(
                *db.connection, beside(db.path, ".backup-" + make_log_id(db.random.next())), db.vfs);
        }
        if (!copy_->step(budget)) return;
        copy_reading what;
        what.task = current_->task;
        what.place = current_->place;
        what.on_failed = on_failed_;
        answer(std::shared_ptr<byte_source>(std::make_shared<copy_reader>(loop_, copy_->take(), std::move(what))));
    } catch (const sqlite_error& error) {
        const bool is_room = error.reach() == failure_reach::batch;
        answer(
            is_room ? make_store_error(store_error::no_space_for_copy, current_->task.name, error.what())
                    : error.describe(current_->task.name));
    } catch (const std::exception& error) {
        answer(op_error{make_error_code(boost::system::errc::io_error), current_->task.name, error.what()});
    }
}

void export_runner::abort(store_error why) {
    if (current_) answer(make_store_error(why, current_->task.name));
    while (take_next()) answer(make_store_error(why, current_->task.name));
}

/// The current one is over, or goes on without the store.
void export_runner::answer(op_result<std::shared_ptr<byte_source>> outcome) {
    copy_.reset();
    const auto done = std::move(current_);
    done->place.reset(); // before its caller can ask for another; a reader has one of its own
    post_answer(loop_, std::move(done->to_call), std::move(outcome));
}

} // namespace prooftrack::store
