#pragma once

// A reload: everything new is prepared first; then all of it is taken over, or nothing.

#include <filesystem>
#include <string>
#include <string_view>

#include "engine/meters.hpp"
#include "observe/log.hpp"
#include "prooftrackd/machine.hpp"
#include "prooftrackd/preparation.hpp"

namespace prooftrack::daemon {

/// The running parts, as far as a reload reaches them.
class running_parts {
  public:
    virtual ~running_parts() = default;
    virtual const prepared_runtime& runtime() const = 0;
    /// The second half of a reload.
    virtual void take_over(prepared_runtime next) noexcept = 0;
    /// Everything stays as it was; `why` is the first mistake, for people.
    virtual void keep(const std::string& why) noexcept = 0;
};

class reloader {
  public:
    reloader(std::filesystem::path file, const machine& from, observe::event_log& log, engine::meters& counts)
        : file_(std::move(file)), machine_(from), log_(log), counts_(counts) {}

    /// Logs `config.reloaded`, or `config.refused` for each mistake; true when the file was taken over.
    bool reload(running_parts& running);

  private:
    std::filesystem::path file_;
    const machine& machine_;
    observe::event_log& log_;
    engine::meters& counts_;
};

/// `config.refused`, a line for each mistake.
void log_refused(observe::event_log& log, const config::config_mistakes& mistakes, std::string_view advice);
/// The same for a start. `exit_status` other than 78: the file may be good, and a later start may go on.
void log_refused_start(observe::event_log& log, const config::config_mistakes& mistakes, int exit_status);
/// `config.proxy`: which proxy is used by whom, a line for each.
void log_proxies(observe::event_log& log, const std::vector<proxy_use>& uses);
/// `config.warning` and `config.insecure_file`.
void log_warnings(observe::event_log& log, const std::filesystem::path& file, const preparation& ready);

} // namespace prooftrack::daemon
