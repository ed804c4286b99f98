#pragma once

// From the text that both databases share to what PostgreSQL reads.

#include <string>
#include <string_view>

namespace prooftrack::store {

/// Parameters `?` become $1, $2 …; `INDEXED BY name` goes, as PostgreSQL chooses by itself; `CROSS JOIN t ON …` becomes
/// `JOIN`. The texts have no `?` and no such words in strings or comments.
std::string to_postgres(std::string_view sql);

} // namespace prooftrack::store
