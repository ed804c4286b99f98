#include "proof/origin.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include <fmt/format.h>

#include "base/http_url.hpp"
#include "net/tls.hpp"
#include "net/tls_peer.hpp"

namespace prooftrack::proof {
namespace {

constexpr std::string_view transactions_path = "/widget/transactions/";

http_url parse_base_url(const std::string& text) {
    const auto url = parse_http_url(text);
    if (!url) throw boost::system::system_error(url.error(), "proof.base_url");
    if (url->scheme == url_scheme::http_unix || !is_encrypted_or_local(*url)) {
        throw boost::system::system_error(
            make_error_code(url_error::scheme), "proof.base_url must be https, or http to a loopback host");
    }
    if (url->target.find('?') != std::string::npos) {
        throw boost::system::system_error(make_error_code(url_error::malformed), "proof.base_url must have no query");
    }
    return *url;
}

/// The part of a header that a setting could otherwise break out of.
std::string printable(std::string_view text) {
    std::string clean;
    std::copy_if(text.begin(), text.end(), std::back_inserter(clean), [](char c) { return c >= ' ' && c <= '~'; });
    return clean;
}

} // namespace

origin::origin(const proof_client_options& options) {
    const http_url url = parse_base_url(options.base_url);
    host_ = url.host;
    port_ = url.port;
    route_ = options.route;
    path_prefix_ = url.target;
    while (path_prefix_.ends_with('/')) path_prefix_.pop_back();
    authority_ = format_host_header(url);
    user_agent_ = printable(options.user_agent);
    poll_begin_ = fmt::format("GET {}{}", path_prefix_, transactions_path);
    fields_ = fmt::format(
        " HTTP/1.1\r\nHost: {}\r\nUser-Agent: {}\r\nAccept: application/json\r\n"
        "Accept-Encoding: identity\r\nAuthorization: Bearer ",
        authority_, user_agent_);
    if (url.scheme == url_scheme::https) context_.emplace(make_tls_context(options.trust, options.identity));
}

std::string origin::describe_connect_timeout() const {
    const net::http_proxy* proxy = route_ ? route_->find(host_, port_) : nullptr;
    return proxy == nullptr ? "connect: timed out" : fmt::format("proxy {}: timed out", describe(*proxy));
}

void origin::prepare_tls(SSL* ssl, std::string_view alpn) {
    SSL_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
    SSL_clear_mode(ssl, SSL_MODE_RELEASE_BUFFERS); // a poll would free and allocate 34 KiB each time
    if (!net::expect_peer(ssl, host_)) throw std::bad_alloc();
    const auto* protocols = reinterpret_cast<const unsigned char*>(alpn.data());
    const auto size = static_cast<unsigned int>(alpn.size());
    if (!alpn.empty() && SSL_set_alpn_protos(ssl, protocols, size) != 0) throw std::bad_alloc();
    if (session_) SSL_set_session(ssl, session_.get());
}

void origin::keep_session(SSL* ssl) {
    SSL_SESSION* session = SSL_get1_session(ssl);
    if (session != nullptr && SSL_SESSION_is_resumable(session) != 0) {
        session_.reset(session);
    } else {
        SSL_SESSION_free(session);
    }
}

void origin::append_poll_path(std::string& out, std::string_view id) const {
    out.append(path_prefix_).append(transactions_path).append(id);
}

void origin::append_call_path(std::string& out, const proof_call& call) const {
    out.append(path_prefix_).append(call.target);
}

void origin::append_poll(std::string& out, std::string_view id, const secret& token) const {
    out.append(poll_begin_);
    out.append(id);
    out.append(fields_);
    out.append(token.reveal());
    out.append("\r\n\r\n");
}

std::string origin::format_call(const proof_call& call, const secret& token) const {
    const bool post = call.method == proof_call::method_kind::post;
    std::string out;
    out.reserve(fields_.size() + call.target.size() + call.body.size() + 256);
    out.append(post ? "POST " : "GET ");
    append_call_path(out, call);
    out.append(fields_);
    out.append(token.reveal());
    out.append("\r\nConnection: close\r\n");
    if (post) out.append(fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n", call.body.size()));
    out.append("\r\n");
    if (post) out.append(call.body);
    return out;
}

bool is_sendable_token(const secret& token) {
    const std::string_view bytes = token.reveal();
    return !bytes.empty() && std::all_of(bytes.begin(), bytes.end(), [](char c) { return c > ' ' && c <= '~'; });
}

} // namespace prooftrack::proof
