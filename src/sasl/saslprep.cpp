#include "sasl/saslprep.hpp"

#include "core/text.hpp"
#include "sasl/password.hpp"

#include <openssl/crypto.h>
#include <unicode/usprep.h>
#include <unicode/ustring.h>

#include <algorithm>
#include <array>
#include <memory>

namespace postrider::sasl {

namespace {

struct CloseProfile {
  void operator()(UStringPrepProfile* profile) const { ::usprep_close(profile); }
};

/// NFKC makes one code point 18 UTF-16 units at most.
constexpr std::size_t kUnitsMax = kPasswordOctetsMax * 18;

struct Units {
  std::array<UChar, kUnitsMax> octets = {};
  int32_t size = 0;
  Units() = default;
  Units(const Units&) = delete;
  Units& operator=(const Units&) = delete;
  ~Units() { ::OPENSSL_cleanse(octets.data(), sizeof octets); }
};

Result<Secret> prepare(std::string_view text) {
  UErrorCode status = U_ZERO_ERROR;
  const auto units = std::make_unique<Units>();
  ::u_strFromUTF8(units->octets.data(), kUnitsMax, &units->size, text.data(), static_cast<int32_t>(text.size()),
                  &status);
  const std::unique_ptr<UStringPrepProfile, CloseProfile> profile(
      ::usprep_openByType(USPREP_RFC4013_SASLPREP, &status));
  if (U_FAILURE(status)) return error(Error::exhausted, "sasl.prep", ::u_errorName(status));
  const auto prepared = std::make_unique<Units>();
  prepared->size = ::usprep_prepare(profile.get(), units->octets.data(), units->size, prepared->octets.data(),
                                    kUnitsMax, USPREP_ALLOW_UNASSIGNED, nullptr, &status);
  if (U_FAILURE(status)) return error(Error::malformed, "sasl.prep", ::u_errorName(status));
  std::string out(static_cast<std::size_t>(prepared->size) * 3, '\0');  // a unit is three octets at most
  int32_t octets = 0;
  ::u_strToUTF8(out.data(), static_cast<int32_t>(out.size()), &octets, prepared->octets.data(), prepared->size,
                &status);
  out.resize(U_FAILURE(status) ? 0 : static_cast<std::size_t>(octets));
  Secret secret(std::move(out));
  if (secret.empty()) return error(Error::malformed, "sasl.prep", "nothing is left");
  if (secret.reveal().size() > kPasswordOctetsMax) return error(Error::too_long, "sasl.prep");
  return secret;
}

}  // namespace

Result<Secret> saslprep(const Secret& text) {
  const std::string_view octets = text.reveal();
  if (octets.empty()) return error(Error::malformed, "sasl.prep", "empty");
  if (octets.size() > kPasswordOctetsMax) return error(Error::too_long, "sasl.prep");
  if (!is_ascii(octets)) {
    if (!is_utf8(octets)) return error(Error::malformed, "sasl.prep", "not UTF-8");
    return prepare(octets);
  }
  if (std::ranges::any_of(octets, [](char c) { return c < ' ' || c == '\x7f'; })) {  // 4013 §2.3
    return error(Error::malformed, "sasl.prep", "a control character");
  }
  return text;
}

}  // namespace postrider::sasl
