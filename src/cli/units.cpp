// Sizes, durations and near names of the configuration.
#include "cli/config.hpp"
#include "core/numbers.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>

namespace postrider::cli {

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
  if (unit == units.end()) return error(Error::malformed, "config.unit", "unknown unit");
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
  if (*nanoseconds > static_cast<std::uint64_t>(Duration::max().count()))
    return error(Error::too_long, "config.duration");
  return Duration(static_cast<Duration::rep>(*nanoseconds));
}

std::string nearest(std::string_view text, const std::vector<std::string_view>& known) {
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(2, text.size() / 3) + 1;
  for (const std::string_view candidate : known) {
    std::vector<std::size_t> row(candidate.size() + 1);
    for (std::size_t i = 0; i < row.size(); ++i) row[i] = i;
    for (std::size_t i = 1; i <= text.size(); ++i) {  // Levenshtein, one row
      std::size_t diagonal = row[0];
      row[0] = i;
      for (std::size_t j = 1; j < row.size(); ++j) {
        const std::size_t substituted = diagonal + (text[i - 1] == candidate[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return std::string(best);
}

}  // namespace postrider::cli
