// rooms: core
// Stored records: any octets are read without harm, and what was read is written and read again the same.
#include "core/check.hpp"
#include "core/record.hpp"

#include <cstdint>
#include <string>
#include <string_view>

using namespace postrider;

namespace {

constexpr std::uint8_t kFormat = 7;

/// The fields of a record, as a decoder that is told by `plan` what to expect reads them; written again on the way.
void read_by_plan(std::string_view plan, const std::string& octets) {
  RecordReader in(octets, kFormat);
  RecordWriter out(kFormat);
  for (const char kind : plan) {
    switch (static_cast<unsigned char>(kind) % 5) {
      case 0: out.number(in.number()); break;
      case 1: out.signed_number(in.signed_number()); break;
      case 2: out.text(in.text()); break;
      case 3: out.flag(in.flag()); break;
      case 4: {
        const std::size_t count = in.count();
        check(count <= octets.size(), "a count is never more than the octets left");
        out.number(count);
        break;
      }
    }
  }
  if (!in.end()) return;
  const std::string again = std::move(out).finish();
  RecordReader second(again, kFormat);
  for (const char kind : plan) {
    switch (static_cast<unsigned char>(kind) % 5) {
      case 0: static_cast<void>(second.number()); break;
      case 1: static_cast<void>(second.signed_number()); break;
      case 2: static_cast<void>(second.text()); break;
      case 3: static_cast<void>(second.flag()); break;
      case 4: static_cast<void>(second.number()); break;
    }
  }
  check(second.end().has_value(), "what was written is read");
  check(again.size() <= octets.size(), "numbers are written in their shortest form");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view plan =
      input.substr(0, input.empty() ? 0 : std::min<std::size_t>(static_cast<unsigned char>(input.front()) % 16, size));
  const std::string_view rest = input.substr(plan.size());
  read_by_plan(plan, std::string(rest));
  std::string sealed(1, static_cast<char>(kFormat));  // with a checksum that fits, so that the fields are reached
  sealed += rest;
  append_u32(sealed, crc32c(sealed));
  read_by_plan(plan, sealed);
  return 0;
}
