#include "callback/notifier.hpp"

#include <list>
#include <utility>

#include <boost/asio/post.hpp>

#include "base/lifetime.hpp"
#include "base/own_url.hpp"
#include "callback/command_run.hpp"
#include "callback/error.hpp"
#include "callback/notifier_setup.hpp"
#include "callback/orphan_reaper.hpp"
#include "callback/webhook_sender.hpp"
#include "net/deadline.hpp"
#include "net/task_group.hpp"

namespace prooftrack::callback {

namespace asio = boost::asio;

namespace {

constexpr std::string_view user_agent = "prooftrackd/" PROOFTRACKD_VERSION;

using outcome_handler = unique_function<void(delivery_outcome)>;

/// A name that hangs delays neither Proof's lookups (its client has a resolver of its own) nor, up to a point, other
/// receivers'.
net::resolver_options make_names() {
    net::resolver_options names;
    names.threads = 4;
    return names;
}

delivery_outcome refused(std::string why) {
    delivery_outcome outcome;
    outcome.error = std::move(why);
    return outcome;
}

class sending_notifier final : public notifier {
  public:
    sending_notifier(asio::any_io_executor loop, notifier_observer& observer)
        : loop_(std::move(loop)), observer_(observer),
          sender_(std::make_shared<webhook_sender>(loop_, std::string(user_agent), make_names())), stop_limit_(loop_),
          tasks_(loop_) {}

    void configure(std::shared_ptr<const notifier_setup> setup) noexcept override {
        setup_ = std::move(setup);
        sender_->drop_idle();
    }

    void deliver(delivery_job job, outcome_handler handler) override {
        if (stopping_) return answer_later(std::move(handler), make_error_code(callback_error::stopping).message());
        if (job.callback == own_url_callback) return deliver_to_own_url(std::move(job), std::move(handler));
        const prepared_target* target = setup_ ? setup_->find(job.callback) : nullptr;
        if (target == nullptr)
            return answer_later(std::move(handler), make_error_code(callback_error::not_configured).message());
        if (target->webhook) return spawn_send(target->webhook, std::move(job), std::move(handler));
        run(*target, job, std::move(handler));
    }

    void stop(milliseconds within, unique_function<void()> stopped) override {
        stopping_ = true;
        stopped_ = std::move(stopped);
        sender_->drop_idle();
        if (in_flight_ == 0) return tell_stopped();
        stop_limit_.start(within, [this] { cut_off(); });
    }

  private:
    void deliver_to_own_url(delivery_job job, outcome_handler handler) {
        if (!setup_) return answer_later(std::move(handler), make_error_code(callback_error::not_configured).message());
        auto target = setup_->own_url_target(job.url);
        if (target.has_error()) return answer_later(std::move(handler), "callback_url: " + target.error().message());
        spawn_send(std::move(*target), std::move(job), std::move(handler));
    }

    void spawn_send(std::shared_ptr<const webhook_target> target, delivery_job job, outcome_handler handler) {
        ++in_flight_;
        tasks_.spawn(send(lifetime_.observe(), sender_, std::move(target), std::move(job), std::move(handler)));
    }

    /// The coroutine may outlive this object by a turn of the loop, and holds what it uses meanwhile.
    asio::awaitable<void> send(
        lifetime::watch alive, std::shared_ptr<webhook_sender> sender, std::shared_ptr<const webhook_target> target,
        delivery_job job, outcome_handler handler) {
        if (!alive) co_return;
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
        if (!alive) co_return;
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
        auto ended = [this, place, begun, handler = std::move(handler)](delivery_outcome outcome) mutable {
            commands_.erase(place);
            outcome.took = std::chrono::steady_clock::now() - begun;
            finish(std::move(handler), std::move(outcome));
        };
        *place = run_command(loop_, std::move(command), lifetime_.guarded(std::move(ended)));
    }

    void answer_later(outcome_handler handler, std::string why) {
        ++in_flight_;
        asio::post(loop_, lifetime_.guarded([this, handler = std::move(handler), why = std::move(why)]() mutable {
            finish(std::move(handler), refused(std::move(why)));
        }));
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
    std::shared_ptr<const notifier_setup> setup_; // null until the first `configure`
    std::shared_ptr<webhook_sender> sender_;      // shared with its attempts, see send()
    std::list<unique_function<void()>> commands_; // each kills one running command
    std::size_t in_flight_ = 0;
    bool stopping_ = false;
    bool cut_off_ = false;
    unique_function<void()> stopped_;
    net::deadline stop_limit_;
    orphan_reaper orphans_{loop_};
    net::task_group tasks_; // its tasks use all of the above
    lifetime lifetime_;
};

} // namespace

std::unique_ptr<notifier> make_notifier(asio::any_io_executor loop, notifier_observer& observer) {
    return std::make_unique<sending_notifier>(std::move(loop), observer);
}

} // namespace prooftrack::callback
