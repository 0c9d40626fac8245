// Addresses as header fields have them (5322 §3.4, obsolete forms §4.4, UTF-8 by 6532, groups in From by 6854).
#pragma once

#include "core/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace postrider::mail {

inline constexpr std::size_t kAddressListMax = 1000;  // LIMITS.md "address list"

/// One mailbox. Not an envelope address: a header field may hold what SMTP cannot carry.
struct HeaderMailbox {
  std::string name;    ///< display name, decoded (2047), UTF-8; the comment of `a@b (Name)` where there is no other
  std::string local;   ///< as it means: unquoted, comments and folds taken out
  std::string domain;  ///< lower case where ASCII; a literal with its brackets; empty: there was none
  std::string route;   ///< obsolete source route `@a,@b` as written; else empty
  friend bool operator==(const HeaderMailbox&, const HeaderMailbox&) = default;
};
struct HeaderGroup {
  std::string name;  ///< decoded, UTF-8
  std::vector<HeaderMailbox> mailboxes;
  friend bool operator==(const HeaderGroup&, const HeaderGroup&) = default;
};
struct AddressList {
  std::vector<std::variant<HeaderMailbox, HeaderGroup>> entries;  ///< in order
  std::vector<std::string> errors;  ///< what was wrong, `offset 12: no address`; what could be read is in `entries`
  /// All mailboxes in order, those of groups too.
  [[nodiscard]] std::vector<HeaderMailbox> mailboxes() const;
};

/// How display names are given: `raw` for IMAP, whose clients decode encoded-words (9051 §7.5.2): quotes and folds
/// taken out, the octets as they are otherwise.
enum class NameForm : std::uint8_t { decoded, raw };

/// Takes the value of an address field, folded or not, at any length; lenient: goes on behind what it cannot read. At
/// most kAddressListMax mailboxes; the rest is one error. Linear in its input.
[[nodiscard]] AddressList parse_address_list(std::string_view value, NameForm names = NameForm::decoded);

/// How far an address is one, from "works everywhere" to "is none" (`address check`; INTERFACE §5).
enum class AddressClass : std::uint8_t {
  valid,       ///< 5321, nothing unusual
  rfc5321,     ///< valid for SMTP, with unusual elements: quoted local part, literal, one label
  deprecated,  ///< obsolete forms of 5322 §4
  rfc5322,     ///< only a header field can carry it: comments, folds, too long for SMTP, odd literals
  invalid,
};
[[nodiscard]] std::string_view name_of(AddressClass c);

/// Which grammar an address must meet to be called valid.
enum class AddressGrammar : std::uint8_t { smtp, header };

struct AddressCheck {
  bool valid = false;  ///< by the grammar asked for
  AddressClass address_class = AddressClass::invalid;
  std::string diagnosis;  ///< as the isemail suite names it: `valid`, `rfc5321_quotedstring`, `err_nodomain`
  std::string local;      ///< as it means; empty when invalid
  std::string domain;     ///< as written, ASCII letters in lower case; U-labels are not converted
};

/// Judges one addr-spec (no display name, no angle brackets) by the gravest thing found in it; asks no DNS. `utf8`:
/// 6531/6532 forms are allowed. Valid for `smtp` are the classes valid and rfc5321, for `header` all but invalid.
[[nodiscard]] AddressCheck check_address(std::string_view text, AddressGrammar grammar, bool utf8);

}  // namespace postrider::mail
