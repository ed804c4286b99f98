#pragma once

// Whether the open database still is the file that its path names. Belongs to the store's thread.

#include <array>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <optional>
#include <string>

#include <sys/types.h>

#include "store/connection.hpp"

namespace prooftrack::store {

/// Detects that the files of the open database were moved, removed or overwritten: SQLite would keep using the open
/// files, and what it commits to them is lost after the next start.
class database_place {
  public:
    enum class change : std::uint8_t {
        taken_away,  ///< another file, or none, at the path of the database or of its write-ahead log
        overwritten, ///< the same file with other content: its write-ahead log belongs to what was there before
    };
    struct finding {
        change what = change::taken_away;
        std::string text;               ///< for people
        bool log_is_a_stranger = false; ///< another database's write-ahead log is beside it
    };

    /// Call it after the first write of `db`, whose write-ahead log is there then.
    void remember(const std::filesystem::path& path, db_connection& db);
    /// After a checkpoint: the one thing that writes the database file itself.
    void remember_content(db_connection& db);
    /// The write-ahead log of the database that is open.
    const std::filesystem::path& log() const { return log_path_; }
    /// nothing when all is as it was. Two calls of stat. A file that cannot be examined is not reported.
    std::optional<finding> look(db_connection& db);

  private:
    struct identity {
        dev_t device = 0;
        ino_t number = 0;
    };
    struct stamp {
        off_t size = 0;
        timespec written{};
    };
    using header = std::array<char, 100>;

    enum class seen : std::uint8_t { same, another, nothing };
    static seen look_at(const std::filesystem::path& file, const identity& known, stamp& now);
    static bool read_header(db_connection& db, header& into);

    std::filesystem::path path_;
    std::filesystem::path log_path_;
    identity file_;
    identity log_;
    stamp stamp_;
    header header_{};
    bool knows_content_ = false;
};

} // namespace prooftrack::store
