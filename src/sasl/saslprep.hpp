// SASLprep (4013): the form in which names and passwords are compared.
#pragma once

#include "core/result.hpp"
#include "core/secret.hpp"

#include <string>
#include <string_view>

namespace postrider::sasl {

/// Takes  UTF-8. Printable ASCII is unchanged; elsewhere blanks become spaces, what is invisible is dropped, and NFKC
/// is applied (as of Unicode 3.2). Code points that are unassigned there stay as they are, as in a query (3454 §7):
/// emoji are in people's passwords. Errors  malformed: not UTF-8, empty or nothing left, prohibited (control characters
/// among it), or of mixed direction; too_long: over kPasswordOctetsMax, before or after.
[[nodiscard]] Result<Secret> saslprep(const Secret& text);

}  // namespace postrider::sasl
