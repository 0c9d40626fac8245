// What a program on this host hands to `sendmail`, made into mail: line ends, complete addresses, recipients from the
// header section (6409 §8 for what is added).
#pragma once

#include "core/result.hpp"
#include "mail/address.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace postrider::mail {

inline constexpr std::size_t kLocalMessageOctetsMax = 64 * 1024 * 1024;

/// As it is sent: every line end (CRLF, LF alone, CR alone) becomes CRLF, and the last line has one.
[[nodiscard]] std::string with_crlf(std::string_view text);

/// The value of an address field with `@origin` behind each address that has no domain, everything else as it was:
/// `root (Cron), Ann <ann>` becomes `root@here.test (Cron), Ann <ann@here.test>`. Group names, quoted strings and
/// comments are left alone, as is what is no address. Linear in its input.
[[nodiscard]] std::string with_domains(std::string_view value, const Domain& origin);

/// Addresses of an argument or a field, `Ann <ann@x.test>, bob`; those without a domain are in `origin`.
/// Errors  malformed: one of them is no address for SMTP (detail says which); too_long: over kAddressListMax.
[[nodiscard]] Result<std::vector<Address>> parse_recipients(std::string_view text, const Domain& origin);

struct LocalMessageForm {
  Domain origin;
  std::string from_user;  ///< made into a From field where there is none; empty: none is made
  std::string full_name;  ///< of that field, UTF-8; may be empty
  bool recipients_from_header =
      false;              ///< those of To, Cc, Bcc; of the Resent- ones where there are such (5322 §3.6.6)
  bool dot_ends = true;   ///< a line with a dot alone is the end
  bool completes = true;  ///< addresses in the header section get domains
};

struct LocalMessage {
  std::string content;              ///< every line ends in CRLF
  std::vector<Address> recipients;  ///< from the header section, each once
  bool has_eight_bit = false;
  bool has_utf8_header = false;  ///< the header section has UTF-8 beyond ASCII
};

/// A first line `From …` of a mailbox file is dropped; text that has no header section gets one.
/// Errors  malformed: a recipient in the header section is no address; too_long: kLocalMessageOctetsMax.
[[nodiscard]] Result<LocalMessage> make_local_message(std::string_view text, const LocalMessageForm& form);

}  // namespace postrider::mail
