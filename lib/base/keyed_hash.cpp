#include "base/keyed_hash.hpp"

#include <bit>
#include <cstring>

namespace prooftrack {
namespace {

hash_key process_key; // NOLINT(cppcoreguidelines-avoid-non-const-global-variables): set once, before the first table

struct sip_state {
    std::uint64_t v0, v1, v2, v3;

    explicit sip_state(const hash_key& key)
        : v0(key.first ^ 0x736f6d6570736575ULL), v1(key.second ^ 0x646f72616e646f6dULL),
          v2(key.first ^ 0x6c7967656e657261ULL), v3(key.second ^ 0x7465646279746573ULL) {}

    void round() {
        v0 += v1;
        v1 = std::rotl(v1, 13) ^ v0;
        v0 = std::rotl(v0, 32);
        v2 += v3;
        v3 = std::rotl(v3, 16) ^ v2;
        v0 += v3;
        v3 = std::rotl(v3, 21) ^ v0;
        v2 += v1;
        v1 = std::rotl(v1, 17) ^ v2;
        v2 = std::rotl(v2, 32);
    }
    void take(std::uint64_t word) {
        v3 ^= word;
        round();
        v0 ^= word;
    }
    std::uint64_t finish() {
        v2 ^= 0xff;
        round();
        round();
        round();
        return v0 ^ v1 ^ v2 ^ v3;
    }
};

} // namespace

hash_key process_hash_key() { return process_key; }
void set_process_hash_key(hash_key key) { process_key = key; }

std::uint64_t keyed_hash(const hash_key& key, std::string_view bytes) {
    sip_state state(key);
    std::size_t at = 0;
    for (; at + 8 <= bytes.size(); at += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, bytes.data() + at, 8); // the other byte order gives another hash, no worse
        state.take(word);
    }
    std::uint64_t last = static_cast<std::uint64_t>(bytes.size()) << 56U;
    for (std::size_t i = at; i < bytes.size(); ++i) {
        last |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * (i - at));
    }
    state.take(last);
    return state.finish();
}

} // namespace prooftrack
