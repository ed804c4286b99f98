#include "store/postgres/pg_statement.hpp"

#include <algorithm>
#include <atomic>
#include <stdexcept>

#include "store/postgres/dialect.hpp"

namespace prooftrack::store {
namespace {

constexpr std::size_t most_kept_bytes = std::size_t{1} << 20U;

constexpr const char* next_rows = R"sql(FETCH 500 FROM )sql";

std::string next_name(const char* what) {
    static std::atomic<std::uint64_t> number{0};
    return what + std::to_string(++number);
}

} // namespace

pg_rows::pg_rows(pg_link& link, std::string cursor, bool owns_transaction)
    : link_(&link), cursor_(std::move(cursor)), owns_transaction_(owns_transaction) {}

pg_rows::~pg_rows() {
    if (link_ == nullptr) return;
    try {
        if (owns_transaction_) {
            link_->post(R"sql(COMMIT)sql"); // undoes one that failed
        } else if (!link_->has_failed_transaction()) {
            link_->post(R"sql(CLOSE )sql" + cursor_);
        }
        link_->finish();
    } catch (const postgres_error&) {
        // The next statement finds it.
    }
}

bool pg_rows::next() {
    if (rows_ && row_ + 1 < PQntuples(rows_.get())) {
        ++row_;
        return true;
    }
    if (link_ == nullptr || (rows_ && PQntuples(rows_.get()) == 0)) return false;
    rows_ = link_->ask(next_rows + cursor_);
    row_ = 0;
    return rows_ && PQntuples(rows_.get()) > 0;
}

std::int64_t pg_rows::integer(int column) const {
    const std::string_view bytes = text(column);
    if (bytes.empty()) return 0;
    // The most significant byte first; negative ones fill it up.
    std::uint64_t number = bytes.size() > 1 && (static_cast<unsigned char>(bytes.front()) & 0x80U) != 0
                               ? ~std::uint64_t{0}
                               : std::uint64_t{0};
    if (bytes.size() > sizeof(number)) throw std::logic_error("a column is read as a number and is none");
    for (const char byte : bytes) number = number << 8U | static_cast<unsigned char>(byte);
    return static_cast<std::int64_t>(number);
}

std::string_view pg_rows::text(int column) const {
    return {PQgetvalue(rows_.get(), row_, column), static_cast<std::size_t>(PQgetlength(rows_.get(), row_, column))};
}

std::string pg_rows::first_text() { return next() ? std::string(text(0)) : std::string(); }
std::int64_t pg_rows::first_integer() { return next() ? integer(0) : 0; }

pg_statement::pg_statement(pg_link& link, std::string_view sql)
    : link_(link), shared_(sql), table_(changed_table(sql)), sql_(to_postgres(sql)), name_(next_name("s")),
      parameters_(static_cast<std::size_t>(std::count(sql.begin(), sql.end(), '?'))), values_(parameters_),
      numbers_(parameters_) {}

void pg_statement::begin(std::size_t parameters) {
    if (parameters != parameters_) throw std::logic_error("wrong number of parameters for: " + sql_);
}

void pg_statement::bind_bytes(int index, std::string_view bytes) {
    values_.at(static_cast<std::size_t>(index) - 1) = {
        bytes.empty() ? "" : bytes.data(), static_cast<int>(bytes.size())};
}

void pg_statement::bind_number(int index, std::int64_t number) {
    const std::size_t at = static_cast<std::size_t>(index) - 1;
    std::array<char, 8>& bytes = numbers_.at(at);
    auto left = static_cast<std::uint64_t>(number);
    for (std::size_t i = bytes.size(); i > 0; --i, left >>= 8U) bytes[i - 1] = static_cast<char>(left & 0xFFU);
    values_.at(at) = {bytes.data(), static_cast<int>(bytes.size())};
}

void pg_statement::prepare() {
    if (is_prepared_) return;
    link_.prepare(name_, sql_);
    is_prepared_ = true;
}

std::unique_ptr<pg_rows> pg_statement::select() {
    prepare();
    return std::make_unique<pg_rows>(link_.ask(name_, values_));
}

std::unique_ptr<pg_rows> pg_statement::stream() {
    link_.finish();
    const bool is_own = !link_.in_transaction();
    if (is_own) link_.post(R"sql(BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY)sql");
    const std::string cursor = next_name("c");
    auto rows = std::make_unique<pg_rows>(link_, cursor, is_own); // ends the transaction, whatever comes
    link_.ask_once(R"sql(DECLARE )sql" + cursor + " NO SCROLL CURSOR FOR " + sql_, values_);
    return rows;
}

void pg_statement::execute() {
    prepare();
    link_.post_kept(table_);
    link_.post(name_, values_);
}

void pg_statement::append() {
    for (const pg_value& each : values_) {
        kept_.push_back({bytes_.size(), each.data == nullptr ? -1 : each.length});
        if (each.data != nullptr) bytes_.append(each.data, static_cast<std::size_t>(each.length));
    }
    link_.keep(*this);
    if (bytes_.size() > most_kept_bytes) link_.post_kept(table_);
}

void pg_statement::post_kept() {
    const std::size_t rows = kept_.size() / parameters_;
    std::size_t first = 0;
    for (wide_insert& how : inserts_) {
        for (; rows - first >= how.rows; first += how.rows) post_rows(first, how);
    }
    drop_kept();
}

void pg_statement::post_rows(std::size_t first, wide_insert& how) {
    if (how.name.empty()) {
        const std::string name = next_name("s");
        link_.prepare(name, to_postgres(insert_of_rows(shared_, how.rows)));
        how.name = name;
    }
    std::vector<pg_value> values;
    values.reserve(how.rows * parameters_);
    for (std::size_t i = first * parameters_; i < (first + how.rows) * parameters_; ++i) {
        const kept_value& each = kept_[i];
        values.push_back(each.length < 0 ? pg_value{} : pg_value{bytes_.data() + each.at, each.length});
    }
    link_.post(how.name, values);
}

void pg_statement::drop_kept() {
    kept_.clear();
    bytes_.clear();
    if (bytes_.capacity() > 2 * most_kept_bytes) bytes_.shrink_to_fit();
}

} // namespace prooftrack::store
