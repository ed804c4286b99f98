// reconcile: the merchant's list, read whole, against every transaction here

#include <array>
#include <memory>
#include <optional>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "prooftrackctl/commands.hpp"
#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/file_in_the_making.hpp"
#include "prooftrackctl/input_file.hpp"
#include "prooftrackctl/list_intake.hpp"
#include "prooftrackctl/progress.hpp"
#include "prooftrackctl/reconcile_report.hpp"
#include "prooftrackctl/reconcile_source.hpp"
#include "prooftrackctl/reconcile_view.hpp"

namespace prooftrack::ctl {

namespace {

/// SHA-256 of what is read: a filed report says which list it is about.
class digest {
  public:
    digest() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
        if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1) fail();
    }

    void take(std::string_view bytes) {
        if (EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) != 1) fail();
    }

    std::string hex() {
        std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
        unsigned length = 0;
        if (EVP_DigestFinal_ex(context_.get(), bytes.data(), &length) != 1) fail();
        std::string text;
        for (unsigned i = 0; i < length; ++i) text += fmt::format("{:02x}", bytes.at(i));
        return text;
    }

  private:
    [[noreturn]] static void fail() { throw command_failure(exit_status::refused, "OpenSSL has no SHA-256"); }
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

/// Gives the list's SHA-256.
std::string read_list(command_context& context, const std::string& name, track::reconciliation& work) {
    input_file file(name, context.stop);
    progress_bar bar(file.size());
    digest sum;
    list_intake list(work);
    std::uint64_t read = 0;
    for (std::string_view piece = file.read_some(); !piece.empty(); piece = file.read_some()) {
        if (context.stop.requested()) throw stop_requested();
        read += piece.size();
        sum.take(piece);
        list.take(piece);
        bar.show(read, work.summary().given + work.summary().unreadable);
    }
    list.finish();
    return sum.hex();
}

void file_report(
    file_in_the_making& file, difference_spool& found, const track::reconcile_summary& summary,
    const report_facts& facts) {
    std::string pending;
    const auto flush = [&file, &pending] {
        file.write(pending);
        pending.clear();
    };
    write_report(
        [&pending, &flush](std::string_view piece) {
            constexpr std::size_t enough = 64UL * 1024;
            pending += piece;
            if (pending.size() >= enough) flush();
        },
        found, summary, facts);
    flush();
}

void print_json(
    output& out, difference_spool& found, const track::reconcile_summary& summary,
    const track::reconcile_period& period) {
    const auto line = [&out](std::string_view text) { out.line(text); };
    for (std::size_t i = 0; i < track::difference_count; ++i) found.each(static_cast<track::difference>(i), line);
    found.each_unreadable(line);
    out.line(track::render_summary(summary, period));
}

} // namespace

int run(command_context& context, const reconcile_command& what) {
    std::optional<file_in_the_making> report; // made first: a folder that cannot be written is told of at once
    if (!what.report.empty()) {
        expect_free_name(what.report, what.force);
        expect_other_file(what.report, what.file);
        report.emplace(what.report);
    }
    const track::reconcile_period period{what.since, what.until};
    difference_spool found;
    track::reconciliation work(found, period, track::merchant_table::default_max_lines);
    report_facts facts;
    facts.list_sha256 = read_list(context, what.file, work);
    facts.list_name = what.file == "-" ? "standard input" : what.file;
    facts.period = period;
    facts.made = context.now();
    {
        progress_bar bar(0);
        api_reconcile_source source(context);
        work.run(source, [&](std::uint64_t seen) {
            if (context.stop.requested()) throw stop_requested();
            bar.show(0, seen);
        });
    }
    const track::reconcile_summary& summary = work.summary();
    if (report) {
        file_report(*report, found, summary, facts);
        report->move_into_place(what.force);
    }
    try {
        if (context.options.json) {
            print_json(context.out, found, summary, period);
        } else {
            print_reconciliation(context.out, found, summary);
        }
        context.out.flush();
    } catch (const output_closed&) { // `| head`: the exit status says the same
    }
    return summary.is_clean() ? exit_status::done : exit_status::refused;
}

} // namespace prooftrack::ctl
