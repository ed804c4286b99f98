#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "api/merchant_list.hpp"
#include "track/merchant_table.hpp"

namespace prooftrack::api {
namespace {

struct read_list {
    std::vector<track::kept_line> lines;
    std::vector<std::pair<std::uint64_t, std::string>> faults;
    std::vector<std::vector<std::string>> ids; ///< of each fault; `?` behind them = there may be others
};

std::optional<std::string> kept(const std::optional<std::string_view>& text) {
    return text ? std::optional<std::string>(*text) : std::nullopt;
}

read_list read(const std::vector<std::string>& pieces, list_format format = list_format::by_content) {
    read_list all;
    merchant_list list(
        [&all](const track::merchant_line& one) {
            all.lines.push_back(
                {one.line, std::string(one.id), kept(one.belief.status), kept(one.belief.fiat_amount),
                 kept(one.belief.fiat_currency), one.belief.credited});
        },
        [&all](const track::unreadable_line& line) {
            all.faults.emplace_back(line.line, line.why);
            all.ids.emplace_back(line.ids.begin(), line.ids.end());
            if (line.hides_ids) all.ids.back().emplace_back("?");
        },
        format);
    for (const std::string& piece : pieces) list.take(piece);
    list.finish();
    return all;
}

std::string refusal_of(const std::string& text, list_format format = list_format::by_content) {
    try {
        read({text}, format);
    } catch (const not_a_list& wrong) {
        return wrong.what();
    }
    ADD_FAILURE() << "taken: " << text.substr(0, 40);
    return {};
}

std::string csv(const std::string& rows) {
    return "merchant_transaction_id,status,fiat_amount,fiat_currency,credited\n" + rows;
}

TEST(MerchantList, CsvWithOtherColumnsInAnyOrder) {
    const auto all = read({"\xEF\xBB\xBForder, credited ,merchant_transaction_id,fiat_amount\r\n"
                           "A-17,TRUE, id-1 ,100.50\r\n"
                           "\"A,18\",no,id-2,\r\n"
                           "\r\n"
                           "A-19,,id-3,7"});
    EXPECT_TRUE(all.faults.empty());
    ASSERT_EQ(all.lines.size(), 3U);
    EXPECT_EQ(all.lines[0].line, 2U);
    EXPECT_EQ(all.lines[0].id, "id-1");
    EXPECT_EQ(all.lines[0].credited, true);
    EXPECT_EQ(all.lines[0].fiat_amount, "100.50");
    EXPECT_EQ(all.lines[0].status, std::nullopt);
    EXPECT_EQ(all.lines[1].credited, false);
    EXPECT_EQ(all.lines[1].fiat_amount, std::nullopt);
    EXPECT_EQ(all.lines[2].line, 5U);
    EXPECT_EQ(all.lines[2].credited, std::nullopt);
}

TEST(MerchantList, Ndjson) {
    const auto all =
        read({"\xEF\xBB\xBF\r\n"
              R"({"merchant_transaction_id":"id-1","fiat_amount":100.10,"credited":true,"more":{"a":[1]}})"
              "\r\n\n"
              R"( {"status":"cancel\u006ced","merchant_transaction_id":"id-2","fiat_amount":"5","credited":null})"
              "\n"
              R"({"merchant_transaction_id":"id-3","fiat_currency":"EUR"})"});
    EXPECT_TRUE(all.faults.empty()) << all.faults[0].second;
    ASSERT_EQ(all.lines.size(), 3U);
    EXPECT_EQ(all.lines[0].line, 2U);
    EXPECT_EQ(all.lines[0].fiat_amount, "100.10"); // the spelling, never a double
    EXPECT_EQ(all.lines[0].credited, true);
    EXPECT_EQ(all.lines[1].status, "cancelled");
    EXPECT_EQ(all.lines[1].credited, std::nullopt);
    EXPECT_EQ(all.lines[2].line, 5U);
    EXPECT_EQ(all.lines[2].fiat_currency, "EUR");
}

TEST(MerchantList, PiecesMayBreakAnywhere) {
    for (const std::string& text :
         {std::string("\xEF\xBB\xBF\n{\"merchant_transaction_id\":\"a\"}\n{\"merchant_transaction_id\":\"b\"}\r\n"),
          csv("a,,1.0,,\r\nb,failed,,EUR,0\n")}) {
        const auto whole = read({text});
        ASSERT_EQ(whole.lines.size(), 2U);
        for (std::size_t at = 0; at <= text.size(); ++at) {
            const auto split = read({text.substr(0, at), text.substr(at)});
            ASSERT_EQ(split.lines.size(), 2U) << at;
            EXPECT_EQ(split.lines[1].line, whole.lines[1].line) << at;
            EXPECT_EQ(split.lines[1].id, "b") << at;
        }
    }
}

TEST(MerchantList, ABadLineIsReportedAndTheRestIsRead) {
    const auto all = read({csv(",completed,1,EUR,1\n"
                               "a b,completed,1,EUR,1\n"
                               "id-4,completed,\"1,000.00\",EUR,1\n"
                               "id-5,completed,-1,EUR,1\n"
                               "id-6,completed,1,EU€,1\n"
                               "id-7,completed,1,EUR,maybe\n"
                               "id-8,completed,1,EUR\n"
                               "id-9,completed,1,EUR,1\n")});
    ASSERT_EQ(all.lines.size(), 1U);
    EXPECT_EQ(all.lines[0].id, "id-9");
    ASSERT_EQ(all.faults.size(), 7U);
    for (std::size_t i = 0; i < all.faults.size(); ++i) EXPECT_EQ(all.faults[i].first, i + 2);
    EXPECT_NE(all.faults[2].second.find("'1,000.00' is no fiat_amount"), std::string::npos);
    EXPECT_EQ(all.faults[6].second, "4 fields, and the first line names 5");
}

using ids = std::vector<std::vector<std::string>>;

TEST(MerchantList, TellsTheIdOfABrokenRecordOrThatItHidesOne) {
    const auto of = [](const std::string& rows) { return read({csv(rows)}).ids; };
    EXPECT_EQ(of("o1,comp\"leted,1,EUR,true\n"), (ids{{"o1"}}));
    EXPECT_EQ(of(" o1 ,\"completed\"x,1,EUR,true\n"), (ids{{"o1"}}));
    EXPECT_EQ(of("o1," + std::string(70'000, 'x') + "\n"), (ids{{"o1"}}));
    EXPECT_EQ(of("o1" + std::string(300, ',') + "\n"), (ids{{"o1"}}));
    EXPECT_EQ(of("o1,\"completed"), (ids{{"o1"}}));
    EXPECT_EQ(of("o1,\"completed\no2,completed\no3,completed\n"), (ids{{"o1", "?"}})); // o2 and o3 are lost with it
    EXPECT_EQ(of("o1,\"completed\no2,\"completed\n"), (ids{{"o1", "?"}}));
    EXPECT_EQ(of("o1,completed,1,\"EUR\no2,completed,1,\"EUR\no3,,1,\"\n"), (ids{{"o1", "?"}, {"o3", "?"}}));
    EXPECT_EQ(of("o1,\"completed,1,EUR,true\no2,completed\",1,EUR,1\n"), (ids{{"o1", "?"}})); // a word of two lines
    EXPECT_EQ(of("o1,completed,1,EUR,true\ro2,completed,1,EUR,true\n").at(0).back(), "?");
    EXPECT_EQ(of("o\"1,completed,1,EUR,true\n"), (ids{{"?"}}));
    EXPECT_EQ(of("a b,completed,1,EUR,true\n"), (ids{{"?"}}));
    EXPECT_EQ(of(",completed,1,EUR,true\n"), (ids{{"?"}}));
    EXPECT_EQ(of("a b,completed\n"), (ids{{"?"}}));
    EXPECT_EQ(of("o1,completed,x,EUR,true\n"), (ids{{"o1"}}));
    EXPECT_EQ(read({"order,merchant_transaction_id,status\nA-1,o1,\"x\"y\nA\"2,o2,x\n"}).ids, (ids{{"o1"}, {"?"}}));
}

TEST(MerchantList, TellsTheIdsOfABrokenObjectOrThatItHidesThem) {
    const auto of = [](const std::string& line) { return read({line + "\n"}, list_format::ndjson).ids; };
    const std::string long_text(merchant_list::max_line, 'x');
    EXPECT_EQ(of(R"({"merchant_transaction_id":"o2","merchant_transaction_id":"o2"})"), (ids{{"o2", "o2"}}));
    EXPECT_EQ(of(R"({"merchant_transaction_id":"o3","status":"x",})"), (ids{{"o3"}}));
    EXPECT_EQ(
        of(R"({"status":"x "y"," merchant_transaction_id": 1, "merchant_transaction_id" :  "o\u0033")"), (ids{{"o3"}}));
    EXPECT_EQ(of(R"({"merchant_transaction_id":"o3","x":")" + long_text + R"("})"), (ids{{"o3"}}));
    EXPECT_EQ(of(R"({"x":")" + long_text + R"(","merchant_transaction_id":"o3"})"), (ids{{"?"}}));
    EXPECT_EQ(of(R"({"merchant_transaction_id":"o1"}{"merchant_transaction_id":"o2"})"), (ids{{"o1", "o2"}}));
    EXPECT_EQ(
        of(R"({"merchant_transaction_id":"o1"}{"merchant_transaction_id":"o2"})" + long_text),
        (ids{{"o1", "o2", "?"}}));
    for (const char* hidden :
         {R"({"merchant_transaction_id":"o1)", R"({"merchant_transaction_id":)", R"({"merchant_transaction_id")",
          R"({"merchant_transaction_id":["o1",})", R"({"merchant_transaction_id":"o 1",})", R"("o1")", "nothing",
          R"({"merchant_transaction_id":7})", R"({"status":"x"})", R"({"merchant_transaction_id":"o\q",})"})
        EXPECT_EQ(of(hidden), (ids{{"?"}})) << hidden;
    EXPECT_EQ(of(R"({"merchant_transaction_id":"o1","credited":"yes"})"), (ids{{"o1"}}));
}

TEST(MerchantList, ABadObjectIsReportedAndTheRestIsRead) {
    const auto all = read({"{\"merchant_transaction_id\":\"a\"\n"
                           "{\"merchant_transaction_id\":\"a\",\"merchant_transaction_id\":\"b\"}\n"
                           "\"a\"\n"
                           "{\"status\":\"completed\"}\n"
                           "{\"merchant_transaction_id\":7}\n"
                           "{\"merchant_transaction_id\":\"a\",\"credited\":\"yes\"}\n"
                           "{\"merchant_transaction_id\":\"a\",\"fiat_amount\":1e2}\n"
                           "{\"merchant_transaction_id\":\"a\",\"fiat_amount\":[]}\n"
                           "{\"merchant_transaction_id\":\"z\"}\n"});
    ASSERT_EQ(all.lines.size(), 1U);
    EXPECT_EQ(all.lines[0].id, "z");
    ASSERT_EQ(all.faults.size(), 8U);
    for (std::size_t i = 0; i < all.faults.size(); ++i) {
        EXPECT_EQ(all.faults[i].first, i + 1);
        EXPECT_FALSE(all.faults[i].second.empty());
    }
}

TEST(MerchantList, ValuesAreBounded) {
    const auto all = read({csv(
        std::string(128, 'i') + "," + std::string(track::max_status_length, 's') + "," + std::string(18, '9') + "," +
        std::string(16, 'C') + ",1\n" + std::string(129, 'i') + ",,,,\n" + "a," +
        std::string(track::max_status_length + 1, 's') + ",,,\n" + "b,," + std::string(19, '9') + ",,\n" + "c,,," +
        std::string(17, 'C') + ",\n")});
    EXPECT_EQ(all.lines.size(), 1U);
    EXPECT_EQ(all.faults.size(), 4U);
    for (const auto& [line, why] : all.faults) EXPECT_LT(why.size(), 250U) << line;
}

TEST(MerchantList, ALineOfJsonIsBounded) {
    const std::string begin = "{\"merchant_transaction_id\":\"a\",\"x\":\"";
    const std::string fits(merchant_list::max_line - begin.size() - 2, 'x');
    EXPECT_EQ(read({begin + fits + "\"}\n"}).lines.size(), 1U);
    const auto all = read({begin + fits + "x\"}\n{\"merchant_transaction_id\":\"b\"}"});
    ASSERT_EQ(all.lines.size(), 1U);
    EXPECT_EQ(all.lines[0].id, "b");
    ASSERT_EQ(all.faults.size(), 1U);
    EXPECT_EQ(all.faults[0].first, 1U);
}

TEST(MerchantList, WhatIsNoListIsRefusedWithWhatToDo) {
    EXPECT_NE(refusal_of("id,amount\n").find("merchant_transaction_id"), std::string::npos);
    EXPECT_NE(refusal_of("").find("empty"), std::string::npos);
    EXPECT_NE(refusal_of("a").find("merchant_transaction_id"), std::string::npos);
    EXPECT_NE(refusal_of("merchant_transaction_id,status,status\n").find("twice"), std::string::npos);
    EXPECT_NE(refusal_of("merchant_transaction_id,\"status\n").find("quote"), std::string::npos);
    EXPECT_NE(refusal_of("\x1F\x8B\x08_______").find("gunzip"), std::string::npos);
    EXPECT_NE(refusal_of("PK\x03\x04______").find("CSV"), std::string::npos);
    EXPECT_NE(refusal_of(std::string("\xFF\xFEm\0e\0", 6)).find("UTF-8"), std::string::npos);
    EXPECT_NE(refusal_of("[{\"merchant_transaction_id\":\"a\"}]").find("object a line"), std::string::npos);
    EXPECT_NE(refusal_of(std::string(merchant_list::max_line + 1, '\n')).find("blanks"), std::string::npos);
}

TEST(MerchantList, AFormatThatIsSaidIsNotGuessed) {
    const auto all = read({"merchant_transaction_id\n{\"merchant_transaction_id\":\"a\"}\n"}, list_format::ndjson);
    ASSERT_EQ(all.lines.size(), 1U);
    EXPECT_EQ(all.lines[0].line, 2U);
    ASSERT_EQ(all.faults.size(), 1U);
    EXPECT_EQ(all.faults[0].first, 1U);
    EXPECT_NE(refusal_of("{\"merchant_transaction_id\":\"a\"}\n", list_format::csv).find("quote"), std::string::npos);
    EXPECT_NE(
        refusal_of("[\n{\"merchant_transaction_id\":\"a\"}]\n", list_format::ndjson).find("object a line"),
        std::string::npos);
}

TEST(MerchantList, HasBegunWhenNothingCanRefuseTheWholeAnyMore) {
    const auto begun_after = [](std::string_view text) {
        merchant_list list([](const track::merchant_line&) {}, [](const track::unreadable_line&) {});
        for (std::size_t taken = 0; taken < text.size(); ++taken) {
            if (list.is_begun()) return taken;
            list.take(text.substr(taken, 1));
        }
        return list.is_begun() ? text.size() : std::string_view::npos;
    };
    EXPECT_EQ(begun_after("order,merchant_transaction_id\nA-1,a\n"), 30U);
    EXPECT_EQ(begun_after("\n\n \n{\"merchant_transaction_id\""), 5U);
    EXPECT_EQ(begun_after("order,merchant_transaction_id"), std::string_view::npos);
}

TEST(MerchantList, AHeaderAloneIsAnEmptyList) {
    EXPECT_TRUE(read({"merchant_transaction_id"}).lines.empty());
    EXPECT_TRUE(read({csv("")}).lines.empty());
}

} // namespace
} // namespace prooftrack::api
