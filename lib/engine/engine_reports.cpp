// The engine's answers about everything but transactions: events, deliveries, consumers, status, metrics, backup.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/engine.hpp"
#include "engine/problems.hpp"
#include "engine/status_report.hpp"

namespace prooftrack {
namespace {

/// Hands a store's value on, its error as a problem.
template <class T>
store_handler<T> pass_on(backend_handler<T> handler) {
    return [handler = std::move(handler)](op_result<T> answered) mutable {
        if (answered) {
            handler(std::move(*answered));
        } else {
            handler(store_problem(answered.error()));
        }
    };
}

/// Likewise for one consumer, whose absence and whose overtaking have names of their own.
template <class T>
store_handler<T> pass_on_consumer(std::string name, backend_handler<T> handler) {
    return [name = std::move(name), handler = std::move(handler)](op_result<T> answered) mutable {
        if (answered) {
            handler(std::move(*answered));
        } else if (answered.error().code == store_error::not_found) {
            handler(
                refuse(problem_code::unknown_consumer,
                       fmt::format("there is no consumer '{0}': `prooftrackctl consumers add {0}` makes it", name)));
        } else if (answered.error().code == store_error::beyond_last) {
            handler(refuse(problem_code::invalid_request, "seq is beyond the last event"));
        } else {
            handler(store_problem(answered.error()));
        }
    };
}

problem unknown_delivery(delivery_id id) {
    return refuse(problem_code::unknown_delivery,
                  fmt::format("there is no delivery {}: `prooftrackctl deliveries` lists them", value_of(id)));
}

problem unknown_callback(std::string_view name) {
    return refuse(problem_code::unknown_callback, fmt::format("no [[callback]] has the name '{}'", name));
}

} // namespace

void engine::create_session(session_request request, client_identity who, backend_handler<proxied_reply> handler) {
    sessions_.create(std::move(request), audited({"session", "", "", who}, std::move(handler)));
}

void engine::kyc_status(std::string partner_user_id, backend_handler<proxied_reply> handler) {
    sessions_.kyc_status(partner_user_id, std::move(handler));
}

wait_id engine::events(event_seq after, std::size_t limit, milliseconds wait, backend_handler<event_list> handler) {
    const wait_id number = ++last_wait_;
    if (!feed_.read(after, limit, wait, number, std::move(handler))) return 0;
    arm();
    return number;
}

void engine::deliveries(delivery_list_request request, backend_handler<delivery_list> handler) {
    delivery_query query{request.state, std::move(request.callback), std::move(request.transaction), request.limit,
                         std::move(request.cursor)};
    doors_.remembered.deliveries(std::move(query),
                                 [this, handler = std::move(handler)](op_result<delivery_page> page) mutable {
                                     if (!page) {
                                         handler(store_problem(page.error()));
                                         return;
                                     }
                                     for (delivery_view& view : page->deliveries) delivery_driver_.annotate(view);
                                     handler(delivery_list{std::move(page->deliveries), std::move(page->next_cursor)});
                                 });
}

void engine::retry_delivery(delivery_id id, client_identity who, backend_handler<std::monostate> handler) {
    auto told = audited({"retry delivery", "delivery", value_of(id), who}, std::move(handler));
    delivery_driver_.retry_delivery(id, [id, handler = std::move(told)](op_result<std::monostate> done) mutable {
        if (done) {
            handler(std::monostate{});
        } else if (done.error().code == store_error::not_found) {
            handler(unknown_delivery(id));
        } else {
            handler(store_problem(done.error()));
        }
    });
}

void engine::retry_dead(std::optional<std::string> callback, client_identity who,
                        backend_handler<std::uint64_t> handler) {
    auto told = audited({"retry dead deliveries", "callback", callback.value_or("*"), who}, std::move(handler));
    if (!callback || delivery_driver_.callbacks().is_configured(*callback)) {
        delivery_driver_.retry_dead(std::move(callback), pass_on<std::uint64_t>(std::move(told)));
        return;
    }
    // A callback that the configuration no longer has is known by what it is owed.
    doors_.remembered.status(
        [this, name = std::move(*callback), told = std::move(told)](const op_result<store_status>& status) mutable {
            if (!status) {
                told(store_problem(status.error()));
            } else if (std::any_of(status->lanes.begin(), status->lanes.end(), [&](const auto& lane) {
                           return lane.second.callback == name && lane.second.pending + lane.second.dead > 0;
                       })) {
                delivery_driver_.retry_dead(std::move(name), pass_on<std::uint64_t>(std::move(told)));
            } else {
                told(unknown_callback(name));
            }
        });
}

void engine::test_callback(std::string name, client_identity who, backend_handler<callback_test_result> handler) {
    auto told = audited({"test callback", "callback", name, who}, std::move(handler));
    if (delivery_driver_.callbacks().find(name) == nullptr) {
        told(unknown_callback(name));
        return;
    }
    const bool is_sent =
        delivery_driver_.test_callback(name, [handler = std::move(told)](delivery_outcome done) mutable {
            const bool has_status = done.status != 0 || done.what == delivery_outcome::verdict::delivered;
            handler(callback_test_result{has_status ? std::optional(done.status) : std::nullopt,
                                         std::chrono::duration_cast<milliseconds>(done.took), std::move(done.reply),
                                         std::move(done.error)});
        });
    if (!is_sent)
        doors_.log.write(log_event_id::callback_failed, {{"callback", name}, {"error", "too many tests at once"}});
}

void engine::put_consumer(std::string name, std::optional<event_seq> seq, client_identity who,
                          backend_handler<std::pair<bool, consumer_view>> handler) {
    auto told = audited({"put consumer", "consumer", name, who}, std::move(handler));
    doors_.remembered.put_consumer(name, seq, pass_on_consumer<std::pair<bool, consumer_view>>(name, std::move(told)));
}

void engine::delete_consumer(std::string name, client_identity who, backend_handler<consumer_view> handler) {
    auto told = audited({"delete consumer", "consumer", name, who}, std::move(handler));
    doors_.remembered.delete_consumer(name, pass_on_consumer<consumer_view>(name, std::move(told)));
}

void engine::acknowledge(std::string name, event_seq seq, backend_handler<consumer_view> handler) {
    doors_.remembered.acknowledge(name, seq, pass_on_consumer<consumer_view>(name, std::move(handler)));
}

void engine::consumers(backend_handler<std::vector<consumer_view>> handler) {
    doors_.remembered.consumers(pass_on<std::vector<consumer_view>>(std::move(handler)));
}

void engine::with_status(unique_function<void(op_result<full_status>)> handler) {
    doors_.remembered.status([this, handler = std::move(handler)](op_result<store_status> status) mutable {
        if (!status) {
            handler(status.error());
            return;
        }
        status->state = store_state_; // what was told last: a read does not try the disk
        doors_.remembered.consumers([status = std::move(*status), handler = std::move(handler)](
                                        op_result<std::vector<consumer_view>> consumers) mutable {
            if (!consumers) {
                handler(consumers.error());
                return;
            }
            handler(full_status{std::move(status), std::move(*consumers)});
        });
    });
}

void engine::status_json(backend_handler<std::string> handler) {
    with_status([this, handler = std::move(handler)](op_result<full_status> status) mutable {
        if (!status) {
            handler(store_problem(status.error()));
            return;
        }
        const instant now = doors_.clock.now();
        const std::vector<callback_view> callbacks = delivery_driver_.views(status->remembered, now.wall);
        handler(format_status({version_, now.steady - started_at_, status->remembered, poll_driver_.core(),
                               doors_.counts.poll_lag_p99(), now, callbacks, status->consumers, config_standing_,
                               secrets_in_use_}));
    });
}

health_report engine::ready() const {
    health_report report;
    if (life_ == life::loading) report.reasons.emplace_back("starting: the database is being read");
    if (life_ == life::stopping) report.reasons.emplace_back("stopping");
    if (store_state_ == store_state::full)
        report.reasons.emplace_back("the disk is full: new work is refused until there is room");
    report.ok = report.reasons.empty();
    report.proof = proof_standing();
    return report;
}

health_report engine::healthy() const { return health_report{}; } // whoever can ask has seen the loop turn

void engine::metrics_text(backend_handler<std::string> handler) {
    with_status([this, handler = std::move(handler)](op_result<full_status> status) mutable {
        if (status) housekeeping_.publish(status->remembered, status->consumers, doors_.clock.now());
        handler(doors_.counts.serialize());
    });
}

void engine::backup(client_identity who, backend_handler<std::filesystem::path> handler) {
    auto told = audited({"backup", "", "", who}, std::move(handler));
    doors_.remembered.backup([handler = std::move(told)](op_result<backup_file> made) mutable {
        if (made) {
            handler(std::move(made->path));
        } else {
            handler(store_problem(made.error()));
        }
    });
}

void engine::set_log_level(std::string level, client_identity who, backend_handler<std::monostate> handler) {
    if (!hooks_.set_log_level || !hooks_.set_log_level(level)) {
        handler(refuse(problem_code::invalid_request, "level is one of critical, error, warning, notice, info, debug"));
        return;
    }
    audit({"log level", "set_level", level, who}, "done");
    handler(std::monostate{});
}

} // namespace prooftrack
