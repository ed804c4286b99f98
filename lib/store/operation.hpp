#pragma once

// One queued call: its work for the store's thread and its handler for the loop.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/any_io_executor.hpp>

#include "store/database.hpp"

namespace prooftrack::store {

enum class operation_kind : std::uint8_t {
    read,       ///< needs no commit; repeated when the transaction around it is undone
    write,      ///< runs in a transaction; when it fails, nothing of it is left
    late_write, ///< likewise, but no caller waits for it: under load it may be delayed (commit_pace.hpp)
    local,      ///< of the store's thread alone: the database is not asked, and need not be there
};

/// Where an unfinished operation goes on.
enum class resume_place : std::uint8_t {
    front, ///< before everything else: no call may see or change the state in between
    back,  ///< after what was called meanwhile: no caller waits for it
};

class operation {
  public:
    operation(const char* name, operation_kind kind, std::size_t weight)
        : name_(name), kind_(kind), weight_(std::max<std::size_t>(weight, 1)) {} // or it could join what fills a batch
    operation(const operation&) = delete;
    operation& operator=(const operation&) = delete;
    virtual ~operation() = default;

    const char* name() const { return name_; } ///< for error texts
    bool writes() const { return kind_ == operation_kind::write || kind_ == operation_kind::late_write; }
    bool is_local() const { return kind_ == operation_kind::local; }
    bool is_patient() const { return kind_ == operation_kind::late_write; }
    std::size_t weight() const { return weight_; } ///< about how many rows it touches

    /// Store's thread. False when what it did must be undone.
    virtual bool run(database& db) = 0;
    virtual void fail(op_error error) = 0;
    /// False after a run that has to go on in the next transaction.
    virtual bool is_finished() const = 0;
    virtual resume_place resumes_at() const { return resume_place::back; }
    /// Whether it may run again when the transaction around it is undone.
    virtual bool is_repeatable() const = 0;
    /// What it will look at, nullptr = not known: it may change anything.
    virtual const row_wishes* wishes() const { return nullptr; }
    /// Loop: calls the handler.
    virtual void complete() = 0;

    boost::asio::any_io_executor outstanding_work; ///< keeps the loop running until the handler ran

  private:
    const char* name_;
    operation_kind kind_;
    std::size_t weight_;
};

/// What a run of work gives: nothing yet (go on in the next transaction), or the outcome.
template <class T>
using work_step = std::optional<op_result<T>>;

template <class T>
class typed_operation final : public operation {
  public:
    using step = unique_function<work_step<T>(database&)>;

    /// Of several steps, each in a transaction of its own.
    typed_operation(
        const char* name, operation_kind kind, std::size_t weight, resume_place place, step work,
        store_handler<T> handler)
        : operation(name, kind, weight), place_(place), has_steps_(true), work_(std::move(work)),
          handler_(std::move(handler)) {}
    /// Of one.
    typed_operation(
        const char* name, operation_kind kind, std::size_t weight, std::optional<row_wishes> wishes, step work,
        store_handler<T> handler)
        : operation(name, kind, weight), wishes_(std::move(wishes)), work_(std::move(work)),
          handler_(std::move(handler)) {}

    bool run(database& db) override {
        outcome_.reset();
        outcome_ = work_(db);
        return !outcome_ || outcome_->has_value();
    }
    void fail(op_error error) override { outcome_.emplace(std::move(error)); }
    bool is_finished() const override { return outcome_.has_value(); }
    resume_place resumes_at() const override { return place_; }
    bool is_repeatable() const override { return !has_steps_; }
    const row_wishes* wishes() const override { return wishes_ ? &*wishes_ : nullptr; }
    void complete() override { handler_(*std::move(outcome_)); }

  private:
    resume_place place_ = resume_place::back;
    bool has_steps_ = false;
    std::optional<row_wishes> wishes_;
    step work_;
    store_handler<T> handler_;
    work_step<T> outcome_;
};

/// An operation whose work is done in one run: `work(database&)` gives op_result<T>, and may be asked for it again.
template <class T, class Work>
std::unique_ptr<operation> make_operation(
    const char* name, operation_kind kind, std::size_t weight, Work work, store_handler<T> handler,
    std::optional<row_wishes> wishes = std::nullopt) {
    return std::make_unique<typed_operation<T>>(
        name, kind, weight, std::move(wishes),
        [work = std::move(work)](database& db) { return work_step<T>(work(db)); }, std::move(handler));
}

} // namespace prooftrack::store
