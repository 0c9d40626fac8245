// What a report says to people: what happened, what the other side said, and what to do.
#pragma once

#include "mail/dsn.hpp"

#include <string>
#include <string_view>

namespace postrider::mail {

/// The subject of a report whose gravest outcome is `action`.
[[nodiscard]] std::string_view subject_of(DsnAction action);
/// 3464 §2.3.3.
[[nodiscard]] std::string_view name_of(DsnAction action);
/// The gravest outcome of all recipients: failed before delayed before expanded, relayed, delivered.
[[nodiscard]] DsnAction gravest_action(const DsnInput& input);

/// The body of the text part, CRLF lines of at most 998 octets, ASCII but for addresses when `utf8`. Recipients of one
/// outcome stand together.
[[nodiscard]] std::string dsn_text(const DsnInput& input, bool utf8);

/// Outside text in one line: printable ASCII (SECURITY R2), at most 900 octets.
[[nodiscard]] std::string quoted_outside(std::string_view outside);

}  // namespace postrider::mail
