#pragma once

// Takes a changed token, webhook secret, headers_file or proxy password into use without a reload.

#include <string_view>
#include <vector>

#include "observe/log.hpp"
#include "prooftrackd/machine.hpp"
#include "prooftrackd/preparation.hpp"

namespace prooftrack::daemon {

/// Works on the runtime in force. A file that is missing, empty, malformed or cannot be read now changes nothing: the
/// last good content stays in use, which is logged once, and the file is read again at each look until that succeeds.
class secret_reread {
  public:
    secret_reread(const machine& from, observe::event_log& log) : machine_(from), log_(log) {}

    /// Reads the token; true = it is another one, and `now.proof` was made with it.
    bool read_token(prepared_runtime& now) const;
    /// Reads the keys of those callbacks whose file is due; true = `now.notifier` was made anew.
    bool read_changed_keys(prepared_runtime& now) const;
    /// The same for the headers_files.
    bool read_changed_headers(prepared_runtime& now) const;
    /// Which parts must be configured anew.
    struct parts {
        bool proof = false;
        bool notifier = false;
    };
    /// Reads the credentials of those proxies whose file is due; `now.proof` and `now.notifier` are made anew for whom
    /// it concerns.
    parts read_changed_proxy_credentials(prepared_runtime& now) const;

  private:
    config::file_reader reader() const;
    /// Those of `files` that are due: `read(path, reader)` makes a result of the content, and
    /// `take(watched, content)` takes it into use. True = one of them returned true.
    template <typename Watched, typename Read, typename Take>
    bool read_changed(std::vector<Watched>& files, std::string_view what, Read read, Take take) const;
    void warn_of_open(bool is_open, const std::filesystem::path& file) const;
    /// `callback` = "" for [proof].
    void note_failure(file_watch& file, std::string_view what, std::string_view callback, const op_error& error) const;

    const machine& machine_;
    observe::event_log& log_;
};

/// `config.insecure_file`.
void log_open_file(observe::event_log& log, const std::string& file);

} // namespace prooftrack::daemon
