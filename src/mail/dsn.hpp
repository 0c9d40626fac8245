// Delivery status notifications (3464) inside multipart/report (6522).
#pragma once

#include "core/clock.hpp"
#include "mail/address.hpp"

#include <optional>
#include <string>
#include <vector>

namespace postrider::mail {

enum class DsnAction : std::uint8_t { failed, delayed };

struct DsnRecipient {
  Address final_recipient;
  std::optional<Address> original_recipient;  ///< when it was rewritten by an alias
  std::string status;                         ///< 3463, `5.1.1`
  std::string diagnostic;  ///< the remote's reply, code first; empty when there is none; outside text
  std::string remote_mta;  ///< host name; empty when there is none
};

struct DsnInput {
  std::string reporting_mta;  ///< our hostname
  std::string queue_id;
  Address to;  ///< the original reverse-path
  DsnAction action = DsnAction::failed;
  std::vector<DsnRecipient> recipients;  ///< at least one
  WallTime arrival;
  WallTime at;
  std::optional<WallTime> will_retry_until;  ///< for delayed
  std::string original_headers;  ///< header section of the message, CRLF lines; returned as text/rfc822-headers
  std::string boundary;          ///< from Random, [0-9a-z]
};

/// The whole content of the report: header section and body, CRLF lines, 7-bit. Quotes printable ASCII of outside text
/// only.
[[nodiscard]] std::string build_dsn(const DsnInput& input);

}  // namespace postrider::mail
