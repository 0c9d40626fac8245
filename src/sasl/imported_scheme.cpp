#include "sasl/imported_scheme.hpp"

#include "core/numbers.hpp"
#include "core/text.hpp"
#include "sasl/password.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

namespace postrider::sasl {

namespace {

constexpr std::string_view kPlace = "sasl.import";

std::unexpected<Error> malformed(std::string_view detail) {
  return error(Error::malformed, kPlace, std::string(detail));
}
std::unexpected<Error> unsupported(std::string_view scheme) {
  return error(Error::unsupported, kPlace, "scheme " + printable_ascii(scheme, 40));
}

Result<std::string> from_hex(std::string_view text) {
  const auto value = [](char c) {
    if (is_digit_ascii(c)) return c - '0';
    const char lower = to_lower_ascii(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
  };
  if (text.size() % 2 != 0) return malformed("hex");
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = value(text[i]);
    const int low = value(text[i + 1]);
    if (high < 0 || low < 0) return malformed("hex");
    out += static_cast<char>(high * 16 + low);
  }
  return out;
}

enum class Encoding : std::uint8_t { usual, hex, base64 };

/// What stands behind `{SCHEME}`.
struct Stated {
  std::string scheme;  // in capitals, without the encoding
  Encoding encoding = Encoding::usual;
  std::string_view value;
};

std::size_t octets_of(DigestKind kind) {
  switch (kind) {
    case DigestKind::sha1: return 20;
    case DigestKind::sha256: return 32;
    case DigestKind::sha512: return 64;
  }
  return 0;
}

/// The schemes whose value is octets rather than text.
struct DigestRow {
  std::string_view scheme;
  DigestKind kind;
  bool salted;
};
constexpr auto kDigests = std::to_array<DigestRow>({
    {"SHA", DigestKind::sha1, false},
    {"SHA1", DigestKind::sha1, false},
    {"SSHA", DigestKind::sha1, true},
    {"SHA256", DigestKind::sha256, false},
    {"SSHA256", DigestKind::sha256, true},
    {"SHA512", DigestKind::sha512, false},
    {"SSHA512", DigestKind::sha512, true},
});

/// The schemes whose value is a `$…$` hash, and how that begins.
struct CryptRow {
  std::string_view scheme;
  std::array<std::string_view, 3> prefixes;
};
constexpr auto kCrypts = std::to_array<CryptRow>({
    {"CRYPT", {"$", "$", "$"}},
    {"MD5-CRYPT", {"$1$", "$1$", "$1$"}},
    {"SHA256-CRYPT", {"$5$", "$5$", "$5$"}},
    {"SHA512-CRYPT", {"$6$", "$6$", "$6$"}},
    {"BLF-CRYPT", {"$2y$", "$2a$", "$2b$"}},
    {"ARGON2I", {"$argon2i$", "$argon2i$", "$argon2i$"}},
    {"ARGON2ID", {"$argon2id$", "$argon2id$", "$argon2id$"}},
});

Result<Stated> take_scheme(std::string_view text) {
  const std::size_t end = text.find('}');
  if (end == std::string_view::npos) return malformed("no '}'");
  const auto [name, suffix] = split_once(text.substr(1, end - 1), '.');
  Stated out{.scheme = {}, .encoding = Encoding::usual, .value = text.substr(end + 1)};
  std::ranges::transform(name, std::back_inserter(out.scheme), to_upper_ascii);
  if (iequals_ascii(suffix, "HEX")) {
    out.encoding = Encoding::hex;
  } else if (iequals_ascii(suffix, "B64") || iequals_ascii(suffix, "BASE64")) {
    out.encoding = Encoding::base64;
  } else if (!suffix.empty()) {
    return unsupported(text.substr(1, end - 1));
  }
  return out;
}

Result<std::string> decode(Encoding encoding, std::string_view value) {
  return encoding == Encoding::hex ? from_hex(value) : from_base64(value);
}

Result<ImportedHash> read_digest(const DigestRow& row, const Stated& stated) {
  const std::size_t size = octets_of(row.kind);
  const bool looks_hex = stated.encoding == Encoding::usual && !row.salted && stated.value.size() == 2 * size;
  Result<std::string> octets = decode(looks_hex ? Encoding::hex : stated.encoding, stated.value);
  if (!octets) return fail(octets);
  if (row.salted ? octets->size() <= size : octets->size() != size) return malformed("length of the digest");
  SaltedDigest out{.kind = row.kind, .digest = octets->substr(0, size), .salt = octets->substr(size)};
  return out;
}

/// $1$SALT$ITERATIONS$HEX
Result<ImportedHash> read_pbkdf2(std::string_view value) {
  const std::vector<std::string_view> pieces = split(value, '$');
  if (pieces.size() != 5 || !pieces[0].empty() || pieces[1] != "1" || pieces[2].empty()) return malformed("PBKDF2");
  const Result<std::uint32_t> iterations = parse_number<std::uint32_t>(pieces[3]);
  Result<std::string> key = from_hex(pieces[4]);
  if (!iterations || *iterations == 0 || !key || key->size() != 20) return malformed("PBKDF2");
  if (*iterations > kPbkdf2IterationsMax) return error(Error::exhausted, kPlace, "too many iterations");
  Pbkdf2Hash out{.salt = std::string(pieces[2]), .iterations = *iterations, .key = std::move(*key)};
  return out;
}

/// ITERATIONS,SALT,STORED,SERVER
Result<ImportedHash> read_scram(ScramHash hash, std::string_view value) {
  const std::vector<std::string_view> pieces = split(value, ',');
  if (pieces.size() != 4) return malformed("SCRAM");
  const Result<std::uint32_t> iterations = parse_number<std::uint32_t>(pieces[0]);
  Result<std::string> salt = from_base64(pieces[1]);
  Result<std::string> stored = from_base64(pieces[2]);
  Result<std::string> server = from_base64(pieces[3]);
  const std::size_t size = hash == ScramHash::sha1 ? 20 : 32;
  if (!iterations || *iterations == 0 || !salt || salt->empty() || salt->size() > kScramSaltOctetsMax || !stored ||
      !server || stored->size() != size || server->size() != size) {
    return malformed("SCRAM");
  }
  if (*iterations > kScramIterationsMax) return error(Error::exhausted, kPlace, "too many iterations");
  ScramHashed out{.hash = hash,
                  .keys = {.salt = std::move(*salt),
                           .iterations = *iterations,
                           .stored_key = std::move(*stored),
                           .server_key = std::move(*server)}};
  return out;
}

Result<ImportedHash> read_text_scheme(std::string_view scheme, std::string_view value) {
  if (scheme == "PBKDF2") return read_pbkdf2(value);
  if (scheme == "SCRAM-SHA-1") return read_scram(ScramHash::sha1, value);
  if (scheme == "SCRAM-SHA-256") return read_scram(ScramHash::sha256, value);
  const auto* const row = std::ranges::find(kCrypts, scheme, &CryptRow::scheme);
  if (row == kCrypts.end()) return unsupported(scheme);
  if (row->scheme == "CRYPT" && !value.starts_with('$')) return unsupported("CRYPT without a $method$");
  if (!std::ranges::any_of(row->prefixes, [&](std::string_view p) { return value.starts_with(p); })) {
    return malformed("the hash is not of its scheme");
  }
  return parse_crypt_hash(value);
}

}  // namespace

Result<ImportedHash> parse_imported_hash(std::string_view text) {
  if (text.size() > kImportedHashOctetsMax) return error(Error::malformed, kPlace, "over 1024 octets");
  if (text.find('\0') != std::string_view::npos) return malformed("a NUL");
  if (text.starts_with('$')) return parse_crypt_hash(text);
  if (!text.starts_with('{')) return malformed("want $… or {SCHEME}…");
  const Result<Stated> stated = take_scheme(text);
  if (!stated) return fail(stated);
  const auto* const digest = std::ranges::find(kDigests, stated->scheme, &DigestRow::scheme);
  if (digest != kDigests.end()) return read_digest(*digest, *stated);
  if (stated->encoding == Encoding::usual) return read_text_scheme(stated->scheme, stated->value);
  const Result<std::string> value = decode(stated->encoding, stated->value);
  if (!value) return fail(value);
  if (value->find('\0') != std::string::npos) return malformed("a NUL");
  return read_text_scheme(stated->scheme, *value);
}

}  // namespace postrider::sasl
