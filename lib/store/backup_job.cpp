#include "store/backup_job.hpp"

#include "store/disk_space.hpp"

namespace prooftrack::store {

void backup_job::open(database& db) {
    log_id_ = make_log_id(db.random.next());
    copy_ = std::make_unique<database_copy>(
        *db.connection, beside(db.path, ".backup-" + make_log_id(db.random.next())), db.vfs);
}

backup_job::~backup_job() {
    if (!checking_.joinable()) return;
    copy_->cancel();
    checking_.join();
    std::error_code ignored;
    if (outcome_ && outcome_->has_value()) std::filesystem::remove(copy_->path(), ignored); // nobody took it
}

void backup_job::step(std::chrono::milliseconds budget) {
    if (copy_->step(budget)) checking_ = std::thread([this] { check_copy(); });
}

void backup_job::check_copy() noexcept {
    try {
        const std::uint64_t bytes = copy_->finish(log_id_);
        outcome_.emplace(backup_file{copy_->path(), bytes});
    } catch (const sqlite_error& error) {
        if (error.reach() == failure_reach::batch) {
            outcome_.emplace(make_store_error(store_error::no_space_for_copy, "back up", error.what()));
        } else {
            outcome_.emplace(error.describe("back up"));
        }
    } catch (const std::exception& error) {
        outcome_.emplace(op_error{make_error_code(boost::system::errc::io_error), "back up", error.what()});
    }
    is_checked_.store(true, std::memory_order_release);
    wake_();
}

std::optional<op_result<backup_file>> backup_job::take_outcome() {
    if (!is_checked_.load(std::memory_order_acquire)) return std::nullopt;
    return std::exchange(outcome_, std::nullopt);
}

} // namespace prooftrack::store
