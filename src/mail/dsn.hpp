// Delivery status notifications (3464) inside multipart/report (6522), also with UTF-8 (6533).
#pragma once

#include "core/clock.hpp"
#include "mail/address.hpp"

#include <optional>
#include <string>
#include <vector>

namespace postrider::mail {

/// 3464 §2.3.3. `relayed`: to a system that sends no reports; `expanded`: an alias or a list put its targets in the
/// recipient's place, and no more will be reported of it (3461 §5.2.7.1).
enum class DsnAction : std::uint8_t { failed, delayed, delivered, relayed, expanded };

struct DsnRecipient {
  Address final_recipient;
  std::optional<Address> original_recipient;  ///< when it was rewritten by an alias
  std::string original_type;                  ///< of ORCPT (3461 §4.2); empty: not given. It counts before the above
  std::string original;                       ///< of ORCPT, decoded
  std::string status;                         ///< 3463, `5.1.1`
  std::string diagnostic;                  ///< the remote's reply, code first; empty when there is none; outside text
  std::string remote_mta;                  ///< host name; empty when there is none
  std::optional<DsnAction> action{};       ///< when it is another one than the report's
  std::optional<WallTime> last_attempt{};  ///< when it was at another time than the report's `at`
};

struct DsnInput {
  std::string reporting_mta;  ///< our hostname
  std::string queue_id;
  Address to;  ///< the original reverse-path
  DsnAction action = DsnAction::failed;
  std::vector<DsnRecipient> recipients;  ///< at least one
  std::string envelope_id;               ///< ENVID, decoded; empty: not given
  WallTime arrival;
  WallTime at;
  std::optional<WallTime> will_retry_until;  ///< for delayed
  std::string original_headers;  ///< header section of the message, CRLF lines; returned when the message is not
  ReturnContent returned = ReturnContent::headers;  ///< full: the caller puts the message behind `Dsn::before`
  bool returned_has_eight_bit = false;              ///< the message that is returned in full
  Utf8 utf8 = Utf8::no;  ///< the reader takes UTF-8, since the message asked for SMTPUTF8 (6533 §4)
  std::string boundary;  ///< from Random, [0-9a-z]
};

/// A report: header section and body, CRLF lines. With headers only `before` and `after` together are all of it.
struct Dsn {
  std::string before;
  std::string after;     ///< behind the message that is returned
  Utf8 utf8 = Utf8::no;  ///< it has UTF-8 in it: it can go with SMTPUTF8 only
  bool has_eight_bit = false;
};

/// The text for people says of each recipient what happened, what the remote said and what to do (dsn_text.hpp); the
/// subject is that of the gravest outcome. Answers the original's Message-ID where `original_headers` has one.
/// Quotes printable ASCII of outside text only; with UTF-8 as `Dsn::utf8` says also well-formed UTF-8 of header fields
/// and addresses.
[[nodiscard]] Dsn build_dsn(const DsnInput& input);

}  // namespace postrider::mail
