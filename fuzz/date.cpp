// rooms: mail core
// Dates: what could be read can be written and read again.
#include "mail/date.hpp"

#include "core/check.hpp"

#include <chrono>
#include <cstdint>
#include <string_view>

using namespace postrider;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Result<mail::DateTime> date = mail::parse_date({reinterpret_cast<const char*>(data), size});
  if (!date) {
    check(date.error().code == Error::malformed || date.error().code == Error::too_long, "stated errors only");
    return 0;
  }
  check(std::chrono::abs(date->offset) < std::chrono::hours(100), "offset in range");
  const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(date->at));
  if (day.year() < std::chrono::year(1900) || day.year() > std::chrono::year(9999)) return 0;  // by its offset only
  const Result<mail::DateTime> again = mail::parse_date(to_rfc5322_date(date->at));
  check(again && again->at == date->at && again->offset == std::chrono::minutes(0), "parse(print(x)) == x");
  return 0;
}
