#include "random_text.hpp"

#include <stdexcept>
#include <vector>

#include <fmt/format.h>
#include <openssl/rand.h>

namespace prooftrack::sandbox {
namespace {

std::vector<unsigned char> random_bytes(std::size_t count) {
    std::vector<unsigned char> bytes(count);
    if (RAND_bytes(bytes.data(), static_cast<int>(count)) != 1) throw std::runtime_error("no randomness from OpenSSL");
    return bytes;
}

std::string to_hex(const std::vector<unsigned char>& bytes) {
    std::string out;
    for (unsigned char byte : bytes) fmt::format_to(std::back_inserter(out), "{:02x}", byte);
    return out;
}

} // namespace

std::string random_hex(std::size_t bytes) { return to_hex(random_bytes(bytes)); }

std::string make_uuid() {
    auto bytes = random_bytes(16);
    bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0fU) | 0x40U);
    bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3fU) | 0x80U);
    auto text = to_hex(bytes);
    for (std::size_t at : {20U, 16U, 12U, 8U}) text.insert(at, 1, '-');
    return text;
}

} // namespace prooftrack::sandbox
