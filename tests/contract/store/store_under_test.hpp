#pragma once

// What a store has to offer to be held to the contract of store.hpp, and the fixture of the suite. A new store is held
// to it by one more entry of `store_kinds`.

#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/store_calls.hpp"

namespace prooftrack::store {

/// Where the process ends.
enum class crash_point : std::uint8_t {
    before_commit, ///< nothing of what was called is durable
    in_commit,     ///< any number of the calls, the first ones, may be durable
    after_commit,  ///< everything is durable, nobody was told
};

/// One store on a place of its own, opened at its first use.
class store_under_test : public store_calls {
  public:
    /// Closes it cleanly and opens what is there.
    virtual void reopen() = 0;
    /// Makes these calls, ends the process there without running a handler, and opens what is left.
    virtual void crash(crash_point where, std::uint64_t seed, const std::function<void(store&)>& calls) = 0;
    /// There is no room for changes, or again.
    virtual void set_full(bool is_full) = 0;
    /// The next commit finds that the disk has failed.
    virtual void break_disk() = 0;
    virtual const recorded_store_facts& reported() const = 0;
    /// Makes these calls while a commit is under way, so that they share the next one, and waits for their handlers.
    virtual void together(const std::function<void(store&)>& calls) {
        subject().probe([](const auto&) {});
        calls(subject());
        run();
    }
};

struct store_kind {
    std::string name;
    std::function<std::unique_ptr<store_under_test>()> make;
};
inline void PrintTo(const store_kind& kind, std::ostream* out) { *out << kind.name; }

/// Every store that has to keep the contract.
std::vector<store_kind> store_kinds();

/// Base of the suites: `INSTANTIATE_TEST_SUITE_P(Store, Suite, every_store(), store_name);`
class store_contract : public testing::TestWithParam<store_kind> {
  private:
    std::unique_ptr<store_under_test> made_ = GetParam().make();

  protected:
    store_under_test& world = *made_;
};

inline auto every_store() { return testing::ValuesIn(store_kinds()); }
inline std::string store_name(const testing::TestParamInfo<store_kind>& info) { return info.param.name; }

} // namespace prooftrack::store
