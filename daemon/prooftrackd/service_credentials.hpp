#pragma once

// The systemd credentials of a running service, for the check before its reload.

#include <filesystem>

namespace prooftrack::daemon {

/// The processes of ExecReload= may not read the credentials that systemd names to them (252), but they are told
/// MAINPID: the credentials of that process are the ones that the reload will use. Where they can be reached; empty
/// without a MAINPID, or when that process has none.
std::filesystem::path credentials_of_main_process();

} // namespace prooftrack::daemon
