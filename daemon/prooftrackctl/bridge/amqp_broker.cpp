// AMQP 0-9-1 by librabbitmq: one connection, one channel in confirm mode, persistent and mandatory messages.

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/time.h>

#if __has_include(<rabbitmq-c/amqp.h>)
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/framing.h>
#include <rabbitmq-c/ssl_socket.h>
#include <rabbitmq-c/tcp_socket.h>
#else
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#endif

#include "base/host_rules.hpp"
#include "prooftrackctl/bridge/broker.hpp"
#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

namespace {

constexpr amqp_channel_t channel = 1;
/// Longer than the bridge ever looks away, and short enough that a dead peer is noticed.
constexpr int heartbeat_seconds = 30;
constexpr milliseconds longest_nap{5'000};

struct connection_deleter {
    void operator()(amqp_connection_state_t state) const { amqp_destroy_connection(state); }
};
using connection_ptr = std::unique_ptr<amqp_connection_state_t_, connection_deleter>;

timeval patience_of_calls() {
    timeval span{};
    span.tv_sec = std::chrono::duration_cast<seconds>(broker_patience).count();
    return span;
}

amqp_bytes_t bytes_of(std::string_view text) {
    amqp_bytes_t bytes{};
    bytes.len = text.size();
    bytes.bytes = const_cast<char*>(text.data()); // NOLINT(cppcoreguidelines-pro-type-const-cast): it is only read
    return bytes;
}

std::string text_of(const amqp_bytes_t& bytes) {
    return printable(std::string_view(static_cast<const char*>(bytes.bytes), bytes.len));
}

/// The reply codes after which somebody has to do something: refused, not found, precondition failed, not allowed.
bool is_lasting(int code) { return code == 403 || code == 404 || code == 406 || code == 530; }

broker_error library_error(std::string_view doing, int status) {
    return {fmt::format("{}: {}", doing, amqp_error_string2(status)), false};
}

broker_error closed(std::string_view doing, int code, const amqp_bytes_t& text) {
    return {fmt::format("{}: {} ({})", doing, text_of(text), code), is_lasting(code)};
}

std::optional<broker_error> fault_of(std::string_view doing, const amqp_rpc_reply_t& reply) {
    if (reply.reply_type == AMQP_RESPONSE_NORMAL) return std::nullopt;
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) return library_error(doing, reply.library_error);
    if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION && reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
        const auto* close = static_cast<const amqp_channel_close_t*>(reply.reply.decoded);
        return closed(doing, close->reply_code, close->reply_text);
    }
    if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION && reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD) {
        const auto* close = static_cast<const amqp_connection_close_t*>(reply.reply.decoded);
        return closed(doing, close->reply_code, close->reply_text);
    }
    return broker_error{fmt::format("{}: the broker gave no answer", doing), false};
}

amqp_table_entry_t header(const char* name, const std::string& value) {
    amqp_table_entry_t entry{};
    entry.key = amqp_cstring_bytes(name);
    entry.value.kind = AMQP_FIELD_KIND_UTF8;
    entry.value.value.bytes = bytes_of(value);
    return entry;
}

amqp_table_entry_t header(const char* name, std::uint64_t value) {
    amqp_table_entry_t entry{};
    entry.key = amqp_cstring_bytes(name);
    entry.value.kind = AMQP_FIELD_KIND_I64;
    entry.value.value.i64 = static_cast<std::int64_t>(value);
    return entry;
}

class amqp_broker final : public broker {
  public:
    amqp_broker(broker_access access, amqp_target target, const stop_signal& stop)
        : access_(std::move(access)), target_(std::move(target)), stop_(stop) {}

    std::optional<broker_error> open() override {
        is_alive_ = false;
        connection_.reset(amqp_new_connection());
        if (!connection_) return broker_error{"connect: out of memory", false};
        const timeval span = patience_of_calls();
        amqp_set_handshake_timeout(connection_.get(), &span);
        amqp_set_rpc_timeout(connection_.get(), &span);
        if (auto failed = connect()) return failed;
        bound_writes();
        if (auto failed = log_in()) return failed;
        if (stop_.requested()) return broker_error{"stopped", false}; // each step may take its whole time
        amqp_channel_open(connection_.get(), channel);
        if (auto failed = fault_of("open a channel", amqp_get_rpc_reply(connection_.get()))) return failed;
        if (stop_.requested()) return broker_error{"stopped", false};
        amqp_confirm_select(connection_.get(), channel);
        if (auto failed = fault_of("ask for confirms", amqp_get_rpc_reply(connection_.get()))) return failed;
        if (auto failed = look_for_exchange()) return failed;
        is_alive_ = true;
        return std::nullopt;
    }

    std::optional<broker_error> publish(const bridge_event& event) override {
        std::array<amqp_table_entry_t, 2> headers{
            header("webhook-sequence", event.sequence), header("merchant_transaction_id", event.transaction)};
        amqp_basic_properties_t properties{};
        properties._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG |
                            AMQP_BASIC_TYPE_FLAG | AMQP_BASIC_TIMESTAMP_FLAG | AMQP_BASIC_APP_ID_FLAG |
                            AMQP_BASIC_HEADERS_FLAG;
        properties.content_type = amqp_cstring_bytes("application/json");
        properties.delivery_mode = 2; // persistent
        properties.message_id = bytes_of(event.id);
        properties.type = bytes_of(event.type);
        const auto since_epoch = std::chrono::floor<seconds>(event.at).time_since_epoch();
        properties.timestamp = static_cast<std::uint64_t>(since_epoch.count());
        properties.app_id = amqp_cstring_bytes("prooftrackd");
        properties.headers.num_entries = static_cast<int>(headers.size());
        properties.headers.entries = headers.data();
        const std::string key = routing_key_of(target_.routing_key, event);
        const int status = amqp_basic_publish(
            connection_.get(), channel, bytes_of(target_.exchange), bytes_of(key), 1, 0, &properties,
            bytes_of(event.body));
        is_alive_ = status == AMQP_STATUS_OK;
        if (!is_alive_) return library_error("publish", status);
        return std::nullopt;
    }

    std::optional<broker_error> wait(std::vector<broker_verdict>& verdicts, steady_time until) override {
        for (;;) {
            auto failed = take_frames(verdicts);
            is_alive_ = !failed;
            if (failed) return failed;
            const steady_time now = std::chrono::steady_clock::now();
            if (!verdicts.empty() || now >= until) return std::nullopt;
            const steady_time nap = std::min(until, now + longest_nap);
            if (stop_.wait(amqp_get_sockfd(connection_.get()), POLLIN, nap) == wait_result::stopped)
                return std::nullopt;
        }
    }

    void close() override {
        if (is_alive_) amqp_connection_close(connection_.get(), AMQP_REPLY_SUCCESS);
        is_alive_ = false;
        connection_.reset();
    }

  private:
    std::optional<broker_error> connect() {
        amqp_socket_t* socket =
            access_.url.is_tls ? amqp_ssl_socket_new(connection_.get()) : amqp_tcp_socket_new(connection_.get());
        if (socket == nullptr) return broker_error{"connect: out of memory", false};
        if (access_.url.is_tls) {
            if (auto failed = prepare_tls(socket)) return failed;
        }
        timeval span = patience_of_calls();
        const int status = amqp_socket_open_noblock(socket, access_.url.host.c_str(), access_.url.port, &span);
        if (status == AMQP_STATUS_OK) return std::nullopt;
        broker_error failed = library_error("connect", status);
        const bool is_certificate = status == AMQP_STATUS_SSL_PEER_VERIFY_FAILED ||
                                    status == AMQP_STATUS_SSL_HOSTNAME_VERIFY_FAILED ||
                                    status == AMQP_STATUS_SSL_CONNECTION_FAILED;
        if (is_certificate) failed.text += ". Is the certificate one for this host, and its authority in --ca-file?";
        return failed;
    }

    /// TLS 1.2 at least, and a certificate for the host: by the rules of the daemon's other connections, which are
    /// OpenSSL's and not the library's own.
    std::optional<broker_error> prepare_tls(amqp_socket_t* socket) {
        auto* context = static_cast<SSL_CTX*>(amqp_ssl_socket_get_context(socket));
        if (access_.ca_file.empty()) {
            SSL_CTX_set_default_verify_paths(context);
        } else if (const int status = amqp_ssl_socket_set_cacert(socket, access_.ca_file.c_str());
                   status != AMQP_STATUS_OK) {
            return broker_error{
                fmt::format("cannot use {} (a PEM bundle of certificates)", printable(access_.ca_file)), true};
        }
        const std::string& host = access_.url.host;
        X509_VERIFY_PARAM* expected = SSL_CTX_get0_param(context);
        X509_VERIFY_PARAM_set_hostflags(
            expected, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        const bool is_set = canonical_address(host)
                                ? X509_VERIFY_PARAM_set1_ip_asc(expected, host.c_str()) == 1
                                : X509_VERIFY_PARAM_set1_host(expected, host.c_str(), host.size()) == 1;
        if (!is_set) return broker_error{"connect: OpenSSL takes no such host", true};
        SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
        X509_STORE_set_flags(SSL_CTX_get_cert_store(context), X509_V_FLAG_PARTIAL_CHAIN);
        amqp_ssl_socket_set_verify_peer(socket, 1);
        amqp_ssl_socket_set_verify_hostname(socket, 0); // done by the context, before anything is sent
        return std::nullopt;
    }

    /// A broker that is out of memory or of disk space reads no more. A write that waits for it ends like one to a peer
    /// that is gone.
    void bound_writes() {
        const auto span = static_cast<unsigned>(broker_patience.count());
        setsockopt(amqp_get_sockfd(connection_.get()), IPPROTO_TCP, TCP_USER_TIMEOUT, &span, sizeof span);
    }

    std::optional<broker_error> log_in() {
        broker_credentials who{"guest", secret("guest")};
        if (!access_.credentials_file.empty()) {
            if (auto failed = read_broker_credentials(access_.credentials_file, stop_, who)) return failed;
        }
        const std::string host = access_.url.path.empty() ? "/" : access_.url.path;
        const std::string password(who.password.reveal());
        const amqp_rpc_reply_t reply = amqp_login(
            connection_.get(), host.c_str(), 1, AMQP_DEFAULT_FRAME_SIZE, heartbeat_seconds, AMQP_SASL_METHOD_PLAIN,
            who.user.c_str(), password.c_str());
        return fault_of("log in", reply);
    }

    /// The default exchange is there without being declared.
    std::optional<broker_error> look_for_exchange() {
        if (target_.exchange.empty()) return std::nullopt;
        amqp_exchange_declare(
            connection_.get(), channel, bytes_of(target_.exchange), amqp_cstring_bytes("topic"), 1, 0, 0, 0,
            amqp_empty_table);
        return fault_of("look for the exchange", amqp_get_rpc_reply(connection_.get()));
    }

    /// Takes what has come. The library sends heartbeats by the way.
    std::optional<broker_error> take_frames(std::vector<broker_verdict>& verdicts) {
        for (;;) {
            amqp_frame_t frame{};
            timeval none{};
            const int status = amqp_simple_wait_frame_noblock(connection_.get(), &frame, &none);
            if (status == AMQP_STATUS_TIMEOUT) return std::nullopt;
            if (status != AMQP_STATUS_OK) return library_error("read", status);
            if (auto failed = take(frame, verdicts)) return failed;
            amqp_maybe_release_buffers(connection_.get());
        }
    }

    /// A returned message is a method, a header with the message's id and its body; its confirm comes behind it.
    std::optional<broker_error> take(const amqp_frame_t& frame, std::vector<broker_verdict>& verdicts) {
        if (frame.frame_type == AMQP_FRAME_HEADER) {
            const auto* properties = static_cast<const amqp_basic_properties_t*>(frame.payload.properties.decoded);
            broker_verdict refused;
            refused.id =
                std::string(static_cast<const char*>(properties->message_id.bytes), properties->message_id.len);
            if (refused.id.empty()) return broker_error{"the broker returned a message without its id", false};
            refused.reason = return_reason_;
            verdicts.push_back(std::move(refused));
        }
        return frame.frame_type == AMQP_FRAME_METHOD ? take_method(frame.payload.method, verdicts) : std::nullopt;
    }

    std::optional<broker_error> take_method(const amqp_method_t& method, std::vector<broker_verdict>& verdicts) {
        switch (method.id) {
        case AMQP_BASIC_ACK_METHOD: {
            const auto* ack = static_cast<const amqp_basic_ack_t*>(method.decoded);
            verdicts.push_back({true, ack->delivery_tag, ack->multiple != 0, "", ""});
            return std::nullopt;
        }
        case AMQP_BASIC_NACK_METHOD: {
            const auto* nack = static_cast<const amqp_basic_nack_t*>(method.decoded);
            verdicts.push_back(
                {false, nack->delivery_tag, nack->multiple != 0, "",
                 "the broker did not take a message (nack): is a queue full?"});
            return std::nullopt;
        }
        case AMQP_BASIC_RETURN_METHOD: {
            const auto* returned = static_cast<const amqp_basic_return_t*>(method.decoded);
            return_reason_ = fmt::format(
                "the broker returned a message with the routing key {}: {} ({}). Is a queue bound for it?",
                text_of(returned->routing_key), text_of(returned->reply_text), returned->reply_code);
            return std::nullopt;
        }
        case AMQP_CHANNEL_CLOSE_METHOD: {
            const auto* close = static_cast<const amqp_channel_close_t*>(method.decoded);
            return closed("the broker closed the channel", close->reply_code, close->reply_text);
        }
        case AMQP_CONNECTION_CLOSE_METHOD: {
            const auto* close = static_cast<const amqp_connection_close_t*>(method.decoded);
            return closed("the broker closed the connection", close->reply_code, close->reply_text);
        }
        default:
            return std::nullopt;
        }
    }

    broker_access access_;
    amqp_target target_;
    const stop_signal& stop_;
    connection_ptr connection_;
    bool is_alive_ = false; ///< logged in, and nothing has failed since
    std::string return_reason_;
};

} // namespace

std::unique_ptr<broker> make_amqp_broker(broker_access access, amqp_target target, const stop_signal& stop) {
    return std::make_unique<amqp_broker>(std::move(access), std::move(target), stop);
}

} // namespace prooftrack::ctl
