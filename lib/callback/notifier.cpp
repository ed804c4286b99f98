#include "callback/notifier.hpp"

#include <algorithm>
#include <list>
#include <map>
#include <utility>

#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>

#include "callback/command_run.hpp"
#include "callback/error.hpp"
#include "callback/target_rules.hpp"
#include "callback/webhook_sender.hpp"
#include "net/address_rules.hpp"
#include "net/deadline.hpp"
#include "net/task_group.hpp"

namespace prooftrack {

namespace asio = boost::asio;

namespace {

constexpr std::string_view own_url_name = "callback_url";
constexpr std::string_view user_agent = "prooftrackd/" PROOFTRACKD_VERSION;

using outcome_handler = unique_function<void(delivery_outcome)>;

delivery_outcome refused(std::string why) {
    delivery_outcome outcome;
    outcome.error = std::move(why);
    return outcome;
}

/// A configured callback, ready to be used.
struct prepared_target {
    std::shared_ptr<const webhook_target> webhook; ///< null for a command
    std::vector<std::string> command;
    milliseconds timeout{15000};
};

class sending_notifier final : public notifier {
  public:
    sending_notifier(asio::any_io_executor loop, notifier_observer& observer)
        : loop_(std::move(loop)), observer_(observer), sender_(loop_, std::string(user_agent)), stop_limit_(loop_),
          tasks_(loop_) {}

    void configure(std::vector<callback_target> targets, callback_url_rules rules) override {
        std::map<std::string, std::shared_ptr<tls_client>> clients;
        std::map<std::string, prepared_target, std::less<>> prepared;
        for (auto& target : targets) {
            const std::string name = target.name;
            prepared.insert_or_assign(name, prepare(std::move(target), clients));
        }
        const bool has_tcp_hosts = std::any_of(rules.allow_hosts.begin(), rules.allow_hosts.end(),
                                               [](const std::string& host) { return !host.starts_with("unix:"); });
        auto own_tls = has_tcp_hosts ? client_for("", clients) : nullptr;
        // Nothing throws from here on: all or nothing is replaced.
        targets_ = std::move(prepared);
        rules_ = std::move(rules);
        own_url_tls_ = std::move(own_tls);
        sender_.drop_idle();
    }

    void deliver(delivery_job job, outcome_handler handler) override {
        if (stopping_) return answer_later(std::move(handler), make_error_code(callback_error::stopping).message());
        if (job.callback == own_url_name) return deliver_to_own_url(std::move(job), std::move(handler));
        const auto target = targets_.find(job.callback);
        if (target == targets_.end())
            return answer_later(std::move(handler), make_error_code(callback_error::not_configured).message());
        if (target->second.webhook) return spawn_send(target->second.webhook, std::move(job), std::move(handler));
        run(target->second, job, std::move(handler));
    }

    void stop(milliseconds within, unique_function<void()> stopped) override {
        stopping_ = true;
        stopped_ = std::move(stopped);
        sender_.drop_idle();
        if (in_flight_ == 0) return tell_stopped();
        stop_limit_.start(within, [this] { cut_off(); });
    }

  private:
    static std::shared_ptr<tls_client> client_for(const std::string& ca_file,
                                                  std::map<std::string, std::shared_ptr<tls_client>>& clients) {
        auto& client = clients[ca_file];
        if (!client) client = std::make_shared<tls_client>(ca_file);
        return client;
    }

    static prepared_target prepare(callback_target target,
                                   std::map<std::string, std::shared_ptr<tls_client>>& clients) {
        prepared_target ready;
        ready.timeout = target.timeout;
        ready.command = std::move(target.command);
        if (target.url.empty()) return ready;
        const result<http_url> url = check_configured_url(target.url);
        if (url.has_error()) throw boost::system::system_error(url.error(), "callback " + target.name);
        auto webhook = std::make_shared<webhook_target>();
        webhook->url = *url;
        webhook->keys = std::move(target.secrets);
        webhook->timeout = target.timeout;
        webhook->pool_key = fmt::format("{} {}", format_lane(*url), target.ca_file);
        if (url->scheme == url_scheme::https) webhook->tls = client_for(target.ca_file, clients);
        if (url->scheme == url_scheme::http) {
            // "localhost" is a name: whatever it resolves to must be loopback, or the event would travel in the clear.
            webhook->filter = [](const asio::ip::address& address) {
                return classify_address(address) == address_kind::loopback;
            };
        }
        ready.webhook = std::move(webhook);
        return ready;
    }

    void deliver_to_own_url(delivery_job job, outcome_handler handler) {
        const result<allowed_url> allowed = check_callback_url(job.url, rules_.allow_hosts);
        if (allowed.has_error()) return answer_later(std::move(handler), "callback_url: " + allowed.error().message());
        auto webhook = std::make_shared<webhook_target>();
        webhook->url = allowed->url;
        webhook->tls = own_url_tls_;
        webhook->keys = rules_.secrets;
        webhook->timeout = rules_.timeout;
        // Not shared with configured targets: their connections were made under other rules.
        webhook->pool_key = fmt::format("callback_url {} {}", format_lane(allowed->url), allowed->exact_host);
        webhook->filter = [exact = allowed->exact_host,
                           plain = allowed->url.scheme == url_scheme::http](const asio::ip::address& address) {
            if (plain && classify_address(address) != address_kind::loopback) return false;
            return may_send_to(address, exact);
        };
        spawn_send(std::move(webhook), std::move(job), std::move(handler));
    }

    void spawn_send(std::shared_ptr<const webhook_target> target, delivery_job job, outcome_handler handler) {
        ++in_flight_;
        tasks_.spawn(send(std::move(target), std::move(job), std::move(handler)));
    }

    asio::awaitable<void> send(std::shared_ptr<const webhook_target> target, delivery_job job,
                               outcome_handler handler) {
        const auto begun = std::chrono::steady_clock::now();
        const std::string callback = job.callback;
        const std::weak_ptr<int> life = life_;
        bool was_refused = false;
        delivery_outcome outcome;
        try {
            auto sending = sender_.async_send(target, std::move(job), was_refused);
            outcome = co_await std::move(sending);
        } catch (const boost::system::system_error& failure) {
            // Cut off by stop(): cancelling a coroutine throws at its next wait.
            outcome = refused(failure.code() == asio::error::operation_aborted ? "cut off: the daemon is stopping"
                                                                               : failure.what());
        } catch (const std::exception& failure) {
            outcome = refused(failure.what());
        }
        if (life.expired()) co_return;
        outcome.took = std::chrono::steady_clock::now() - begun;
        if (was_refused) observer_.on_address_refused(callback, target->url.host);
        finish(std::move(handler), std::move(outcome));
    }

    void run(const prepared_target& target, const delivery_job& job, outcome_handler handler) {
        ++in_flight_;
        command_line command{target.command, make_command_environment(job), job.body, target.timeout};
        const auto place = commands_.emplace(commands_.end());
        const auto begun = std::chrono::steady_clock::now();
        *place = run_command(loop_, std::move(command),
                             [this, life = std::weak_ptr<int>(life_), place, begun,
                              handler = std::move(handler)](delivery_outcome outcome) mutable {
                                 if (life.expired()) return;
                                 commands_.erase(place);
                                 outcome.took = std::chrono::steady_clock::now() - begun;
                                 finish(std::move(handler), std::move(outcome));
                             });
    }

    void answer_later(outcome_handler handler, std::string why) {
        ++in_flight_;
        asio::post(loop_, [this, life = std::weak_ptr<int>(life_), handler = std::move(handler),
                           why = std::move(why)]() mutable {
            if (life.expired()) return;
            finish(std::move(handler), refused(std::move(why)));
        });
    }

    void finish(outcome_handler handler, delivery_outcome outcome) {
        handler(std::move(outcome));
        --in_flight_;
        if (stopping_ && in_flight_ == 0) tell_stopped();
    }

    void cut_off() {
        tasks_.cancel();
        for (auto& cut : commands_) cut();
    }

    void tell_stopped() {
        stop_limit_.finish();
        if (!stopped_) return;
        asio::post(loop_, [stopped = std::move(stopped_)]() mutable { stopped(); });
        stopped_ = {};
    }

    asio::any_io_executor loop_;
    notifier_observer& observer_;
    std::shared_ptr<int> life_ =
        std::make_shared<int>(); // handlers that run after this object was destroyed do nothing
    std::map<std::string, prepared_target, std::less<>> targets_;
    callback_url_rules rules_;
    std::shared_ptr<tls_client> own_url_tls_;
    webhook_sender sender_;
    std::list<unique_function<void()>> commands_; // each kills one running command
    std::size_t in_flight_ = 0;
    bool stopping_ = false;
    unique_function<void()> stopped_;
    deadline stop_limit_;
    task_group tasks_; // last: its tasks use all of the above
};

} // namespace

std::unique_ptr<notifier> make_notifier(asio::any_io_executor loop, notifier_observer& observer) {
    return std::make_unique<sending_notifier>(std::move(loop), observer);
}

} // namespace prooftrack
