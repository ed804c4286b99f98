#pragma once

// Lists that the API gives page by page: printed as they come, with the memory of one page.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "prooftrackctl/commands.hpp"
#include "prooftrackctl/table.hpp"

namespace prooftrack::ctl {

struct paged_list {
    std::function<api_request(std::uint64_t limit, std::string_view cursor)> request;
    std::string_view items; ///< member that holds them: "transactions"
    std::vector<column> columns;
    std::vector<cell> (*row)(const json_view& item, const look& where, wall_time now);
    std::string_view none; ///< what to say when there is nothing
};

/// Prints at most `limit` items (all when `all`), as lines of JSON or as one table.
void print_pages(command_context& context, const paged_list& list, std::uint64_t limit, bool all);

} // namespace prooftrack::ctl
