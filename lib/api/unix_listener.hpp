#pragma once

// The file-system side of a listening Unix socket.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include <sys/types.h>

namespace prooftrack::api {

/// A listening socket and the name it has in the file system.
class unix_listener {
  public:
    /// Listens under a temporary name first and takes the path over by renaming, so that no client ever meets a socket
    /// that does not answer or has the wrong mode. A stale socket is replaced, a live one refused; waits at most 2 s
    /// for another daemon that is doing the same. Throws api_start_error.
    static unix_listener bind(const std::filesystem::path& path, std::uint32_t mode, std::optional<gid_t> group);

    /// Takes a listening socket that another process bound. Throws api_start_error when it is not one.
    static unix_listener adopt(int passed);

    unix_listener(unix_listener&& other) noexcept;
    unix_listener& operator=(unix_listener&&) = delete;
    ~unix_listener(); ///< closes what was not released; the name stays

    /// The descriptor, non-blocking and close-on-exec, now the caller's.
    int release();

    /// Removes the name if this process bound it and it still stands for this socket.
    void remove_name();

  private:
    struct identity {
        dev_t device;
        ino_t inode;
    };
    unix_listener(int descriptor, std::filesystem::path path) : descriptor_(descriptor), path_(std::move(path)) {}

    int descriptor_;
    std::filesystem::path path_;    ///< "" = not ours
    std::optional<identity> bound_; ///< what the name stood for when it was ours
};

} // namespace prooftrack::api
