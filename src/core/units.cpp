#include "core/units.hpp"

#include "core/numbers.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace postrider {

namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

/// A number with one of `units` behind it, blanks between them allowed.
Result<std::uint64_t> parse_with_unit(std::string_view text, std::span<const Unit> units) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const Result<std::uint64_t> number = parse_number<std::uint64_t>(text.substr(0, digits));
  if (!number) return fail(number);
  const std::string_view name = trimmed(text.substr(digits));
  const auto unit = std::ranges::find(units, name, &Unit::name);
  if (unit == units.end()) return error(Error::malformed, "unit", "unknown unit");
  return checked_mul(*number, unit->factor);
}

}  // namespace

Result<std::uint64_t> parse_size(std::string_view text) {
  static constexpr auto kUnits = std::to_array<Unit>({{"", 1},
                                                      {"B", 1},
                                                      {"KB", 1000},
                                                      {"MB", 1000 * 1000},
                                                      {"GB", 1000 * 1000 * 1000},
                                                      {"KiB", 1024},
                                                      {"MiB", 1024 * 1024},
                                                      {"GiB", 1024 * 1024 * 1024}});
  return parse_with_unit(text, kUnits);
}

Result<Duration> parse_duration(std::string_view text) {
  static constexpr std::uint64_t kSecond = 1'000'000'000;
  static constexpr auto kUnits = std::to_array<Unit>(
      {{"ms", kSecond / 1000}, {"s", kSecond}, {"m", 60 * kSecond}, {"h", 3600 * kSecond}, {"d", 86'400 * kSecond}});
  const Result<std::uint64_t> nanoseconds = parse_with_unit(text, kUnits);
  if (!nanoseconds) return fail(nanoseconds);
  if (*nanoseconds > static_cast<std::uint64_t>(Duration::max().count())) return error(Error::too_long, "duration");
  return Duration(static_cast<Duration::rep>(*nanoseconds));
}

}  // namespace postrider
