// Exports and reconciliations over a socket: what is sent while nothing can be, and a list that is too long.

#include <utility>

#include "api/router.hpp"
#include "server_fixture.hpp"

namespace prooftrack::api {
namespace {

/// Has nothing until it is given something.
class held_source final : public byte_source {
  public:
    progress next(std::string& out) override {
        if (piece_.empty()) return progress::wait;
        out = std::exchange(piece_, {});
        return progress::more;
    }
    bool is_broken() const override { return false; }
    void set_waker(unique_function<void()> waker) override { waker_ = std::move(waker); }
    void give(std::string piece) {
        piece_ = std::move(piece);
        waker_();
    }

  private:
    std::string piece_;
    unique_function<void()> waker_;
};

class ServerReconcile : public server_test {
  protected:
    std::shared_ptr<held_source> hold_next() {
        auto held = std::make_shared<held_source>();
        backend_.next_export = held;
        return held;
    }
};

TEST_F(ServerReconcile, WhatTakesLongIsWaitedFor) {
    options_.limits.heartbeat = milliseconds(50);
    start();
    const auto csv_rows = hold_next();
    auto csv = connect();
    csv.send(get("/v1/export/events?format=csv"));
    ASSERT_TRUE(csv.wait_for_text("\r\n\r\n"));
    const auto json_rows = hold_next();
    auto json = connect();
    json.send(get("/v1/export/events"));
    ASSERT_TRUE(json.wait_for_text("\r\n\r\n")); // it has its source
    const auto found = hold_next();
    auto list = connect();
    list.send(post("/v1/reconcile", "merchant_transaction_id\n", "text/csv"));
    // A chunk with a space, again and again; in CSV that would be a part of a value.
    ASSERT_TRUE(list.wait_for_text("\r\n\r\n1\r\n \r\n1\r\n \r\n1\r\n \r\n"));
    ASSERT_TRUE(json.wait_for_text("\r\n\r\n1\r\n \r\n1\r\n \r\n"));
    csv.receive();
    EXPECT_TRUE(csv.received().ends_with("\r\n\r\n"));
    EXPECT_FALSE(csv.ended());
    csv_rows->give("a,b\r\n");
    EXPECT_TRUE(csv.wait_for_text("\r\n\r\n5\r\na,b\r\n\r\n"));
    found->give("{}\n");
    EXPECT_TRUE(list.wait_for_text("3\r\n{}\n\r\n"));
}

TEST_F(ServerReconcile, AListThatIsTooLongIs413WithWhatToDo) {
    start();
    auto client = connect();
    const std::string head = fmt::format(
        "POST /v1/reconcile HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: {}\r\n\r\n",
        max_import_bytes + 1);
    const std::string answer = client.ask(head);
    EXPECT_EQ(status_of(answer), 413);
    EXPECT_NE(answer.find("`prooftrackctl reconcile` takes a longer list"), std::string::npos);
}

} // namespace
} // namespace prooftrack::api
