#pragma once

// A real store on a real file in a directory of its own, driven call by call.

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <unistd.h>

#include <boost/asio/io_context.hpp>

#include "support/store_calls.hpp"

namespace prooftrack {

/// A directory that goes with its owner; in memory where there is such a file system, because other tests keep the disk
/// busy.
class temporary_directory {
  public:
    temporary_directory() {
        const bool has_memory = ::access("/dev/shm", W_OK) == 0;
        const std::filesystem::path place = has_memory ? "/dev/shm" : std::filesystem::temp_directory_path();
        std::string pattern = (place / "prooftrack-store-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
        path_ = pattern;
    }
    temporary_directory(const temporary_directory&) = delete;
    temporary_directory& operator=(const temporary_directory&) = delete;
    ~temporary_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

class store_world final : public store_calls {
  public:
    explicit store_world(std::string vfs = {}) : vfs_(std::move(vfs)) {}

    std::filesystem::path path() const { return directory_.path() / "db" / "prooftrackd.db"; }
    boost::asio::io_context& loop() { return loop_; }
    recorded_store_facts& facts() { return facts_; }

    void open() { store_ = make_sqlite_store(loop_.get_executor(), {path(), 7, vfs_}, facts_); }
    store::store& subject() override {
        if (!store_) open();
        return *store_;
    }
    /// Ends the store cleanly and runs every handler.
    void close() {
        if (!store_) return;
        store_->close([] {});
        run();
        store_.reset();
    }
    void reopen() {
        close();
        open();
    }
    /// As destruction without close does it.
    void drop() {
        store_.reset();
        run();
    }
    void run() override {
        loop_.restart();
        loop_.run();
    }

  private:
    temporary_directory directory_;
    std::string vfs_;
    boost::asio::io_context loop_{1};
    recorded_store_facts facts_;
    std::unique_ptr<store::store> store_;
};

} // namespace prooftrack
