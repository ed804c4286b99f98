#include "api/reconcile_form.hpp"

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace prooftrack::api {
namespace {

constexpr std::size_t piece_bytes = 16UL * 1024; // the reader keeps what comes before it knows the format

/// Which class each line of the list is in. Nothing else is kept of what is found: it is looked at again to be written,
/// so that memory does not grow with the differences.
class classes_by_line final : public track::reconcile_findings {
  public:
    void on_difference(const track::found_difference& found) override {
        if (!found.at) return;
        if (*found.at >= kinds_.size()) kinds_.resize(*found.at + 1, no_class);
        kinds_[*found.at] = static_cast<unsigned char>(found.kind);
    }
    void on_unreadable(std::uint64_t /*line*/, std::string_view /*why*/) override {}

    bool is_in(track::difference kind, std::size_t at) const {
        return at < kinds_.size() && kinds_[at] == static_cast<unsigned char>(kind);
    }

  private:
    static constexpr unsigned char no_class = track::difference_count;
    std::vector<unsigned char> kinds_;
};

/// One reconciliation on the store's thread.
class reconcile_work {
  public:
    reconcile_work(std::string_view list, list_format format, track::reconcile_period period, std::size_t most)
        : list_(list), format_(format), most_(most), work_(classes_, std::move(period), most) {}

    void run(track::reconcile_source& source, const track::line_writer& write) {
        read(
            [this](const track::merchant_line& line) { expect_room(work_.take(line)); },
            [this](const track::unreadable_line& line) { expect_room(work_.take_unreadable(line)); });
        work_.run(source, [](std::uint64_t) {});
        for (std::size_t i = 0; i < track::difference_count; ++i)
            write_given(static_cast<track::difference>(i), source, write);
        write_not_given(source, write);
        write_unreadable(write);
        write(track::render_summary(work_.summary(), work_.period()));
    }

  private:
    void read(merchant_list::line_sink on_line, merchant_list::fault_sink on_fault) const {
        merchant_list lines(std::move(on_line), std::move(on_fault), format_);
        for (std::size_t at = 0; at < list_.size(); at += piece_bytes) lines.take(list_.substr(at, piece_bytes));
        lines.finish();
    }

    void expect_room(bool is_taken) const {
        if (!is_taken) throw std::length_error(fmt::format("lines that cannot be read name more than {} ids", most_));
    }

    void write_given(track::difference kind, track::reconcile_source& source, const track::line_writer& write) const {
        if (kind == track::difference::here_but_not_given || work_.summary().of(kind) == 0) return;
        for (std::size_t at = 0; at < work_.list().size(); ++at) {
            if (!classes_.is_in(kind, at)) continue;
            const track::kept_line given = work_.list().line(at);
            const auto known = source.find(given.id);
            write(track::render_difference({kind, at, &given, known ? &*known : nullptr, false}));
        }
    }

    void write_not_given(track::reconcile_source& source, const track::line_writer& write) const {
        constexpr auto kind = track::difference::here_but_not_given;
        if (work_.summary().of(kind) == 0) return;
        source.each_transaction([&](const track::known_transaction& known) {
            if (!work_.is_not_given(known)) return;
            write(track::render_difference({kind, std::nullopt, nullptr, &known, work_.hides_ids()}));
        });
    }

    void write_unreadable(const track::line_writer& write) const {
        if (work_.summary().unreadable == 0) return;
        read(
            [&](const track::merchant_line& line) {
                if (const std::string why = work_.repetition(line); !why.empty())
                    write(track::render_unreadable(line.line, why));
            },
            [&](const track::unreadable_line& line) { write(track::render_unreadable(line.line, line.why)); });
    }

    std::string_view list_;
    list_format format_;
    std::size_t most_;
    classes_by_line classes_;
    track::reconciliation work_;
};

} // namespace

parsed<void> check_merchant_list(std::string_view list, list_format format, std::size_t most) {
    const auto ends = static_cast<std::size_t>(std::count(list.begin(), list.end(), '\n'));
    const std::size_t lines = ends + (list.empty() || list.back() == '\n' ? 0 : 1);
    if (lines > most) {
        return make_problem(
            problem_code::too_large,
            fmt::format("a list is at most {} lines here: `prooftrackctl reconcile` takes 5,000,000", most));
    }
    const auto ignore_fault = [](const track::unreadable_line&) {};
    merchant_list probe([](const track::merchant_line&) {}, ignore_fault, format);
    try {
        // No further than until it can only be a list: the rest is read on another thread.
        for (std::size_t at = 0; at < list.size() && !probe.is_begun(); at += piece_bytes)
            probe.take(list.substr(at, piece_bytes));
        if (!probe.is_begun()) probe.finish();
    } catch (const not_a_list& wrong) {
        return make_problem(problem_code::invalid_request, wrong.what());
    }
    return {};
}

track::reconcile_job reconcile_job_of(
    std::string list, list_format format, track::reconcile_period period, std::size_t most) {
    return [list = std::make_shared<const std::string>(std::move(list)), format, period = std::move(period),
            most](track::reconcile_source& source, const track::line_writer& write) {
        reconcile_work(*list, format, period, most).run(source, write);
    };
}

} // namespace prooftrack::api
