#include "api/export_stream.hpp"

namespace prooftrack::api {

body_stream::progress export_stream::next(std::vector<shared_bytes>& out) {
    std::string piece;
    switch (source_->next(piece)) {
    case byte_source::progress::more:
        out.push_back(std::make_shared<const std::string>(std::move(piece)));
        return progress::more;
    case byte_source::progress::wait:
        return progress::wait;
    case byte_source::progress::end:
        return progress::end;
    case byte_source::progress::broken:
        break;
    }
    return progress::broken;
}

} // namespace prooftrack::api
