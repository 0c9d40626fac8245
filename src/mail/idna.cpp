#include "mail/idna.hpp"

#include "core/text.hpp"
#include "mail/printable.hpp"

#include <idn2.h>

#include <algorithm>
#include <array>
#include <memory>

namespace postrider::mail {

namespace {

constexpr std::string_view kPlace = "mail.idna";
constexpr std::size_t kLabelTextOctetsMax = 255;  // no longer name has a DNS form (1035 §2.3.4)
constexpr std::array<std::string_view, 3> kFullStops = {"\xe3\x80\x82", "\xef\xbc\x8e", "\xef\xbd\xa1"};

struct Idn2Free {
  void operator()(std::uint8_t* text) const { idn2_free(text); }
};
using Idn2Text = std::unique_ptr<std::uint8_t, Idn2Free>;

std::string text_of(const Idn2Text& text) { return reinterpret_cast<const char*>(text.get()); }

/// Calls libidn2; `label` holds no NUL.
Result<std::string> look_up(const std::string& label, int flags) {
  std::uint8_t* out = nullptr;
  const int code = idn2_lookup_u8(reinterpret_cast<const std::uint8_t*>(label.c_str()), &out, flags);
  const Idn2Text owned(out);
  if (code != IDN2_OK) return error(Error::malformed, kPlace, idn2_strerror_name(code));
  return text_of(owned);
}

Result<std::string> to_u_label(const std::string& a_label) {
  char* out = nullptr;
  const int code = idn2_to_unicode_8z8z(a_label.c_str(), &out, 0);
  const Idn2Text owned(reinterpret_cast<std::uint8_t*>(out));
  if (code != IDN2_OK) return error(Error::malformed, kPlace, idn2_strerror_name(code));
  return text_of(owned);
}

bool is_ldh_label(std::string_view label) {
  if (label.empty() || label.front() == '-' || label.back() == '-') return false;
  return std::ranges::all_of(label, [](char c) { return c == '-' || is_alnum_ascii(c); });
}

std::string with_ascii_dots(std::string_view name) {
  std::string out;
  while (!name.empty()) {
    const auto stop = std::ranges::find_if(kFullStops, [&](std::string_view dot) { return name.starts_with(dot); });
    out += stop == kFullStops.end() ? name.front() : '.';
    name.remove_prefix(stop == kFullStops.end() ? 1 : stop->size());
  }
  return out;
}

}  // namespace

Result<std::string> to_a_label(std::string_view label) {
  if (label.size() > kLabelTextOctetsMax || !is_printable_utf8(label))
    return error(Error::malformed, kPlace, "not a label");
  const Result<std::string> mapped = look_up(std::string(label), IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  if (!mapped) return fail(mapped);
  if (!is_ldh_label(*mapped)) return error(Error::malformed, kPlace, "not a label");
  // The mapping lets through what IDNA2008 does not: its result is judged once more, as it is (5891 §5.4).
  const Result<std::string> u_label = to_u_label(*mapped);
  if (!u_label) return fail(u_label);
  const Result<std::string> strict = look_up(*u_label, IDN2_NO_TR46);
  if (!strict) return fail(strict);
  if (*strict != *mapped) return error(Error::malformed, kPlace, "not a label");
  return *strict;
}

Result<std::string> to_a_labels(std::string_view name) {
  std::string out;
  const std::string dotted = with_ascii_dots(name);
  for (const std::string_view label : split(dotted, '.')) {
    if (label.data() != dotted.data()) out += '.';
    if (is_ascii(label)) {
      out += label;
      continue;
    }
    const Result<std::string> a_label = to_a_label(label);
    if (!a_label) return fail(a_label);
    out += *a_label;
  }
  return out;
}

}  // namespace postrider::mail
