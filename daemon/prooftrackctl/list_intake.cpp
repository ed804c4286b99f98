#include "prooftrackctl/list_intake.hpp"

#include <fmt/format.h>

#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

namespace {

void expect_taken(bool is_taken, const track::reconciliation& work) {
    if (is_taken) return;
    throw command_failure(
        exit_status::refused,
        fmt::format("the list has more than {} ids: split it by --since and --until", grouped(work.list().capacity())));
}

template <class Read>
void expect_a_list(const Read& read) {
    try {
        read();
    } catch (const api::not_a_list& wrong) {
        throw command_failure(exit_status::refused, wrong.what());
    }
}

} // namespace

list_intake::list_intake(track::reconciliation& work)
    : list_(
          [&work](const track::merchant_line& line) { expect_taken(work.take(line), work); },
          [&work](const track::unreadable_line& line) { expect_taken(work.take_unreadable(line), work); }) {}

void list_intake::take(std::string_view piece) {
    expect_a_list([&] { list_.take(piece); });
}

void list_intake::finish() {
    expect_a_list([this] { list_.finish(); });
}

} // namespace prooftrack::ctl
