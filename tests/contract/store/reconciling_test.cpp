// Reconciliations: what a job is shown, and that it is shown one state.

#include <set>
#include <tuple>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "contract/store/store_under_test.hpp"
#include "support/drained.hpp"

namespace prooftrack::store {
namespace {

constexpr const char* uuid = "550e8400-e29b-41d4-a716-446655440000";

std::string described(const track::known_transaction& one) {
    return fmt::format(
        "{} {} {} {} {} {} {}", one.id, to_string(one.state), one.status.value_or("-"), one.fiat_amount.value_or("-"),
        one.fiat_currency.value_or("-"), one.tracked_at, one.settled_at);
}

void show_all(track::reconcile_source& source, const track::line_writer& write) {
    source.each_transaction([&](const track::known_transaction& one) { write(described(one)); });
    std::set<std::string> owed;
    source.each_owed([&](std::string_view id) { owed.emplace(id); });
    for (const std::string& id : owed) write("owed " + id);
}

class Reconciling : public store_contract {
  protected:
    std::shared_ptr<byte_source> begin(track::reconcile_job job) {
        return world
            .ask<std::shared_ptr<byte_source>>(
                [&](store& subject, auto handler) { subject.reconcile(std::move(job), std::move(handler)); })
            .value();
    }
    std::string whole(track::reconcile_job job) {
        return drained(*begin(std::move(job)), [this] { world.run(); });
    }
    void settle(const std::string& id, std::int64_t ms, const std::string& amounts) {
        transition change = make_settlement(id, ms, {"one"});
        change.reply = fmt::format(R"({{"merchant_transaction_id":"{}","status":"completed"{}}})", id, amounts);
        world.record(std::move(change)).value();
    }
    void end_delivery(std::uint64_t id, track::delivery_state state) {
        world.attempt({delivery_id{id}, at_ms(90), 1, state, 500, "500", std::nullopt});
    }
};

TEST_P(Reconciling, ShowsEachTransactionAndWhatIsOwed) {
    EXPECT_EQ(whole(show_all), "");
    world.add({make_new("b"), make_new("a"), make_new(uuid), make_new("open", 7)}).value();
    settle("a", 10, R"(,"fiat_amount":"1.10","fiat_currency":"EUR")");
    settle("b", 20, R"(,"fiat_amount":100.00,"fiat_currency":null)");
    settle(uuid, 30, "");
    end_delivery(1, track::delivery_state::delivered);
    end_delivery(2, track::delivery_state::dead);
    EXPECT_EQ(
        whole(show_all), "b settled completed 100.00 - 2026-04-01T10:00:00.000Z 2026-04-01T10:00:00.020Z\n"
                         "a settled completed 1.10 EUR 2026-04-01T10:00:00.000Z 2026-04-01T10:00:00.010Z\n"
                         "550e8400-e29b-41d4-a716-446655440000 settled completed - - 2026-04-01T10:00:00.000Z "
                         "2026-04-01T10:00:00.030Z\n"
                         "open tracking - - - 2026-04-01T10:00:00.007Z \n"
                         "owed 550e8400-e29b-41d4-a716-446655440000\n"
                         "owed b\n");
}

TEST_P(Reconciling, FindsOneByItsIdAndTheWordsThatWereTakenBack) {
    world.add({make_new("a"), make_new(uuid)}).value();
    settle(uuid, 10, "");
    for (const auto& [from, to, ms] : {std::tuple{"completed", "failed", 20}, std::tuple{"failed", "completed", 30}}) {
        transition back = make_change(uuid, track::tracking_state::settled, to, ms, from);
        back.from_state = track::tracking_state::settled;
        world.record(std::move(back)).value();
    }
    const auto look = [](track::reconcile_source& source, const track::line_writer& write) {
        write(described(source.find(uuid).value()));
        write(source.find("A") || source.find("550E8400-E29B-41D4-A716-446655440000") ? "known" : "not known");
        for (const std::string& word : source.former_statuses(uuid)) write("said " + word);
        source.each_transaction([&](const track::known_transaction& one) {
            write(fmt::format("{} {}", one.id, source.former_statuses(one.id).size()));
        });
    };
    EXPECT_EQ(
        whole(look), "550e8400-e29b-41d4-a716-446655440000 settled completed - - 2026-04-01T10:00:00.000Z "
                     "2026-04-01T10:00:00.030Z\n"
                     "not known\nsaid completed\nsaid failed\na 0\n550e8400-e29b-41d4-a716-446655440000 2\n");
}

TEST_P(Reconciling, DoesNotShowWhatChangesWhileItIsTaken) {
    world.add({make_new("a"), make_new("b")}).value();
    const auto begun = begin(show_all);
    settle("a", 10, "");
    world.add({make_new("c")}).value();
    EXPECT_EQ(
        drained(*begun, [this] { world.run(); }), "a tracking - - - 2026-04-01T10:00:00.000Z \n"
                                                  "b tracking - - - 2026-04-01T10:00:00.000Z \n");
}

INSTANTIATE_TEST_SUITE_P(Stores, Reconciling, every_store(), store_name);

} // namespace
} // namespace prooftrack::store
