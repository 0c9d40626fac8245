#include "directory/app_password.hpp"

#include "core/record.hpp"
#include "core/text.hpp"
#include "sasl/digest.hpp"

#include <cstdint>
#include <string_view>
#include <utility>

namespace postrider::directory {

namespace {

constexpr std::string_view kLetters = "abcdefghijkmnpqrstuvwxyz23456789";  // without l, o, 0 and 1, which look alike
static_assert(kLetters.size() == 32);
constexpr std::size_t kGroupLetters = 6;

char letter(Random& random) { return kLetters[random.below(kLetters.size())]; }

}  // namespace

Secret make_app_password(Random& random) {
  std::string out;
  out.reserve(2 * kAppPasswordLetters);  // no copy of it stays behind
  for (std::size_t i = 0; i < kAppPasswordLetters; ++i) {
    if (i > 0 && i % kGroupLetters == 0) out += '-';
    out += letter(random);
  }
  return Secret(std::move(out));
}

std::string make_app_password_id(Random& random) {
  std::string out;
  for (std::size_t i = 0; i < kAppPasswordIdLetters; ++i) out += letter(random);
  return out;
}

std::string digest_of_app_password(mail::AccountId account, const Secret& password) {
  std::string text = "postrider app password";
  text.reserve(text.size() + sizeof(std::uint64_t) + password.reveal().size());  // no copy of it stays behind
  append_u64(text, static_cast<std::uint64_t>(account));
  for (const char c : password.reveal()) {
    if (c != '-' && c != ' ') text += to_lower_ascii(c);
  }
  const Secret octets(std::move(text));
  return sasl::sha256(octets.reveal());
}

}  // namespace postrider::directory
