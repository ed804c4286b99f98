// An import: every line is taken or rejected by its number, in slices of any size alike.

#include <cstdint>
#include <string>

#include "api/import_reader.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace prooftrack;
    const std::string body(reinterpret_cast<const char*>(data), size);
    const std::size_t lines = api::count_import_lines(body);
    const auto read = [&](std::size_t slice) {
        api::import_reader reader(body);
        while (reader.read_slice(slice)) {
        }
        return std::pair(reader.take_lines().size(), reader.take_rejected().size());
    };
    const auto whole = read(1'000'000);
    if (whole != read(1)) __builtin_trap();
    if (whole.first + whole.second > lines) __builtin_trap();
    return 0;
}
