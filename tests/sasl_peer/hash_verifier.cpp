// For hashes_test.py: reads lines `HASH TAB PASSWORD` and says of each "right", or why it is not.
#include "core/text.hpp"
#include "sasl/imported_hash.hpp"

#include <fmt/format.h>

#include <iostream>
#include <string>

using namespace postrider;

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const auto [hash, password] = split_once(line, '\t');
    const Result<void> verified = sasl::verify_imported_hash(hash, Secret(std::string(password)));
    fmt::print("{}\n", verified ? std::string("right") : std::string(name_of(verified.error().code)));
  }
  return 0;
}
