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
#include "callback/orphan_reaper.hpp"
#include "callback/target_rules.hpp"
#include "callback/webhook_sender.hpp"
#include "net/deadline.hpp"
#include "net/task_group.hpp"

namespace prooftrack {

namespace asio = boost::asio;

namespace {

constexpr std::string_view own_url_name = "callback_url";
constexpr std::string_view user_agent = "prooftrackd/" PROOFTRACKD_VERSION;

using outcome_handler = unique_function<void(delivery_outcome)>;

/// A name that hangs delays neither Proof's lookups (its client has a resolver of its own) nor, up to a point, other
/// receivers'.
resolver_options make_names() {
    resolver_options names;
    names.threads = 4;
    return names;
}

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
        : loop_(std::move(loop)), observer_(observer),
          sender_(std::make_shared<webhook_sender>(loop_, std::string(user_agent), make_names())), stop_limit_(loop_),
          tasks_(loop_) {}

    void configure(std::vector<callback_target> targets, callback_url_rules rules) override {
        std::map<std::string, std::shared_ptr<tls_client>> clients;
        const tls_source tls = make_tls_source(clients);
        std::map<std::string, prepared_target, std::less<>> prepared;
        for (auto& target : targets) {
            prepared_target ready;
            if (!target.url.empty()) ready.webhook = make_configured_target(target, tls);
            ready.command = std::move(target.command);
            ready.timeout = target.timeout;
            prepared.insert_or_assign(target.name, std::move(ready));
        }
        const bool has_tcp_hosts = std::any_of(rules.allow_hosts.begin(), rules.allow_hosts.end(),
                                               [](const std::string& host) { return !host.starts_with("unix:"); });
        auto own_tls = has_tcp_hosts ? tls("") : nullptr;
        // Nothing throws from here on: all or nothing is replaced.
        targets_ = std::move(prepared);
        rules_ = std::move(rules);
        own_url_tls_ = std::move(own_tls);
        sender_->drop_idle();
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
        sender_->drop_idle();
        if (in_flight_ == 0) return tell_stopped();
        stop_limit_.start(within, [this] { cut_off(); });
    }

  private:
    /// One client for each ca_file of a configuration: its targets share sessions and the parsed bundle.
    static tls_source make_tls_source(std::map<std::string, std::shared_ptr<tls_client>>& clients) {
        return [&clients](const std::string& ca_file) {
            auto& client = clients[ca_file];
            if (!client) client = std::make_shared<tls_client>(ca_file);
            return client;
        };
    }

    void deliver_to_own_url(delivery_job job, outcome_handler handler) {
        const result<allowed_url> allowed = check_callback_url(job.url, rules_.allow_hosts);
        if (allowed.has_error()) return answer_later(std::move(handler), "callback_url: " + allowed.error().message());
        spawn_send(make_own_url_target(*allowed, rules_, own_url_tls_), std::move(job), std::move(handler));
    }

    void spawn_send(std::shared_ptr<const webhook_target> target, delivery_job job, outcome_handler handler) {
        ++in_flight_;
        tasks_.spawn(send(life_, sender_, std::move(target), std::move(job), std::move(handler)));
    }

    /// `life` tells whether this object still is: the coroutine may outlive it by a turn of the loop, and holds what it
    /// uses meanwhile.
    asio::awaitable<void> send(std::weak_ptr<int> life, std::shared_ptr<webhook_sender> sender,
                               std::shared_ptr<const webhook_target> target, delivery_job job,
                               outcome_handler handler) {
        if (life.expired()) co_return;
        const auto begun = std::chrono::steady_clock::now();
        const std::string callback = job.callback;
        bool was_refused = false;
        delivery_outcome outcome;
        try {
            auto sending = sender->async_send(target, std::move(job), was_refused);
            outcome = co_await std::move(sending);
        } catch (const std::exception& failure) {
            outcome = refused(failure.what());
        }
        if (life.expired()) co_return;
        // Cancelling shows as an error of whatever the attempt waited for.
        if (cut_off_ && outcome.what == delivery_outcome::verdict::failed && outcome.status == 0)
            outcome.error = "cut off: the daemon is stopping";
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
        cut_off_ = true;
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
    std::shared_ptr<webhook_sender> sender_;      // shared with its attempts, see send()
    std::list<unique_function<void()>> commands_; // each kills one running command
    std::size_t in_flight_ = 0;
    bool stopping_ = false;
    bool cut_off_ = false;
    unique_function<void()> stopped_;
    deadline stop_limit_;
    orphan_reaper orphans_{loop_};
    task_group tasks_; // last: its tasks use all of the above
};

} // namespace

std::unique_ptr<notifier> make_notifier(asio::any_io_executor loop, notifier_observer& observer) {
    return std::make_unique<sending_notifier>(std::move(loop), observer);
}

} // namespace prooftrack
