#include <gtest/gtest.h>

#include "sandbox/proof_site.hpp"
#include "sandbox/shop/assets.hpp"
#include "sandbox/shop/event_reader.hpp"
#include "sandbox/shop/order_book.hpp"

namespace prooftrack::sandbox {
namespace {

class OrderBook : public ::testing::Test {
  protected:
    OrderBook() : order_(book_.add("buy", "49.90")) { book_.give_transaction(order_, "t-1"); }
    std::string state() const { return book_.find(order_)->state; }

    order_book book_;
    std::string order_;
};

TEST_F(OrderBook, TurnsPaidOnAFinalEventAlone) {
    book_.apply({"t-1", "processing", false}, false);
    EXPECT_EQ(state(), "waiting");
    book_.apply({"t-1", "completed", false}, false);
    EXPECT_EQ(state(), "waiting");
    book_.apply({"t-1", "completed", true}, false);
    EXPECT_EQ(state(), "paid");
}

TEST_F(OrderBook, AnEndIsChangedByAnotherFinalEventAndByNothingElse) {
    book_.apply({"t-1", "failed", true}, false);
    book_.apply({"t-1", "processing", false}, false);
    book_.apply({"t-1", "completed", true}, true);
    EXPECT_EQ(state(), "failed");
    book_.apply({"t-1", "completed", true}, false);
    EXPECT_EQ(state(), "paid");
}

TEST_F(OrderBook, AStateThatWasAskedForEndsAnOrderWhoseEventWasMissed) {
    book_.apply({"t-1", "completed", true}, true);
    EXPECT_EQ(state(), "paid");
    EXPECT_TRUE(book_.open_transactions().empty());
}

TEST_F(OrderBook, SomebodyElsesTransactionChangesNothing) {
    book_.apply({"t-2", "completed", true}, false);
    EXPECT_EQ(state(), "waiting");
    EXPECT_EQ(book_.open_transactions(), std::vector<std::string>{"t-1"});
}

TEST(OrderBookAmounts, AreDecimalStringsWithinTheBounds) {
    for (const auto* right : {"1", "49.90", "1.5", "9999.99", "10000"})
        EXPECT_EQ(order_book::check("buy", right), "") << right;
    for (const auto* wrong : {"", "0", "0.00", "0.5", "1e3", "12.345", "10001", "-4", "5.", ".5", "1,5", "10000.01"}) {
        EXPECT_NE(order_book::check("buy", wrong), "") << wrong;
    }
    EXPECT_NE(order_book::check("give", "1"), "");
}

TEST(DaemonWords, OfATransactionAreFinalWhenItIsSettled) {
    const auto settled = parse_transaction(R"({"merchant_transaction_id":"a","state":"settled","status":"failed"})");
    ASSERT_TRUE(settled);
    EXPECT_TRUE(settled->final);
    const auto fresh = parse_transaction(R"({"merchant_transaction_id":"a","state":"tracking","status":null})");
    ASSERT_TRUE(fresh);
    EXPECT_FALSE(fresh->final);
    EXPECT_EQ(fresh->status, "");
    EXPECT_FALSE(parse_event("[]"));
    EXPECT_FALSE(parse_event(R"({"data": 1})"));
}

TEST(EventReader, PutsEventsTogetherFromAnyPieces) {
    const std::string stream = ": hello\n\nid: 7\ndata: {\"a\":1}\n\n: tick\n\nid: 8\r\ndata: x\r\n\r\n";
    for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
        event_reader reader;
        std::string got;
        for (std::size_t at = 0; at < stream.size(); at += piece) {
            ASSERT_TRUE(reader.feed(
                std::string_view(stream).substr(at, piece), [&](std::string_view id, std::string_view data) {
                    got += std::string(id) + "=" + std::string(data) + ";";
                }));
        }
        EXPECT_EQ(got, "7={\"a\":1};8=x;") << piece;
    }
}

TEST(EventReader, RefusesALineWithoutEnd) {
    event_reader reader;
    const std::string endless(event_reader::most_line_bytes + 1, 'x');
    EXPECT_FALSE(reader.feed(endless, [](std::string_view, std::string_view) {}));
}

class WidgetHost : public ::testing::Test {
  protected:
    WidgetHost() : world_(api_generation::first, false) {
        world_.add_order("t-1", {}, {}, {});
        host_.remember("t-1", "token", {});
    }
    reply ask(std::string_view target, const std::string& credential, instant now = {}) {
        incoming_request request;
        request.method = "POST";
        request.target = target;
        const std::string authorization = "Bearer " + credential;
        request.authorization = authorization;
        request.arrival = now;
        return host_.answer(request, world_);
    }
    std::string open() {
        const auto body = ask("/widget-host/open", "token").body;
        return body.substr(8, 48);
    }

    sandbox_world world_;
    widget_host host_;
};

TEST_F(WidgetHost, ATokenOpensTheWidgetOnce) {
    EXPECT_EQ(ask("/widget-host/open", "token").status, 200);
    EXPECT_EQ(ask("/widget-host/open", "token").status, 409);
    EXPECT_EQ(ask("/widget-host/open", "another").status, 401);
}

TEST_F(WidgetHost, ATokenLivesAnHour) {
    const instant late{steady_time{} + std::chrono::hours(1) + seconds(1), {}};
    EXPECT_EQ(ask("/widget-host/open", "token", late).status, 401);
}

TEST_F(WidgetHost, TheButtonsMoveTheTransactionOnce) {
    const auto key = open();
    EXPECT_EQ(ask("/widget-host/pay", "token").status, 401) << "the token is no key";
    EXPECT_EQ(ask("/widget-host/dance", key).status, 404);
    EXPECT_EQ(ask("/widget-host/pay", key).body, R"({"status":"paid"})");
    EXPECT_EQ(world_.find("t-1", {})->status, "processing");
    EXPECT_EQ(ask("/widget-host/cancel", key).status, 409);
    EXPECT_EQ(world_.find("t-1", {steady_time{} + seconds(2), {}})->status, "completed");
}

TEST(ShopAssets, AreTheFilesOfThePage) {
    ASSERT_NE(find_shop_asset("/"), nullptr);
    EXPECT_TRUE(find_shop_asset("/")->bytes.starts_with("<!doctype html>"));
    EXPECT_TRUE(find_shop_asset("/widget-host/widget.2.0.js")->bytes.ends_with("})();\n"));
    EXPECT_EQ(find_shop_asset("/nothing"), nullptr);
}

} // namespace
} // namespace prooftrack::sandbox
