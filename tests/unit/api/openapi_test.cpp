#include "router_fixture.hpp"

#include <set>

#include "api/openapi.hpp"
#include "api/problem.hpp"
#include "api/render.hpp"
#include "track/event.hpp"

namespace prooftrack {
namespace {

class OpenApi : public router_test {
  protected:
    const boost::json::object document_ = boost::json::parse(openapi_document()).as_object();

    const boost::json::object& schema(std::string_view name) const {
        return document_.at("components").at("schemas").at(name).as_object();
    }
    /// Members of a rendered object, against those that the schema requires.
    void expect_members(const boost::json::value& shown, std::string_view name) const {
        std::set<std::string> have;
        for (const auto& member : shown.as_object()) have.emplace(member.key());
        std::set<std::string> wanted;
        for (const auto& member : schema(name).at("properties").as_object()) wanted.emplace(member.key());
        EXPECT_EQ(have, wanted) << name;
        EXPECT_EQ(schema(name).at("required").as_array().size(), wanted.size()) << name;
    }
};

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
            std::transform(method.begin(), method.end(), method.begin(),
                           [](char c) { return static_cast<char>(std::toupper(c)); });
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
        std::transform(method.begin(), method.end(), method.begin(),
                       [](char c) { return static_cast<char>(std::tolower(c)); });
        const auto& operation = document_.at("paths").at(route.path).at(method).as_object();
        EXPECT_EQ(operation.contains("requestBody"), route.body != body_kind::none)
            << route.method << " " << route.path;
    }
}

TEST_F(OpenApi, HasEveryProblemCode) {
    std::set<std::string> described;
    for (const auto& code : schema("problem_code").at("anyOf").at(0).at("enum").as_array()) {
        described.emplace(code.as_string());
    }
    std::set<std::string> known;
    for (const problem_kind& kind : problem_kinds()) {
        if (kind.code != problem_code::passed_through) known.emplace(kind.word);
    }
    EXPECT_EQ(described, known);
}

TEST_F(OpenApi, DescribesWhatIsShownMemberByMember) {
    const auto parse = [](const std::string& text) { return boost::json::parse(text); };
    const transaction_view view = fake_backend::make_view("abc");
    const delivery_view delivery = fake_backend::make_delivery(1, "abc");
    expect_members(parse(render_transaction(view)), "transaction");
    expect_members(parse(render_transactions({{view}, ""})), "transaction_page");
    expect_members(parse(render_deliveries({{delivery}, ""})), "delivery_page");
    expect_members(parse(render_deliveries({{delivery}, ""})).at("deliveries").at(0), "delivery");
    const auto history = parse(render_history({{history_entry{}}, {delivery}}));
    expect_members(history, "history");
    expect_members(history.at("changes").at(0), "change");
    expect_members(parse(render_events({{}, event_seq{1}, "log"})), "event_page");
    expect_members(parse(render_consumer({"a", event_seq{1}, 0, std::nullopt}, wall_time())), "consumer");
    expect_members(parse(render_import({1, 2, {}})), "import_summary");
    expect_members(parse(render_callback_test({0, milliseconds(1), "", "refused"})), "callback_test");
    expect_members(parse(format_problem(make_problem(problem_code::timeout, "x"))), "problem");
    expect_members(json_of(ask("GET", "/healthz")), "health");
    event_facts facts;
    facts.id = std::string(event_id_length, 'e');
    facts.transaction = "abc";
    expect_members(parse(insert_seq(format_event(facts), event_seq{7})), "event");
}

TEST_F(OpenApi, EveryReferenceIsThere) {
    const std::string_view text = openapi_document();
    constexpr std::string_view mark = "#/components/schemas/";
    for (std::size_t at = text.find(mark); at != std::string_view::npos; at = text.find(mark, at + 1)) {
        const std::string_view name = text.substr(at + mark.size(), text.find('"', at) - at - mark.size());
        EXPECT_TRUE(document_.at("components").at("schemas").as_object().contains(name)) << name;
    }
}

} // namespace
} // namespace prooftrack
