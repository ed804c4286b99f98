#pragma once

// A reply's body in a string that never grows past a limit, whatever the header promises.

#include <algorithm>
#include <cstdint>
#include <string>

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/optional/optional.hpp>

namespace prooftrack {

/// A Beast Body. Beast's string_body would reserve what Content-Length claims; this one takes what comes, up to
/// `limit`: then it fails with http::error::body_limit, or, with `cut`, keeps the beginning and sets `was_cut`.
struct bounded_body {
    struct value_type {
        std::string text;
        std::size_t limit = 0;
        bool cut = false;
        bool was_cut = false;
    };

    class reader {
      public:
        template <bool IsRequest, class Fields>
        reader(boost::beast::http::header<IsRequest, Fields>&, value_type& body) : body_(body) {}

        void init(const boost::optional<std::uint64_t>& length, boost::system::error_code& error) {
            const bool too_long = length && *length > body_.limit && !body_.cut;
            error = too_long ? make_error_code(boost::beast::http::error::body_limit) : boost::system::error_code();
        }

        template <class Buffers>
        std::size_t put(const Buffers& buffers, boost::system::error_code& error) {
            error = {};
            std::size_t taken = 0;
            for (const auto buffer : boost::beast::buffers_range_ref(buffers)) {
                const std::size_t room = body_.limit - body_.text.size();
                if (buffer.size() > room) {
                    body_.was_cut = true;
                    if (!body_.cut) error = boost::beast::http::error::body_limit;
                }
                body_.text.append(static_cast<const char*>(buffer.data()), std::min(room, buffer.size()));
                taken += buffer.size();
            }
            return taken;
        }

        void finish(boost::system::error_code& error) { error = {}; }

      private:
        value_type& body_;
    };
};

} // namespace prooftrack
