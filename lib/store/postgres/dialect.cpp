#include "store/postgres/dialect.hpp"

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

} // namespace prooftrack::store
