// Exports: the rows of one state, in the order of their making.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "contract/store/store_under_test.hpp"
#include "support/drained.hpp"

namespace prooftrack::store {
namespace {

/// Writes `[what|…]` for each row.
track::export_query marked(track::export_list list) {
    track::export_query query;
    query.list = list;
    query.head = "head ";
    query.write_transaction = [](std::string& out, const track::transaction_view& row) {
        out += fmt::format("[{} {} {} {}]", row.id.str(), to_string(row.facts.state), row.metadata, row.proof);
    };
    query.write_event = [](std::string& out, std::string_view row) {
        out += fmt::format("[{}]", row.substr(row.find("\"seq\""), 8));
    };
    query.write_delivery = [](std::string& out, const track::delivery_view& row) {
        out += fmt::format(
            "[{} {} {} {} {}]", value_of(row.id), row.transaction.str(), row.callback, row.event_type,
            to_string(row.state));
    };
    return query;
}

class Exporting : public store_contract {
  protected:
    std::shared_ptr<byte_source> begin(track::export_query query) {
        return world
            .ask<std::shared_ptr<byte_source>>(
                [&](store& subject, auto handler) { subject.export_rows(std::move(query), std::move(handler)); })
            .value();
    }
    std::string whole(track::export_query query) {
        return drained(*begin(std::move(query)), [this] { world.run(); });
    }
};

TEST_P(Exporting, GivesEveryRowInTheOrderOfItsMaking) {
    EXPECT_EQ(whole(marked(track::export_list::transactions)), "head ");
    track::new_transaction with_metadata = make_new("b");
    with_metadata.metadata = R"({"k": 1})";
    world.add({with_metadata, make_new("a"), make_new("550e8400-e29b-41d4-a716-446655440000")}).value();
    world.record(make_settlement("a", 10, {"one", "two"})).value();
    world.record(make_settlement("b", 20, {"one"})).value();
    world.attempt({delivery_id{1}, at_ms(30), 1, track::delivery_state::delivered, 200, "", std::nullopt});

    const std::string proof_a = world.find(make_id("a")).proof;
    const std::string proof_b = world.find(make_id("b")).proof;
    EXPECT_EQ(
        whole(marked(track::export_list::transactions)),
        fmt::format(
            "head [b settled {{\"k\": 1}} {}][a settled {{}} {}][550e8400-e29b-41d4-a716-446655440000 tracking {{}} ]",
            proof_b, proof_a));
    EXPECT_EQ(whole(marked(track::export_list::events)), R"(head ["seq":1,]["seq":2,])");
    EXPECT_EQ(
        whole(marked(track::export_list::deliveries)),
        "head [1 a one transaction.completed delivered][2 a two transaction.completed pending]"
        "[3 b one transaction.completed pending]");
}

TEST_P(Exporting, OfATimeBeginsAtItsFirstMomentAndEndsBeforeItsLast) {
    world.add({make_new("a", 0), make_new("b", 10), make_new("c", 20)}).value();
    const auto of = [&](track::export_list list, std::int64_t since, std::int64_t until) {
        track::export_query query = marked(list);
        query.head.clear();
        query.since = at_ms(since);
        query.until = at_ms(until);
        query.write_transaction = [](std::string& out, const track::transaction_view& row) { out += row.id.str(); };
        query.write_event = [](std::string& out, std::string_view row) {
            out += row.substr(row.find("\"seq\":") + 6, 1);
        };
        query.write_delivery = [](std::string& out, const track::delivery_view& row) {
            out += std::to_string(value_of(row.id));
        };
        return whole(query);
    };
    EXPECT_EQ(of(track::export_list::transactions, 10, 20), "b");
    EXPECT_EQ(of(track::export_list::transactions, 0, 21), "abc");
    world.record(make_settlement("c", 100, {"one"})).value();
    world.record(make_settlement("a", 110, {"one"})).value();
    world.record(make_settlement("b", 120, {"one"})).value();
    EXPECT_EQ(of(track::export_list::events, 110, 120), "2");
    EXPECT_EQ(of(track::export_list::deliveries, 110, 121), "23");
    EXPECT_EQ(of(track::export_list::deliveries, 121, 500), "");
}

TEST_P(Exporting, DoesNotShowWhatChangesWhileItIsTaken) {
    world.add({make_new("a"), make_new("b")}).value();
    const auto transactions = begin(marked(track::export_list::transactions));
    const auto events = begin(marked(track::export_list::events));
    world.record(make_settlement("a", 10, {"one"})).value();
    world.add({make_new("c")}).value();
    EXPECT_EQ(drained(*transactions, [this] { world.run(); }), "head [a tracking {} ][b tracking {} ]");
    EXPECT_EQ(drained(*events, [this] { world.run(); }), "head ");
}

INSTANTIATE_TEST_SUITE_P(Stores, Exporting, every_store(), store_name);

} // namespace
} // namespace prooftrack::store
