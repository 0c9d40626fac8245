#include "mail/date.hpp"

#include "core/numbers.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

namespace postrider::mail {
namespace {

constexpr std::string_view kPlace = "mail.date";
constexpr std::size_t kTokensMax = 16;  // a date has at most seven; ours
constexpr std::array<std::string_view, 12> kMonths = {"january",   "february", "march",    "april",
                                                      "may",       "june",     "july",     "august",
                                                      "september", "october",  "november", "december"};
constexpr std::array<std::string_view, 7> kDays = {"sunday",   "monday", "tuesday", "wednesday",
                                                   "thursday", "friday", "saturday"};

/// Words, numbers, times and zones in their order, lower case; comments, blanks and commas between them are gone.
std::vector<std::string> tokens_of(std::string_view value) {
  std::vector<std::string> tokens;
  std::size_t depth = 0;
  bool open = false;  // the last token goes on
  bool time = false;  // a colon was seen: from there on signs are those of zones
  for (std::size_t i = 0; i < value.size() && tokens.size() <= kTokensMax; ++i) {
    const char c = to_lower_ascii(value[i]);
    if (c == '(') {
      ++depth;
    } else if (depth > 0) {
      if (c == '\\') ++i;
      if (c == ')') --depth;
    }
    if (depth > 0 || c == ')') {
      open = false;
      continue;
    }
    time = time || c == ':';
    const bool sign = time && (c == '+' || c == '-');
    if (is_alnum_ascii(c) || c == ':' || sign) {
      if (!open || sign) tokens.emplace_back();  // `07:11:04+0200`, `GMT+0200`; not `4-May-2026`
      open = true;
      tokens.back() += c;
    } else {
      open = false;
    }
  }
  return tokens;
}

/// Where `word` is one of `names`, or at least its first three letters.
template <std::size_t N>
std::optional<std::size_t> index_in(const std::array<std::string_view, N>& names, std::string_view word) {
  if (word.size() < 3) return std::nullopt;
  const auto* const found = std::ranges::find_if(names, [&](std::string_view name) { return name.starts_with(word); });
  if (found == names.end()) return std::nullopt;
  return static_cast<std::size_t>(found - names.begin());
}

/// 5322 §4.3; military zones say nothing sure and are 0 there, as unknown ones are.
std::chrono::minutes named_zone(std::string_view word) {
  struct Zone {
    std::string_view name;
    int hours;
  };
  static constexpr auto kZones = std::to_array<Zone>(
      {{"est", -5}, {"edt", -4}, {"cst", -6}, {"cdt", -5}, {"mst", -7}, {"mdt", -6}, {"pst", -8}, {"pdt", -7}});
  const auto* const found = std::ranges::find(kZones, word, &Zone::name);
  return std::chrono::hours(found == kZones.end() ? 0 : found->hours);
}

/// `+0200`; `+2`, `+02`, `+200` and `+02:00` in the wild.
Result<std::chrono::minutes> numeric_zone(std::string_view token) {
  std::string digits;
  std::ranges::copy_if(token.substr(1), std::back_inserter(digits), [](char c) { return c != ':'; });
  if (digits.size() <= 2) digits += "00";
  const Result<unsigned> number = parse_number<unsigned>(digits, {.min = 0, .max = 9959});
  if (!number) return fail(number);
  if (*number % 100 > 59) return error(Error::too_long, kPlace, "zone");
  const std::chrono::minutes offset = std::chrono::hours(*number / 100) + std::chrono::minutes(*number % 100);
  return token.front() == '-' ? -offset : offset;
}

/// `7:11`, `07:11:04`, with a leap second.
Result<std::chrono::seconds> time_of_day(std::string_view token) {
  const std::vector<std::string_view> pieces = split(token, ':');
  if (pieces.size() > 3) return error(Error::malformed, kPlace, "time of day");
  const Result<unsigned> hours = parse_number<unsigned>(pieces[0], {.min = 0, .max = 23});
  if (!hours) return fail(hours);
  const Result<unsigned> minutes = parse_number<unsigned>(pieces[1], {.min = 0, .max = 59});
  if (!minutes) return fail(minutes);
  const Result<unsigned> seconds =
      pieces.size() == 3 ? parse_number<unsigned>(pieces[2], {.min = 0, .max = 60}) : Result<unsigned>(0);
  if (!seconds) return fail(seconds);
  return std::chrono::hours(*hours) + std::chrono::minutes(*minutes) + std::chrono::seconds(*seconds);
}

Result<std::chrono::year> year_of(std::string_view token) {
  const Result<int> number = parse_number<int>(token, {.min = 0, .max = 9999});
  if (!number) return fail(number);
  int year = *number;
  if (token.size() <= 2)
    year += year < 50 ? 2000 : 1900;  // 5322 §4.3
  else if (token.size() == 3)
    year += 1900;
  if (year < 1900) return error(Error::too_long, kPlace, "year");  // 5322 §3.3
  return std::chrono::year(year);
}

/// What was found so far; tokens may come in the order of asctime, too.
struct Fields {
  std::optional<unsigned> day;
  std::optional<std::size_t> month;
  std::optional<std::chrono::year> year;
  std::optional<std::chrono::seconds> time;
  std::optional<std::chrono::minutes> offset;
};

Result<void> take_number(std::string_view token, Fields& fields) {
  if (!fields.day) {
    const Result<unsigned> day = parse_number<unsigned>(token, {.min = 1, .max = 31});
    if (!day) return fail(day);
    fields.day = *day;
  } else if (!fields.year) {
    const Result<std::chrono::year> year = year_of(token);
    if (!year) return fail(year);
    fields.year = *year;
  }
  return {};
}

Result<void> take(std::string_view token, Fields& fields) {
  const char first = token.front();
  if (first == '+' || first == '-') {
    if (!fields.time || token.size() == 1) return {};
    const Result<std::chrono::minutes> offset = numeric_zone(token);
    if (!offset) return fail(offset);
    fields.offset = *offset;
  } else if (token.contains(':')) {
    if (fields.time) return {};
    const Result<std::chrono::seconds> time = time_of_day(token);
    if (!time) return fail(time);
    fields.time = *time;
  } else if (is_digit_ascii(first)) {
    return take_number(token, fields);
  } else if (const std::optional<std::size_t> month = index_in(kMonths, token); month && !fields.month) {
    fields.month = month;
  } else if (fields.time && !fields.offset && !index_in(kDays, token)) {
    fields.offset = named_zone(token);
  }
  return {};
}

}  // namespace

Result<DateTime> parse_date(std::string_view value) {
  const std::vector<std::string> tokens = tokens_of(value);
  if (tokens.size() > kTokensMax) return error(Error::malformed, kPlace, "too many words");
  Fields fields;
  for (const std::string& token : tokens) {
    const Result<void> taken = take(token, fields);
    if (!taken) return fail(taken);
  }
  if (!fields.day || !fields.month || !fields.year) return error(Error::malformed, kPlace, "no date");
  if (!fields.time) return error(Error::malformed, kPlace, "no time of day");
  const std::chrono::year_month_day date =
      *fields.year / std::chrono::month(static_cast<unsigned>(*fields.month) + 1) / std::chrono::day(*fields.day);
  if (!date.ok()) return error(Error::too_long, kPlace, "day of month");
  const std::chrono::minutes offset = fields.offset.value_or(std::chrono::minutes(0));
  return DateTime{.at = std::chrono::sys_days(date) + *fields.time - offset, .offset = offset};
}

}  // namespace postrider::mail
