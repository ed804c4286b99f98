#include "support/power_loss_vfs.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <utility>

#include <unistd.h>

namespace prooftrack {
namespace {

constexpr std::size_t sector = 512;

/// Lives in memory that SQLite gives; the file below it follows.
struct wrapped_file {
    sqlite3_file base;
    power_loss_disk* disk;
    power_loss_disk::file_state* state; ///< nullptr for a file without a name
    sqlite3_file* below() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

wrapped_file& self(sqlite3_file* file) { return *reinterpret_cast<wrapped_file*>(file); }
power_loss_disk& disk_of(sqlite3_vfs* vfs) { return *static_cast<power_loss_disk*>(vfs->pAppData); }

int file_close(sqlite3_file* file) {
    wrapped_file& each = self(file);
    if (each.state != nullptr) each.disk->closed(each.state);
    return each.below()->pMethods->xClose(each.below());
}

int file_read(sqlite3_file* file, void* to, int length, sqlite3_int64 offset) {
    wrapped_file& each = self(file);
    if (const int code = each.disk->before_other()) return code;
    return each.below()->pMethods->xRead(each.below(), to, length, offset);
}

int file_write(sqlite3_file* file, const void* from, int length, sqlite3_int64 offset) {
    wrapped_file& each = self(file);
    if (const int code = each.disk->before_write()) return code;
    const int code = each.below()->pMethods->xWrite(each.below(), from, length, offset);
    if (code == SQLITE_OK && each.state != nullptr) {
        each.disk->written(
            *each.state,
            {offset, std::string(static_cast<const char*>(from), static_cast<std::size_t>(length)), false});
    }
    return code;
}

int file_truncate(sqlite3_file* file, sqlite3_int64 size) {
    wrapped_file& each = self(file);
    if (const int code = each.disk->before_write()) return code;
    const int code = each.below()->pMethods->xTruncate(each.below(), size);
    if (code == SQLITE_OK && each.state != nullptr) each.disk->written(*each.state, {size, {}, true});
    return code;
}

int file_sync(sqlite3_file* file, int) {
    wrapped_file& each = self(file);
    if (const int code = each.disk->before_sync()) return code;
    if (each.state != nullptr) each.disk->synced(*each.state);
    each.disk->after_sync();
    return SQLITE_OK;
}

int file_size(sqlite3_file* file, sqlite3_int64* size) {
    wrapped_file& each = self(file);
    if (const int code = each.disk->before_other()) return code;
    return each.below()->pMethods->xFileSize(each.below(), size);
}

int file_lock(sqlite3_file* file, int level) { return self(file).below()->pMethods->xLock(self(file).below(), level); }
int file_unlock(sqlite3_file* file, int level) {
    return self(file).below()->pMethods->xUnlock(self(file).below(), level);
}
int file_check_lock(sqlite3_file* file, int* held) {
    return self(file).below()->pMethods->xCheckReservedLock(self(file).below(), held);
}
int file_control(sqlite3_file* file, int operation, void* argument) {
    return self(file).below()->pMethods->xFileControl(self(file).below(), operation, argument);
}
int file_sector(sqlite3_file*) { return static_cast<int>(sector); }
int file_characteristics(sqlite3_file* file) {
    return self(file).below()->pMethods->xDeviceCharacteristics(self(file).below());
}

// Version 1: no shared memory and no mapped files, which an exclusive WAL connection does without.
constexpr sqlite3_io_methods methods{
    1,           file_close,      file_read,    file_write,  file_truncate,        file_sync, file_size, file_lock,
    file_unlock, file_check_lock, file_control, file_sector, file_characteristics, nullptr,   nullptr,   nullptr,
    nullptr,     nullptr,         nullptr};

int vfs_open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* flags_out) {
    power_loss_disk& disk = disk_of(vfs);
    wrapped_file& each = self(file);
    each.base.pMethods = nullptr;
    if (const int code = disk.before_other()) return code;
    const bool existed = path != nullptr && ::access(path, F_OK) == 0;
    const int code = disk.below()->xOpen(disk.below(), path, each.below(), flags, flags_out);
    if (code != SQLITE_OK) return code;
    each.disk = &disk;
    const bool is_journal = (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL)) != 0;
    each.state = path != nullptr ? disk.opened(path, existed, is_journal) : nullptr;
    each.base.pMethods = &methods;
    return SQLITE_OK;
}

int vfs_delete(sqlite3_vfs* vfs, const char* path, int sync_directory) {
    power_loss_disk& disk = disk_of(vfs);
    if (const int code = disk.before_other()) return code;
    const int code = disk.below()->xDelete(disk.below(), path, sync_directory);
    if (code == SQLITE_OK) disk.deleted(path, sync_directory != 0);
    return code;
}

int vfs_access(sqlite3_vfs* vfs, const char* path, int flags, int* result) {
    power_loss_disk& disk = disk_of(vfs);
    if (const int code = disk.before_other()) return code;
    return disk.below()->xAccess(disk.below(), path, flags, result);
}

int vfs_full_path(sqlite3_vfs* vfs, const char* path, int size, char* out) {
    return disk_of(vfs).below()->xFullPathname(disk_of(vfs).below(), path, size, out);
}
int vfs_randomness(sqlite3_vfs* vfs, int size, char* out) {
    return disk_of(vfs).below()->xRandomness(disk_of(vfs).below(), size, out);
}
int vfs_sleep(sqlite3_vfs* vfs, int microseconds) {
    return disk_of(vfs).below()->xSleep(disk_of(vfs).below(), microseconds);
}
int vfs_time(sqlite3_vfs* vfs, double* now) { return disk_of(vfs).below()->xCurrentTime(disk_of(vfs).below(), now); }
int vfs_last_error(sqlite3_vfs* vfs, int size, char* out) {
    return disk_of(vfs).below()->xGetLastError(disk_of(vfs).below(), size, out);
}

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream content;
    content << file.rdbuf();
    return content.str();
}

void apply(std::string& content, const power_loss_disk::change& what, std::size_t from, std::size_t length) {
    const auto at = static_cast<std::size_t>(what.offset) + from;
    if (content.size() < at + length) content.resize(at + length, '\0');
    std::memcpy(content.data() + at, what.bytes.data() + from, length);
}

/// What of the unsynced changes reached the platters.
void apply_some(std::string& content, const std::vector<power_loss_disk::change>& pending, random_source& random) {
    const std::uint64_t kind = random.next() % 4;
    const std::size_t whole = kind == 0 ? 0 : kind == 1 ? pending.size() : random.next() % (pending.size() + 1);
    for (std::size_t i = 0; i < pending.size(); ++i) {
        const power_loss_disk::change& each = pending[i];
        const bool torn = kind == 3;
        if (!torn && i >= whole) break;
        if (each.is_truncation) {
            if (!torn || random.next() % 2 == 0) content.resize(static_cast<std::size_t>(each.offset), '\0');
            continue;
        }
        for (std::size_t from = 0; from < each.bytes.size(); from += sector) {
            if (!torn || random.next() % 2 == 0) apply(content, each, from, std::min(sector, each.bytes.size() - from));
        }
    }
}

} // namespace

power_loss_disk::power_loss_disk(std::string name) : name_(std::move(name)), below_(sqlite3_vfs_find(nullptr)) {
    vfs_.iVersion = 1;
    vfs_.szOsFile = static_cast<int>(sizeof(wrapped_file)) + below_->szOsFile;
    vfs_.mxPathname = below_->mxPathname;
    vfs_.zName = name_.c_str();
    vfs_.pAppData = this;
    vfs_.xOpen = vfs_open;
    vfs_.xDelete = vfs_delete;
    vfs_.xAccess = vfs_access;
    vfs_.xFullPathname = vfs_full_path;
    vfs_.xRandomness = vfs_randomness;
    vfs_.xSleep = vfs_sleep;
    vfs_.xCurrentTime = vfs_time;
    vfs_.xGetLastError = vfs_last_error;
    if (sqlite3_vfs_register(&vfs_, 0) != SQLITE_OK) throw std::runtime_error("sqlite3_vfs_register");
}

power_loss_disk::~power_loss_disk() {
    {
        std::unique_lock lock(mutex_);
        if (!all_closed_.wait_for(lock, std::chrono::seconds(30), [this] { return open_ == 0; })) {
            std::fputs("power_loss_disk: files are open 30 s after their test\n", stderr);
            std::abort();
        }
    }
    sqlite3_vfs_unregister(&vfs_);
}

std::uint64_t power_loss_disk::syncs() const {
    const std::lock_guard lock(mutex_);
    return syncs_;
}

std::uint64_t power_loss_disk::writes() const {
    const std::lock_guard lock(mutex_);
    return writes_;
}

void power_loss_disk::cut_at_sync(std::uint64_t n, moment when) {
    const std::lock_guard lock(mutex_);
    cut_sync_ = {syncs_ + n, when};
}

void power_loss_disk::cut_at_write(std::uint64_t n) {
    const std::lock_guard lock(mutex_);
    cut_write_ = writes_ + n;
}

bool power_loss_disk::is_cut() const {
    const std::lock_guard lock(mutex_);
    return is_cut_;
}

void power_loss_disk::fail_sync(std::uint64_t n, int code) {
    const std::lock_guard lock(mutex_);
    failing_sync_ = planned{syncs_ + n, code};
}

void power_loss_disk::fail_write(std::uint64_t n, int code) {
    const std::lock_guard lock(mutex_);
    failing_write_ = planned{writes_ + n, code};
}

void power_loss_disk::clear_faults() {
    const std::lock_guard lock(mutex_);
    failing_sync_.reset();
    failing_write_.reset();
    broken_.reset();
    is_full_ = false;
}

void power_loss_disk::set_full(bool full) {
    const std::lock_guard lock(mutex_);
    is_full_ = full;
}

void power_loss_disk::set_broken(std::optional<int> code) {
    const std::lock_guard lock(mutex_);
    broken_ = code;
}

int power_loss_disk::before_write() {
    const std::lock_guard lock(mutex_);
    ++writes_;
    if (cut_write_ && writes_ >= *cut_write_) is_cut_ = true;
    if (is_cut_) return SQLITE_IOERR_WRITE;
    if (broken_) return *broken_;
    if (is_full_) return SQLITE_FULL;
    return failing_write_ && failing_write_->n == writes_ ? failing_write_->code : SQLITE_OK;
}

int power_loss_disk::before_sync() {
    const std::lock_guard lock(mutex_);
    ++syncs_;
    if (cut_sync_ && syncs_ >= cut_sync_->first && cut_sync_->second == moment::before) is_cut_ = true;
    if (is_cut_) return SQLITE_IOERR_FSYNC;
    if (broken_) return *broken_;
    return failing_sync_ && failing_sync_->n == syncs_ ? failing_sync_->code : SQLITE_OK;
}

int power_loss_disk::before_other() const {
    const std::lock_guard lock(mutex_);
    return is_cut_ ? SQLITE_IOERR : SQLITE_OK;
}

void power_loss_disk::after_sync() {
    const std::lock_guard lock(mutex_);
    if (cut_sync_ && syncs_ >= cut_sync_->first) is_cut_ = true;
}

power_loss_disk::file_state* power_loss_disk::opened(const std::string& path, bool existed, bool is_journal) {
    const std::lock_guard lock(mutex_);
    const bool is_known = files_.contains(path);
    file_state& state = files_[path];
    if (!is_known && existed) state.durable = read_file(path);
    if (!is_known) state.existed = existed;
    if (state.is_deleted) state = file_state();
    state.syncs_directory = is_journal && !existed;
    ++state.handles;
    ++open_;
    return &state;
}

void power_loss_disk::closed(file_state* state) {
    const std::lock_guard lock(mutex_);
    --state->handles;
    if (--open_ == 0) all_closed_.notify_all();
}

void power_loss_disk::written(file_state& state, change what) {
    const std::lock_guard lock(mutex_);
    state.pending.push_back(std::move(what));
}

void power_loss_disk::synced(file_state& state) {
    const std::lock_guard lock(mutex_);
    for (const change& each : state.pending) {
        if (each.is_truncation) {
            state.durable.resize(static_cast<std::size_t>(each.offset), '\0');
        } else {
            apply(state.durable, each, 0, each.bytes.size());
        }
    }
    state.pending.clear();
    state.existed = true;
    if (!std::exchange(state.syncs_directory, false)) return;
    for (auto& [path, each] : files_) each.existed = !each.is_deleted;
}

void power_loss_disk::deleted(const std::string& path, bool is_durable) {
    const std::lock_guard lock(mutex_);
    const auto found = files_.find(path);
    if (found == files_.end()) return;
    found->second.is_deleted = true;
    if (is_durable) found->second.existed = false;
}

void power_loss_disk::restore(std::uint64_t seed) {
    const std::lock_guard lock(mutex_);
    random_source random(seed);
    for (auto& [path, state] : files_) {
        if (state.handles != 0) throw std::logic_error("a file is still open: " + path);
        // A name that was not synced may be there or not, made or deleted.
        const bool stays =
            state.is_deleted ? state.existed && random.next() % 2 == 0 : state.existed || random.next() % 2 == 0;
        if (!stays) {
            ::unlink(path.c_str());
            continue;
        }
        std::string content = state.durable;
        apply_some(content, state.pending, random);
        std::ofstream file(path, std::ios::binary | std::ios::trunc);
        file.write(content.data(), static_cast<std::streamsize>(content.size()));
    }
    files_.clear();
    cut_sync_.reset();
    cut_write_.reset();
    is_cut_ = false;
}

} // namespace prooftrack
