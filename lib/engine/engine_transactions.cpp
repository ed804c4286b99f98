// The engine's answers about transactions: track, import, look, wait, untrack, poll, hint.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/http_url.hpp"
#include "engine/digests.hpp"
#include "engine/engine.hpp"
#include "engine/problems.hpp"
#include "net/json.hpp"

namespace prooftrack {
namespace {

constexpr std::size_t rows_a_chunk = 1'000;

problem already_ended(const transaction_view& view) {
    return refuse(problem_code::already_ended,
                  fmt::format("'{}' is {} already", view.id.str(), to_string(view.facts.state)));
}

problem already_tracked(const transaction_id& id) {
    return refuse(
        problem_code::already_tracked,
        fmt::format("'{}' is tracked with other options: `prooftrackctl get {}` shows them", id.str(), id.str()));
}

/// Where a row of an import came from.
struct imported_row {
    std::uint32_t line = 0;
    bool is_bare = false;
};

/// A call that meets a change of its row on its way waits for its end and looks again, this often.
constexpr int most_tries = 5;

problem keeps_changing(const transaction_id& id) {
    return refuse(problem_code::unavailable, fmt::format("'{}' is being changed again and again: try again", id.str()));
}

} // namespace

std::optional<problem> engine::check_options(const tracking_options& options) const {
    if (life_ != life::running)
        return refuse(problem_code::unavailable, "the daemon is starting or stopping: try again in a moment");
    if (store_state_ == store_state::full) {
        return refuse(problem_code::store_unavailable,
                      "the disk is full: nothing was changed; free some room and try again");
    }
    if (!options.callback_url) return std::nullopt;
    const auto url = parse_http_url(*options.callback_url);
    if (!url) return refuse(problem_code::invalid_request, fmt::format("callback_url: {}", url.error().message()));
    if (!is_encrypted_or_local(*url)) {
        return refuse(problem_code::invalid_request, "callback_url: http is for a loopback host alone, use https");
    }
    if (!delivery_driver_.callbacks().allows(format_lane(*url))) {
        return refuse(problem_code::invalid_request, "callback_url: its host is not in allow_hosts of [callback_url]");
    }
    return std::nullopt;
}

outcome<new_transaction> engine::make_transaction(track_request request) const {
    if (auto refused = check_options(request.options)) return std::move(*refused);
    return make_row(std::move(request));
}

new_transaction engine::make_row(track_request request) const {
    const milliseconds overdue_after = request.options.overdue_after.value_or(config_.poll.overdue_after);
    new_transaction made{.id = std::move(request.id),
                         .metadata = request.options.metadata,
                         .callback_url = request.options.callback_url,
                         .callback_lane = "",
                         .now = doors_.clock.now().wall,
                         .overdue_after = overdue_after,
                         .options_digest = options_digest(request.options, overdue_after)};
    if (made.callback_url) made.callback_lane = format_lane(parse_http_url(*made.callback_url).value());
    return made;
}

void engine::audit(const audit_entry& entry, std::string_view result) {
    std::vector<log_field> fields{{"action", entry.action}};
    if (!entry.key.empty()) std::visit([&](const auto& value) { fields.emplace_back(entry.key, value); }, entry.value);
    fields.emplace_back("result", result);
    fields.emplace_back("uid", entry.who.uid);
    fields.emplace_back("pid", entry.who.pid);
    doors_.log.write(log_event_id::api_change, std::span<const log_field>(fields));
}

void engine::begin_tracking(const transaction_id& id, const add_outcome& added) {
    doors_.log.write(log_event_id::transaction_tracked, {{"merchant_transaction_id", id.str()}});
    poll_driver_.step(tracked_event{active_transaction{id, added.facts, added.revision}, false});
}

void engine::track(track_request request, client_identity who, backend_handler<tracked> handler) {
    auto made = make_transaction(std::move(request));
    if (auto* refused = std::get_if<problem>(&made)) {
        handler(std::move(*refused));
        return;
    }
    auto& row = std::get<new_transaction>(made);
    transaction_view view{.id = row.id,
                          .facts = {},
                          .metadata = row.metadata,
                          .callback_url = row.callback_url,
                          .proof = "",
                          .next_poll_at = std::nullopt,
                          .consecutive_errors = 0,
                          .last_error = ""};
    std::vector<new_transaction> rows;
    rows.push_back(std::move(row));
    doors_.remembered.add(std::move(rows), std::nullopt,
                          [this, view = std::move(view), who,
                           handler = std::move(handler)](op_result<std::vector<add_outcome>> added) mutable {
                              if (!added) {
                                  handler(store_problem(added.error()));
                                  return;
                              }
                              const add_outcome& one = added->front();
                              if (one.what == add_result::conflict) {
                                  handler(already_tracked(view.id));
                                  return;
                              }
                              if (one.what == add_result::existing) {
                                  find_view(
                                      view.id, [handler = std::move(handler)](outcome<transaction_view> found) mutable {
                                          if (auto* refused = std::get_if<problem>(&found)) {
                                              handler(std::move(*refused));
                                          } else {
                                              handler(tracked{false, std::move(std::get<transaction_view>(found))});
                                          }
                                      });
                                  return;
                              }
                              view.facts = one.facts;
                              audit({"track", "merchant_transaction_id", view.id.str(), who}, "done");
                              begin_tracking(view.id, one);
                              handler(tracked{true, with_live(std::move(view))});
                          });
}

void engine::track_session(transaction_id id, tracking_options options, std::optional<digest> session,
                           unique_function<void(std::optional<problem>)> handler) {
    // The options were checked before Proof was asked. Now its session exists: whatever has changed since, a stop or a
    // reload, its id is recorded.
    std::vector<new_transaction> rows;
    rows.push_back(make_row(track_request{id, options}));
    doors_.remembered.add(std::move(rows), session,
                          [this, id = std::move(id), options = std::move(options),
                           handler = std::move(handler)](op_result<std::vector<add_outcome>> added) mutable {
                              if (!added) {
                                  handler(store_problem(added.error()));
                              } else if (added->front().what == add_result::created) {
                                  begin_tracking(id, added->front());
                                  handler(std::nullopt);
                              } else {
                                  on_session_tracked_before(std::move(id), std::move(options), added->front(),
                                                            std::move(handler));
                              }
                          });
}

/// The id of a new session is here already. Options that say something are never dropped in silence.
void engine::on_session_tracked_before(transaction_id id, tracking_options options, const add_outcome& known,
                                       unique_function<void(std::optional<problem>)> handler) {
    // Proof has just spoken of it: one that is seldom polled, or had failed, may go on.
    hint(id, [](const outcome<std::monostate>&) {});
    const bool says_nothing = options.metadata_canonical == "{}" && !options.callback_url && !options.overdue_after;
    if (says_nothing) {
        handler(std::nullopt);
    } else if (known.what == add_result::conflict) {
        handler(already_tracked(id));
    } else if (known.facts.state != tracking_state::settled) {
        handler(std::nullopt);
    } else { // the store takes a settled one as it is, whatever the options
        doors_.remembered.find(id, [id, options = std::move(options), handler = std::move(handler)](
                                       const op_result<std::optional<transaction_view>>& found) mutable {
            if (!found) return handler(store_problem(found.error()));
            const auto metadata = *found ? canonical_json((*found)->metadata) : result<std::string>(std::string());
            const bool is_same = *found && (*found)->callback_url == options.callback_url && metadata &&
                                 *metadata == options.metadata_canonical;
            handler(is_same ? std::nullopt : std::optional(already_tracked(id)));
        });
    }
}

/// An import under way: shared by its chunk's handler and whoever starts the next chunk.
struct engine::import_job {
    std::vector<import_line> lines;
    std::size_t next = 0;
    import_summary summary;
    client_identity who;
    backend_handler<import_summary> handler;
};

void engine::import(std::vector<import_line> lines, client_identity who, backend_handler<import_summary> handler) {
    auto job = std::make_shared<import_job>();
    job->lines = std::move(lines);
    job->who = who;
    job->handler = std::move(handler);
    import_chunk(std::move(job));
}

void engine::import_chunk(std::shared_ptr<import_job> job) {
    std::vector<new_transaction> rows;
    std::vector<imported_row> imported;
    while (job->next < job->lines.size() && rows.size() < rows_a_chunk) {
        import_line& line = job->lines[job->next++];
        auto made = make_transaction(std::move(line.request));
        if (auto* refused = std::get_if<problem>(&made)) {
            if (refused->code != problem_code::invalid_request) {
                refused->members.push_back(
                    problem_member::number("taken", job->summary.created + job->summary.existing));
                job->handler(std::move(*refused));
                return;
            }
            job->summary.rejected.push_back({line.line, refused->code, std::move(refused->detail)});
            continue;
        }
        rows.push_back(std::move(std::get<new_transaction>(made)));
        imported.push_back({line.line, line.is_bare});
    }
    if (rows.empty()) {
        const import_summary& all = job->summary;
        audit({"import", "count", all.created + all.existing, job->who}, "done");
        doors_.log.write(log_event_id::transaction_tracked, {{"source", "import"},
                                                             {"created", all.created},
                                                             {"existing", all.existing},
                                                             {"rejected", all.rejected.size()}});
        job->handler(std::move(job->summary));
        return;
    }
    std::vector<transaction_id> ids;
    ids.reserve(rows.size());
    for (const new_transaction& row : rows) ids.push_back(row.id);
    doors_.remembered.add(
        std::move(rows), std::nullopt,
        [this, job, ids = std::move(ids),
         imported = std::move(imported)](op_result<std::vector<add_outcome>> added) mutable {
            if (!added) {
                problem failed = store_problem(added.error());
                failed.members.push_back(problem_member::number("taken", job->summary.created + job->summary.existing));
                job->handler(std::move(failed));
                return;
            }
            for (std::size_t i = 0; i < added->size(); ++i) {
                const add_outcome& one = (*added)[i];
                // "Be sure that it is tracked": it says nothing of options, and changes none.
                const bool is_meant = one.what == add_result::conflict && imported[i].is_bare;
                switch (is_meant ? add_result::existing : one.what) {
                case add_result::created:
                    ++job->summary.created;
                    poll_driver_.step(tracked_event{active_transaction{ids[i], one.facts, one.revision}, false});
                    break;
                case add_result::existing:
                    ++job->summary.existing;
                    break;
                case add_result::conflict:
                    job->summary.rejected.push_back(
                        {imported[i].line, problem_code::already_tracked, already_tracked(ids[i]).detail});
                    break;
                }
            }
            import_chunk(std::move(job));
        });
}

transaction_view engine::with_live(transaction_view view) const {
    const auto slot = poll_driver_.core().find(view.id.str());
    if (!slot) return view;
    live_transaction live = poll_driver_.live(*slot);
    view.next_poll_at = live.next_poll_at;
    view.facts.polls = live.facts.polls;
    view.facts.last_polled_at = live.facts.last_polled_at;
    view.consecutive_errors = live.consecutive_errors;
    view.last_error = std::move(live.last_error);
    return view;
}

void engine::find_view(transaction_id id, backend_handler<transaction_view> handler) {
    doors_.remembered.find(
        id, [this, id, handler = std::move(handler)](op_result<std::optional<transaction_view>> found) mutable {
            if (!found) {
                handler(store_problem(found.error()));
            } else if (!*found) {
                handler(unknown_transaction(id));
            } else {
                handler(with_live(std::move(**found)));
            }
        });
}

wait_id engine::get(transaction_id id, milliseconds wait, backend_handler<transaction_view> handler) {
    if (wait <= milliseconds(0)) {
        find_view(std::move(id), std::move(handler));
        return 0;
    }
    // Waits before it looks: an end that is recorded between the two is not missed.
    const wait_id number = ++last_wait_;
    waits_.add({number, id, std::move(handler)}, doors_.clock.now().steady + wait);
    find_view(std::move(id), [this, number](outcome<transaction_view> found) {
        const auto* view = std::get_if<transaction_view>(&found);
        if (view != nullptr && !ends_wait(view->facts.state)) return;
        if (auto waiting = waits_.take(number)) waiting->handler(std::move(found));
    });
    arm();
    return number;
}

void engine::answer_waits(const transaction_id& id) {
    for (auto& waiting : waits_.take_for(id)) find_view(waiting.transaction, std::move(waiting.handler));
}

void engine::cancel_wait(wait_id wait) {
    waits_.take(wait);
    feed_.cancel(wait);
}

void engine::list(list_request request, backend_handler<transaction_list> handler) {
    transaction_query query{request.state, std::move(request.status), request.settled_after, request.settled_before,
                            request.limit, std::move(request.cursor)};
    doors_.remembered.list(std::move(query),
                           [this, handler = std::move(handler)](op_result<transaction_page> page) mutable {
                               if (!page) {
                                   handler(store_problem(page.error()));
                                   return;
                               }
                               transaction_list list;
                               list.next_cursor = std::move(page->next_cursor);
                               list.transactions.reserve(page->transactions.size());
                               for (transaction_view& view : page->transactions)
                                   list.transactions.push_back(with_live(std::move(view)));
                               handler(std::move(list));
                           });
}

void engine::history(transaction_id id, backend_handler<transaction_history> handler) {
    doors_.remembered.history(
        id, [this, id, handler = std::move(handler)](op_result<std::optional<history_page>> page) mutable {
            if (!page) {
                handler(store_problem(page.error()));
            } else if (!*page) {
                handler(unknown_transaction(id));
            } else {
                for (delivery_view& delivery : (*page)->deliveries) delivery_driver_.annotate(delivery);
                handler(transaction_history{std::move((*page)->changes), std::move((*page)->deliveries)});
            }
        });
}

void engine::untrack(transaction_id id, client_identity who, backend_handler<transaction_view> handler) {
    end_tracking(id, most_tries, audited({"untrack", "merchant_transaction_id", id.str(), who}, std::move(handler)));
}

/// `tries`: how often it may find the row in the middle of another change and look again.
void engine::end_tracking(transaction_id id, int tries, backend_handler<transaction_view> handler) {
    const tracker& core = poll_driver_.follow_clock();
    const auto slot = core.find(id.str());
    const bool is_ours = slot && core.may_untrack(*slot);
    if (is_ours) poll_driver_.step_at_once(untracked_event{*slot});
    if (!slot || !core.is_recording(*slot)) {
        refuse_ended(std::move(id), tries, std::move(handler));
        return;
    }
    poll_driver_.after_change(*slot, [this, id, tries, is_ours,
                                      handler = std::move(handler)](const op_result<std::monostate>& recorded) mutable {
        if (!recorded && recorded.error().code != store_error::stale) {
            handler(store_problem(recorded.error()));
        } else if (recorded && is_ours) {
            find_view(std::move(id), std::move(handler));
        } else if (tries > 0) { // how the other change ended decides
            end_tracking(std::move(id), tries - 1, std::move(handler));
        } else {
            handler(keeps_changing(id));
        }
    });
}

/// Memory does not hold it as an open one: it has ended, unless it has just been tracked.
void engine::refuse_ended(transaction_id id, int tries, backend_handler<transaction_view> handler) {
    find_view(std::move(id), [this, tries, handler = std::move(handler)](outcome<transaction_view> found) mutable {
        const auto* view = std::get_if<transaction_view>(&found);
        if (view == nullptr) {
            handler(std::move(found));
        } else if (is_ended(view->facts.state)) {
            handler(already_ended(*view));
        } else if (tries > 0) {
            end_tracking(view->id, tries - 1, std::move(handler));
        } else {
            handler(keeps_changing(view->id));
        }
    });
}

void engine::poll_now(transaction_id id, client_identity who, backend_handler<std::monostate> handler) {
    want_poll(id, false, most_tries, audited({"poll", "merchant_transaction_id", id.str(), who}, std::move(handler)));
}

void engine::hint(transaction_id id, backend_handler<std::monostate> handler) {
    want_poll(std::move(id), true, most_tries, std::move(handler));
}

void engine::want_poll(transaction_id id, bool is_hint, int tries, backend_handler<std::monostate> handler) {
    const auto slot = poll_driver_.follow_clock().find(id.str());
    if (!slot) {
        ask_stored(std::move(id), is_hint, tries, std::move(handler));
        return;
    }
    if (poll_driver_.core().is_recording(*slot) && tries > 0) { // it may be its end
        poll_driver_.after_change(*slot, [this, id, is_hint, tries, handler = std::move(handler)](
                                             const op_result<std::monostate>& /*either way*/) mutable {
            want_poll(std::move(id), is_hint, tries - 1, std::move(handler));
        });
        return;
    }
    const tracking_facts facts = poll_driver_.live(*slot).facts;
    if (is_hint && facts.state == tracking_state::settled && facts.status == "completed") {
        handler(unknown_transaction(id));
        return;
    }
    poll_driver_.step_at_once(poll_wanted_event{*slot});
    handler(std::monostate{});
}

/// One that memory no longer holds is asked once.
void engine::ask_stored(transaction_id id, bool is_hint, int tries, backend_handler<std::monostate> handler) {
    doors_.remembered.find(id, [this, id, is_hint, tries, handler = std::move(handler)](
                                   op_result<std::optional<transaction_view>> found) mutable {
        if (!found) {
            handler(store_problem(found.error()));
            return;
        }
        if (!*found) {
            handler(unknown_transaction(id));
            return;
        }
        const transaction_view& view = **found;
        const tracking_state state = view.facts.state;
        if (!is_ended(state) && tries > 0) { // it has just been tracked
            want_poll(std::move(id), is_hint, tries - 1, std::move(handler));
        } else if (is_hint && (state != tracking_state::settled || view.facts.status == "completed")) {
            handler(unknown_transaction(id));
        } else if (state == tracking_state::settled || state == tracking_state::abandoned) {
            poll_driver_.step(tracked_event{active_transaction{id, view.facts, view.revision}, true});
            handler(std::monostate{});
        } else {
            handler(is_ended(state) ? already_ended(view) : keeps_changing(id));
        }
    });
}

} // namespace prooftrack
