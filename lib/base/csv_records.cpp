#include "base/csv_records.hpp"

namespace prooftrack {

void csv_records::take(std::string_view piece) {
    for (const char c : piece) {
        step(c);
        if (c == '\n') {
            ++line_;
            if (place_ == place::skipping) begin_record();
            if (text_.empty() && ends_.empty() && place_ == place::field_start) record_line_ = line_;
        }
    }
}

void csv_records::finish() {
    if (place_ == place::quoted) {
        fail("a quote is not closed before the end of the file");
    } else if (place_ != place::skipping) {
        end_record();
    }
    begin_record();
}

void csv_records::step(char c) {
    switch (place_) {
    case place::skipping:
        return;
    case place::quoted:
        if (c == '"') {
            place_ = place::behind_quote;
        } else {
            store(c);
        }
        return;
    case place::behind_quote:
        step_behind_quote(c);
        return;
    case place::behind_return:
        if (c == '\n') {
            end_record();
        } else {
            fail("something stands between a closing quote and the comma");
        }
        return;
    case place::field_start:
        if (c == '"') {
            quotes_ = true;
            place_ = place::quoted;
            return;
        }
        place_ = place::plain;
        break;
    case place::plain:
        break;
    }
    if (c == ',') {
        end_field();
    } else if (c == '\n') {
        const std::size_t start = ends_.empty() ? 0 : ends_.back();
        if (text_.size() > start && text_.back() == '\r') text_.pop_back();
        end_record();
    } else if (c == '"') {
        fail("a quote stands inside a field that does not begin with one");
    } else {
        store(c);
    }
}

void csv_records::step_behind_quote(char c) {
    if (c == '"') {
        place_ = place::quoted;
        store(c);
    } else if (c == ',') {
        end_field();
    } else if (c == '\n') {
        end_record();
    } else if (c == '\r') {
        place_ = place::behind_return;
    } else {
        fail("something stands between a closing quote and the comma");
    }
}

void csv_records::store(char c) {
    if (text_.size() >= max_record) {
        fail(
            place_ == place::quoted ? "longer than 64 KiB: is a quote not closed?"
                                    : "longer than 64 KiB: is this a text file with lines?");
        return;
    }
    text_ += c;
}

void csv_records::end_field() {
    if (ends_.size() + 1 >= max_fields) {
        fail("more than 256 fields");
        return;
    }
    ends_.push_back(text_.size());
    place_ = place::field_start;
}

void csv_records::end_record() {
    const bool empty = text_.empty() && ends_.empty() && !quotes_;
    if (!empty) {
        ends_.push_back(text_.size());
        cut_fields();
        on_record_(record_line_, fields_);
    }
    begin_record();
}

void csv_records::fail(std::string_view why) {
    // Line ends in it: a quote took them in, or the file has lines that end with a carriage return alone.
    const bool swallows = place_ == place::behind_return || text_.find_first_of("\r\n") != std::string::npos;
    cut_fields();
    on_fault_({record_line_, why, fields_, swallows});
    begin_record();
    place_ = place::skipping;
}

void csv_records::cut_fields() {
    fields_.clear();
    std::size_t start = 0;
    for (const std::size_t end : ends_) {
        fields_.push_back(std::string_view(text_).substr(start, end - start));
        start = end;
    }
}

void csv_records::begin_record() {
    text_.clear();
    ends_.clear();
    quotes_ = false;
    place_ = place::field_start;
}

} // namespace prooftrack
