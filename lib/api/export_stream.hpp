#pragma once

// An export as a response body.

#include <memory>

#include "api/body_stream.hpp"
#include "base/byte_source.hpp"

namespace prooftrack::api {

/// Sends what the source gives, in chunks: one that breaks has no last chunk.
class export_stream final : public body_stream {
  public:
    explicit export_stream(std::shared_ptr<byte_source> source) : source_(std::move(source)) {}

    progress next(std::vector<shared_bytes>& out) override;
    bool is_broken() const override { return source_->is_broken(); }
    void set_waker(unique_function<void()> waker) override { source_->set_waker(std::move(waker)); }

  private:
    std::shared_ptr<byte_source> source_;
};

} // namespace prooftrack::api
