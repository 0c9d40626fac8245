#include "smtp/command.hpp"

#include "core/numbers.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace postrider::smtp {

namespace {

constexpr std::size_t kHelloNameOctetsMax = mail::kDomainOctetsMax;  // LIMITS.md "local part, domain, path"

RefusedCommand refused(int code, std::string enhanced, std::string text) {
  return {.reply = {.code = code, .enhanced = std::move(enhanced), .text = std::move(text)}};
}

template <HelloKind kind>
Command parse_hello(std::string_view arguments, const mail::Domain& /*own_domain*/) {
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

/// The answer to a path that is none; `enhanced` is for one that is malformed.
RefusedCommand refused_path(const Error& failure, std::string enhanced) {
  if (failure.code == Error::too_long) return refused(553, "5.1.3", "Address too long: " + failure.detail);
  return refused(501, std::move(enhanced), "Not an address: " + failure.detail);
}

/// One esmtp-param of MAIL (5321 §4.1.2). Gives the refusal, if any.
std::optional<RefusedCommand> take_mail_parameter(std::string_view parameter, MailParameters& out, bool& size_said,
                                                  bool& body_said) {
  const auto [keyword, value] = split_once(parameter, '=');
  if (iequals_ascii(keyword, "SIZE")) {  // 1870 §3
    if (std::exchange(size_said, true)) return refused(501, "5.5.4", "SIZE said twice");
    const Result<std::uint64_t> size = parse_number<std::uint64_t>(value);
    if (!size && size.error().code == Error::too_long) return refused(552, "5.3.4", "Message too big");
    if (!size) return refused(501, "5.5.4", "SIZE wants a number");
    out.size_octets = *size;
    return std::nullopt;
  }
  if (iequals_ascii(keyword, "BODY")) {  // 6152 §2
    if (std::exchange(body_said, true)) return refused(501, "5.5.4", "BODY said twice");
    if (iequals_ascii(value, "7BIT")) {
      out.request.body = BodyType::seven_bit;
    } else if (iequals_ascii(value, "8BITMIME")) {
      out.request.body = BodyType::eight_bit_mime;
    } else if (iequals_ascii(value, "BINARYMIME")) {
      return refused(504, "5.5.4", "BINARYMIME is not offered");
    } else {
      return refused(501, "5.5.4", "BODY of no known type");
    }
    return std::nullopt;
  }
  return refused(555, "5.5.4", "Unknown parameter");  // 5321 §4.1.1.11
}

Command parse_mail(std::string_view arguments, const mail::Domain& /*own_domain*/) {
  const std::optional<std::string_view> text = after_keyword(arguments, "FROM:");
  if (!text) return refused(501, "5.5.4", "Syntax: MAIL FROM:<address>");
  Result<mail::ParsedPath> path = mail::parse_reverse_path(*text);
  if (!path) return refused_path(path.error(), "5.1.7");
  MailCommand command{.reverse_path = std::move(path->path), .parameters = {}};
  const std::string_view rest = text->substr(path->octets);
  if (rest.empty()) return command;
  if (rest.front() != ' ') return refused(501, "5.5.4", "Syntax: MAIL FROM:<address> parameters");
  bool size_said = false;
  bool body_said = false;
  for (const std::string_view parameter : split(rest.substr(1), ' ')) {
    if (parameter.empty()) continue;
    if (auto refusal = take_mail_parameter(parameter, command.parameters, size_said, body_said))
      return std::move(*refusal);
  }
  return command;
}

Command parse_rcpt(std::string_view arguments, const mail::Domain& own_domain) {
  const std::optional<std::string_view> text = after_keyword(arguments, "TO:");
  if (!text) return refused(501, "5.5.4", "Syntax: RCPT TO:<address>");
  Result<mail::ParsedForwardPath> path = mail::parse_forward_path(*text, own_domain);
  if (!path) return refused_path(path.error(), "5.1.3");
  const std::string_view rest = text->substr(path->octets);
  if (!rest.empty() && rest.front() != ' ') return refused(501, "5.5.4", "Syntax: RCPT TO:<address>");
  if (!rest.empty()) return refused(555, "5.5.4", "RCPT takes no parameters");  // 5321 §4.1.1.11
  return RcptCommand{.address = std::move(path->address), .request = {}};
}

/// 3030 §2. A size that cannot be read leaves no way to tell the chunk from commands (SECURITY R7).
Command parse_bdat(std::string_view arguments, const mail::Domain& /*own_domain*/) {
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
Command parse_alone(std::string_view arguments, const mail::Domain& /*own_domain*/) {
  if (!arguments.empty()) return refused(501, "5.5.4", "No parameters here");  // 5321 §4.1.1.4, §4.1.1.5, §4.1.1.10
  return command;
}

template <BareCommand command>
Command parse_any(std::string_view /*arguments*/, const mail::Domain& /*own_domain*/) {
  return command;
}

/// A browser, or a page that makes one talk to us (SECURITY §3, 29).
Command refuse_http(std::string_view /*arguments*/, const mail::Domain& /*own_domain*/) {
  RefusedCommand refusal = refused(554, "5.5.1", "This is SMTP");
  refusal.hang_up = true;
  return refusal;
}

struct Rule {
  std::string_view verb;
  Command (*parse)(std::string_view arguments, const mail::Domain& own_domain);
};
constexpr auto kRules = std::to_array<Rule>({
    {"EHLO", &parse_hello<HelloKind::ehlo>},    // 5321 §4.1.1.1
    {"HELO", &parse_hello<HelloKind::helo>},    // 5321 §4.1.1.1
    {"MAIL", &parse_mail},                      // 5321 §4.1.1.2
    {"RCPT", &parse_rcpt},                      // 5321 §4.1.1.3
    {"DATA", &parse_alone<BareCommand::data>},  // 5321 §4.1.1.4
    {"BDAT", &parse_bdat},                      // 3030 §2
    {"RSET", &parse_alone<BareCommand::rset>},  // 5321 §4.1.1.5
    {"QUIT", &parse_alone<BareCommand::quit>},  // 5321 §4.1.1.10
    {"NOOP", &parse_any<BareCommand::noop>},    // 5321 §4.1.1.9
    {"VRFY", &parse_any<BareCommand::vrfy>},    // 5321 §4.1.1.6
    {"EXPN", &parse_any<BareCommand::expn>},    // 5321 §4.1.1.7
    {"HELP", &parse_any<BareCommand::help>},    // 5321 §4.1.1.8
    {"GET", &refuse_http},
    {"POST", &refuse_http},
    {"HEAD", &refuse_http},
    {"PUT", &refuse_http},
    {"CONNECT", &refuse_http},
    {"OPTIONS", &refuse_http},
    {"Host:", &refuse_http},
});

constexpr bool is_control(char c) { return (c >= 0 && c < ' ') || c == '\x7f'; }

/// The lines whose refusal leaves octets behind that must not be taken for commands.
bool announces_chunk(std::string_view start) { return istarts_with_ascii(start, "BDAT"); }

}  // namespace

Command parse_command(std::string_view line, const mail::Domain& own_domain) {
  if (std::ranges::any_of(line, is_control)) {
    RefusedCommand refusal = refused(500, "5.5.2", "Control character in a command");
    refusal.hang_up = announces_chunk(line);
    return refusal;
  }
  line = line.substr(0, line.find_last_not_of(' ') + 1);  // 5321 §4.1.1: trailing blanks are let pass
  const auto parts = split_once(line, ' ');
  const auto rule = std::ranges::find_if(kRules, [&](const Rule& r) { return iequals_ascii(r.verb, parts.first); });
  if (rule == kRules.end()) return refused(500, "5.5.1", "Command not known");  // 5321 §4.2.4
  return rule->parse(parts.second, own_domain);
}

RefusedCommand refuse_long_line(std::string_view start) {
  RefusedCommand refusal = refused(500, "5.5.2", "Line too long");  // 5321 §4.5.3.1.4
  refusal.hang_up = announces_chunk(start);
  return refusal;
}

}  // namespace postrider::smtp
