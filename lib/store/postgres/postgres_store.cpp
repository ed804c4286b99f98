#include "store/postgres/postgres_thread.hpp"

namespace prooftrack::store {

std::unique_ptr<store> make_postgres_store(
    boost::asio::any_io_executor loop, const postgres_options& options, store_observer& observer) {
    auto target = parse_pg_url(options.url);
    if (!target) throw store_start_error(75, target.error().message());
    opened_postgres opened = open_postgres(options, *target);
    auto thread = std::make_unique<postgres_thread>(loop, options, *std::move(target), std::move(opened), observer);
    return make_database_store(std::move(loop), std::move(thread));
}

} // namespace prooftrack::store
