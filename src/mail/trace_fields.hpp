// The trace fields that we write (5321 §4.4).
#pragma once

#include "core/clock.hpp"
#include "mail/address.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postrider::mail {

/// How a message came, for the `with` of a Received field (3848, 6531 §3.7.3).
struct Carriage {
  bool is_lmtp = false;
  bool is_extended = true;  ///< EHLO; false: HELO, which has no keywords of its own for the rest
  bool is_utf8 = false;     ///< SMTPUTF8
  bool is_secured = false;
  bool is_authenticated = false;
};
/// SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA, UTF8SMTPSA, LMTPS …
[[nodiscard]] std::string protocol_keyword(const Carriage& carriage);

struct ReceivedClause {
  std::string hello;        ///< what the client said in EHLO/HELO; empty: it said nothing
  std::string client_name;  ///< its name by reverse DNS, where somebody looked it up; empty: unknown
  std::string client_ip;    ///< textual address without brackets; empty for a local submission or a Unix socket
  std::optional<std::uint32_t> local_user = {};  ///< who submitted it, where that is a user of this host
  std::string by;                                ///< our hostname
  std::string protocol;                          ///< as protocol_keyword has it
  std::string tls = {};                          ///< version and cipher; empty: not protected
  std::string queue_id;
  std::string for_address;  ///< only when there is exactly one recipient; empty: no clause
  Utf8 utf8 = Utf8::no;     ///< of a message that came with SMTPUTF8: then `for` may have UTF-8 (6531 §3.7.3)
  WallTime at;
};

/// `Received: from … by … with … (TLS) id …;\r\n\t<date>\r\n`, folded to at most 998 octets a line. What the client
/// said is restricted to printable ASCII; so is `for` without `utf8`.
[[nodiscard]] std::string received_field(const ReceivedClause& clause);

/// `Return-Path: <…>\r\n` (5321 §4.4).
[[nodiscard]] std::string return_path_field(const Path& reverse_path);

/// `Delivered-To: …\r\n`.
[[nodiscard]] std::string delivered_to_field(const Address& address);

}  // namespace postrider::mail
