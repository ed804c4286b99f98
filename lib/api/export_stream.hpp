#pragma once

// An export, or a reconciliation, as a response body.

#include <memory>
#include <string>

#include "api/body_stream.hpp"
#include "base/byte_source.hpp"

namespace prooftrack::api {

/// Sends what the source gives, in chunks: one that breaks has no last chunk. A source that gives nothing for long is
/// waited for: it may have much to look at before its next row.
class export_stream final : public body_stream {
  public:
    /// `filler` is sent meanwhile, so that the client sees that it goes on: bytes that mean nothing between two rows,
    /// or none.
    export_stream(std::shared_ptr<byte_source> source, std::string filler)
        : source_(std::move(source)), filler_(std::make_shared<const std::string>(std::move(filler))) {}

    progress next(std::vector<shared_bytes>& out) override;
    shared_bytes heartbeat() const override { return filler_; }
    bool is_broken() const override { return source_->is_broken(); }
    void set_waker(unique_function<void()> waker) override { source_->set_waker(std::move(waker)); }

  private:
    std::shared_ptr<byte_source> source_;
    shared_bytes filler_;
};

/// A space before a line of NDJSON belongs to no value.
inline constexpr const char* ndjson_filler = " ";

} // namespace prooftrack::api
