// Numbers from outside: parsed strictly, added and multiplied with overflow checks, narrowed on purpose.
#pragma once

#include "core/check.hpp"
#include "core/result.hpp"

#include <charconv>
#include <concepts>
#include <limits>
#include <string_view>

namespace postrider {

template <std::integral T>
struct NumberRange {
  T min = std::numeric_limits<T>::min();
  T max = std::numeric_limits<T>::max();
};

/// A decimal number that is all of `text`: no sign for unsigned types, no blanks, no '+', nothing after it.
/// Errors  malformed: not a number; too_long: outside the range (or not representable in T).
template <std::integral T>
[[nodiscard]] Result<T> parse_number(std::string_view text, NumberRange<T> range = {}) {
  T value{};
  const char* const last = text.data() + text.size();
  const auto [end, code] = std::from_chars(text.data(), last, value);
  if (code == std::errc::result_out_of_range && end == last) return error(Error::too_long, "number", "out of range");
  if (code != std::errc{} || end != last) return error(Error::malformed, "number", "not a decimal number");
  if (value < range.min || value > range.max) return error(Error::too_long, "number", "out of range");
  return value;
}

template <std::integral T>
[[nodiscard]] Result<T> checked_add(T a, T b) {
  T sum{};
  if (__builtin_add_overflow(a, b, &sum)) return error(Error::too_long, "number", "sum overflows");
  return sum;
}

template <std::integral T>
[[nodiscard]] Result<T> checked_mul(T a, T b) {
  T product{};
  if (__builtin_mul_overflow(a, b, &product)) return error(Error::too_long, "number", "product overflows");
  return product;
}

/// Narrows a value that is known to fit; a value that does not is a bug of ours.
template <std::integral To, std::integral From>
[[nodiscard]] constexpr To narrow(From value) {
  check(std::in_range<To>(value), "narrow: value does not fit");
  return static_cast<To>(value);
}

}  // namespace postrider
