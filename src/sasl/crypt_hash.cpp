// The `$…$` forms: their grammar and their cost, as crypt(5) and the argon2 reference write them.
#include "core/numbers.hpp"
#include "core/text.hpp"
#include "sasl/imported_scheme.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace postrider::sasl {

namespace {

constexpr std::string_view kPlace = "sasl.import";

std::unexpected<Error> malformed(std::string_view detail) {
  return error(Error::malformed, kPlace, std::string(detail));
}
std::unexpected<Error> costly(std::string_view detail) { return error(Error::exhausted, kPlace, std::string(detail)); }

bool is_crypt64(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return is_alnum_ascii(c) || c == '.' || c == '/'; });
}

/// The place of a character in ./0-9A-Za-z.
unsigned crypt64_value(char c) {
  if (c == '.' || c == '/') return static_cast<unsigned>(c - '.');
  if (is_digit_ascii(c)) return static_cast<unsigned>(c - '0') + 2;
  if (c >= 'A' && c <= 'Z') return static_cast<unsigned>(c - 'A') + 12;
  return static_cast<unsigned>(c - 'a') + 38;
}

bool is_crypt_salt(std::string_view text, std::size_t octets_max) {
  return text.size() <= octets_max && std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~' && c != ':'; });
}

Result<ImportedHash> as_crypt(std::string_view text) { return CryptHash{std::string(text)}; }

/// $1$SALT$HASH
Result<ImportedHash> read_md5(std::string_view text) {
  const std::vector<std::string_view> pieces = split(text, '$');
  if (pieces.size() != 4 || !is_crypt_salt(pieces[2], 8) || pieces[3].size() != 22 || !is_crypt64(pieces[3])) {
    return malformed("MD5-CRYPT");
  }
  return as_crypt(text);
}

/// $5$[rounds=N$]SALT$HASH
Result<ImportedHash> read_sha(std::string_view text, std::size_t hash_octets) {
  std::vector<std::string_view> pieces = split(text, '$');
  if (pieces.size() == 5 && pieces[2].starts_with("rounds=")) {
    const Result<std::uint32_t> rounds = parse_number<std::uint32_t>(pieces[2].substr(7));
    if (!rounds || *rounds < 1000) return malformed("rounds");  // fewer are never written
    if (*rounds > kCryptRoundsMax) return costly("too many rounds");
    pieces.erase(pieces.begin() + 2);
  }
  if (pieces.size() != 4 || !is_crypt_salt(pieces[2], 16) || pieces[3].size() != hash_octets ||
      !is_crypt64(pieces[3])) {
    return malformed("SHA-CRYPT");
  }
  return as_crypt(text);
}
Result<ImportedHash> read_sha256(std::string_view text) { return read_sha(text, 43); }
Result<ImportedHash> read_sha512(std::string_view text) { return read_sha(text, 86); }

/// $2y$COST$, 22 of salt, 31 of hash
Result<ImportedHash> read_bcrypt(std::string_view text) {
  const bool shaped = text.size() == 60 && is_digit_ascii(text[4]) && is_digit_ascii(text[5]) && text[6] == '$';
  if (!shaped || !is_crypt64(text.substr(7))) return malformed("BLF-CRYPT");
  const Result<unsigned> cost = parse_number<unsigned>(text.substr(4, 2));
  if (!cost || *cost < 4) return malformed("BLF-CRYPT");
  if (*cost > kBcryptCostMax) return costly("a bcrypt cost over 14");
  return as_crypt(text);
}

/// $y$, flavour, log2 N and r of a character each, $SALT$HASH; the longer forms (p, t) are not what crypt(3) makes.
Result<ImportedHash> read_yescrypt(std::string_view text) {
  const std::vector<std::string_view> pieces = split(text, '$');
  if (pieces.size() != 5 || pieces[2].size() != 3 || !is_crypt64(pieces[2]) || pieces[3].size() > 86 ||
      !is_crypt64(pieces[3]) || pieces[4].size() != 43 || !is_crypt64(pieces[4])) {
    return malformed("yescrypt");
  }
  const unsigned n_log2 = crypt64_value(pieces[2][1]) + 1;
  const unsigned r = crypt64_value(pieces[2][2]) + 1;
  if (pieces[2][0] != 'j' || n_log2 > 48 || r > 48) return malformed("yescrypt");
  constexpr std::uint64_t kBlockOctets = 128;
  if (n_log2 > 30 || (kBlockOctets << n_log2) * r > kImportedMemoryKibMax * 1024) return costly("too much memory");
  return as_crypt(text);
}

/// $argon2id$v=19$m=KIB,t=PASSES,p=LANES$SALT$HASH
Result<ImportedHash> read_argon(std::string_view text) {
  const std::vector<std::string_view> pieces = split(text, '$');
  if (pieces.size() >= 3 && !pieces[2].starts_with("v=19")) {
    return error(Error::unsupported, kPlace, "argon2 before version 1.3");
  }
  if (pieces.size() != 6) return malformed("argon2");
  const std::vector<std::string_view> costs = split(pieces[3], ',');
  if (costs.size() != 3 || !costs[0].starts_with("m=") || !costs[1].starts_with("t=") || !costs[2].starts_with("p=")) {
    return malformed("argon2");
  }
  const Result<std::uint32_t> memory = parse_number<std::uint32_t>(costs[0].substr(2));
  const Result<std::uint32_t> passes = parse_number<std::uint32_t>(costs[1].substr(2));
  const Result<std::uint32_t> lanes = parse_number<std::uint32_t>(costs[2].substr(2));
  if (!memory || !passes || !lanes || *memory == 0 || *passes == 0 || *lanes == 0) return malformed("argon2");
  if (*memory > kImportedMemoryKibMax || std::uint64_t{*memory} * *passes > kImportedMemoryPassesMax || *lanes > 64) {
    return costly("argon2 needs too much");
  }
  return ArgonHash{std::string(text)};
}

struct Form {
  std::string_view prefix;
  Result<ImportedHash> (*read)(std::string_view text);
};
constexpr auto kForms = std::to_array<Form>({
    {"$1$", &read_md5},
    {"$5$", &read_sha256},
    {"$6$", &read_sha512},
    {"$2a$", &read_bcrypt},
    {"$2b$", &read_bcrypt},
    {"$2y$", &read_bcrypt},
    {"$y$", &read_yescrypt},
    {"$argon2i$", &read_argon},
    {"$argon2id$", &read_argon},
});

}  // namespace

Result<ImportedHash> parse_crypt_hash(std::string_view text) {
  const auto* const form = std::ranges::find_if(kForms, [&](const Form& f) { return text.starts_with(f.prefix); });
  if (form != kForms.end()) return form->read(text);
  const std::string_view method = text.substr(0, text.find('$', 1));
  return error(Error::unsupported, kPlace, "method " + printable_ascii(method, 20));
}

}  // namespace postrider::sasl
