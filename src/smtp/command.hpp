// One command line of an SMTP client (5321 §4.1.1) as a value.
#pragma once

#include "mail/address.hpp"
#include "smtp/reply.hpp"
#include "smtp/server_session.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace postrider::smtp {

struct HelloCommand {  // 5321 §4.1.1.1
  HelloKind kind;
  std::string name;  ///< as said, printable ASCII, 1-255 octets
};
struct MailCommand {  // 5321 §4.1.1.2
  mail::Path reverse_path;
  MailParameters parameters;
};
struct RcptCommand {  // 5321 §4.1.1.3
  mail::Address address;
  mail::RecipientRequest request;
};
struct XclientCommand {
  XclientAttributes attributes;
};
struct BdatCommand {  // 3030 §2
  std::uint64_t size_octets = 0;
  bool last = false;
};
/// The commands that have nothing to say but themselves.
enum class BareCommand : std::uint8_t { data, rset, noop, vrfy, expn, help, quit };
/// Not a command we do, or not as it should be: what to answer.
struct RefusedCommand {
  Reply reply;
  bool hang_up = false;  ///< what follows cannot be told from commands, or the peer speaks another protocol
};
using Command = std::variant<HelloCommand, MailCommand, RcptCommand, BdatCommand, BareCommand, RefusedCommand>;

/// Parses `line`, without its CRLF. `own_domain` is that of `RCPT TO:<Postmaster>`. A line with a control character in
/// it is refused as a whole (SECURITY R1). Every refusal is in the value; nothing else can fail.
[[nodiscard]] Command parse_command(std::string_view line, const mail::Domain& own_domain);

/// The answer to a line over kCommandLineOctetsMax that begins with `start`.
[[nodiscard]] RefusedCommand refuse_long_line(std::string_view start);

}  // namespace postrider::smtp
