// The same calls, made one after the other on the fake and many at a time on a store, are answered alike and leave the
// same behind.

#include <algorithm>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "contract/store/store_under_test.hpp"

namespace prooftrack::store {
namespace {

using answer_taker = std::function<void(const std::string&)>;
using random_call = std::function<void(store&, const answer_taker&)>;

std::string text_of(const std::optional<wall_time>& at) {
    return at ? std::to_string((*at - at_ms(0)).count()) : std::string("-");
}
std::string text_of(const delivery_head& head) {
    return fmt::format(
        "{} {} {} {}{}", value_of(head.id), head.lane, head.attempts, text_of(head.next_attempt_at),
        head.waits ? " waits" : "");
}
std::string text_of(const std::vector<delivery_head>& heads) {
    std::string text = "[";
    for (const delivery_head& each : heads) text += text_of(each) + "; ";
    return text + "]";
}
std::string text_of(const std::optional<delivery_head>& head) { return head ? text_of(*head) : std::string("none"); }
std::string text_of(const row_revision& revision) { return std::to_string(value_of(revision)); }
std::string text_of(const recorded_transition& recorded) {
    return fmt::format(
        "{} seq {} {} {}", text_of(recorded.revision), recorded.seq ? value_of(*recorded.seq) : 0,
        text_of(recorded.heads), recorded.body ? *recorded.body : "");
}
std::string text_of(const std::vector<add_outcome>& outcomes) {
    std::string text;
    for (const add_outcome& each : outcomes) {
        text += fmt::format(
            "{} {} {} {}; ", static_cast<int>(each.what), text_of(each.revision), static_cast<int>(each.facts.state),
            each.facts.status);
    }
    return text;
}
std::string text_of(const track::transaction_view& view) {
    return fmt::format(
        "{} {} {} '{}' {} {} {} {} '{}'", view.id.str(), text_of(view.revision), static_cast<int>(view.facts.state),
        view.facts.status, text_of(view.facts.settled_at), view.facts.polls, view.metadata,
        view.callback_url.value_or("-"), view.proof);
}
std::string text_of(const std::optional<track::transaction_view>& view) { return view ? text_of(*view) : "none"; }
std::string text_of(const track::delivery_view& view) {
    return fmt::format(
        "{} {} {} {} {} {} {} '{}'", value_of(view.id), view.event_id, view.callback, static_cast<int>(view.state),
        view.attempts, text_of(view.last_attempt_at), text_of(view.next_attempt_at), view.last_error);
}

/// A call whose answer is told as a text.
template <class T, class Call>
random_call told(std::string name, Call call) {
    return [name = std::move(name), call = std::move(call)](store& subject, const answer_taker& take) {
        call(subject, store_handler<T>([name, take](op_result<T> given) {
                 take(name + ": " + (given ? text_of(*given) : given.error().code.message()));
             }));
    };
}

/// Makes calls that mostly fit what the store holds.
class call_maker {
  public:
    call_maker(store_calls& known, std::uint64_t seed) : known_(known), random_(seed) {}

    random_call next() {
        ++now_;
        switch (random_.between(0, 9)) {
        case 0:
            return add();
        case 1:
        case 2:
        case 3:
            return record();
        case 4:
            return set_options();
        case 5:
        case 6:
        case 7:
            return attempt();
        case 8:
            return retry();
        default:
            return read();
        }
    }

  private:
    bool is(int percent) { return random_.between(1, 100) <= percent; }
    std::string id() { return "t" + std::to_string(random_.between(0, 9)); }
    delivery_id delivery() {
        const auto all = known_.deliveries();
        const auto last = all.deliveries.empty() ? 1 : static_cast<std::int64_t>(value_of(all.deliveries[0].id));
        return delivery_id{static_cast<std::uint64_t>(random_.between(std::max<std::int64_t>(1, last - 12), last))};
    }
    /// Usually that of the row.
    row_revision revision(const std::string& of) {
        const std::uint32_t now = known_.knows(make_id(of)) ? value_of(known_.find(make_id(of)).revision) : 1;
        return row_revision{is(80) ? now : now - 1};
    }

    random_call add() {
        std::vector<track::new_transaction> all;
        for (std::int64_t i = random_.between(1, 4); i > 0; --i) {
            all.push_back(make_new(id(), now_));
            all.back().options_digest = make_digest(is(20) ? 1 : 0);
            all.back().metadata = fmt::format(R"({{"order":{}}})", now_);
            if (!is(40)) continue;
            const std::string host = is(50) ? "one" : "two";
            all.back().callback_url = "http://" + host + "/";
            all.back().callback_lane = "http://" + host + ":80";
        }
        return told<std::vector<add_outcome>>(
            "add", [all](store& subject, auto handler) { subject.add(all, std::nullopt, std::move(handler)); });
    }
    random_call record() {
        const std::string of = id();
        transition change = make_settlement(
            of, now_, is(50) ? std::vector<std::string>{"backend"} : std::vector<std::string>{"backend", "ledger"});
        const auto state = std::vector{
            track::tracking_state::tracking, track::tracking_state::settled, track::tracking_state::overdue,
            track::tracking_state::abandoned,
            track::tracking_state::untracked}[static_cast<std::size_t>(random_.between(0, 4))];
        change.facts = make_change(of, state, is(50) ? "processing" : "completed", now_).facts;
        change.revision = revision(of);
        if (is(30)) change.event.reset();
        if (is(30)) change.reply.clear();
        return told<recorded_transition>(
            "record " + of, [change](store& subject, auto handler) { subject.record(change, std::move(handler)); });
    }
    random_call set_options() {
        const std::string of = id();
        const bool has_url = is(50);
        const options_change change{
            .id = make_id(of),
            .revision = revision(of),
            .metadata = fmt::format(R"({{"changed":{}}})", now_),
            .callback_url = has_url ? std::optional<std::string>("http://new/") : std::nullopt,
            .callback_lane = has_url ? "http://new:80" : "",
            .options_digest = make_digest(2)};
        return told<row_revision>(
            "set options", [change](store& subject, auto handler) { subject.set_options(change, std::move(handler)); });
    }
    random_call attempt() {
        const delivery_id of = delivery();
        const auto known = known_.load_delivery(value_of(of));
        const auto state = std::vector{
            track::delivery_state::pending, track::delivery_state::delivered,
            track::delivery_state::dead}[static_cast<std::size_t>(random_.between(0, 2))];
        const std::uint32_t attempts = (known ? known->view.attempts : 0) + (is(85) ? 1 : 2);
        const attempt_record done{of, at_ms(now_), attempts, state, 500, "500", at_ms(now_ + random_.between(0, 50))};
        return told<std::optional<delivery_head>>(
            fmt::format("attempt {}", value_of(of)),
            [done](store& subject, auto handler) { subject.record_attempt(done, std::move(handler)); });
    }
    random_call retry() {
        return told<delivery_head>("retry", [of = delivery(), now = at_ms(now_)](store& subject, auto handler) {
            subject.retry_delivery(of, now, std::move(handler));
        });
    }
    random_call read() {
        if (is(50)) {
            return told<std::vector<delivery_head>>(
                "heads", [](store& subject, auto handler) { subject.next_heads("backend", 5, std::move(handler)); });
        }
        return told<std::optional<track::transaction_view>>(
            "find", [of = make_id(id())](store& subject, auto handler) { subject.find(of, std::move(handler)); });
    }

    store_calls& known_;
    random_source random_;
    std::int64_t now_ = 0;
};

std::vector<std::string> everything(store_calls& of) {
    std::vector<std::string> lines;
    for (const auto& each : of.list({}).transactions) {
        lines.push_back(text_of(of.find(each.id)));
        const auto history = of.history(each.id);
        lines.push_back(fmt::format("{} changes, {}", history->changes.size(), history->deliveries.size()));
    }
    for (const auto& each : of.events().events) lines.push_back(each.body);
    track::delivery_query query;
    do {
        const track::delivery_page page = of.deliveries(query);
        for (const auto& each : page.deliveries) lines.push_back(text_of(each));
        query.cursor = page.next_cursor;
    } while (!query.cursor.empty());
    const store_status status = of.status();
    for (const auto& [cell, number] : status.transactions)
        lines.push_back(fmt::format("{} {}: {}", static_cast<int>(cell.first), static_cast<int>(cell.second), number));
    for (const auto& [name, lane] : status.lanes) {
        lines.push_back(fmt::format("{}: {} {}", name, lane.pending, lane.dead));
        lines.push_back(text_of(of.heads(name)));
    }
    return lines;
}

class TogetherAtRandom : public store_contract {};
INSTANTIATE_TEST_SUITE_P(Store, TogetherAtRandom, every_store(), store_name);

TEST_P(TogetherAtRandom, CallsAreAnsweredAsIfOneAfterTheOther) {
    const std::vector<store_kind> kinds = store_kinds();
    const auto fake = std::find_if(kinds.begin(), kinds.end(), [](const auto& kind) { return kind.name == "Fake"; });
    const auto reference = fake->make();
    call_maker calls(*reference, 1);
    for (int batch = 0; batch < 12; ++batch) {
        std::vector<random_call> made;
        std::vector<std::string> expected;
        std::vector<std::string> answered;
        for (int i = 0; i < 60; ++i) {
            made.push_back(calls.next());
            made.back()(reference->subject(), [&](const std::string& text) { expected.push_back(text); });
            reference->run();
        }
        world.together([&](store& subject) {
            for (const random_call& each : made)
                each(subject, [&](const std::string& text) { answered.push_back(text); });
        });
        ASSERT_EQ(answered, expected) << "in batch " << batch;
        ASSERT_EQ(everything(world), everything(*reference)) << "behind batch " << batch;
    }
    world.reopen();
    EXPECT_EQ(everything(world), everything(*reference));
}

} // namespace
} // namespace prooftrack::store
