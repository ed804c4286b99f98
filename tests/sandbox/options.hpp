#pragma once

// proof-sandbox's command line.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "proof_error.hpp"

namespace prooftrack::sandbox {

struct sandbox_options {
    std::string host = "127.0.0.1"; ///< as written: it stands in base_url
    std::uint16_t port = 0;
    std::filesystem::path directory;
    std::string token; ///< "" = the one in the directory, else a new one
    std::filesystem::path script;
    std::optional<api_generation> generation; ///< nullopt = first, and sessions of either
    bool accept_any = false;
    bool http1 = false;    ///< no HTTP/2
    std::string shop_host; ///< "" = no shop
    std::uint16_t shop_port = 0;
    std::string daemon_socket; ///< what the shop's backend asks
};

/// What to do instead of serving: print `text` and exit.
struct exit_request {
    int status = 0;
    std::string text;
};

/// `arguments` without the program's name. Help and version exit 0, a mistake 64.
std::variant<sandbox_options, exit_request> parse_options(std::vector<std::string> arguments);

} // namespace prooftrack::sandbox
