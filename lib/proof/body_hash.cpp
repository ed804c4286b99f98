#include "proof/body_hash.hpp"

#include <array>
#include <cstring>

namespace prooftrack::proof {
namespace {

__extension__ using wide = unsigned __int128; // ISO C++ has no 128-bit product

/// Folds the 128-bit product of two words: each bit of either reaches the whole result.
std::uint64_t fold(std::uint64_t left, std::uint64_t right) {
    const wide product = static_cast<wide>(left) * right;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

std::uint64_t load(const char* bytes) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, sizeof word);
    return word;
}

constexpr std::uint64_t odd_one = 0x9e3779b97f4a7c15ULL; // 2^64 / golden ratio
constexpr std::uint64_t odd_two = 0xd1b54a32d192ed03ULL; // the two-dimensional one
constexpr std::size_t lane = 16;

} // namespace

std::uint64_t hash_body(std::string_view body, std::uint64_t seed) {
    // Both operands of each product depend on the seed, so that no fixed eight bytes can zero the state.
    const std::uint64_t key = fold(seed ^ odd_one, odd_two);
    std::uint64_t state = fold(key ^ body.size(), seed ^ odd_two);
    std::size_t at = 0;
    for (; body.size() - at >= lane; at += lane) {
        state = fold(load(body.data() + at) ^ key, load(body.data() + at + 8) ^ state) ^ key;
    }
    std::array<char, lane> tail{};
    if (at < body.size()) std::memcpy(tail.data(), body.data() + at, body.size() - at);
    state = fold(load(tail.data()) ^ key, load(tail.data() + 8) ^ state);
    state = fold(state ^ odd_one, key ^ body.size());
    return state == 0 ? odd_one : state;
}

} // namespace prooftrack::proof
