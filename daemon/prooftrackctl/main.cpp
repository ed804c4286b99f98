#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <unistd.h>

#include "net/standard_descriptors.hpp"
#include "prooftrackctl/command_line.hpp"
#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/terminal.hpp"

namespace {

int run_command(const prooftrack::invocation& asked) {
    using namespace prooftrack;
    stop_signal stop;
    output out(STDOUT_FILENO, look_of(STDOUT_FILENO), stop);
    api_client api(asked.options.socket, stop);
    command_context context{asked.options, stop, out, api};
    try {
        const int status = std::visit([&context](const auto& what) { return run(context, what); }, asked.what);
        out.flush();
        return status;
    } catch (const command_failure& failure) {
        note(failure.what());
        return failure.status();
    } catch (const output_closed&) {
        return exit_status::done;
    } catch (const stop_requested&) {
        return exit_status::interrupted;
    } catch (const std::exception& error) {
        note(error.what());
        return exit_status::refused;
    }
}

} // namespace

int main(int argc, char** argv) {
    prooftrack::fill_standard_descriptors();
    std::setlocale(LC_CTYPE, "");
    const char* socket = std::getenv("PROOFTRACKD_SOCKET");
    const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
    const auto parsed = prooftrack::parse_command_line(arguments, socket == nullptr ? "" : socket);
    if (const auto* end = std::get_if<prooftrack::parse_end>(&parsed)) {
        std::fputs(end->text.c_str(), end->status == prooftrack::exit_status::done ? stdout : stderr);
        return std::fflush(nullptr) == 0 ? end->status : prooftrack::exit_status::refused;
    }
    return run_command(std::get<prooftrack::invocation>(parsed));
}
