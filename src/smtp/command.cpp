#include "smtp/command.hpp"

#include "core/numbers.hpp"
#include "core/text.hpp"
#include "smtp/command_parameters.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace postrider::smtp {

namespace {

constexpr std::size_t kMechanismOctetsMax = 20;                      // 4422 §3.1
constexpr std::size_t kHelloNameOctetsMax = mail::kDomainOctetsMax;  // LIMITS.md "local part, domain, path"

RefusedCommand not_known() { return refused(500, "5.5.1", "Command not known"); }  // 5321 §4.2.4

template <HelloKind kind>
Command parse_hello(std::string_view arguments, const CommandContext& context) {
  if ((kind == HelloKind::lhlo) != (context.protocol == Protocol::lmtp)) return not_known();  // 2033 §4.1
  const std::string_view name = trimmed(arguments);
  if (name.empty()) return refused(501, "5.5.4", "Say your name");
  if (name.size() > kHelloNameOctetsMax) return refused(501, "5.5.4", "Name too long");
  return HelloCommand{.kind = kind, .name = printable_ascii(name, kHelloNameOctetsMax)};
}

/// 5321 §4.1.1: MAIL FROM:<path> and RCPT TO:<path>. We take blanks after the colon, where many clients put one.
std::optional<std::string_view> after_keyword(std::string_view arguments, std::string_view keyword) {
  if (!istarts_with_ascii(arguments, keyword)) return std::nullopt;
  arguments.remove_prefix(keyword.size());
  arguments.remove_prefix(std::min(arguments.find_first_not_of(' '), arguments.size()));
  return arguments;
}

RefusedCommand refused_utf8() {  // 6531 §3.5
  return refused(553, "5.6.7", "Address in UTF-8 without SMTPUTF8");
}

/// The answer to a path that is none; `enhanced` is for one that is malformed.
RefusedCommand refused_path(const Error& failure, std::string enhanced) {
  if (failure.code == Error::too_long) {
    RefusedCommand refusal = refused(553, "5.1.3", "Address too long: " + failure.detail);
    refusal.limit = Limit::address;
    return refusal;
  }
  if (failure.code == Error::unsupported) return refused_utf8();
  return refused(501, std::move(enhanced), "Not an address: " + failure.detail);
}

Command parse_mail(std::string_view arguments, const CommandContext& context) {
  const std::optional<std::string_view> text = after_keyword(arguments, "FROM:");
  if (!text) return refused(501, "5.5.4", "Syntax: MAIL FROM:<address>");
  Result<mail::ParsedPath> path = mail::parse_reverse_path(*text, mail::Utf8::yes);  // SMTPUTF8 stands behind it
  if (!path) return refused_path(path.error(), "5.1.7");
  MailCommand command{.reverse_path = std::move(path->path), .parameters = {}};
  const std::string_view rest = text->substr(path->octets);
  if (!rest.empty() && rest.front() != ' ') return refused(501, "5.5.4", "Syntax: MAIL FROM:<address> parameters");
  if (auto refusal = take_mail_parameters(rest, context, command.parameters)) return std::move(*refusal);
  if (command.parameters.request.utf8 == mail::Utf8::no && !is_ascii(text->substr(0, path->octets)))
    return refused_utf8();
  return command;
}

Command parse_rcpt(std::string_view arguments, const CommandContext& context) {
  const std::optional<std::string_view> text = after_keyword(arguments, "TO:");
  if (!text) return refused(501, "5.5.4", "Syntax: RCPT TO:<address>");
  Result<mail::ParsedForwardPath> path = mail::parse_forward_path(*text, *context.own_domain, context.utf8);
  if (!path) return refused_path(path.error(), "5.1.3");
  RcptCommand command{.address = std::move(path->address), .request = {}};
  const std::string_view rest = text->substr(path->octets);
  if (!rest.empty() && rest.front() != ' ') return refused(501, "5.5.4", "Syntax: RCPT TO:<address> parameters");
  if (auto refusal = take_rcpt_parameters(rest, context, command.request)) return std::move(*refusal);
  return command;
}

Command parse_xclient(std::string_view arguments, const CommandContext& context) {
  if (!context.xclient) return refused(550, "5.7.0", "XCLIENT is not for you");
  XclientCommand command;
  if (auto refusal = take_xclient_attributes(arguments, command.attributes)) return std::move(*refusal);
  return command;
}

/// 3030 §2. A size that cannot be read leaves no way to tell the chunk from commands (SECURITY R7).
Command parse_bdat(std::string_view arguments, const CommandContext& /*context*/) {
  const auto [size_text, last_text] = split_once(arguments, ' ');
  const Result<std::uint64_t> size = parse_number<std::uint64_t>(size_text);
  const bool last = iequals_ascii(last_text, "LAST");
  if (!size || (!last && size_text.size() != arguments.size())) {
    RefusedCommand refusal = refused(501, "5.5.4", "Syntax: BDAT size [LAST]");
    refusal.hang_up = true;
    return refusal;
  }
  return BdatCommand{.size_octets = *size, .last = last};
}

template <BareCommand command>
Command parse_alone(std::string_view arguments, const CommandContext& /*context*/) {
  if (!arguments.empty()) return refused(501, "5.5.4", "No parameters here");  // 5321 §4.1.1.4, §4.1.1.5, §4.1.1.10
  return command;
}

template <BareCommand command>
Command parse_any(std::string_view /*arguments*/, const CommandContext& /*context*/) {
  return command;
}

/// 4954 §4. Whether it is offered, and what the initial response is worth, is for who runs it.
Command parse_auth(std::string_view arguments, const CommandContext& /*context*/) {
  const auto [mechanism, initial] = split_once(arguments, ' ');
  AuthCommand command{.mechanism = printable_ascii(mechanism, kMechanismOctetsMax + 1), .initial = std::nullopt};
  std::ranges::transform(command.mechanism, command.mechanism.begin(), &to_upper_ascii);
  if (!initial.empty()) command.initial.emplace(std::string(initial));
  return command;
}

Command parse_vrfy(std::string_view arguments, const CommandContext& /*context*/) {
  if (arguments.empty()) return refused(501, "5.5.4", "Syntax: VRFY name");  // 5321 §4.1.1.6
  return BareCommand::vrfy;
}

/// Known, and not done (5321 §4.2.4).
Command refuse_known(std::string_view /*arguments*/, const CommandContext& /*context*/) {
  return refused(502, "5.5.1", "Not done here");
}

RefusedCommand other_protocol() {
  RefusedCommand refusal = refused(554, "5.5.1", "This is SMTP");
  refusal.hang_up = true;
  refusal.limit = Limit::other_protocol;
  return refusal;
}

/// A browser, or a page that makes one talk to us (SECURITY §3, 29), and whoever else has found the wrong port.
Command refuse_other(std::string_view /*arguments*/, const CommandContext& /*context*/) { return other_protocol(); }

struct Rule {
  std::string_view verb;
  Command (*parse)(std::string_view arguments, const CommandContext& context);
};
constexpr auto kRules = std::to_array<Rule>({
    {"EHLO", &parse_hello<HelloKind::ehlo>},    // 5321 §4.1.1.1
    {"HELO", &parse_hello<HelloKind::helo>},    // 5321 §4.1.1.1
    {"LHLO", &parse_hello<HelloKind::lhlo>},    // 2033 §4.1
    {"MAIL", &parse_mail},                      // 5321 §4.1.1.2
    {"RCPT", &parse_rcpt},                      // 5321 §4.1.1.3
    {"DATA", &parse_alone<BareCommand::data>},  // 5321 §4.1.1.4
    {"BDAT", &parse_bdat},                      // 3030 §2
    {"RSET", &parse_alone<BareCommand::rset>},  // 5321 §4.1.1.5
    {"QUIT", &parse_alone<BareCommand::quit>},  // 5321 §4.1.1.10
    {"NOOP", &parse_any<BareCommand::noop>},    // 5321 §4.1.1.9
    {"VRFY", &parse_vrfy},                      // 5321 §4.1.1.6
    {"EXPN", &parse_any<BareCommand::expn>},    // 5321 §4.1.1.7
    {"HELP", &parse_any<BareCommand::help>},    // 5321 §4.1.1.8
    {"XCLIENT", &parse_xclient},
    {"STARTTLS", &parse_alone<BareCommand::starttls>},  // 3207 §4
    {"AUTH", &parse_auth},                              // 4954 §4
    {"ETRN", &refuse_known},                            // 1985
    {"ATRN", &refuse_known},                            // 2645
    {"TURN", &refuse_known},                            // 5321 App. F.1
    {"SEND", &refuse_known},                            // 5321 App. F.6
    {"SOML", &refuse_known},                            // 5321 App. F.6
    {"SAML", &refuse_known},                            // 5321 App. F.6
    {"GET", &refuse_other},
    {"POST", &refuse_other},
    {"HEAD", &refuse_other},
    {"PUT", &refuse_other},
    {"DELETE", &refuse_other},
    {"CONNECT", &refuse_other},
    {"OPTIONS", &refuse_other},
    {"TRACE", &refuse_other},
    {"PATCH", &refuse_other},
    {"PRI", &refuse_other},       // HTTP/2 (9113 §3.4)
    {"DESCRIBE", &refuse_other},  // RTSP
    {"INVITE", &refuse_other},    // SIP
    {"REGISTER", &refuse_other},  // SIP
    {"NICK", &refuse_other},      // IRC
    {"USER", &refuse_other},      // IRC, FTP, POP3
    {"PROXY", &refuse_other},     // from who may not say it
});

/// How lines of others begin that have no verb: fields of HTTP, where the request line was lost, and XML.
constexpr auto kForeignStarts = std::to_array<std::string_view>({
    "Host:",
    "User-Agent:",
    "Accept:",
    "Accept-Encoding:",
    "Accept-Language:",
    "Connection:",
    "Content-Type:",
    "Content-Length:",
    "Cookie:",
    "Origin:",
    "Referer:",
    "Transfer-Encoding:",
    "<?xml",
});

/// The third line of what opens PROXY protocol version 2, after two empty ones.
constexpr std::string_view kProxySignatureLine("\0", 1);

/// A command of redis (`*1`, `$4`), which a page can be made to send.
bool is_redis(std::string_view line) {
  return line.size() > 1 && (line[0] == '*' || line[0] == '$') && is_digit_ascii(line[1]);
}

bool is_foreign(std::string_view line) {
  return line == kProxySignatureLine || is_redis(line) ||
         std::ranges::any_of(kForeignStarts, [&](std::string_view start) { return istarts_with_ascii(line, start); });
}

constexpr bool is_control(char c) { return (c >= 0 && c < ' ') || c == '\x7f'; }

/// The lines whose refusal leaves octets behind that must not be taken for commands.
bool announces_chunk(std::string_view start) { return istarts_with_ascii(start, "BDAT"); }

}  // namespace

Command parse_command(std::string_view line, const CommandContext& context) {
  if (auto other = refuse_other_protocol(line)) return std::move(*other);
  if (is_foreign(line)) return other_protocol();
  if (std::ranges::any_of(line, is_control)) {
    RefusedCommand refusal = refused(500, "5.5.2", "Control character in a command");
    refusal.hang_up = announces_chunk(line);
    return refusal;
  }
  line = line.substr(0, line.find_last_not_of(' ') + 1);  // 5321 §4.1.1: trailing blanks are let pass
  const auto parts = split_once(line, ' ');
  const auto rule = std::ranges::find_if(kRules, [&](const Rule& r) { return iequals_ascii(r.verb, parts.first); });
  if (rule == kRules.end()) return not_known();
  return rule->parse(parts.second, context);
}

RefusedCommand refuse_long_line(std::string_view start) {
  RefusedCommand refusal = refused(500, "5.5.2", "Line too long");  // 5321 §4.5.3.1.4
  refusal.hang_up = announces_chunk(start);
  refusal.limit = Limit::command_line;
  return refusal;
}

bool is_auth_line(std::string_view start) { return istarts_with_ascii(start, "AUTH "); }

std::optional<RefusedCommand> refuse_other_protocol(std::string_view start) {
  const bool is_tls = start.starts_with("\x16\x03");  // 8446 §5.1: a handshake record
  if (is_tls || start.starts_with("SSH-")) return other_protocol();
  return std::nullopt;
}

}  // namespace postrider::smtp
