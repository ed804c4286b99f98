#include <memory>

#include "store/commit_thread.hpp"
#include "store/disk_space.hpp"
#include "store/open_database.hpp"
#include "store/store.hpp"

namespace prooftrack::store {

std::unique_ptr<store> make_sqlite_store(
    boost::asio::any_io_executor loop, const store_options& options, store_observer& observer) {
    prepare_directory(options.path);
    auto lock = std::make_unique<lock_file>(options.path);
    auto db = open_database(options, *lock);
    auto thread = std::make_unique<commit_thread>(loop, std::move(db), std::move(lock), observer);
    return make_database_store(std::move(loop), std::move(thread));
}

} // namespace prooftrack::store
