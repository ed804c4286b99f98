#pragma once

// Differences kept in unnamed temporary files, class by class, until the summary is known.

#include <array>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "track/reconcile_run.hpp"

namespace prooftrack::ctl {

/// Lines of JSON, gathered by class. The API's pages have the newest first: what is known here is given back last come
/// first, so oldest first, and what only the list has as it came. Throws command_failure when the folder of temporary
/// files cannot be written.
class difference_spool final : public track::reconcile_findings {
  public:
    void on_difference(const track::found_difference& found) override {
        put_into(static_cast<std::size_t>(found.kind), track::render_difference(found));
    }
    void on_unreadable(std::uint64_t line, std::string_view why) override {
        put_into(track::difference_count, track::render_unreadable(line, why));
    }

    using visitor = std::function<void(std::string_view line)>;
    /// May be called again and again, but not while another visit is under way.
    void each(track::difference kind, const visitor& visit);
    void each_unreadable(const visitor& visit) { each_of(track::difference_count, visit); }

  private:
    struct closing {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };
    void put_into(std::size_t place, std::string_view line);
    void each_of(std::size_t place, const visitor& visit);
    void each_backwards(std::size_t place, const visitor& visit);

    std::array<std::unique_ptr<std::FILE, closing>, track::difference_count + 1> files_;
};

} // namespace prooftrack::ctl
