#include "prooftrackctl/doctor_gather.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string_view>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/parse.hpp"
#include "prooftrackctl/child_process.hpp"
#include "prooftrackctl/complaint.hpp"
#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/requests.hpp"

namespace prooftrack::ctl {

namespace {

constexpr const char* default_config = "/etc/prooftrackd/prooftrackd.toml";
constexpr milliseconds daemon_patience{5'000};
constexpr milliseconds proof_patience{30'000};
constexpr milliseconds callback_patience{60'000};
constexpr milliseconds check_patience{20'000};
/// A user that no merchant has: Proof's answer about him says only whether it takes the token.
constexpr const char* nobody = "prooftrackd-doctor";

call_facts make_call(api_client& api, api_request request, milliseconds patience) {
    request.patience = patience;
    call_facts made;
    made.was_made = true;
    const auto reply = api.exchange(request);
    if (reply) {
        made.status = reply->status;
        made.body = reply->body;
        return made;
    }
    if (exit_status_of(reply.error()) == exit_status::interrupted) throw stop_requested();
    made.error = describe_unreachable(reply.error(), api.socket_path());
    api.disconnect(); // what the daemon still answers belongs to no later call
    return made;
}

socket_facts look_at_socket(const std::string& path) {
    socket_facts facts;
    facts.path = path;
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) {
        facts.look_error = errno;
        return facts;
    }
    facts.is_socket = S_ISSOCK(info.st_mode);
    facts.mode = info.st_mode & 07777U;
    if (!facts.is_socket) return facts;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof(address.sun_path)) {
        facts.connect_error = ENAMETOOLONG;
        return facts;
    }
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    const int tried = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (tried < 0) {
        facts.connect_error = errno;
        return facts;
    }
    // EAGAIN: its queue is full, so somebody listens.
    if (::connect(tried, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 && errno != EAGAIN)
        facts.connect_error = errno;
    ::close(tried);
    return facts;
}

secret_file_facts look_at_secret(std::string what, const std::string& path) {
    secret_file_facts facts;
    facts.what = std::move(what);
    facts.path = path;
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) {
        facts.error = errno;
    } else {
        facts.mode = info.st_mode & 07777U;
    }
    return facts;
}

std::vector<secret_file_facts> look_at_secrets(const config::configuration& config) {
    std::vector<secret_file_facts> files;
    const auto add = [&](std::string what, const std::string& path) {
        if (!path.empty()) files.push_back(look_at_secret(std::move(what), path));
    };
    add("token", config.proof.token_file);
    add("credentials of Proof's proxy", config.proof.proxy_credentials_file);
    add("client key for Proof", config.proof.client_key);
    for (const config::callback_config& one : config.callbacks) {
        add("secret of " + one.name, one.secret_file);
        add("headers of " + one.name, one.headers_file);
        add("proxy credentials of " + one.name, one.proxy_credentials_file);
        add("client key of " + one.name, one.client_key);
    }
    add("secret of callback_url", config.callback_url.secret_file);
    add("password of the database", config.store.password_file);
    return files;
}

/// prooftrackd beside this program, where the package has it, or in PATH; "" when it is nowhere.
std::string find_daemon() {
    std::vector<std::string> folders;
    std::error_code unknown;
    if (const auto self = std::filesystem::read_symlink("/proc/self/exe", unknown); !unknown) {
        folders.push_back(self.parent_path().string());
        folders.push_back((self.parent_path().parent_path() / "sbin").string());
    }
    const char* const path = std::getenv("PATH");
    std::string_view rest = path == nullptr ? "" : path;
    while (!rest.empty()) {
        const auto colon = rest.find(':');
        if (const auto folder = rest.substr(0, colon); folder.starts_with('/')) folders.emplace_back(folder);
        rest.remove_prefix(colon == std::string_view::npos ? rest.size() : colon + 1);
    }
    folders.emplace_back("/usr/sbin");
    folders.emplace_back("/usr/local/sbin");
    for (const std::string& folder : folders) {
        const std::string candidate = folder + "/prooftrackd";
        struct stat info {};
        if (::stat(candidate.c_str(), &info) == 0 && S_ISREG(info.st_mode) && ::access(candidate.c_str(), X_OK) == 0)
            return candidate;
    }
    return "";
}

/// `pid`: the running daemon's, whose systemd credentials are the ones that count; 0 = it does not run.
config_check_facts check_config(const std::string& file, std::uint64_t pid, const stop_signal& stop) {
    config_check_facts facts;
    const std::string program = find_daemon();
    if (program.empty()) {
        facts.how = config_check_facts::outcome::no_program;
        return facts;
    }
    std::vector<std::pair<std::string, std::string>> extra;
    if (pid > 1) extra.emplace_back("MAINPID", std::to_string(pid));
    const child_result child = run_child({program, "--config", file, "--check-config"}, extra, check_patience, stop);
    if (!child.has_started) {
        facts.how = config_check_facts::outcome::no_program;
    } else if (!child.has_ended) {
        facts.how = config_check_facts::outcome::timed_out;
    } else {
        facts.how = config_check_facts::outcome::ended;
        facts.exit_status = child.exit_status;
    }
    for (std::string_view rest = child.output; !rest.empty();) {
        const auto end = rest.find('\n');
        if (const auto line = rest.substr(0, end); !line.empty()) facts.lines.emplace_back(line);
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    }
    return facts;
}

config_file_facts read_config(const std::string& path) {
    config_file_facts facts;
    facts.path = path;
    if (::access(path.c_str(), R_OK) != 0) {
        facts.error = errno;
        return facts;
    }
    config::config_surroundings surroundings;
    surroundings.has_credential = [](const std::string&) { return true; }; // the daemon's are not seen from here
    const config::configuration_draft draft = config::load_configuration(path, surroundings);
    for (const config::config_mistake& one : draft.mistakes) facts.mistakes.push_back(format_mistake(one));
    facts.value = draft.value;
    return facts;
}

std::uint64_t capacity_of(const std::filesystem::path& database) {
    struct statvfs info {};
    if (::statvfs(database.parent_path().c_str(), &info) != 0) return 0;
    return static_cast<std::uint64_t>(info.f_blocks) * info.f_frsize;
}

/// The daemon's own socket where only its configuration was named.
std::string socket_of(const command_context& context, const doctor_command& what, const config_file_facts& config) {
    const bool is_default = context.options.socket == global_options{}.socket;
    return is_default && !what.config.empty() && config.is_read() ? config.value.api.socket.string()
                                                                  : context.options.socket;
}

} // namespace

doctor_facts gather_facts(command_context& context, const doctor_command& what) {
    doctor_facts facts;
    facts.version = PROOFTRACKD_VERSION;
    if (!what.config.empty()) facts.config = read_config(what.config);
    facts.socket = look_at_socket(socket_of(context, what, facts.config));
    api_client api(facts.socket.path, context.stop);
    if (facts.socket.answers()) facts.status = make_call(api, status_request(), daemon_patience);
    const json_view status = json_view::parse(facts.status.body);
    if (what.config.empty()) {
        const std::string used = status["config"]["file"].text();
        facts.config = read_config(used.empty() ? default_config : used);
    }
    facts.config.was_named = !what.config.empty();
    if (facts.config.is_read()) {
        const std::uint64_t pid = status["pid"].unsigned_integer().value_or(0);
        facts.config.check = check_config(facts.config.path, pid, context.stop);
        facts.files = look_at_secrets(facts.config.value);
        facts.capacity_bytes = capacity_of(facts.config.value.store.path);
    }
    if (!facts.status.is_good()) return facts;
    facts.ready = make_call(api, ready_request(), daemon_patience);
    facts.metrics = make_call(api, metrics_request(), daemon_patience);
    facts.proof = make_call(api, kyc_request(nobody), proof_patience);
    if (!what.test) return facts;
    for (const json_view& callback : status["callbacks"].elements()) {
        const std::string name = callback["name"].text();
        const bool is_there = callback["state"].text() != "unconfigured" && name != "callback_url";
        if (is_there) facts.tests[name] = make_call(api, callback_test_request(name), callback_patience);
    }
    return facts;
}

} // namespace prooftrack::ctl
