// Redis: XADD to a stream. hiredis writes and reads the protocol; the connection is our own, for its deadlines and TLS.

#include <algorithm>
#include <array>
#include <deque>
#include <new>
#include <utility>

#include <fmt/format.h>
#include <hiredis/hiredis.h>

#include "prooftrackctl/bridge/broker.hpp"
#include "prooftrackctl/bridge/tcp_link.hpp"
#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

namespace {

/// Most bytes of a reply that is not whole yet.
constexpr std::size_t max_reply_bytes = 1UL * 1024 * 1024;
/// Bytes that are collected before they are written.
constexpr std::size_t piece_size = 64UL * 1024;
constexpr auto replicas_patience = milliseconds(5'000);

struct reply_deleter {
    void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using reply_ptr = std::unique_ptr<redisReply, reply_deleter>;
struct reader_deleter {
    void operator()(redisReader* reader) const { redisReaderFree(reader); }
};

std::string_view text_of(const redisReply& reply) { return {reply.str, static_cast<std::size_t>(reply.len)}; }

bool is_error(const redisReply& reply) { return reply.type == REDIS_REPLY_ERROR; }

/// After these somebody has to do something: no or wrong credentials, no permission, no such database.
bool is_lasting(std::string_view error) {
    static constexpr std::array<std::string_view, 4> words{"NOAUTH", "WRONGPASS", "NOPERM", "WRONGTYPE"};
    return std::any_of(words.begin(), words.end(), [&](std::string_view word) { return error.starts_with(word); }) ||
           error.find("invalid password") != std::string_view::npos ||
           error.find("without any password configured") != std::string_view::npos ||
           error.find("but no password is set") != std::string_view::npos || // before Redis 6
           error.find("DB index") != std::string_view::npos;
}

using arguments = std::vector<std::string_view>;

class redis_broker final : public broker {
  public:
    redis_broker(broker_access access, redis_target target, const stop_signal& stop)
        : access_(std::move(access)), target_(std::move(target)), stop_(stop), link_(stop) {}

    std::optional<broker_error> open() override {
        reader_.reset(redisReaderCreate());
        if (!reader_) return broker_error{"connect: out of memory", false};
        output_.clear();
        owed_.clear();
        unread_ = 0;
        answered_ = unasked_ = 0;
        asks_again_ = false;
        held_up_by_.clear();
        if (auto failed = link_.open(access_)) return failed;
        if (auto failed = log_in()) return failed;
        if (auto failed = look_for_stream()) return failed;
        return look_at_durability();
    }

    std::optional<broker_error> publish(const bridge_event& event) override {
        const std::string sequence = std::to_string(event.sequence);
        const std::string most = target_.max_length ? std::to_string(*target_.max_length) : "";
        arguments command{"XADD", target_.stream};
        if (target_.max_length) command.insert(command.end(), {"MAXLEN", "~", most});
        command.insert(
            command.end(), {"*", "id", event.id, "type", event.type, "timestamp", event.timestamp, "sequence", sequence,
                            "merchant_transaction_id", event.transaction, "body", event.body});
        add(command);
        owed_.push_back(owed::entry);
        ++unasked_;
        return output_.size() >= piece_size ? flush() : std::nullopt;
    }

    std::optional<broker_error> wait(std::vector<broker_verdict>& verdicts, steady_time until) override {
        if (target_.replicas > 0 && (std::exchange(asks_again_, false) || unasked_ > 0)) {
            const std::string replicas = std::to_string(target_.replicas);
            const std::string span = std::to_string(replicas_patience.count());
            add({"WAIT", replicas, span});
            owed_.push_back(owed::replicas);
        }
        unasked_ = 0;
        if (auto failed = flush()) return failed;
        for (;;) {
            if (auto failed = take_replies(verdicts)) return failed;
            if (!verdicts.empty() || std::chrono::steady_clock::now() >= until) return std::nullopt;
            if (stop_.wait(link_.descriptor(), POLLIN, until) == wait_result::stopped) return std::nullopt;
        }
    }

    void close() override { link_.close(); }

    std::string held_up_by() const override { return held_up_by_; }

    std::string warning() const override { return warning_; }

  private:
    enum class owed : std::uint8_t { entry, replicas };

    void add(const arguments& command) {
        std::vector<const char*> texts;
        std::vector<std::size_t> sizes;
        for (const std::string_view each : command) {
            texts.push_back(each.data());
            sizes.push_back(each.size());
        }
        char* formatted = nullptr;
        const auto size =
            redisFormatCommandArgv(&formatted, static_cast<int>(texts.size()), texts.data(), sizes.data());
        if (size < 0) throw std::bad_alloc();
        output_.append(formatted, static_cast<std::size_t>(size));
        redisFreeCommand(formatted);
    }

    std::optional<broker_error> flush() {
        const secret bytes(std::exchange(output_, std::string())); // AUTH may be among it
        return link_.write(bytes.reveal());
    }

    /// The next reply; null = not whole yet.
    std::optional<broker_error> next_reply(reply_ptr& reply) {
        std::array<char, 16UL * 1024> input{};
        for (;;) {
            void* whole = nullptr;
            if (redisReaderGetReply(reader_.get(), &whole) != REDIS_OK)
                return broker_error{"read: what answers does not speak Redis' protocol", false};
            if (whole != nullptr) {
                unread_ = 0;
                reply.reset(static_cast<redisReply*>(whole));
                return std::nullopt;
            }
            std::size_t count = 0;
            if (auto failed = link_.read(input, count)) return failed;
            if (count == 0) return std::nullopt;
            unread_ += count;
            if (unread_ > max_reply_bytes) return broker_error{"read: a reply is too large", false};
            redisReaderFeed(reader_.get(), input.data(), count);
        }
    }

    /// A command and its reply, while nothing else is under way.
    std::optional<broker_error> call(const arguments& command, reply_ptr& reply) {
        const steady_time until = std::chrono::steady_clock::now() + broker_patience;
        reply.reset(); // of the call before
        add(command);
        if (auto failed = flush()) return failed;
        for (;;) {
            if (auto failed = next_reply(reply)) return failed;
            if (reply) return std::nullopt;
            if (stop_.wait(link_.descriptor(), POLLIN, until) != wait_result::ready)
                return broker_error{fmt::format("{}: no answer in time", command.front()), false};
        }
    }

    std::optional<broker_error> log_in() {
        reply_ptr reply;
        if (!access_.credentials_file.empty()) {
            broker_credentials who;
            if (auto failed = read_broker_credentials(access_.credentials_file, stop_, who)) return failed;
            arguments command{"AUTH"};
            if (!who.user.empty()) command.push_back(who.user);
            command.push_back(who.password.reveal());
            if (auto failed = call(command, reply)) return failed;
            if (is_error(*reply)) {
                if (is_lasting(text_of(*reply))) return refusal("log in", text_of(*reply));
                // Another answer may repeat what was sent: the password.
                return broker_error{"log in: what answers does not take AUTH as a Redis with a password does", false};
            }
        }
        if (access_.url.path.empty()) return std::nullopt;
        if (auto failed = call({"SELECT", access_.url.path}, reply)) return failed;
        if (is_error(*reply)) return refusal("select the database", text_of(*reply));
        return std::nullopt;
    }

    /// A user who may only add entries is refused this, which says nothing about the stream.
    std::optional<broker_error> look_for_stream() {
        reply_ptr reply;
        if (auto failed = call({"TYPE", target_.stream}, reply)) return failed;
        const std::string_view type = text_of(*reply);
        if (is_error(*reply) && !type.starts_with("NOPERM")) return refusal("look for the stream", type);
        if (is_error(*reply) || type == "none" || type == "stream") return std::nullopt;
        return broker_error{
            fmt::format("the key {} holds no stream but a {}", printable(target_.stream), printable(type)), true};
    }

    std::optional<broker_error> look_at_durability() {
        reply_ptr reply;
        if (auto failed = call({"INFO", "persistence"}, reply)) return failed;
        if (!is_error(*reply) && text_of(*reply).find("aof_enabled:0") != std::string_view::npos)
            warning_ = "this Redis keeps no append-only file: when it crashes, it loses what it confirmed. See "
                       "`appendonly` and `appendfsync always` in its configuration";
        return std::nullopt;
    }

    static broker_error refusal(std::string_view doing, std::string_view error) {
        return {fmt::format("{}: {}", doing, printable(error)), is_lasting(error)};
    }

    std::optional<broker_error> take_replies(std::vector<broker_verdict>& verdicts) {
        for (;;) {
            reply_ptr reply;
            if (auto failed = next_reply(reply)) return failed;
            if (!reply) return std::nullopt;
            if (owed_.empty()) return broker_error{"read: a reply that nobody waits for", false};
            const owed kind = owed_.front();
            owed_.pop_front();
            if (kind == owed::entry) {
                take_entry(*reply, verdicts);
            } else {
                take_replicas(*reply, verdicts);
            }
        }
    }

    /// An entry that replicas must have too is confirmed by the answer to WAIT behind it.
    void take_entry(const redisReply& reply, std::vector<broker_verdict>& verdicts) {
        ++answered_;
        if (is_error(reply)) {
            verdicts.push_back(
                {false, answered_, false, "", "Redis did not take an entry: " + printable(text_of(reply))});
        } else if (target_.replicas == 0) {
            verdicts.push_back({true, answered_, false, "", ""});
        }
    }

    void take_replicas(const redisReply& reply, std::vector<broker_verdict>& verdicts) {
        const auto there = reply.type == REDIS_REPLY_INTEGER ? static_cast<std::uint64_t>(reply.integer) : 0;
        held_up_by_.clear();
        if (is_error(reply)) {
            verdicts.push_back({false, answered_, true, "", printable(text_of(reply))});
        } else if (there >= target_.replicas) {
            verdicts.push_back({true, answered_, true, "", ""});
        } else { // the entries are there: adding them again would only make more of them
            held_up_by_ = fmt::format("{} replicas of {} have the entries", there, target_.replicas);
            asks_again_ = true;
        }
    }

    broker_access access_;
    redis_target target_;
    const stop_signal& stop_;
    tcp_link link_;
    std::unique_ptr<redisReader, reader_deleter> reader_;
    std::string output_;
    std::deque<owed> owed_;      ///< what the next replies are about
    std::size_t unread_ = 0;     ///< bytes read since the last whole reply
    std::uint64_t answered_ = 0; ///< the tag of the last entry with a reply
    std::uint64_t unasked_ = 0;  ///< entries that no WAIT stands behind
    bool asks_again_ = false;    ///< the last WAIT ended before enough replicas had them
    std::string held_up_by_;
    std::string warning_;
};

} // namespace

std::unique_ptr<broker> make_redis_broker(broker_access access, redis_target target, const stop_signal& stop) {
    return std::make_unique<redis_broker>(std::move(access), std::move(target), stop);
}

} // namespace prooftrack::ctl
