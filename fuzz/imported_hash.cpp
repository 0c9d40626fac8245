// rooms: sasl core
// Imported hashes: what is taken costs no more than it may, and what is cheap is computed and is not of a password that
// it was not made of. The text is the whole input.
#include "sasl/imported_hash.hpp"

#include "core/check.hpp"
#include "core/overloaded.hpp"
#include "sasl/imported_scheme.hpp"

#include <cstdint>
#include <string_view>

using namespace postrider;

namespace {

bool is_cheap(const sasl::ImportedHash& hash) {
  return std::visit(
      Overloaded{[](const sasl::CryptHash& h) { return h.text.starts_with("$1$"); },
                 [](const sasl::ArgonHash&) { return false; }, [](const sasl::SaltedDigest&) { return true; },
                 [](const sasl::Pbkdf2Hash& h) { return h.iterations <= 1000; },
                 [](const sasl::ScramHashed& h) { return h.keys.iterations <= 1000; }},
      hash);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Result<sasl::ImportedHash> parsed = sasl::parse_imported_hash(text);
  check(parsed.has_value() == sasl::check_imported_hash(text).has_value(), "both entries agree");
  if (!parsed) return 0;
  check(text.size() <= sasl::kImportedHashOctetsMax, "bounded");
  if (const auto* hash = std::get_if<sasl::Pbkdf2Hash>(&*parsed)) {
    check(hash->iterations >= 1 && hash->iterations <= sasl::kPbkdf2IterationsMax, "bounded");
  }
  if (const auto* hash = std::get_if<sasl::ScramHashed>(&*parsed)) {
    check(hash->keys.iterations >= 1 && hash->keys.iterations <= sasl::kScramIterationsMax, "bounded");
  }
  if (is_cheap(*parsed)) {
    const Result<void> verified = sasl::verify_imported_hash(text, Secret("of none of the corpus"));
    check(!verified && (verified.error().code == Error::denied || verified.error().code == Error::malformed), "no");
  }
  return 0;
}
