// What each kind of fault makes of an answer. What happens to its bytes on their way is the protocol's business.

#include <algorithm>

#include "proof_site.hpp"

namespace prooftrack::sandbox {
namespace {

constexpr std::size_t filler_bytes = 64U << 10U;

/// `count` bytes of filler in pieces, then `tail`.
std::function<bool(std::string&)> filler(std::uint64_t count, std::string tail) {
    return [count, tail = std::move(tail)](std::string& out) mutable {
        const auto piece = std::min<std::uint64_t>(count, filler_bytes);
        out.append(piece, 'x');
        count -= piece;
        if (count > 0) return true;
        out += tail;
        return false;
    };
}

/// The right reply made as long as asked, still well formed; the padding is never held in memory.
void make_huge(reply& made, std::uint64_t size) {
    const std::string closing = R"("})";
    if (made.body.ends_with('}')) made.body.pop_back();
    made.body += R"(,"padding":")";
    const std::uint64_t fixed = made.body.size() + closing.size();
    const std::uint64_t padding = size > fixed ? size - fixed : 0;
    made.length = fixed + padding;
    made.more = filler(padding, closing);
}

} // namespace

reply proof_site::make_fault_reply(const fault& what, const incoming_request& request, std::string_view request_id) {
    auto made = refuse(documented_failure(what.http_status), request_id);
    made.status = what.http_status;
    if (what.http_status < 300) made.body = "{}";
    if (what.body) made.body = *what.body;
    if (!what.retry_after.empty()) made.headers.emplace_back("Retry-After", what.retry_after);
    if (what.retry_after_date) {
        made.headers.emplace_back("Retry-After", format_http_date(request.arrival.wall + *what.retry_after_date));
    }
    made.headers.insert(made.headers.end(), what.headers.begin(), what.headers.end());
    return made;
}

void proof_site::strike(const fault& what, const incoming_request& request, reply_plan& plan) {
    if (what.kind == fault_kind::status) {
        plan.answer = make_fault_reply(what, request, plan.request_id);
        return;
    }
    const bool about_the_answer = what.kind == fault_kind::wrong_id || what.kind == fault_kind::huge;
    if (!about_the_answer) plan.struck = what;
    plan.served = about_the_answer || what.lets_serve();
    if (!plan.served) return;
    plan.answer = serve(request, plan.request_id, what.kind == fault_kind::wrong_id);
    if (what.kind == fault_kind::huge) make_huge(plan.answer, what.size);
}

} // namespace prooftrack::sandbox
