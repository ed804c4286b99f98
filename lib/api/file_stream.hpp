#pragma once

// A file as a response body.

#include <cstdint>
#include <filesystem>

#include "api/body_stream.hpp"
#include "base/result.hpp"

namespace prooftrack::api {

/// Sends a file from its beginning to its end. Reads 128 KiB at a time and has the kernel fetch ahead, so that the loop
/// hardly waits for the disk.
class file_stream final : public body_stream {
  public:
    /// Opens the file and removes its name: nothing is left behind, however the transfer ends.
    static op_result<std::shared_ptr<file_stream>> open_and_unlink(const std::filesystem::path& path);

    explicit file_stream(int descriptor);
    ~file_stream() override;
    file_stream(const file_stream&) = delete;
    file_stream& operator=(const file_stream&) = delete;

    progress next(std::vector<shared_bytes>& out) override;
    std::optional<std::uint64_t> size() const override { return size_; }
    void set_waker(unique_function<void()>) override {}

  private:
    int descriptor_;
    std::uint64_t size_ = 0; ///< when it was opened
    std::int64_t offset_ = 0;
};

} // namespace prooftrack::api
