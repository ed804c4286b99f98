#pragma once

// What works on a database: the thread of each kind of store.

#include <memory>

#include "store/operation.hpp"
#include "store/piece_writer.hpp"

namespace prooftrack::store {

/// Lives on the loop; must not outlive it. The destructor works off what was submitted.
class store_thread {
  public:
    using source_handler = store_handler<std::shared_ptr<byte_source>>;

    virtual ~store_thread() = default;
    virtual void submit(std::unique_ptr<operation> next) = 0;
    virtual void backup(store_handler<backup_file> handler) = 0;
    /// Runs the task over one consistent state of the database.
    virtual void read_copy(copy_task task, source_handler handler) = 0;
    /// `closed` runs after every handler.
    virtual void close(unique_function<void()> closed) = 0;
    virtual cluster_store* cluster() { return nullptr; }
};

/// The store whose calls that thread works off.
std::unique_ptr<store> make_database_store(boost::asio::any_io_executor loop, std::unique_ptr<store_thread> thread);

} // namespace prooftrack::store
