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

namespace prooftrack {

class operator_calls final : public operator_backend {
  public:
    /// `set_log_level` says false when there is no such level.
    operator_calls(store& storage, change_audit& audit, std::function<bool(std::string_view)> set_log_level)
        : store_(storage), audit_(audit), set_level_(std::move(set_log_level)) {}
    lifetime::watch observe() const { return alive_.observe(); }

    void backup(client_identity who, backend_handler<std::filesystem::path> handler) override;
    void set_log_level(std::string level, client_identity who, backend_handler<std::monostate> handler) override;

  private:
    task<outcome<std::filesystem::path>> copy();

    store& store_;
    change_audit& audit_;
    std::function<bool(std::string_view)> set_level_;
    lifetime alive_;
};

} // namespace prooftrack
