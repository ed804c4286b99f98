#pragma once

// Use cases: what an operator requests of the daemon itself.

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "api/backend.hpp"
#include "base/lifetime.hpp"
#include "base/task.hpp"
#include "engine/change_audit.hpp"
#include "store/store.hpp"

namespace prooftrack::engine {

class operator_calls final : public api::operator_backend {
  public:
    /// `set_log_level` says false when there is no such level.
    operator_calls(store::store& storage, change_audit& audit, std::function<bool(std::string_view)> set_log_level)
        : store_(storage), audit_(audit), set_level_(std::move(set_log_level)) {}
    lifetime::watch observe() const { return alive_.observe(); }

    void backup(api::client_identity who, api::backend_handler<std::filesystem::path> handler) override;
    void export_rows(track::export_query query, api::backend_handler<std::shared_ptr<byte_source>> handler) override;
    void reconcile(track::reconcile_job job, api::backend_handler<std::shared_ptr<byte_source>> handler) override;
    void set_log_level(
        std::string level, api::client_identity who, api::backend_handler<std::monostate> handler) override;

  private:
    task<api::outcome<std::filesystem::path>> copy();
    task<api::outcome<std::shared_ptr<byte_source>>> begin_export(track::export_query query);
    task<api::outcome<std::shared_ptr<byte_source>>> begin_reconciliation(track::reconcile_job job);

    store::store& store_;
    change_audit& audit_;
    std::function<bool(std::string_view)> set_level_;
    lifetime alive_;
};

} // namespace prooftrack::engine
