// Whatever a server sends as HTTP/2: each request has one outcome, bodies and output stay bounded, and nothing is
// called a whole reply that has no status.

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "proof/h2_session.hpp"

namespace {

using namespace prooftrack;

constexpr std::size_t max_body = 1000;
constexpr std::size_t streams = 8;

struct fuzzed_client {
    proof::h2_session session{{.streams = streams, .reply_bytes = max_body, .header = 2000, .buffered = 2 * max_body}};
    std::array<bool, streams> in_flight{};

    void submit() {
        if (!session.accepts()) return;
        const bool post = session.in_flight() == 3;
        const std::size_t slot = session.submit(
            {.method = post ? "POST" : "GET",
             .authority = "proof.example",
             .path = "/widget/transactions/tx-1",
             .body = post ? "{}" : ""});
        if (in_flight.at(slot)) __builtin_trap();
        in_flight.at(slot) = true;
    }

    void settle() {
        while (const auto one = session.next_outcome()) {
            if (!in_flight.at(one->slot)) __builtin_trap();
            in_flight.at(one->slot) = false;
            if (one->reply.body.size() > max_body) __builtin_trap();
            const bool whole = one->how == proof::h2_end::reply;
            if (whole && (one->reply.status < 200 || one->reply.status > 599)) __builtin_trap();
            if (whole != one->error.empty()) __builtin_trap();
        }
        std::string out;
        session.take_output(out);
        if (out.size() > 1024 * 1024) __builtin_trap();
        const auto flying = static_cast<std::size_t>(std::count(in_flight.begin(), in_flight.end(), true));
        if (flying != session.in_flight() || (session.has_failed() && flying != 0)) __builtin_trap();
    }
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    fuzzed_client client;
    for (int i = 0; i < 4; ++i) client.submit();
    client.settle();
    // The first byte says in which pieces the rest comes, and when the client does something in between.
    const std::size_t piece = data[0] % 16 == 0 ? size : data[0];
    std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
    for (std::size_t step = 0; !rest.empty(); ++step) {
        client.session.receive(rest.substr(0, piece));
        rest.remove_prefix(std::min(piece, rest.size()));
        client.settle();
        if (step % 3 == 1) client.submit();
        if (step % 5 == 4) client.session.ping();
        if (step % 7 == 6 && client.in_flight[0]) {
            client.session.cancel(0);
            client.in_flight[0] = false;
        }
    }
    client.session.finish("the end");
    client.settle();
    return 0;
}
