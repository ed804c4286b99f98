#include "store/backup_runner.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>

#include "store/disk_space.hpp"

namespace prooftrack::store {
namespace {

op_error describe_failure(const sqlite_error& error) {
    if (error.reach() == failure_reach::batch)
        return make_store_error(store_error::no_space_for_copy, "back up", error.what());
    return error.describe("back up");
}

} // namespace

void backup_runner::request(store_handler<backup_file> handler) {
    {
        const std::lock_guard lock(mutex_);
        if (!is_taken_) {
            is_taken_ = true;
            waiting_ = std::move(handler);
            return;
        }
    }
    answer(std::move(handler), make_store_error(store_error::busy, "back up"));
}

void backup_runner::step(database& db, std::chrono::milliseconds budget) {
    try {
        start(db);
        if (is_copying()) job_->step(budget);
    } catch (const sqlite_error& error) {
        end(describe_failure(error));
        return;
    }
    if (!job_ || job_->is_copying()) return;
    if (auto outcome = job_->take_outcome()) end(*std::move(outcome));
}

void backup_runner::start(database& db) {
    store_handler<backup_file> handler;
    {
        const std::lock_guard lock(mutex_);
        if (!waiting_) return;
        handler = *std::exchange(waiting_, std::nullopt);
    }
    job_ = std::make_unique<backup_job>(std::move(handler), [this] { wake_(); });
    if (!has_space_for_copy(db.path)) {
        end(make_store_error(store_error::no_space_for_copy, "back up"));
        return;
    }
    job_->open(db);
}

void backup_runner::abort(store_error why, bool also_checking) {
    store_handler<backup_file> handler;
    {
        const std::lock_guard lock(mutex_);
        if (waiting_) {
            handler = *std::exchange(waiting_, std::nullopt);
            is_taken_ = false;
        }
    }
    if (handler) answer(std::move(handler), make_store_error(why, "back up"));
    if (job_ && (job_->is_copying() || also_checking)) end(make_store_error(why, "back up"));
}

void backup_runner::end(op_result<backup_file> outcome) {
    store_handler<backup_file> handler = std::move(job_->handler);
    job_.reset();
    {
        const std::lock_guard lock(mutex_);
        is_taken_ = false;
    }
    answer(std::move(handler), std::move(outcome));
}

void backup_runner::answer(store_handler<backup_file> handler, op_result<backup_file> outcome) {
    boost::asio::post(
        loop_, [handler = std::move(handler), outcome = std::move(outcome)]() mutable { handler(std::move(outcome)); });
}

} // namespace prooftrack::store
