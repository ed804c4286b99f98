#include "store/postgres/pg_link.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include <poll.h>

namespace prooftrack::store {
namespace {

constexpr milliseconds between_looks{200}; // at the flag of whoever ends it
constexpr int binary = 1;

void ignore_notice(void* /*unused*/, const PGresult* /*unused*/) {}

/// Parameters as libpq takes them.
struct parameter_arrays {
    explicit parameter_arrays(std::span<const pg_value> values) {
        for (const pg_value& each : values) {
            data.push_back(each.data);
            lengths.push_back(each.length);
            formats.push_back(binary);
        }
    }
    std::vector<const char*> data;
    std::vector<int> lengths;
    std::vector<int> formats;
};

} // namespace

pg_link::pg_link(pg_connection connection) : connection_(std::move(connection)) {
    PQsetNoticeReceiver(connection_.get(), &ignore_notice, nullptr);
    PQsetnonblocking(connection_.get(), 1);
    PQenterPipelineMode(connection_.get());
}

void pg_link::lose(const char* state, const std::string& why) {
    connection_.reset();
    throw postgres_error(state, why);
}

void pg_link::require_open() const {
    if (!connection_) throw postgres_error(state_link_lost, "the connection is closed");
}

void pg_link::check(int sent) {
    if (sent == 1) {
        ++unread_;
        return;
    }
    lose(state_link_lost, one_line(PQerrorMessage(connection_.get())));
}

void pg_link::prepare(const std::string& name, const std::string& sql) {
    finish();
    check(PQsendPrepare(connection_.get(), name.c_str(), sql.c_str(), 0, nullptr));
    finish();
}

void pg_link::send_prepared(const std::string& name, std::span<const pg_value> values) {
    require_open();
    const parameter_arrays all(values);
    check(PQsendQueryPrepared(
        connection_.get(), name.c_str(), static_cast<int>(values.size()), all.data.data(), all.lengths.data(),
        all.formats.data(), binary));
}

void pg_link::post(const std::string& name, std::span<const pg_value> values) {
    send_prepared(name, values);
    ++posted_;
}

pg_result pg_link::ask(const std::string& name, std::span<const pg_value> values) {
    post_kept();
    send_prepared(name, values);
    return finish();
}

void pg_link::keep(kept_rows& of) {
    ++posted_;
    if (std::find(keeping_.begin(), keeping_.end(), &of) == keeping_.end()) keeping_.push_back(&of);
}

void pg_link::post_kept(std::string_view table) {
    if (keeping_.empty()) return;
    const auto is_later = [table](const kept_rows* each) { return !table.empty() && each->table() != table; };
    const auto later = std::stable_partition(keeping_.begin(), keeping_.end(), is_later);
    const std::vector<kept_rows*> now(later, keeping_.end());
    keeping_.erase(later, keeping_.end());
    const std::uint64_t counted = posted_; // they are already
    try {
        for (kept_rows* const each : now) each->post_kept();
    } catch (...) {
        for (kept_rows* const each : now) each->drop_kept();
        throw;
    }
    posted_ = counted;
}

void pg_link::drop_kept() {
    for (kept_rows* const each : std::exchange(keeping_, {})) each->drop_kept();
}

void pg_link::post(const std::string& sql) {
    require_open();
    post_kept();
    check(PQsendQueryParams(connection_.get(), sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, binary));
}

pg_result pg_link::ask(const std::string& sql) {
    post(sql);
    return finish();
}

pg_result pg_link::ask_once(const std::string& sql, std::span<const pg_value> values) {
    require_open();
    post_kept();
    const parameter_arrays all(values);
    check(PQsendQueryParams(
        connection_.get(), sql.c_str(), static_cast<int>(values.size()), nullptr, all.data.data(), all.lengths.data(),
        all.formats.data(), binary));
    return finish();
}

/// A command that does not go into the pipeline.
void pg_link::begin_plainly(const std::string& sql) {
    finish();
    PQexitPipelineMode(connection_.get());
    if (PQsendQuery(connection_.get(), sql.c_str()) != 1)
        lose(state_link_lost, one_line(PQerrorMessage(connection_.get())));
    push_out(std::chrono::steady_clock::now() + patience_);
}

void pg_link::end_plainly() {
    const steady_time until = std::chrono::steady_clock::now() + patience_;
    std::optional<postgres_error> failure;
    changes_ = 0;
    while (true) {
        while (PQisBusy(connection_.get()) == 1) wait(false, until);
        const pg_result result(PQgetResult(connection_.get()));
        if (!result) break;
        if (PQresultStatus(result.get()) == PGRES_FATAL_ERROR && !failure) failure.emplace(result.get());
        const std::string_view number = PQcmdTuples(result.get());
        std::from_chars(number.data(), number.data() + number.size(), changes_);
    }
    if (PQstatus(connection_.get()) == CONNECTION_BAD)
        lose(state_link_lost, one_line(PQerrorMessage(connection_.get())));
    PQenterPipelineMode(connection_.get());
    if (failure) throw *failure;
}

void pg_link::run_script(const std::string& sql) {
    begin_plainly(sql);
    end_plainly();
}

void pg_link::require_copying(ExecStatusType how) {
    const steady_time until = std::chrono::steady_clock::now() + patience_;
    while (PQisBusy(connection_.get()) == 1) wait(false, until);
    const pg_result result(PQgetResult(connection_.get()));
    if (PQresultStatus(result.get()) == how) return;
    const postgres_error why = result ? postgres_error(result.get()) : postgres_error(connection_.get());
    end_plainly();
    throw why;
}

std::int64_t pg_link::copy_in(const std::string& sql, const std::function<bool(std::string& piece)>& next) {
    begin_plainly(sql);
    require_copying(PGRES_COPY_IN);
    std::string piece;
    const auto sent = [&](int result) {
        if (result < 0) lose(state_link_lost, one_line(PQerrorMessage(connection_.get())));
        push_out(std::chrono::steady_clock::now() + patience_); // or libpq would keep everything in memory
        return result == 1;
    };
    while (next(piece)) {
        while (!sent(PQputCopyData(connection_.get(), piece.data(), static_cast<int>(piece.size())))) {
        }
        piece.clear();
    }
    while (!sent(PQputCopyEnd(connection_.get(), nullptr))) {
    }
    end_plainly();
    return changes_;
}

void pg_link::copy_out(const std::string& sql, const std::function<void(std::string_view bytes)>& take) {
    begin_plainly(sql);
    require_copying(PGRES_COPY_OUT);
    while (true) {
        char* bytes = nullptr;
        const steady_time until = std::chrono::steady_clock::now() + patience_;
        int length = 0;
        while ((length = PQgetCopyData(connection_.get(), &bytes, 1)) == 0) wait(false, until);
        const std::unique_ptr<char, decltype(&PQfreemem)> freed(bytes, &PQfreemem);
        if (length < 0) break; // the end, or an error, which comes with the result
        take({bytes, static_cast<std::size_t>(length)});
    }
    end_plainly();
}

/// Until the answer may go on.
void pg_link::wait(bool for_room, steady_time until) {
    const auto left = std::chrono::ceil<milliseconds>(until - std::chrono::steady_clock::now());
    if (ended_ != nullptr && ended_->load()) lose(state_link_lost, "given up");
    if (left <= milliseconds(0)) lose(state_timed_out, "PostgreSQL did not answer in time");
    pollfd one{PQsocket(connection_.get()), static_cast<short>(for_room ? POLLIN | POLLOUT : POLLIN), 0};
    const auto longest = ended_ == nullptr ? left : std::min(left, between_looks);
    if (::poll(&one, 1, static_cast<int>(longest.count())) <= 0) return;
    if ((one.revents & ~POLLOUT) == 0) return;
    if (PQconsumeInput(connection_.get()) == 0) lose(state_link_lost, one_line(PQerrorMessage(connection_.get())));
}

void pg_link::push_out(steady_time until) {
    while (true) {
        const int left = PQflush(connection_.get());
        if (left == 0) return;
        if (left < 0) lose(state_link_lost, one_line(PQerrorMessage(connection_.get())));
        wait(true, until);
    }
}

void pg_link::send() {
    require_open();
    if (is_synced_) return;
    if (PQpipelineSync(connection_.get()) != 1) lose(state_link_lost, one_line(PQerrorMessage(connection_.get())));
    is_synced_ = true;
    push_out(std::chrono::steady_clock::now() + patience_);
}

pg_result pg_link::finish() {
    require_open();
    post_kept();
    return read_answers();
}

pg_result pg_link::read_answers() {
    if (unread_ == 0) return nullptr;
    send();
    const steady_time until = std::chrono::steady_clock::now() + patience_;
    std::optional<postgres_error> failure;
    pg_result last;
    while (true) {
        while (PQisBusy(connection_.get()) == 1) wait(false, until);
        pg_result result(PQgetResult(connection_.get()));
        if (PQstatus(connection_.get()) == CONNECTION_BAD) {
            const bool says_why = result && PQresultStatus(result.get()) == PGRES_FATAL_ERROR;
            const postgres_error why = says_why ? postgres_error(result.get()) : postgres_error(connection_.get());
            lose(why.reach() == failure_reach::link ? why.state().c_str() : state_link_lost, why.what());
        }
        if (!result) continue; // the end of one command's results
        const ExecStatusType status = PQresultStatus(result.get());
        if (status == PGRES_PIPELINE_SYNC) break;
        if (status == PGRES_FATAL_ERROR && !failure) failure.emplace(result.get());
        if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) last = std::move(result);
    }
    unread_ = 0;
    is_synced_ = false;
    if (failure) throw *failure;
    const std::string_view number = last ? PQcmdTuples(last.get()) : "";
    changes_ = 0;
    std::from_chars(number.data(), number.data() + number.size(), changes_);
    return last;
}

std::int64_t pg_link::changes() {
    require_open();
    read_answers(); // rows that are kept would be posted last
    return changes_;
}

bool pg_link::in_transaction() const {
    const PGTransactionStatusType now = connection_ ? PQtransactionStatus(connection_.get()) : PQTRANS_UNKNOWN;
    return now == PQTRANS_INTRANS || now == PQTRANS_INERROR || now == PQTRANS_ACTIVE;
}

bool pg_link::is_alive() {
    if (!connection_) return false;
    pollfd one{PQsocket(connection_.get()), POLLIN, 0};
    if (::poll(&one, 1, 0) <= 0) return true;
    const bool is_well = PQconsumeInput(connection_.get()) == 1 && PQstatus(connection_.get()) == CONNECTION_OK;
    return is_well;
}

std::vector<pg_notification> pg_link::take_notifications() {
    require_open();
    if (PQconsumeInput(connection_.get()) == 0 || PQstatus(connection_.get()) != CONNECTION_OK)
        lose(state_link_lost, one_line(PQerrorMessage(connection_.get())));
    std::vector<pg_notification> taken;
    while (true) {
        const std::unique_ptr<PGnotify, decltype(&PQfreemem)> one(PQnotifies(connection_.get()), &PQfreemem);
        if (!one) return taken;
        taken.push_back({one->relname, one->extra});
    }
}

} // namespace prooftrack::store
