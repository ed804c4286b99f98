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

int run_command(const prooftrack::ctl::invocation& asked) {
    using namespace prooftrack;
    ctl::stop_signal stop;
    ctl::output out(STDOUT_FILENO, ctl::look_of(STDOUT_FILENO), stop);
    ctl::api_client api(asked.options.socket, stop);
    ctl::command_context context{asked.options, stop, out, api};
    try {
        const int status = std::visit([&context](const auto& what) { return run(context, what); }, asked.what);
        out.flush();
        return status;
    } catch (const ctl::command_failure& failure) {
        ctl::note(failure.what());
        return failure.status();
    } catch (const ctl::output_closed&) {
        return ctl::exit_status::done;
    } catch (const ctl::stop_requested&) {
        return ctl::exit_status::interrupted;
    } catch (const std::exception& error) {
        ctl::note(error.what());
        return ctl::exit_status::refused;
    }
}

} // namespace

int main(int argc, char** argv) {
    prooftrack::net::fill_standard_descriptors();
    std::setlocale(LC_CTYPE, "");
    const char* socket = std::getenv("PROOFTRACKD_SOCKET");
    const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
    const auto parsed = prooftrack::ctl::parse_command_line(arguments, socket == nullptr ? "" : socket);
    if (const auto* end = std::get_if<prooftrack::ctl::parse_end>(&parsed)) {
        std::fputs(end->text.c_str(), end->status == prooftrack::ctl::exit_status::done ? stdout : stderr);
        return std::fflush(nullptr) == 0 ? end->status : prooftrack::ctl::exit_status::refused;
    }
    return run_command(std::get<prooftrack::ctl::invocation>(parsed));
}
