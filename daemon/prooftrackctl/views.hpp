#pragma once

// The API's objects as people see them. Pure: JSON and a look in, text out.

#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "prooftrackctl/json_view.hpp"
#include "prooftrackctl/table.hpp"

namespace prooftrack::ctl {

/// `  name      value` lines; empty values are left out.
class field_list {
  public:
    void add(std::string name, std::string value, paint how = paint::plain);
    std::string format(const look& where) const;

  private:
    struct field {
        std::string name;
        std::string value;
        paint how;
    };
    std::vector<field> fields_;
};

/// One transaction, whole.
std::string format_transaction(const json_view& transaction, const look& where, wall_time now);

std::vector<column> transaction_columns();
std::vector<cell> transaction_row(const json_view& transaction, const look& where, wall_time now);

std::vector<column> delivery_columns();
std::vector<cell> delivery_row(const json_view& delivery, const look& where, wall_time now);

std::vector<column> event_columns();
std::vector<cell> event_row(const json_view& event, const look& where, wall_time now);

/// `3m 20s ago  2026-04-01T10:03:45.120Z`; "" for null.
std::string when_text(const json_view& time, wall_time now);

} // namespace prooftrack::ctl
