#include "core/text.hpp"
#include "dns/resolver.hpp"

#include <algorithm>

namespace postrider::dns {

namespace {

constexpr std::size_t kNameOctetsMax = 253;  // 1035 §2.3.4: 255 on the wire
constexpr std::size_t kLabelOctetsMax = 63;  // 1035 §2.3.4

bool is_plain(char c) { return c > ' ' && c <= '~' && c != '\\'; }

}  // namespace

Result<Name> Name::parse(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.size() > kNameOctetsMax) return error(Error::too_long, "dns.name", "over 253 octets");
  if (!std::ranges::all_of(text, &is_plain)) return error(Error::malformed, "dns.name", "octets that need escapes");
  for (const std::string_view label : split(text, '.')) {
    if (label.empty()) return error(Error::malformed, "dns.name", "an empty label");
    if (label.size() > kLabelOctetsMax) return error(Error::too_long, "dns.name", "a label over 63 octets");
  }
  return Name(lowered_ascii(text));  // 4343 §3
}

}  // namespace postrider::dns
