#include "store/store.hpp"

namespace prooftrack::store {
namespace {

class store_category_type final : public boost::system::error_category {
  public:
    const char* name() const noexcept override { return "prooftrack.store"; }
    std::string message(int value) const override {
        switch (static_cast<store_error>(value)) {
        case store_error::full:
            return "no room on the disk";
        case store_error::failed:
            return "the store has failed and stopped";
        case store_error::moved:
            return "the database file was moved, removed or replaced while it was in use";
        case store_error::stopped:
            return "the store is closing";
        case store_error::no_space_for_copy:
            return "no room for a copy of the database";
        case store_error::busy:
            return "another backup is being made";
        case store_error::not_found:
            return "not found";
        case store_error::stale:
            return "the row has changed meanwhile";
        case store_error::beyond_last:
            return "beyond the last event";
        case store_error::paused:
            return "the callback is paused";
        case store_error::not_dead:
            return "the delivery is not dead";
        case store_error::unreachable:
            return "PostgreSQL cannot be reached";
        case store_error::taken_over:
            return "the database is not this daemon's any more";
        case store_error::rewound:
            return "the database was set back to an earlier state";
        case store_error::not_a_file:
            return "the database is PostgreSQL's: back it up with PostgreSQL's own tools (pg_dump, pg_basebackup)";
        }
        return "unknown store error";
    }
};

} // namespace

const boost::system::error_category& store_category() {
    static const store_category_type category;
    return category;
}

bool is_passing(const op_error& error) {
    return error.code == store_error::full || error.code == store_error::unreachable;
}

error_code make_error_code(store_error error) { return {static_cast<int>(error), store_category()}; }

} // namespace prooftrack::store
