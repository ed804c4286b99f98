#pragma once

// POST /v1/reconcile: the merchant's list in the body, and what becomes of it. Pure.

#include <string>
#include <string_view>

#include "api/merchant_list.hpp"
#include "api/problem.hpp"
#include "track/reconcile_run.hpp"

namespace prooftrack::api {

/// Most lines of a list here, a header and empty ones included. So many are about 50 MiB in memory.
inline constexpr std::size_t max_reconcile_lines = 1'000'000;

/// What can be refused before anything is compared: a whole that is no list, and more than `most` lines.
parsed<void> check_merchant_list(std::string_view list, list_format format, std::size_t most = max_reconcile_lines);

/// Compares a list that was checked. Writes each difference, by class and inside a class as the list has it, those that
/// the list does not have as they were tracked; then the lines that cannot be read; then the summary. Holds the list
/// once as it came and once compactly, whatever is found. Throws std::length_error when lines that cannot be read name
/// more than `most` ids.
track::reconcile_job reconcile_job_of(
    std::string list, list_format format, track::reconcile_period period, std::size_t most = max_reconcile_lines);

} // namespace prooftrack::api
