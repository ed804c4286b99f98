#include "options.hpp"

#include <algorithm>
#include <charconv>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace prooftrack::sandbox {
namespace {

constexpr int exit_usage = 64;

constexpr const char* help_footer = R"(
Writes DIR/base_url (last, when it answers), DIR/client_token and DIR/ca.pem. A directory that was used before
keeps its authority and its token, so a client that trusts it goes on trusting it.

Steering it while it runs (all of it needs the token):
  PUT    /sandbox/transactions/ID   {"status": "completed"}
                                    {"script": [{"after": "2s", "status": "processing"}, ...]}
                                    {"body": "..."} answers with exactly these bytes
  DELETE /sandbox/transactions/ID   nobody made it any more
  PUT    /sandbox/faults            {"kind": "status", "status": 429, "retry_after": "3s", "count": 10,
                                     "path": "/widget/"}
         kinds: status, delay, close, truncate, garbage, wrong_id, huge, stall, drip, endless_header, refuse;
                over HTTP/2 alone: goaway, refuse_stream, reset, max_streams
         all take "count", "for" (ends by itself after) and "path" (prefix); delay, drip and stall take "delay";
         status takes "headers", "body", "retry_after", "retry_after_date"; huge takes "size";
         close, stall, goaway and reset take "at": before, header, body, after;
         goaway and reset take "error" (NO_ERROR, CANCEL, ENHANCE_YOUR_CALM, ...); max_streams takes "streams"
  DELETE /sandbox/faults            ends them all
  GET    /sandbox/log[?path=PREFIX] [{"at", "method", "path", "status"}, ...], DELETE empties it
  PUT    /sandbox/users/ID          {"status": "verified"} for kyc-status
  PUT    /sandbox/script            the same document as --script
  GET    /sandbox/stats             counts of connections, handshakes, requests

A script file:
  {"transactions": {"ID": {"status": "pending", "script": [{"after": "2s", "status": "processing"},
                                                           {"after": "5s", "status": "completed"}]}},
   "sessions": {"script": [{"after": "1s", "status": "processing"}]},
   "users": {"user_1": "verified"},
   "faults": [{"kind": "delay", "delay": "200ms"}]}

The shop: an example of a merchant's site, to open in a browser at the address in DIR/shop_url. Its backend asks the
daemon for sessions and follows its events; the widget's buttons decide how a payment ends.

A session's transaction is pending, after 2 s processing, after 4 s completed; with an e-mail fails@..., cancels@...
or waits@... it ends failed, cancelled, or not at all.

Exit status: 0 asked to stop; 64 wrong arguments; 65 the script cannot be used; 73 DIR cannot be written;
75 the address cannot be listened on.
)";

/// HOST:PORT, [V6]:PORT.
bool split_address(const std::string& text, std::string& host, std::uint16_t& port) {
    const auto colon = text.rfind(':');
    if (colon == std::string::npos || colon == 0) return false;
    host = text.substr(0, colon);
    if (host.front() == '[') {
        if (host.back() != ']') return false;
        host = host.substr(1, host.size() - 2);
    } else if (host.find(':') != std::string::npos) {
        return false;
    }
    const char* end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data() + colon + 1, end, port);
    return !host.empty() && error == std::errc{} && rest == end;
}

bool is_token(const std::string& text) {
    return text.size() <= 1'024 && std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

exit_request refuse(const std::string& message) {
    return {exit_usage, fmt::format("proof-sandbox: {}\nTry 'proof-sandbox --help'.\n", message)};
}

} // namespace

std::variant<sandbox_options, exit_request> parse_options(std::vector<std::string> arguments) {
    sandbox_options options;
    std::string listen = "127.0.0.1:0";
    std::string generation;
    std::string directory;
    std::string script;
    std::string shop;
    CLI::App app(
        "A stand-in Proof server: speaks Proof's documented API over TLS, with scripted transactions and faults.",
        "proof-sandbox");
    app.footer(help_footer);
    app.set_version_flag("--version", std::string("proof-sandbox ") + PROOFTRACKD_VERSION);
    app.add_option("--listen", listen, "address to serve on; port 0 takes a free one")
        ->type_name("HOST:PORT")
        ->capture_default_str();
    app.add_option("--dir", directory, "where base_url, client_token and ca.pem are written; made if missing")
        ->type_name("DIR")
        ->required();
    app.add_option("--token", options.token, "the bearer token to accept (default: the one in DIR, else a random one)")
        ->type_name("T");
    app.add_option("--script", script, "transactions, users and faults to start with (see below)")->type_name("FILE");
    app.add_option(
           "--generation", generation,
           "first or current: strictly that generation of Proof's API (default: first, but a session request in "
           "the current form is served as well)")
        ->type_name("G");
    app.add_flag("--accept-any", options.accept_any, "an id that nobody made is pending, not 404");
    app.add_flag("--http1", options.http1, "offer no HTTP/2 (default: by ALPN, to a client that asks for it)");
    app.add_option("--shop", shop, "serve the example shop there, over plain HTTP (see below)")->type_name("HOST:PORT");
    app.add_option("--daemon", options.daemon_socket, "prooftrackd's socket, for the shop")->type_name("SOCKET");
    std::reverse(arguments.begin(), arguments.end()); // CLI11 takes them from the back
    try {
        app.parse(arguments);
    } catch (const CLI::CallForHelp&) {
        return exit_request{0, app.help()};
    } catch (const CLI::CallForVersion& version) {
        return exit_request{0, std::string(version.what()) + "\n"};
    } catch (const CLI::ParseError& error) {
        return refuse(error.what());
    }
    if (!split_address(listen, options.host, options.port)) {
        return refuse(fmt::format("--listen: \"{}\" is not HOST:PORT, like 127.0.0.1:0 or [::1]:8443", listen));
    }
    if (shop.empty() != options.daemon_socket.empty()) return refuse("--shop and --daemon go together");
    if (!shop.empty() && !split_address(shop, options.shop_host, options.shop_port)) {
        return refuse(fmt::format("--shop: \"{}\" is not HOST:PORT, like 127.0.0.1:0", shop));
    }
    if (!generation.empty()) {
        options.generation = parse_api_generation(generation);
        if (!options.generation)
            return refuse(fmt::format("--generation: \"{}\" is neither first nor current", generation));
    }
    if (directory.empty()) return refuse("--dir must not be empty");
    if (!is_token(options.token)) return refuse("--token: at most 1024 printable characters without spaces");
    options.directory = directory;
    options.script = script;
    return options;
}

} // namespace prooftrack::sandbox
