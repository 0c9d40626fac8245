#include "sasl/imported_hash.hpp"

#include "core/numbers.hpp"
#include "core/text.hpp"
#include "sasl/imported_scheme.hpp"
#include "sasl/password.hpp"

namespace postrider::sasl {

Result<void> check_imported_hash(std::string_view text) {
  const Result<ImportedHash> parsed = parse_imported_hash(text);
  if (!parsed) return fail(parsed);
  return {};
}

Result<void> verify_imported_hash(std::string_view text, const Secret& password) {
  if (password.reveal().size() > kPasswordOctetsMax) return error(Error::too_long, "sasl.import", "over 1024 octets");
  const Result<ImportedHash> parsed = parse_imported_hash(text);
  if (!parsed) return fail(parsed);
  const Result<bool> same = matches(*parsed, password);
  if (!same) return fail(same);
  if (!*same) return error(Error::denied, "sasl.import", "wrong password");
  return {};
}

}  // namespace postrider::sasl
