#include "api/merchant_list.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "base/csv_records.hpp"
#include "net/json.hpp"
#include "track/merchant_values.hpp"

namespace prooftrack::api {

class merchant_list::format {
  public:
    format() = default;
    virtual ~format() = default;
    format(const format&) = delete;
    format& operator=(const format&) = delete;
    virtual void take(std::string_view piece) = 0;
    virtual void finish() = 0;
    virtual bool is_begun() const = 0;
};

namespace {

using track::merchant_line;
using value_reader = std::string (*)(std::string_view, merchant_line&);

struct known_column {
    std::string_view name;
    value_reader read;
};

constexpr std::array<known_column, 5> known_columns{
    {{track::id_column, track::read_id},
     {track::status_column, track::read_status},
     {track::amount_column, track::read_amount},
     {track::currency_column, track::read_currency},
     {track::credited_column, track::read_credited}}};

using views = std::vector<std::string_view>;

/// The id of a line whose value `at` (in the order of `known_columns`) is bad.
views ids_before(std::size_t at, const merchant_line& line) { return at == 0 ? views{} : views{line.id}; }

/// Adds the id that `text` is, if it is one.
void add_id(std::string_view text, views& ids) {
    merchant_line one;
    if (track::read_id(text, one).empty()) ids.push_back(one.id);
}

[[noreturn]] void refuse(const std::string& why) { throw not_a_list("the list: " + why); }

class csv_list : public merchant_list::format {
  public:
    csv_list(const merchant_list::line_sink& on_line, const merchant_list::fault_sink& on_fault)
        : on_line_(on_line), on_fault_(on_fault),
          records_(
              [this](std::uint64_t line, const views& fields) { take_record(line, fields); },
              [this](const csv_records::fault& fault) { take_fault(fault); }) {}

    void take(std::string_view piece) override { records_.take(piece); }
    void finish() override {
        records_.finish();
        if (columns_ == 0) refuse("it is empty; its first line names the columns");
    }
    bool is_begun() const override { return columns_ != 0; }

  private:
    void take_fault(const csv_records::fault& fault) {
        if (columns_ == 0) refuse(fmt::format("line {}, which names the columns: {}", fault.line, fault.why));
        views ids;
        if (*places_.front() < fault.fields.size()) add_id(fault.fields[*places_.front()], ids);
        report(fault.line, fault.why, std::move(ids), fault.swallows_lines);
    }

    void report(std::uint64_t line, std::string_view why, views ids, bool swallows_lines) const {
        const bool hides_ids = ids.empty() || swallows_lines;
        on_fault_({line, why, std::move(ids), hides_ids});
    }

    /// A field of more than one line: a quote may have taken lines in that are others.
    static bool has_line_end(const views& fields) {
        return std::any_of(fields.begin(), fields.end(), [](std::string_view field) {
            return field.find_first_of("\r\n") != std::string_view::npos;
        });
    }

    /// An unquoted comma too many, or a value too few, may stand before the id or behind it.
    views ids_in(const views& fields) const {
        const std::size_t place = *places_.front();
        const std::size_t behind = columns_ - place; // counted from the end
        const std::size_t from_end = fields.size() > behind ? fields.size() - behind : 0;
        views ids;
        for (std::size_t at = std::min(place, from_end); at <= std::max(place, from_end) && at < fields.size(); ++at)
            add_id(fields[at], ids);
        return ids;
    }

    void take_record(std::uint64_t line, const views& fields) {
        if (columns_ == 0) {
            take_header(fields);
            return;
        }
        if (fields.size() != columns_) {
            report(
                line, fmt::format("{} fields, and the first line names {}", fields.size(), columns_), ids_in(fields),
                has_line_end(fields));
            return;
        }
        merchant_line one;
        one.line = line;
        for (std::size_t i = 0; i < known_columns.size(); ++i) {
            if (!places_.at(i)) continue;
            const std::string wrong = known_columns.at(i).read(fields[*places_.at(i)], one);
            if (wrong.empty()) continue;
            report(line, wrong, ids_before(i, one), has_line_end(fields));
            return;
        }
        on_line_(one);
    }

    void take_header(const views& fields) {
        columns_ = fields.size();
        for (std::size_t at = 0; at < fields.size(); ++at) {
            if (fields[at].find('\r') != std::string_view::npos)
                refuse("its lines end with a carriage return alone; save it with LF or CRLF");
            const std::string_view name = track::trim_blanks(fields[at]);
            for (std::size_t i = 0; i < known_columns.size(); ++i) {
                if (known_columns.at(i).name != name) continue;
                if (places_.at(i)) refuse(fmt::format("its first line names the column {} twice", name));
                places_.at(i) = at;
            }
        }
        if (!places_.front())
            refuse(fmt::format(
                "its first line must name the columns, separated by commas, and {} among them (or each line is a JSON "
                "object with that member)",
                track::id_column));
    }

    const merchant_list::line_sink& on_line_;
    const merchant_list::fault_sink& on_fault_;
    csv_records records_;
    std::size_t columns_ = 0; ///< 0 = the header has not come yet
    std::array<std::optional<std::size_t>, known_columns.size()> places_;
};

class ndjson_list : public merchant_list::format {
  public:
    ndjson_list(const merchant_list::line_sink& on_line, const merchant_list::fault_sink& on_fault)
        : on_line_(on_line), on_fault_(on_fault) {}

    void take(std::string_view piece) override {
        while (!piece.empty()) {
            const std::size_t end = piece.find('\n');
            const std::string_view part = piece.substr(0, end);
            const std::size_t room = merchant_list::max_line - text_.size();
            too_long_ = too_long_ || part.size() > room;
            text_ += part.substr(0, room); // of a longer one its beginning, which may have the id
            if (end == std::string_view::npos) return;
            end_line();
            piece.remove_prefix(end + 1);
        }
    }

    void finish() override { end_line(); }
    bool is_begun() const override { return true; }

  private:
    void end_line() {
        std::string_view text = text_;
        if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
        text = track::trim_blanks(text);
        if (too_long_) {
            report_broken(text, "longer than 64 KiB");
        } else if (!text.empty()) {
            read(text);
        }
        ++line_;
        text_.clear();
        too_long_ = false;
    }

    /// With every id that a member of this name seems to have, wherever it stands.
    void report_broken(std::string_view text, std::string_view why) {
        const std::string name = '"' + std::string(track::id_column) + '"';
        constexpr std::string_view blanks = " \t\r";
        std::vector<std::string> values;
        const auto skip_blanks = [&](std::size_t at) {
            return std::min(text.find_first_not_of(blanks, at), text.size());
        };
        for (std::size_t at = text.find(name); at != std::string_view::npos; at = text.find(name, at)) {
            at = skip_blanks(at + name.size());
            if (at == text.size() || text[at] != ':') continue;
            const std::size_t begin = skip_blanks(at + 1);
            const std::size_t end = begin < text.size() ? text.find('"', begin + 1) : std::string_view::npos;
            if (end == std::string_view::npos) break;
            const std::string_view value = text.substr(begin, end + 1 - begin);
            if (net::check_json(value)) values.push_back(net::decode_json_string(value).value_or(""));
        }
        views ids;
        for (const std::string& value : values) add_id(value, ids);
        // Objects that follow each other without an LF are one line, and the rest of them is not looked at.
        const bool hides_ids = ids.empty() || (too_long_ && ids.size() > 1);
        on_fault_({line_, why, std::move(ids), hides_ids});
    }

    void report(std::string_view why, views ids) const {
        const bool hides_ids = ids.empty();
        on_fault_({line_, why, std::move(ids), hides_ids});
    }

    void read(std::string_view text) {
        const auto members = net::top_level_members(text);
        if (!members) {
            const auto fault = net::find_json_fault(text);
            report_broken(text, fault ? fault->message() : "not a JSON object");
            return;
        }
        merchant_line one;
        one.line = line_;
        std::array<std::string, known_columns.size()> values; // what `one` points into
        std::string wrong = fmt::format("no {}", track::id_column);
        for (std::size_t i = 0; i < known_columns.size(); ++i) {
            for (const net::json_member& member : *members) {
                if (member.key != known_columns.at(i).name) continue;
                const auto value = value_of(member);
                if (!value) {
                    report(fmt::format("{} has a value of a wrong type", member.key), ids_before(i, one));
                    return;
                }
                values.at(i) = *value;
            }
            wrong = known_columns.at(i).read(values.at(i), one);
            if (wrong.empty()) continue;
            report(wrong, ids_before(i, one));
            return;
        }
        on_line_(one);
    }

    /// The member's text; nullopt for a type that it cannot have. A number is taken by its spelling.
    static std::optional<std::string> value_of(const net::json_member& member) {
        if (member.value == "null") return std::string();
        if (member.key == track::credited_column) {
            const bool boolean = member.value == "true" || member.value == "false";
            return boolean ? std::optional(std::string(member.value)) : std::nullopt;
        }
        if (auto text = net::decode_json_string(member.value)) return text;
        const char first = member.value.front();
        const bool number = first == '-' || (first >= '0' && first <= '9');
        if (member.key == track::amount_column && number) return std::string(member.value);
        return std::nullopt;
    }

    const merchant_list::line_sink& on_line_;
    const merchant_list::fault_sink& on_fault_;
    std::string text_;
    std::uint64_t line_ = 1;
    bool too_long_ = false;
};

/// Why the first bytes cannot be those of a list; "" = they can.
std::string_view foreign_format(std::string_view head) {
    if (head.starts_with("\x1F\x8B")) return "it is compressed; unpack it first (gunzip)";
    if (head.starts_with("PK\x03\x04")) return "it is a spreadsheet or a ZIP file; save it as CSV in UTF-8";
    if (head.starts_with("\xFF\xFE") || head.starts_with("\xFE\xFF")) return "it is UTF-16; save it as UTF-8";
    return {};
}

/// Bytes of the byte order mark in front.
std::size_t mark_length(std::string_view head) { return head.starts_with("\xEF\xBB\xBF") ? 3 : 0; }

} // namespace

merchant_list::merchant_list(line_sink on_line, fault_sink on_fault, list_format wanted)
    : on_line_(std::move(on_line)), on_fault_(std::move(on_fault)), wanted_(wanted) {}

merchant_list::~merchant_list() = default;

void merchant_list::take(std::string_view piece) {
    if (format_) {
        format_->take(piece);
        return;
    }
    head_ += piece;
    // The marks of foreign formats have up to four bytes, and blank lines may stand before the first character.
    const std::size_t text = head_.find_first_not_of(" \t\r\n", mark_length(head_));
    if (head_.size() >= 4 && text != std::string::npos) choose();
    if (!format_ && head_.size() > max_line) refuse("it begins with more than 64 KiB of blanks");
}

void merchant_list::finish() {
    if (!format_) choose();
    format_->finish();
}

bool merchant_list::is_begun() const { return format_ && format_->is_begun(); }

void merchant_list::choose() {
    if (const std::string_view foreign = foreign_format(head_); !foreign.empty()) refuse(std::string(foreign));
    std::string_view head = head_;
    head.remove_prefix(mark_length(head));
    const std::size_t first = head.find_first_not_of(" \t\r\n");
    const char mark = first == std::string_view::npos ? '\0' : head[first];
    if (mark == '[') refuse("it is one JSON array; write one object a line");
    if (wanted_ == list_format::ndjson || (wanted_ == list_format::by_content && mark == '{')) {
        format_ = std::make_unique<ndjson_list>(on_line_, on_fault_);
    } else {
        format_ = std::make_unique<csv_list>(on_line_, on_fault_);
    }
    format_->take(head);
    head_ = std::string();
}

} // namespace prooftrack::api
