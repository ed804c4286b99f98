#pragma once

// Asks the router without a socket.

#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "api/event_hub.hpp"
#include "api/router.hpp"
#include "support/fake_backend.hpp"

namespace prooftrack::api {

class router_test : public testing::Test {
  protected:
    api_response ask(request_head head, std::string body = {}) {
        head.has_body = !body.empty();
        head.who = {1000, 77};
        std::optional<api_response> answer;
        router_.handle(
            {std::move(head), std::move(body)}, [&](api_response response) { answer = std::move(response); });
        loop_.restart();
        loop_.run();
        if (answer) return std::move(*answer);
        ADD_FAILURE() << "no answer";
        return {};
    }
    api_response ask(std::string method, std::string target, std::string body = {}, std::string type = {}) {
        request_head head;
        head.may_change = true;
        head.method = std::move(method);
        head.target = std::move(target);
        head.content_type = std::move(type);
        return ask(std::move(head), std::move(body));
    }

    static boost::json::object json_of(const api_response& response) {
        return boost::json::parse(response.body).as_object();
    }
    /// Status and code of a problem, as "400 invalid_request".
    static std::string problem_of(const api_response& response) {
        EXPECT_EQ(response.content_type, "application/problem+json");
        const auto body = json_of(response);
        EXPECT_EQ(body.at("status").as_int64(), response.status);
        EXPECT_FALSE(body.at("title").as_string().empty());
        EXPECT_FALSE(body.at("detail").as_string().empty());
        EXPECT_FALSE(body.at("type").as_string().empty());
        return std::to_string(response.status) + " " + std::string(body.at("code").as_string());
    }

    boost::asio::io_context loop_{1};
    fake_backend backend_;
    event_hub hub_{loop_.get_executor(), backend_};
    router router_{loop_.get_executor(), backend_, hub_};
};

} // namespace prooftrack::api
