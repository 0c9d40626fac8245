// Internationalised domain names (IDNA2008: 5890, 5891) as the DNS has them. The only user of libidn2.
#pragma once

#include "core/result.hpp"

#include <string>
#include <string_view>

namespace postrider::mail {

/// The A-label of one label. Takes well-formed UTF-8 without a dot, at most 255 octets; upper case, compatibility and
/// decomposed forms are mapped first (UTS 46, non-transitional: `ß` stays its own letter).
/// Gives   1-63 octets of letters, digits and hyphens in lower case.
/// Errors  malformed: no U-label after mapping (5891 §5.4), or its A-label is too long.
[[nodiscard]] Result<std::string> to_a_label(std::string_view label);

/// A name with each label that is not ASCII as its A-label, and the ideographic full stops (U+3002, U+FF0E, U+FF61;
/// UTS 46 §4.5) as dots. ASCII labels stay as they are, unchecked, also what only looks like an A-label.
/// Errors  malformed, as above.
[[nodiscard]] Result<std::string> to_a_labels(std::string_view name);

}  // namespace postrider::mail
