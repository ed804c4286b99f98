// The API on a Unix socket: listener, pool, hub and router put together.

#include <optional>
#include <utility>

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include <unistd.h>

#include "api/accept_loop.hpp"
#include "api/connection_pool.hpp"
#include "api/event_hub.hpp"
#include "api/router.hpp"
#include "api/server.hpp"
#include "api/unix_listener.hpp"
#include "base/lifetime.hpp"

namespace prooftrack::api {
namespace {

class unix_server final : public api_server, private deadline_entry {
  public:
    unix_server(const boost::asio::any_io_executor& loop, api_options options, backend& behind, api_observer& observer)
        : loop_(loop), options_(std::move(options)), hub_(loop, behind), router_(loop, behind, hub_),
          pool_(
              loop, router_, {place_limits::shared(options_.max_clients, false), {}, options_.limits},
              [&observer](const api_request_fact& fact) { observer.on_request(fact); }) {}

    ~unix_server() override {
        if (listener_) listener_->remove_name();
    }

    void start() override {
        reconfigure(options_.max_clients, options_.admin_group);
        listener_.emplace(
            options_.passed_descriptor >= 0 ? unix_listener::adopt(options_.passed_descriptor)
                                            : unix_listener::bind(options_.socket, options_.mode, options_.group));
        accepting_.emplace(loop_, listener_->release(), pool_);
        accepting_->start();
    }

    void stop(milliseconds within, unique_function<void()> stopped) override {
        if (listener_) listener_->remove_name();
        if (accepting_) accepting_->stop();
        pool_.deadlines().start(*this, within);
        pool_.finish(lifetime_.guarded([this, stopped = std::move(stopped)]() mutable {
            pool_.deadlines().stop(*this);
            stopped();
        }));
    }

    void reconfigure(std::size_t max_clients, std::optional<gid_t> admin_group) noexcept override {
        access_rules rules;
        rules.own_uid = ::geteuid();
        rules.admin_group = admin_group;
        pool_.reconfigure(place_limits::shared(max_clients, admin_group.has_value()), rules);
    }

    std::size_t connections() const override { return pool_.size(); }

  private:
    void on_deadline() override { pool_.close_all(); }

    boost::asio::any_io_executor loop_;
    api_options options_;
    event_hub hub_;
    router router_;
    connection_pool pool_;
    std::optional<unix_listener> listener_;
    std::optional<accept_loop> accepting_;
    lifetime lifetime_;
};

} // namespace

std::unique_ptr<api_server> make_api_server(
    const boost::asio::any_io_executor& loop, api_options options, backend& behind, api_observer& observer) {
    return std::make_unique<unix_server>(loop, std::move(options), behind, observer);
}

} // namespace prooftrack::api
