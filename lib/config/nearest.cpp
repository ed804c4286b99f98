#include "config/nearest.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace prooftrack::config {
namespace {

/// A key can be as long as the file; beyond this its tail says nothing about what was meant.
constexpr std::size_t most_compared = 64;

char folded(char c) {
    if (c >= 'A' && c <= 'Z') return static_cast<char>(c - 'A' + 'a');
    return c == '-' ? '_' : c;
}

std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before_last(b.size() + 1);
    std::vector<std::size_t> last(b.size() + 1);
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t change = folded(a[i - 1]) == folded(b[j - 1]) ? 0 : 1;
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + change});
            const bool swapped =
                i > 1 && j > 1 && folded(a[i - 1]) == folded(b[j - 2]) && folded(a[i - 2]) == folded(b[j - 1]);
            if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
        }
        before_last = last;
        last = row;
    }
    return last[b.size()];
}

} // namespace

nearest_word find_nearest(std::string_view wrong, std::span<const std::string_view> candidates) {
    const std::string_view text = wrong.substr(0, most_compared);
    nearest_word best;
    std::size_t best_distance = 0;
    for (const std::string_view candidate : candidates) {
        const std::size_t this_distance = distance(text, candidate);
        if (!best.word.empty() && this_distance >= best_distance) continue;
        best.word = candidate;
        best_distance = this_distance;
    }
    best.is_close = !best.word.empty() && best_distance <= std::max<std::size_t>(2, best.word.size() / 3);
    return best;
}

} // namespace prooftrack::config
