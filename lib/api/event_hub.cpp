#include "api/event_hub.hpp"

#include <algorithm>

#include <boost/asio/post.hpp>
#include <fmt/format.h>

namespace prooftrack::api {
namespace {

constexpr std::size_t readers_a_slice = 128;
constexpr std::size_t frames_a_write = 64;
constexpr std::size_t bytes_a_write = 256 * 1024;

} // namespace

shared_bytes format_sse_frame(const log_event& event) {
    std::string frame = fmt::format("id: {}\ndata: ", value_of(event.seq));
    const std::size_t data = frame.size();
    frame += *event.json;
    // A line break inside would end the field: the line breaks that JSON allows between tokens are replaced.
    std::replace_if(
        frame.begin() + static_cast<std::ptrdiff_t>(data), frame.end(), [](char c) { return c == '\n' || c == '\r'; },
        ' ');
    frame += "\n\n";
    return std::make_shared<const std::string>(std::move(frame));
}

event_reader::event_reader(event_hub& hub, event_seq after)
    : hub_(&hub), cursor_(value_of(after)), newest_at_progress_(hub.newest_) {}

event_reader::~event_reader() = default;

shared_bytes event_reader::heartbeat() const {
    static const shared_bytes comment = std::make_shared<const std::string>(":\n\n");
    return comment;
}

void event_reader::on_progress() {
    if (hub_ != nullptr) newest_at_progress_ = hub_->newest_;
}

body_stream::progress event_reader::next(std::vector<shared_bytes>& out) {
    waiting_ = false;
    if (hub_ == nullptr || mode_ == mode::broken) return progress::broken;
    on_progress();
    if (!page_.empty()) {
        out = std::move(page_);
        page_.clear();
        cursor_ = page_end_;
        return progress::more;
    }
    if (mode_ == mode::live) {
        if (cursor_ >= hub_->newest_) {
            waiting_ = true;
            return progress::wait;
        }
        if (hub_->recent_after(cursor_, out, cursor_)) return progress::more;
        fetch();
        if (mode_ != mode::fetching) return next(out);
    }
    waiting_ = true;
    return progress::wait;
}

void event_reader::fetch() {
    mode_ = mode::fetching;
    auto handler = [weak = weak_from_this()](outcome<event_list> page) {
        if (auto self = weak.lock()) self->on_page(std::move(page));
    };
    hub_->source_.events(event_seq(cursor_), catch_up_page, milliseconds(0), std::move(handler));
}

void event_reader::on_page(outcome<event_list> page) {
    auto* list = std::get_if<event_list>(&page);
    if (list == nullptr || list->events.empty()) {
        // Pruned meanwhile, or the store is away: the client comes again with its cursor and gets the reason.
        mode_ = mode::broken;
    } else {
        mode_ = mode::live;
        page_.reserve(list->events.size());
        for (const log_event& event : list->events) page_.push_back(format_sse_frame(event));
        page_end_ = value_of(list->events.back().seq);
    }
    if (waiting_ && waker_) waker_();
}

void event_reader::wake() {
    if (waiting_) {
        if (mode_ == mode::live && waker_) waker_();
        return;
    }
    if (hub_->newest_ - newest_at_progress_ < max_events_behind) return;
    mode_ = mode::broken;
    if (waker_) waker_();
}

void event_reader::end() {
    hub_ = nullptr;
    mode_ = mode::broken;
}

event_hub::event_hub(boost::asio::any_io_executor loop, event_backend& source)
    : loop_(std::move(loop)), source_(source), newest_(value_of(source.last_seq())) {
    source_.set_event_listener(this);
}

event_hub::~event_hub() {
    source_.set_event_listener(nullptr);
    for (event_reader& reader : readers_) reader.end();
}

std::shared_ptr<event_reader> event_hub::open(event_seq after) {
    newest_ = std::max(newest_, value_of(source_.last_seq()));
    auto reader = std::make_shared<event_reader>(*this, after);
    readers_.push_back(*reader);
    return reader;
}

void event_hub::on_event(const log_event& event) {
    const std::uint64_t seq = value_of(event.seq);
    newest_ = std::max(newest_, seq);
    if (readers_.empty()) {
        recent_.clear();
        return;
    }
    shared_bytes frame = format_sse_frame(event);
    const std::size_t size = frame->size();
    recent_.push(seq, std::move(frame), size);
    ++round_;
    if (waking_) return;
    waking_ = true;
    boost::asio::post(loop_, lifetime_.guarded([this] { wake_slice(); }));
}

void event_hub::wake_slice() {
    for (std::size_t i = 0; i < readers_a_slice; ++i) {
        if (readers_.empty() || readers_.front().round_ == round_) {
            waking_ = false;
            return;
        }
        const auto reader = readers_.front().shared_from_this(); // being woken may end its connection
        reader->round_ = round_;
        readers_.splice(readers_.end(), readers_, readers_.begin());
        reader->wake();
    }
    boost::asio::post(loop_, lifetime_.guarded([this] { wake_slice(); }));
}

bool event_hub::recent_after(std::uint64_t cursor, std::vector<shared_bytes>& out, std::uint64_t& end) const {
    if (!recent_.reaches(cursor + 1)) return false;
    std::size_t bytes = 0;
    for (std::uint64_t seq = cursor + 1; seq < recent_.end(); ++seq) {
        if (out.size() == frames_a_write || bytes > bytes_a_write) break;
        out.push_back(recent_.at(seq));
        bytes += out.back()->size();
        end = seq;
    }
    return true;
}

} // namespace prooftrack::api
