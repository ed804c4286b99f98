#include "proof/proof_stream.hpp"

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/run_task.hpp"
#include "support/scripted_http_server.hpp"
#include "support/test_certificates.hpp"

namespace prooftrack::proof {
namespace {

using namespace testing_support;
using testing::HasSubstr;

/// What a stream that is being opened said.
struct opening {
    std::vector<stream_step> steps;
    std::string why;

    bool is_open() const { return !steps.empty() && steps.back() == stream_step::open; }
    bool has_failed() const { return !steps.empty() && steps.back() == stream_step::failed; }
    stream_handler handler() {
        return [this](stream_step step, const std::string& text) {
            steps.push_back(step);
            why = text;
        };
    }
};

struct recording_reader final : stream_reader {
    void on_bytes(std::string_view bytes) override {
        received += bytes;
        sizes.push_back(bytes.size());
    }
    void on_end(bool is_clean, const std::string& why) override {
        ended_in_order = is_clean;
        end = why;
    }

    std::string received;
    std::vector<std::size_t> sizes; ///< of each piece
    std::string end;
    bool ended_in_order = false;
};

/// What becomes of a connection to `base_url` when its host has these addresses.
class ProofStream : public testing::Test {
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
        opening_ = {};
        const auto one = std::make_shared<proof_stream>(io_.get_executor(), std::make_shared<origin>(options));
        one->open(resolver, seconds(20), opening_.handler());
        run_until(io_, [&] { return opening_.is_open() || opening_.has_failed(); });
        one->close();
    }

    scripted_http_server server_{[](scripted_connection& connection) { connection.wait_for_close(); }};
    boost::asio::io_context io_{1};
    opening opening_;
};

TEST_F(ProofStream, PlainHttpIsHeldToLoopbackAtConnectWhateverTheNameResolvesTo) {
    const std::string url = "http://localhost:" + std::to_string(server_.port());
    for (const char* address : {"192.0.2.1", "10.0.0.1", "0.0.0.0", "64:ff9b::127.0.0.1"}) {
        connect(url, {address});
        EXPECT_TRUE(opening_.has_failed()) << address;
        EXPECT_THAT(opening_.why, HasSubstr("plain http is for this machine alone")) << address;
    }
    connect(url, {"192.0.2.1", "127.0.0.1"});
    EXPECT_TRUE(opening_.is_open()) << "the address that is loopback is used";
    run_until(io_, [&] { return server_.connections() == 1U; }); // its thread counts it a moment later
}

TEST_F(ProofStream, NothingIsSentBeforeItIsOpenAndItIsOpenedOnce) {
    proof_client_options options;
    options.base_url = "http://127.0.0.1:" + std::to_string(server_.port());
    net::host_resolver resolver(io_.get_executor());
    const auto one = std::make_shared<proof_stream>(io_.get_executor(), std::make_shared<origin>(options));
    EXPECT_THROW(one->send("GET / HTTP/1.1"), std::logic_error);
    one->open(resolver, seconds(20), opening_.handler());
    EXPECT_THROW(one->open(resolver, seconds(20), opening_.handler()), std::logic_error);
    EXPECT_THROW(one->send("GET / HTTP/1.1"), std::logic_error);
    run_until(io_, [&] { return opening_.is_open(); });
    one->send("GET / HTTP/1.1");
    one->close();
}

class OpenStream : public ProofStream {
  protected:
    explicit OpenStream(scripted_http_server::script script, reading how = reading::piece_by_piece)
        : peer_(std::move(script)) {
        proof_client_options options;
        options.base_url = peer_.base_url();
        stream_ = std::make_shared<proof_stream>(io_.get_executor(), std::make_shared<origin>(options));
        stream_->open(resolver_, seconds(20), opening_.handler());
        run_until(io_, [&] { return opening_.is_open(); });
        stream_->start_reading(reader_, how);
    }
    ~OpenStream() override {
        stream_->close();
        over_ = true;
    }

    std::atomic<bool> over_ = false; ///< the peer may go
    scripted_http_server peer_;
    net::host_resolver resolver_{io_.get_executor()};
    recording_reader reader_;
    std::shared_ptr<proof_stream> stream_;
};

const std::string more_than_a_socket_takes(32 * 1024 * 1024, 'x');

class StreamThatNobodyReads : public OpenStream {
  protected:
    StreamThatNobodyReads()
        : OpenStream([this](scripted_connection& connection) {
              while (!over_) std::this_thread::sleep_for(milliseconds(1));
              connection.reset();
          }) {}
};

TEST_F(StreamThatNobodyReads, EndsWhenABufferThatShouldBeEmptyDoesNotTakeTheBytes) {
    stream_->send_at_once(more_than_a_socket_takes);
    run_until(io_, [&] { return !reader_.end.empty(); });
    EXPECT_EQ(reader_.end, "reply: connection closed");
}

TEST_F(StreamThatNobodyReads, KeepsWhatTheSocketDoesNotTake) {
    stream_->send(more_than_a_socket_takes);
    stream_->send("behind it");
    EXPECT_EQ(stream_->unsent(), more_than_a_socket_takes.size() + 9);
    EXPECT_THROW(stream_->send_at_once("beside it"), std::logic_error);
    EXPECT_EQ(reader_.end, "");
}

class StreamThatEchoes : public OpenStream, public testing::WithParamInterface<reading> {
  protected:
    static void echo(scripted_connection& connection) {
        while (true) connection.send(connection.read_some());
    }
    StreamThatEchoes() : OpenStream(echo, GetParam()) {}
};
INSTANTIATE_TEST_SUITE_P(
    HoweverItReads, StreamThatEchoes, testing::Values(reading::piece_by_piece, reading::all_that_came));

TEST_P(StreamThatEchoes, SendsInOrderHoweverMuch) {
    const std::string much(1024 * 1024, 'a');
    stream_->send_at_once("first ");
    stream_->send(much);
    stream_->send(" last");
    run_until(io_, [&] { return reader_.received.size() >= much.size() + 11; });
    EXPECT_EQ(reader_.received, "first " + much + " last");
    EXPECT_EQ(stream_->unsent(), 0U);
}

/// A peer that sends `records` over TLS, one each, and an end in order if it is to; all of it lies in the socket before
/// the reading begins.
class StreamOverTls : public testing::Test {
  protected:
    void read(const std::vector<std::string>& records, reading how, bool ends = false) {
        std::atomic<bool> has_come = false;
        scripted_http_server peer(authority_.server_context(), [&](scripted_connection& connection) {
            for (const std::string& each : records) connection.send(each);
            if (ends) connection.close_in_order();
            connection.wait_until_received();
            has_come = true;
            connection.wait_for_close();
        });
        proof_client_options options;
        options.base_url = peer.base_url();
        options.trust = {authority_.ca_pem(), "ca.pem"};
        std::string all;
        for (const std::string& each : records) all += each;
        opening opening;
        const auto one = std::make_shared<proof_stream>(io_.get_executor(), std::make_shared<origin>(options));
        one->open(resolver_, seconds(20), opening.handler());
        run_until(io_, [&] { return opening.is_open() && has_come; });
        one->start_reading(reader_, how);
        run_until(io_, [&] { return reader_.received.size() >= all.size() && (!ends || !reader_.end.empty()); });
        one->close();
        EXPECT_EQ(reader_.received, all);
    }

    test_authority authority_;
    boost::asio::io_context io_{1};
    net::host_resolver resolver_{io_.get_executor()};
    recording_reader reader_;
};

TEST_F(StreamOverTls, HandsOverRecordByRecord) {
    read({"one", "three", "fifteen"}, reading::piece_by_piece);
    EXPECT_THAT(reader_.sizes, testing::ElementsAre(3, 5, 7));
}

TEST_F(StreamOverTls, HandsOverTogetherWhatCameTogether) {
    read({"one", "three", "fifteen"}, reading::all_that_came);
    EXPECT_THAT(reader_.sizes, testing::ElementsAre(15));
}

TEST_F(StreamOverTls, HandsOverAtMost8KiBAtOnce) {
    read({std::string(5'000, 'a'), std::string(5'000, 'b'), std::string(7'000, 'c')}, reading::all_that_came);
    EXPECT_THAT(reader_.sizes, testing::ElementsAre(8'192, 8'192, 616));
}

TEST_F(StreamOverTls, ReadsWhileItSends) {
    scripted_http_server peer(authority_.server_context(), [](scripted_connection& connection) {
        while (true) connection.send(connection.read_some());
    });
    proof_client_options options;
    options.base_url = peer.base_url();
    options.trust = {authority_.ca_pem(), "ca.pem"};
    opening opening;
    const auto one = std::make_shared<proof_stream>(io_.get_executor(), std::make_shared<origin>(options));
    one->open(resolver_, seconds(20), opening.handler());
    run_until(io_, [&] { return opening.is_open(); });
    one->start_reading(reader_, reading::all_that_came);
    std::string all;
    for (int i = 0; i < 500; ++i) {
        const std::string piece(static_cast<std::size_t>(i) * 37 % 5'000 + 1, static_cast<char>('a' + i % 26));
        all += piece;
        one->send(piece);
        io_.poll_one();
    }
    run_until(io_, [&] { return reader_.received.size() >= all.size(); });
    one->close();
    EXPECT_EQ(reader_.received, all);
}

TEST_F(StreamOverTls, WhatCameBeforeTheEndIsHandedOverBeforeIt) {
    read({"one", "three"}, reading::all_that_came, true);
    EXPECT_THAT(reader_.sizes, testing::ElementsAre(8));
    EXPECT_TRUE(reader_.ended_in_order);
    EXPECT_EQ(reader_.end, "reply: connection closed");
}

} // namespace
} // namespace prooftrack::proof
