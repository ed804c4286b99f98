#include "net/resolver.hpp"

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <unordered_map>

#include <netdb.h>
#include <sys/socket.h>

#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>

#include "net/completion.hpp"
#include "net/deadline.hpp"
#include "net/error.hpp"

namespace prooftrack::net {

namespace asio = boost::asio;

namespace {

error_code from_getaddrinfo(int failure) {
    switch (failure) {
    case EAI_NONAME:
#ifdef EAI_NODATA
    case EAI_NODATA:
#endif
        return make_error_code(net_error::no_address);
    case EAI_AGAIN:
        return asio::error::host_not_found_try_again;
    case EAI_MEMORY:
        return asio::error::no_memory;
    case EAI_SYSTEM:
        return {errno, boost::system::system_category()};
    default:
        return asio::error::no_recovery;
    }
}

result<address_list> look_up(const std::string& host) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int failure = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
    if (failure != 0) return from_getaddrinfo(failure);
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
    address_list addresses;
    for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
        asio::ip::tcp::endpoint endpoint;
        if (entry->ai_addrlen > endpoint.capacity()) continue;
        std::memcpy(endpoint.data(), entry->ai_addr, entry->ai_addrlen);
        addresses.push_back(endpoint.address());
    }
    return addresses;
}

} // namespace

/// `mutex_` guards what the helper threads touch: jobs_, idle_, threads_, loop_. All else belongs to the loop.
class host_resolver::core : public std::enable_shared_from_this<core> {
  public:
    using handler_type = unique_function<void(op_result<address_list>)>;

    core(asio::any_io_executor loop, resolver_options options)
        : loop_(loop), options_(std::move(options)), poster_(loop) {
        if (!options_.lookup) options_.lookup = look_up;
        if (options_.threads == 0) options_.threads = 1;
    }

    void resolve(const std::string& host, handler_type handler) {
        error_code not_literal;
        const auto literal = asio::ip::make_address(host, not_literal);
        if (!not_literal) return answer_later(std::move(handler), address_list{literal});
        const auto known = known_.find(host);
        if (known != known_.end() && std::chrono::steady_clock::now() - known->second.at < options_.fresh_for)
            return answer_later(std::move(handler), known->second.addresses);
        auto& lookup = lookups_[host];
        if (!lookup) {
            lookup = std::make_unique<pending>(loop_);
            lookup->round = ++round_;
            lookup->limit.start(options_.deadline, [weak = weak_from_this(), host, round = lookup->round] {
                if (const auto self = weak.lock()) self->finish(host, round, make_error_code(net_error::timed_out));
            });
            enqueue(host, lookup->round);
        }
        lookup->waiting.push_back(std::move(handler));
    }

    template <class Handler>
    void post(Handler handler) {
        asio::post(loop_, std::move(handler));
    }

    /// No thread posts to the loop after this returned.
    void close() {
        const std::lock_guard lock(mutex_);
        poster_ = {};
        closed_ = true;
        jobs_.clear();
        work_.notify_all();
        lookups_.clear();
    }

  private:
    struct pending {
        explicit pending(const asio::any_io_executor& loop) : limit(loop) {}
        std::uint64_t round = 0; // a lookup that timed out may still answer: its round is over
        deadline limit;
        std::vector<handler_type> waiting;
    };
    struct answer {
        address_list addresses;
        steady_time at{};
    };
    struct job {
        std::string host;
        std::uint64_t round = 0;
    };

    void answer_later(handler_type handler, address_list addresses) {
        asio::post(loop_, [handler = std::move(handler), addresses = std::move(addresses)]() mutable {
            handler(std::move(addresses));
        });
    }

    void enqueue(const std::string& host, std::uint64_t round) {
        const std::lock_guard lock(mutex_);
        // While DNS hangs, a host that is asked for again and again still has one place in the queue.
        const auto queued =
            std::find_if(jobs_.begin(), jobs_.end(), [&host](const job& each) { return each.host == host; });
        if (queued != jobs_.end())
            queued->round = round;
        else
            jobs_.push_back({host, round});
        if (idle_ < jobs_.size() && threads_ < options_.threads) start_thread();
        work_.notify_one();
    }

    /// Under the lock. Without a new thread the job waits for an old one, or for its deadline.
    void start_thread() {
        try {
            // Detached on purpose: nobody can interrupt getaddrinfo, so nobody may wait for it.
            std::thread([self = shared_from_this()] { self->serve(); }).detach();
            ++threads_;
        } catch (const std::system_error&) { // no more threads for this process: the next lookup tries again
        }
    }

    void serve() {
        std::unique_lock lock(mutex_);
        while (true) {
            ++idle_;
            work_.wait(lock, [this] { return closed_ || !jobs_.empty(); });
            --idle_;
            if (closed_) return;
            const job next = std::move(jobs_.front());
            jobs_.pop_front();
            const auto lookup = options_.lookup;
            lock.unlock();
            result<address_list> found = lookup(next.host);
            lock.lock();
            if (closed_) return;
            asio::post(poster_, [self = shared_from_this(), next, found = std::move(found)]() mutable {
                self->finish(next.host, next.round, std::move(found));
            });
        }
    }

    void finish(const std::string& host, std::uint64_t round, result<address_list> found) {
        if (found.has_value() && found->empty()) found = make_error_code(net_error::no_address);
        if (found.has_value()) remember(host, *found); // also from a lookup that came too late for those who waited
        const auto lookup = lookups_.find(host);
        if (lookup == lookups_.end() || lookup->second->round != round) return;
        const auto ended = std::move(lookup->second);
        lookups_.erase(lookup);
        ended->limit.finish();
        if (found.has_error() && found.error() != net_error::no_address) {
            if (const auto known = known_.find(host); known != known_.end()) found = known->second.addresses;
        }
        for (auto& handler : ended->waiting) {
            if (found.has_value())
                handler(*found);
            else
                handler(op_error{found.error(), "resolve " + host, {}});
        }
    }

    void remember(const std::string& host, const address_list& addresses) {
        if (known_.size() >= options_.max_hosts && !known_.contains(host)) {
            auto oldest = known_.begin();
            for (auto each = known_.begin(); each != known_.end(); ++each) {
                if (each->second.at < oldest->second.at) oldest = each;
            }
            known_.erase(oldest);
        }
        known_[host] = answer{addresses, std::chrono::steady_clock::now()};
    }

    asio::any_io_executor loop_;
    resolver_options options_;
    std::unordered_map<std::string, answer> known_;
    std::unordered_map<std::string, std::unique_ptr<pending>> lookups_;
    std::uint64_t round_ = 0;

    std::mutex mutex_;
    std::condition_variable work_;
    std::deque<job> jobs_;
    std::size_t threads_ = 0;
    std::size_t idle_ = 0;
    bool closed_ = false;
    asio::any_io_executor poster_; // emptied by close(): a left-behind thread must not keep a dead loop
};

host_resolver::host_resolver(asio::any_io_executor loop, resolver_options options)
    : core_(std::make_shared<core>(std::move(loop), std::move(options))) {}

host_resolver::~host_resolver() { core_->close(); }

void host_resolver::resolve(const std::string& host, unique_function<void(op_result<address_list>)> handler) {
    core_->resolve(host, std::move(handler));
}

asio::awaitable<op_result<address_list>> host_resolver::async_resolve(std::string host) {
    using value = op_result<address_list>;
    auto start = [shared = core_, host = std::move(host)](unique_function<void(value)> handler) {
        // Shared by the answer and the cancellation: whichever is first takes the handler.
        auto waiting = std::make_shared<unique_function<void(value)>>(std::move(handler));
        shared->resolve(host, [waiting](value found) {
            if (auto complete = std::move(*waiting)) complete(std::move(found));
        });
        return unique_function<void()>([shared, waiting, host] {
            if (!*waiting) return;
            shared->post([complete = std::move(*waiting), host]() mutable {
                complete(op_error{net_error::cancelled, "resolve " + host, {}});
            });
        });
    };
    auto task = async_completion<value>(std::move(start));
    co_return co_await std::move(task);
}

} // namespace prooftrack::net
