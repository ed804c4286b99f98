#include "store/postgres/dialect.hpp"

#include <algorithm>

namespace prooftrack::store {
namespace {

constexpr std::string_view index_words = "INDEXED BY ";
constexpr std::string_view cross_words = "CROSS JOIN ";

bool is_name(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; }

} // namespace

std::string to_postgres(std::string_view sql) {
    std::string text;
    int parameters = 0;
    while (!sql.empty()) {
        if (sql.starts_with(index_words)) {
            sql.remove_prefix(index_words.size());
            while (!sql.empty() && is_name(sql.front())) sql.remove_prefix(1);
        } else if (sql.starts_with(cross_words)) {
            sql.remove_prefix(std::string_view("CROSS ").size());
        } else {
            if (sql.front() == '?') {
                text += '$' + std::to_string(++parameters);
            } else {
                text += sql.front();
            }
            sql.remove_prefix(1);
        }
    }
    return text;
}

std::string insert_of_rows(std::string_view sql, std::size_t rows) {
    constexpr std::string_view values = "VALUES";
    const std::size_t first = sql.find('(', sql.find(values));
    std::size_t end = first;
    for (int depth = 0; end < sql.size(); ++end) {
        depth += sql[end] == '(' ? 1 : sql[end] == ')' ? -1 : 0;
        if (depth == 0) break;
    }
    const std::string_view row = sql.substr(first, end + 1 - first);
    std::string text(sql.substr(0, end + 1));
    for (std::size_t i = 1; i < rows; ++i) text.append(", ").append(row);
    return text.append(sql.substr(end + 1));
}

std::string_view changed_table(std::string_view sql) {
    sql.remove_prefix(std::min(sql.find_first_not_of(" \n"), sql.size()));
    for (const std::string_view words : {R"sql(INSERT INTO )sql", R"sql(UPDATE )sql", R"sql(DELETE FROM )sql"}) {
        if (!sql.starts_with(words)) continue;
        sql.remove_prefix(words.size());
        if (sql.find(R"sql(SELECT)sql") != sql.npos || sql.find("FROM") != sql.npos) return {};
        return sql.substr(0, static_cast<std::size_t>(std::find_if_not(sql.begin(), sql.end(), is_name) - sql.begin()));
    }
    return {};
}

} // namespace prooftrack::store
