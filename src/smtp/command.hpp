// One command line of an SMTP or LMTP client (5321 §4.1.1, 2033 §4) as a value.
#pragma once

#include "core/secret.hpp"
#include "mail/address.hpp"
#include "smtp/reply.hpp"
#include "smtp/server_session.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace postrider::smtp {

struct HelloCommand {  // 5321 §4.1.1.1, 2033 §4.1
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
struct AuthCommand {              // 4954 §4
  std::string mechanism;          ///< in upper case, printable ASCII; empty: none was named
  std::optional<Secret> initial;  ///< the initial response as said: base64 or `=`, or what is neither
};
/// The commands that have nothing to say but themselves.
enum class BareCommand : std::uint8_t { data, rset, noop, vrfy, expn, help, quit, starttls };
/// Not a command we do, or not as it should be: what to answer.
struct RefusedCommand {
  Reply reply;
  bool hang_up = false;        ///< what follows cannot be told from commands, or the peer speaks another protocol
  std::optional<Limit> limit;  ///< that it ran into
};
using Command = std::variant<HelloCommand, MailCommand, RcptCommand, XclientCommand, BdatCommand, AuthCommand,
                             BareCommand, RefusedCommand>;

/// What the meaning of a line depends on. Lives during the call only.
struct CommandContext {
  const mail::Domain* own_domain = nullptr;  ///< of `RCPT TO:<Postmaster>`
  Protocol protocol = Protocol::smtp;
  bool extended = true;  ///< no HELO was said: MAIL and RCPT have the parameters of the extensions
  bool binarymime = false;
  bool trusted = false;                    ///< PeerRights
  bool xclient = false;                    ///< PeerRights
  bool auth = false;                       ///< AUTH was offered
  std::optional<WallTime> hold_until_max;  ///< FUTURERELEASE is offered up to then
  mail::Utf8 utf8 = mail::Utf8::no;        ///< of the transaction
};

/// Parses `line`, without its CRLF. A line with a control character in it is refused as a whole (SECURITY R1). Every
/// refusal is in the value; nothing else can fail.
[[nodiscard]] Command parse_command(std::string_view line, const CommandContext& context);

/// The answer to a line over its limit that begins with `start`.
[[nodiscard]] RefusedCommand refuse_long_line(std::string_view start);

/// Whether the line that begins with `start` is an AUTH command, which has a limit of its own.
[[nodiscard]] bool is_auth_line(std::string_view start);

/// The answer to octets at the start of a line that no SMTP client sends and after which there may never be a CRLF: a
/// TLS ClientHello, SSH. Says nothing for less of them: two octets of TLS, four of SSH are enough.
[[nodiscard]] std::optional<RefusedCommand> refuse_other_protocol(std::string_view start);

}  // namespace postrider::smtp
