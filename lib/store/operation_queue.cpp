#include "store/operation_queue.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>

namespace prooftrack::store {

boost::asio::any_io_executor operation_queue::keep_running() const {
    return boost::asio::prefer(loop_, boost::asio::execution::outstanding_work.tracked);
}

void operation_queue::submit(std::unique_ptr<operation> next) {
    next->outstanding_work = keep_running();
    {
        const std::lock_guard lock(mutex_);
        if (!is_closing_) return enqueue(std::move(next));
    }
    next->fail(make_store_error(store_error::stopped, next->name()));
    boost::asio::post(loop_, [refused = std::move(next)] { refused->complete(); });
}

void operation_queue::close(unique_function<void()> closed) {
    const std::lock_guard lock(mutex_);
    if (is_closed_) {
        boost::asio::post(loop_, [closed = std::move(closed)]() mutable { closed(); });
        return;
    }
    is_closing_ = true;
    closed_.emplace_back([work = keep_running(), closed = std::move(closed)]() mutable { closed(); });
    changed_.notify_one();
}

void operation_queue::leave() {
    lifetime_.end();
    const std::lock_guard lock(mutex_);
    is_closing_ = true;
    changed_.notify_one();
}

void operation_queue::wake() {
    const std::lock_guard lock(mutex_);
    is_woken_ = true;
    changed_.notify_one();
}

void operation_queue::enqueue(std::unique_ptr<operation> next) {
    queued_.add(next->weight(), next->is_patient());
    queue_.push_back(std::move(next));
    if (!is_gathering_ || pace_.is_ready(queued_)) changed_.notify_one(); // else it wakes by itself
}

operation_queue::operations operation_queue::wait(std::optional<clock::time_point> until, bool is_busy) {
    std::unique_lock lock(mutex_);
    const auto has_work = [this] { return !queue_.empty() || is_closing_ || is_woken_; };
    if (!is_busy) {
        if (until) {
            changed_.wait_until(lock, *until, has_work);
        } else {
            changed_.wait(lock, has_work);
        }
        is_gathering_ = true;
        changed_.wait_until(lock, pace_.due(), [this] {
            return queue_.empty() || pace_.is_ready(queued_) || is_closing_ || is_woken_;
        });
        is_gathering_ = false;
    }
    is_woken_ = false;
    return take_batch();
}

operation_queue::operations operation_queue::take_batch() {
    operations batch;
    std::size_t weight = 0;
    while (!queue_.empty() && (batch.empty() || weight + queue_.front()->weight() <= most_batch_weight)) {
        weight += queue_.front()->weight();
        queued_.remove(queue_.front()->weight(), queue_.front()->is_patient());
        batch.push_back(std::move(queue_.front()));
        queue_.pop_front();
    }
    if (!batch.empty()) pace_.on_begin(std::chrono::steady_clock::now());
    return batch;
}

bool operation_queue::has_more() {
    const std::lock_guard lock(mutex_);
    return !queue_.empty();
}

bool operation_queue::is_closing() {
    const std::lock_guard lock(mutex_);
    return is_closing_;
}

bool operation_queue::is_over() {
    const std::lock_guard lock(mutex_);
    return is_closing_ && queue_.empty();
}

void operation_queue::answer(operations batch, std::vector<notice> notices) {
    operations finished;
    operations unfinished_first;
    {
        const std::lock_guard lock(mutex_);
        for (auto& each : batch) {
            if (each->is_finished()) {
                finished.push_back(std::move(each));
            } else if (each->resumes_at() == resume_place::back) {
                enqueue(std::move(each));
            } else {
                unfinished_first.push_back(std::move(each));
            }
        }
        for (auto each = unfinished_first.rbegin(); each != unfinished_first.rend(); ++each) {
            queued_.add((*each)->weight(), (*each)->is_patient());
            queue_.push_front(std::move(*each));
        }
    }
    boost::asio::post(
        loop_,
        [alive = alive_, &observer = observer_, to_report = std::move(notices), done = std::move(finished)]() mutable {
            for (notice& each : to_report) {
                if (alive) each(observer);
            }
            for (const auto& each : done) each->complete();
        });
}

void operation_queue::end() {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
    for (auto& closed : closed_) {
        boost::asio::post(loop_, [closed = std::move(closed)]() mutable { closed(); });
    }
}

} // namespace prooftrack::store
