#include "proof/wire.hpp"

#include <optional>
#include <stdexcept>

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/run_task.hpp"
#include "support/scripted_http_server.hpp"

namespace prooftrack::proof {
namespace {

using namespace testing_support;
using testing::HasSubstr;

class recording_listener final : public wire_listener {
  public:
    void on_handshake_begins() override {}
    void on_open(bool, bool) override { is_open = true; }
    void on_bytes(std::string_view) override {}
    void on_drained() override {}
    void on_end(wire_end, std::string text) override { end = std::move(text); }

    bool is_open = false;
    std::optional<std::string> end;
};

/// What becomes of a connection to `base_url` when its host has these addresses.
class Wire : public testing::Test {
  protected:
    void connect(const std::string& base_url, std::vector<std::string> addresses) {
        proof_client_options options;
        options.base_url = base_url;
        net::resolver_options names;
        names.lookup = [addresses](const std::string&) -> result<net::address_list> {
            net::address_list list;
            for (const auto& each : addresses) list.push_back(boost::asio::ip::make_address(each));
            return list;
        };
        net::host_resolver resolver(io_.get_executor(), names);
        listener_ = {};
        const auto one = std::make_shared<wire>(
            io_.get_executor(), std::make_shared<socket_watch>(io_.get_executor()), std::make_shared<origin>(options),
            listener_);
        one->open(resolver, seconds(20));
        run_until(io_, [&] { return listener_.is_open || listener_.end; });
        one->close();
    }

    scripted_http_server server_{[](scripted_connection& connection) { connection.wait_for_close(); }};
    boost::asio::io_context io_{1};
    recording_listener listener_;
};

TEST_F(Wire, PlainHttpIsHeldToLoopbackAtConnectWhateverTheNameResolvesTo) {
    const std::string url = "http://localhost:" + std::to_string(server_.port());
    for (const char* address : {"192.0.2.1", "10.0.0.1", "0.0.0.0", "64:ff9b::127.0.0.1"}) {
        connect(url, {address});
        EXPECT_FALSE(listener_.is_open) << address;
        EXPECT_THAT(listener_.end.value_or(""), HasSubstr("plain http is for this machine alone")) << address;
    }
    connect(url, {"192.0.2.1", "127.0.0.1"});
    EXPECT_TRUE(listener_.is_open) << "the address that is loopback is used";
    run_until(io_, [&] { return server_.connections() == 1U; }); // its thread counts it a moment later
}

TEST_F(Wire, NothingIsSentBeforeItIsOpenAndItIsOpenedOnce) {
    proof_client_options options;
    options.base_url = "http://127.0.0.1:" + std::to_string(server_.port());
    net::host_resolver resolver(io_.get_executor());
    const auto one = std::make_shared<wire>(
        io_.get_executor(), std::make_shared<socket_watch>(io_.get_executor()), std::make_shared<origin>(options),
        listener_);
    EXPECT_THROW(one->send("GET / HTTP/1.1"), std::logic_error);
    one->open(resolver, seconds(20));
    EXPECT_THROW(one->open(resolver, seconds(20)), std::logic_error);
    EXPECT_THROW(one->send("GET / HTTP/1.1"), std::logic_error);
    run_until(io_, [&] { return listener_.is_open; });
    one->send("GET / HTTP/1.1");
    one->close();
}

} // namespace
} // namespace prooftrack::proof
