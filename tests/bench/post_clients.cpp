// Clients that add one transaction at a time over the daemon's Unix socket: each posts the next id when the last one is
// answered 201. Prints adds, seconds and the latency's p50 and p99 in ms as JSON.
//   post_clients SOCKET CLIENTS SECONDS PREFIX     (PREFIX: 8 hex digits, the ids' first part)

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace {

using clock_type = std::chrono::steady_clock;

struct client {
    int descriptor = -1;
    std::string reply;
    clock_type::time_point sent;
};

int connect_to(const char* path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        throw std::runtime_error("cannot connect");
    return descriptor;
}

void post(client& one, const char* prefix, std::uint64_t number) {
    const auto body = fmt::format(R"({{"merchant_transaction_id": "{}-e29b-41d4-a716-{:012x}"}})", prefix, number);
    const auto request = fmt::format(
        "POST /v1/transactions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Content-Length: {}\r\n\r\n{}",
        body.size(), body);
    one.sent = clock_type::now();
    if (write(one.descriptor, request.data(), request.size()) != static_cast<ssize_t>(request.size()))
        throw std::runtime_error("cannot write");
}

/// Whether a whole reply is there. Throws on anything but a 201.
bool is_answered(const std::string& reply) {
    const auto head = reply.find("\r\n\r\n");
    if (head == std::string::npos) return false;
    if (reply.compare(0, 12, "HTTP/1.1 201") != 0) throw std::runtime_error(reply);
    auto length = reply.find("ontent-");
    while (length != std::string::npos && strncasecmp(reply.data() + length, "ontent-length:", 14) != 0)
        length = reply.find("ontent-", length + 1);
    if (length == std::string::npos || length > head) throw std::runtime_error("no length");
    return reply.size() >= head + 4 + std::strtoul(reply.data() + length + 14, nullptr, 10);
}

void run(char** argv) {
    std::vector<client> clients(static_cast<std::size_t>(std::atoi(argv[2])));
    const int ready = epoll_create1(EPOLL_CLOEXEC);
    std::uint64_t number = 0;
    std::vector<double> latencies;
    const auto start = clock_type::now();
    const auto until = start + std::chrono::milliseconds(static_cast<int>(std::atof(argv[3]) * 1000));
    for (auto& one : clients) {
        one.descriptor = connect_to(argv[1]);
        epoll_event wanted{};
        wanted.events = EPOLLIN;
        wanted.data.ptr = &one;
        epoll_ctl(ready, EPOLL_CTL_ADD, one.descriptor, &wanted);
        post(one, argv[4], ++number);
    }
    std::size_t open = clients.size();
    std::vector<epoll_event> events(clients.size());
    while (open > 0) {
        const int found = epoll_wait(ready, events.data(), static_cast<int>(events.size()), 10'000);
        if (found <= 0) throw std::runtime_error("no answer within 10 s");
        for (int at = 0; at < found; ++at) {
            auto& one = *static_cast<client*>(events[static_cast<std::size_t>(at)].data.ptr);
            char bytes[4096];
            const auto count = read(one.descriptor, bytes, sizeof bytes);
            if (count <= 0) throw std::runtime_error("the connection was closed");
            one.reply.append(bytes, static_cast<std::size_t>(count));
            if (!is_answered(one.reply)) continue;
            one.reply.clear();
            const auto now = clock_type::now();
            latencies.push_back(std::chrono::duration<double, std::milli>(now - one.sent).count());
            if (now < until) {
                post(one, argv[4], ++number);
            } else {
                close(one.descriptor);
                --open;
            }
        }
    }
    const std::chrono::duration<double> took = clock_type::now() - start;
    std::sort(latencies.begin(), latencies.end());
    fmt::print(
        R"({{"adds": {}, "seconds": {:.6f}, "p50_ms": {:.3f}, "p99_ms": {:.3f}}})", latencies.size(), took.count(),
        latencies[latencies.size() / 2], latencies[latencies.size() * 99 / 100]);
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 5) return 64;
    try {
        run(argv);
    } catch (const std::exception& error) {
        fmt::print(stderr, "post_clients: {}\n", error.what());
        return 1;
    }
    return 0;
}
