#pragma once

// A client over HTTP/2, and the servers that its tests script.

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client_harness.hpp"
#include "support/h2_site.hpp"
#include "support/test_certificates.hpp"

namespace prooftrack::testing_support {

inline std::vector<std::string> ids(std::size_t count, const std::string& begin = "tx-") {
    std::vector<std::string> made;
    for (std::size_t i = 0; i < count; ++i) made.push_back(begin + std::to_string(i));
    return made;
}

class h2_client_test : public testing::Test {
  protected:
    using site_script = std::function<void(h2_site&, const h2_site_request&, std::size_t connection)>;

    /// A server that does this with each request.
    void serve(site_script script, std::uint32_t most_streams = 128) {
        serve_connections([script = std::move(script), most_streams](scripted_connection& connection) {
            h2_site site(connection, most_streams);
            while (true) {
                for (const auto& request : site.read()) script(site, request, connection.index);
            }
        });
    }

    void serve_connections(scripted_http_server::script script) {
        server_ = std::make_unique<scripted_http_server>(with_h2(authority_.server_context()), std::move(script));
        options_ = client_harness::options_for(*server_, trust_);
    }

    void start() { harness_.start(options_); }

    std::vector<std::string> errors() const {
        std::vector<std::string> found;
        for (const auto& each : harness_.source.answers) {
            if (each.answer.what != track::reply_class::good) found.push_back(each.answer.error);
        }
        return found;
    }

    static void answer(h2_site& site, const h2_site_request& request) {
        site.reply(request, transaction_body(request.id()));
    }

    test_authority authority_;
    net::trust_roots trust_{authority_.ca_pem(), "ca.pem"};
    std::unique_ptr<scripted_http_server> server_;
    proof::proof_client_options options_;
    client_harness harness_;
};

} // namespace prooftrack::testing_support
