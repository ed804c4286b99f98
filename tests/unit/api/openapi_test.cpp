#include "router_fixture.hpp"

#include <set>

#include "api/openapi.hpp"
#include "api/problem.hpp"
#include "api/render.hpp"
#include "track/event.hpp"

namespace prooftrack::api {
namespace {

class OpenApi : public router_test {
  protected:
    const boost::json::object document_ = boost::json::parse(openapi_document()).as_object();

    const boost::json::object& schema(std::string_view name) const {
        return document_.at("components").at("schemas").at(name).as_object();
    }
    static std::set<std::string> words(const boost::json::value& array) {
        std::set<std::string> all;
        for (const auto& word : array.as_array()) all.emplace(word.as_string());
        return all;
    }
    /// Members of a rendered object, against those of the schema: the required ones are always there, others are named.
    void expect_members(
        const boost::json::value& shown, std::string_view name, const std::set<std::string>& optional = {}) const {
        std::set<std::string> have = optional;
        for (const auto& member : shown.as_object()) have.emplace(member.key());
        std::set<std::string> described;
        for (const auto& member : schema(name).at("properties").as_object()) described.emplace(member.key());
        EXPECT_EQ(have, described) << name;
        std::set<std::string> required = words(schema(name).at("required"));
        required.insert(optional.begin(), optional.end());
        EXPECT_EQ(required, described) << name;
    }
    /// Calls `visit` for the value and all that is in it.
    template <class Visit>
    static void walk(const boost::json::value& value, const Visit& visit) {
        visit(value);
        if (const auto* object = value.if_object()) {
            for (const auto& member : *object) walk(member.value(), visit);
        } else if (const auto* array = value.if_array()) {
            for (const auto& item : *array) walk(item, visit);
        }
    }
};

/// The words of an enum, from its first until `count`.
template <class Enum>
std::set<std::string> words_of(std::size_t count) {
    std::set<std::string> all;
    for (std::size_t i = 0; i < count; ++i) all.emplace(to_string(static_cast<Enum>(i)));
    return all;
}

TEST_F(OpenApi, IsServedByteForByte) {
    const auto response = ask("GET", "/v1/openapi.json");
    EXPECT_EQ(response.content_type, "application/json");
    EXPECT_EQ(response.body, openapi_document());
    EXPECT_EQ(document_.at("openapi").as_string(), "3.1.0");
}

TEST_F(OpenApi, HasEveryRouteAndNoOther) {
    std::set<std::string> served;
    std::set<std::string> admin;
    for (const route_info& route : api_routes()) {
        const std::string name = fmt::format("{} {}", route.method, route.path);
        EXPECT_TRUE(served.insert(name).second) << name;
        if (route.admin) admin.insert(name);
    }
    std::set<std::string> described;
    std::set<std::string> described_admin;
    for (const auto& path : document_.at("paths").as_object()) {
        for (const auto& operation : path.value().as_object()) {
            std::string method(operation.key());
            std::transform(method.begin(), method.end(), method.begin(), [](char c) {
                return static_cast<char>(std::toupper(c));
            });
            const std::string name = method + " " + std::string(path.key());
            described.insert(name);
            if (operation.value().as_object().contains("x-admin")) described_admin.insert(name);
        }
    }
    EXPECT_EQ(served, described);
    EXPECT_EQ(admin, described_admin);
}

TEST_F(OpenApi, SaysWhichRoutesTakeABody) {
    for (const route_info& route : api_routes()) {
        std::string method(route.method);
        std::transform(
            method.begin(), method.end(), method.begin(), [](char c) { return static_cast<char>(std::tolower(c)); });
        const auto& operation = document_.at("paths").at(route.path).at(method).as_object();
        EXPECT_EQ(operation.contains("requestBody"), route.body != body_kind::none)
            << route.method << " " << route.path;
    }
}

TEST_F(OpenApi, HasEveryProblemCode) {
    std::set<std::string> known;
    for (const problem_kind& kind : problem_kinds()) {
        if (kind.code != problem_code::passed_through) known.emplace(kind.word);
    }
    EXPECT_EQ(words(schema("problem_code").at("enum")), known);
}

TEST_F(OpenApi, HasEveryStateAndEventType) {
    EXPECT_EQ(words(schema("tracking_state").at("enum")), words_of<track::tracking_state>(track::tracking_state_count));
    for (const std::string& state : words(schema("delivery_state").at("enum"))) {
        EXPECT_TRUE(track::parse_delivery_state(state)) << state;
    }
    std::set<std::string> types = words_of<track::event_type>(track::event_type_count);
    EXPECT_EQ(words(schema("webhook_event").at("properties").at("type").at("enum")), types);
    std::set<std::string> sent;
    for (const auto& webhook : document_.at("webhooks").as_object()) sent.emplace(webhook.key());
    EXPECT_EQ(sent, types);
    types.erase(std::string(to_string(track::event_type::test))); // it is never recorded
    EXPECT_EQ(words(schema("event_type").at("enum")), types);
}

// Generators make a type without members of an object that says nothing, and refuse metadata then.
TEST_F(OpenApi, AnObjectSaysWhatIsInIt) {
    const auto check = [](const boost::json::value& value) {
        const auto* object = value.if_object();
        const auto* type = object != nullptr ? object->if_contains("type") : nullptr;
        if (type == nullptr) return;
        const bool is_object = *type == "object" || (type->is_array() && words(*type).contains("object"));
        if (!is_object) return;
        EXPECT_TRUE(object->contains("properties") || object->contains("additionalProperties")) << *object;
    };
    walk(document_, check);
    for (const char* name : {"session_request", "session", "kyc_status", "hint", "proof_reply"}) {
        EXPECT_EQ(schema(name).at("additionalProperties"), true) << name;
    }
}

TEST_F(OpenApi, DescribesWhatIsShownMemberByMember) {
    const auto parse = [](const std::string& text) { return boost::json::parse(text); };
    const track::transaction_view view = fake_backend::make_view("abc");
    const track::delivery_view delivery = fake_backend::make_delivery(1, "abc");
    expect_members(parse(render_transaction(view)), "transaction", {"node"});
    expect_members(parse(render_transactions({{view}, ""})), "transaction_page");
    expect_members(parse(render_deliveries({{delivery}, ""})), "delivery_page");
    expect_members(parse(render_deliveries({{delivery}, ""})).at("deliveries").at(0), "delivery", {"note"});
    const auto history = parse(render_history({{track::history_entry{}}, {delivery}}));
    expect_members(history, "history");
    expect_members(history.at("changes").at(0), "change");
    expect_members(parse(render_events({{}, event_seq{1}, "log"})), "event_page");
    expect_members(parse(render_consumer({"a", event_seq{1}, 0, std::nullopt}, wall_time())), "consumer");
    expect_members(parse(render_replay({})), "replay");
    expect_members(parse(render_replays({})), "replay_list");
    expect_members(parse(render_import({1, 2, {}})), "import_summary");
    expect_members(parse(render_untracked({2, 1})), "untrack_summary");
    expect_members(parse(render_callback_test({0, milliseconds(1), "", "refused"})), "callback_test", {"error"});
    expect_members(
        parse(format_problem(make_problem(problem_code::timeout, "x"))), "problem",
        {"request_id", "merchant_transaction_id", "oldest_seq", "last_seq", "taken", "untracked", "reasons", "proof"});
    expect_members(json_of(ask("GET", "/healthz")), "health", {"proof"});
    track::event_facts facts;
    facts.id = std::string(track::event_id_length, 'e');
    facts.transaction = "abc";
    expect_members(parse(track::insert_seq(format_event(facts), event_seq{7})), "event");
    expect_members(parse(format_event(facts)), "webhook_event");
    expect_members(parse(format_event(facts)).at("data"), "event_data");
}

TEST_F(OpenApi, EveryReferenceIsThere) {
    walk(document_, [this](const boost::json::value& value) {
        const auto* object = value.if_object();
        const auto* reference = object != nullptr ? object->if_contains("$ref") : nullptr;
        if (reference == nullptr) return;
        const std::string_view pointer = reference->as_string();
        boost::system::error_code missing;
        EXPECT_TRUE(pointer.starts_with("#/components/")) << pointer;
        EXPECT_NE(boost::json::value(document_).find_pointer(pointer.substr(1), missing), nullptr) << pointer;
    });
}

} // namespace
} // namespace prooftrack::api
