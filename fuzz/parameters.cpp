// rooms: mail core
// Parameters: what is read is bounded UTF-8 without controls and can be written and read again; any value comes back.
#include "mail/parameters.hpp"

#include "core/check.hpp"
#include "core/text.hpp"
#include "mail/printable.hpp"

#include <cstdint>
#include <string>
#include <string_view>

using namespace postrider;

namespace {

void check_written(std::string_view value) {
  constexpr std::size_t kWrittenMax = 30'000;
  if (value.size() > kWrittenMax) return;
  const std::string encoded = mail::encode_parameter("name", value);
  for (const std::string_view line : split(encoded, '\n')) check(line.size() < 998, "short lines");
  const mail::ParameterizedValue out = mail::parse_parameterized("a/b" + encoded);
  check(out.value == "a/b" && out.parameters.size() == 1 && out.defects.empty(), "one parameter");
  if (mail::is_printable_utf8(value)) check(out.parameters.front().value == value, "parse(encode(x)) == x");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view value(reinterpret_cast<const char*>(data), size);
  const mail::ParameterizedValue out = mail::parse_parameterized(value);
  check(mail::is_printable_utf8(out.value), "a value without controls");
  check(out.parameters.size() <= mail::kParameterSegmentsMax, "bounded");
  for (std::size_t i = 0; i < out.parameters.size(); ++i) {
    const mail::Parameter& parameter = out.parameters[i];
    check(!parameter.name.empty() && lowered_ascii(parameter.name) == parameter.name, "named in lower case");
    check(mail::is_printable_utf8(parameter.name) && mail::is_printable_utf8(parameter.value), "no controls");
    for (std::size_t j = 0; j < i; ++j) check(out.parameters[j].name != parameter.name, "each name once");
    check_written(parameter.value);
  }
  check_written(value);
  return 0;
}
