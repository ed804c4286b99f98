#pragma once

// From the text that both databases share to what PostgreSQL reads.

#include <string>
#include <string_view>

namespace prooftrack::store {

/// Parameters `?` become $1, $2 …; `INDEXED BY name` goes, as PostgreSQL chooses by itself; `CROSS JOIN t ON …` becomes
/// `JOIN`. The texts have no `?` and no such words in strings or comments.
std::string to_postgres(std::string_view sql);

/// An array as a parameter: its text. The values have no characters that are special in one (ids, numbers).
class pg_array {
  public:
    void add(std::string_view value) {
        text_ += text_.empty() ? '{' : ',';
        text_ += '"';
        text_ += value;
        text_ += '"';
    }
    bool is_empty() const { return text_.empty(); }
    std::string text() const { return text_.empty() ? "{}" : text_ + '}'; }

  private:
    std::string text_;
};

/// The shared text of an INSERT … VALUES of one row, as one of so many.
std::string insert_of_rows(std::string_view sql, std::size_t rows);

/// The one table that a statement changes and looks at, "" when there may be others.
std::string_view changed_table(std::string_view sql);

} // namespace prooftrack::store
