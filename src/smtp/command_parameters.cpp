#include "smtp/command_parameters.hpp"

#include "core/numbers.hpp"
#include "core/text.hpp"
#include "mail/xtext.hpp"

#include <algorithm>
#include <array>
#include <bitset>
#include <chrono>

namespace postrider::smtp {

namespace {

using Refusal = std::optional<RefusedCommand>;

constexpr std::size_t kHelloNameOctetsMax = mail::kDomainOctetsMax;
constexpr std::size_t kByTimeDigitsMax = 9;  // 2852 §4
constexpr std::size_t kHoldDigitsMax = 9;    // 4865 §4

/// One esmtp-param (5321 §4.1.2).
struct Parameter {
  std::string_view keyword;
  std::optional<std::string_view> value;
};

RefusedCommand malformed(std::string text) { return refused(501, "5.5.4", std::move(text)); }

/// esmtp-keyword ["=" esmtp-value]; the value may hold UTF-8 (6531 §3.4), which is for those to judge who read it.
std::optional<Parameter> parse_parameter(std::string_view text) {
  const std::size_t equals = text.find('=');
  Parameter parameter{.keyword = text.substr(0, equals), .value = std::nullopt};
  const auto is_keyword = [](char c) { return is_alnum_ascii(c) || c == '-'; };
  if (parameter.keyword.empty() || parameter.keyword.front() == '-') return std::nullopt;
  if (!std::ranges::all_of(parameter.keyword, is_keyword)) return std::nullopt;
  if (equals == std::string_view::npos) return parameter;
  parameter.value = text.substr(equals + 1);
  if (parameter.value->empty() || parameter.value->contains('=')) return std::nullopt;
  return parameter;
}

bool all_digits(std::string_view text) { return !text.empty() && std::ranges::all_of(text, is_digit_ascii); }

Refusal take_size(std::string_view value, const CommandContext& /*context*/, MailParameters& out) {  // 1870 §3
  const Result<std::uint64_t> size = parse_number<std::uint64_t>(value);
  if (!size && size.error().code == Error::too_long) {
    RefusedCommand refusal = refused(552, "5.3.4", "Message too big");
    refusal.limit = Limit::message_size;
    return refusal;
  }
  if (!size) return malformed("SIZE wants a number");
  out.size_octets = *size;
  return std::nullopt;
}

Refusal take_body(std::string_view value, const CommandContext& context, MailParameters& out) {  // 6152 §2, 3030 §3
  if (iequals_ascii(value, "7BIT")) {
    out.request.body = BodyType::seven_bit;
  } else if (iequals_ascii(value, "8BITMIME")) {
    out.request.body = BodyType::eight_bit_mime;
  } else if (!iequals_ascii(value, "BINARYMIME")) {
    return malformed("BODY of no known type");
  } else if (!context.binarymime || !context.extended) {
    return refused(504, "5.5.4", "BINARYMIME is not offered");
  } else {
    out.request.body = BodyType::binary_mime;
  }
  return std::nullopt;
}

Refusal take_utf8(std::string_view /*value*/, const CommandContext& /*context*/, MailParameters& out) {  // 6531 §3.4
  out.request.utf8 = mail::Utf8::yes;
  return std::nullopt;
}

Refusal take_ret(std::string_view value, const CommandContext& /*context*/, MailParameters& out) {  // 3461 §4.3
  if (iequals_ascii(value, "FULL")) {
    out.request.returned = mail::ReturnContent::full;
  } else if (iequals_ascii(value, "HDRS")) {
    out.request.returned = mail::ReturnContent::headers;
  } else {
    return malformed("RET is FULL or HDRS");
  }
  return std::nullopt;
}

Refusal take_envid(std::string_view value, const CommandContext& /*context*/, MailParameters& out) {  // 3461 §4.4
  if (value.size() > mail::kEnvelopeIdOctetsMax) return malformed("ENVID too long");
  Result<std::string> id = mail::decode_xtext(value);
  if (!id) return malformed("ENVID is not xtext");
  out.request.envelope_id = std::move(*id);
  return std::nullopt;
}

/// 4954 §5: who somebody says it was at first. It is read and dropped: that identifies nobody (SECURITY R4).
Refusal take_auth(std::string_view value, const CommandContext& /*context*/, MailParameters& /*out*/) {
  const Result<std::string> who = mail::decode_xtext(value);
  if (!who || who->empty()) return malformed("AUTH is not xtext");
  return std::nullopt;
}

/// by-time ";" by-mode [by-trace] (2852 §4).
Refusal take_by(std::string_view value, const CommandContext& /*context*/, MailParameters& out) {
  const std::size_t semicolon = value.find(';');
  if (semicolon == std::string_view::npos) return malformed("Syntax: BY=seconds;R or N, then T");
  std::string_view digits = value.substr(0, semicolon);
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  const Result<std::int64_t> seconds = parse_number<std::int64_t>(digits);
  if (!all_digits(digits) || digits.size() > kByTimeDigitsMax || !seconds)
    return malformed("BY wants up to nine digits");
  std::string_view mode = value.substr(semicolon + 1);
  mail::DeliverBy by{.within = std::chrono::seconds(negative ? -*seconds : *seconds),
                     .mode = mail::DeliverBy::Mode::return_it,
                     .trace = false};
  if (mode.empty()) return malformed("BY without its mode");
  const char letter = to_upper_ascii(mode.front());
  if (letter != 'R' && letter != 'N') return malformed("The mode of BY is R or N");
  if (letter == 'N') by.mode = mail::DeliverBy::Mode::notify;
  mode.remove_prefix(1);
  by.trace = iequals_ascii(mode, "T");
  if (!mode.empty() && !by.trace) return malformed("The trace of BY is T");
  if (letter == 'R' && by.within <= std::chrono::seconds(0)) return malformed("BY with R wants a time to come");
  out.request.deliver_by = by;
  return std::nullopt;
}

RefusedCommand held_twice() { return malformed("HOLDFOR or HOLDUNTIL, not both"); }

Refusal take_hold_for(std::string_view value, const CommandContext& /*context*/, MailParameters& out) {  // 4865 §4
  if (out.request.hold_until) return held_twice();
  const Result<std::int64_t> seconds = parse_number<std::int64_t>(value);
  if (!all_digits(value) || value.front() == '0' || value.size() > kHoldDigitsMax || !seconds)
    return malformed("HOLDFOR wants seconds");
  if (std::chrono::seconds(*seconds) > kHoldMax) return malformed("HOLDFOR of more than is offered");
  out.request.hold_for = std::chrono::seconds(*seconds);
  return std::nullopt;
}

Refusal take_hold_until(std::string_view value, const CommandContext& context, MailParameters& out) {  // 4865 §4
  if (out.request.hold_for) return held_twice();
  const Result<WallTime> until = parse_rfc3339(value);
  if (!until) return malformed("HOLDUNTIL wants a date-time");
  if (context.hold_until_max && *until > *context.hold_until_max) return malformed("HOLDUNTIL after what is offered");
  out.request.hold_until = *until;
  return std::nullopt;
}

Refusal take_priority(std::string_view value, const CommandContext& /*context*/, MailParameters& out) {  // 6710 §4
  const std::string_view digit = value.starts_with('-') ? value.substr(1) : value;
  if (digit.size() != 1 || !is_digit_ascii(digit.front()) || value == "-0") return malformed("MT-PRIORITY is -9 to 9");
  const int priority = digit.front() - '0';
  out.request.priority = digit.size() < value.size() ? -priority : priority;
  return std::nullopt;
}

Refusal take_notify(std::string_view value, const CommandContext& /*context*/,
                    mail::RecipientRequest& out) {  // 3461 §4.1
  mail::NotifyOn on;
  if (!iequals_ascii(value, "NEVER")) {
    for (const std::string_view one : split(value, ',')) {
      if (iequals_ascii(one, "SUCCESS")) {
        on.success = true;
      } else if (iequals_ascii(one, "FAILURE")) {
        on.failure = true;
      } else if (iequals_ascii(one, "DELAY")) {
        on.delay = true;
      } else {
        return malformed("NOTIFY is NEVER, or of SUCCESS,FAILURE,DELAY");
      }
    }
  }
  out.notify = on;
  return std::nullopt;
}

constexpr bool is_atext(char c) { return is_alnum_ascii(c) || std::string_view("!#$%&'*+-/=?^_`{|}~").contains(c); }

/// addr-type ";" xtext (3461 §4.2); of the type utf-8 as 6533 §3 has it, unescaped only in a transaction with SMTPUTF8.
Refusal take_orcpt(std::string_view value, const CommandContext& context, mail::RecipientRequest& out) {
  if (value.size() > mail::kOriginalRecipientOctetsMax) return malformed("ORCPT too long");
  const auto [type, text] = split_once(value, ';');
  if (type.empty() || text.empty() || !std::ranges::all_of(type, is_atext))
    return malformed("Syntax: ORCPT=type;address");
  if (!is_ascii(text) && context.utf8 == mail::Utf8::no) return malformed("ORCPT in UTF-8 without SMTPUTF8");
  const bool is_utf8_type = iequals_ascii(type, "utf-8");
  Result<std::string> original = is_utf8_type ? mail::decode_utf8_address(text) : mail::decode_xtext(text);
  if (!original || original->empty()) return malformed("The address of ORCPT is not as its type has it");
  out.original_type = lowered_ascii(type);
  out.original = std::move(*original);
  return std::nullopt;
}

/// To whom a parameter is known.
enum class For : std::uint8_t { all, extended, auth, trusted, hold };

template <typename Out>
struct Rule {
  std::string_view keyword;
  For whom = For::all;
  bool has_value = true;
  Refusal (*take)(std::string_view value, const CommandContext& context, Out& out);
};

constexpr auto kMailRules = std::to_array<Rule<MailParameters>>({
    {.keyword = "SIZE", .whom = For::all, .has_value = true, .take = &take_size},  // after HELO too: many clients
    {.keyword = "BODY", .whom = For::all, .has_value = true, .take = &take_body},
    {.keyword = "SMTPUTF8", .whom = For::extended, .has_value = false, .take = &take_utf8},
    {.keyword = "RET", .whom = For::extended, .has_value = true, .take = &take_ret},
    {.keyword = "ENVID", .whom = For::extended, .has_value = true, .take = &take_envid},
    {.keyword = "AUTH", .whom = For::auth, .has_value = true, .take = &take_auth},
    {.keyword = "BY", .whom = For::trusted, .has_value = true, .take = &take_by},
    {.keyword = "HOLDFOR", .whom = For::hold, .has_value = true, .take = &take_hold_for},
    {.keyword = "HOLDUNTIL", .whom = For::hold, .has_value = true, .take = &take_hold_until},
    {.keyword = "MT-PRIORITY", .whom = For::trusted, .has_value = true, .take = &take_priority},
});
constexpr auto kRcptRules = std::to_array<Rule<mail::RecipientRequest>>({
    {.keyword = "NOTIFY", .whom = For::extended, .has_value = true, .take = &take_notify},
    {.keyword = "ORCPT", .whom = For::extended, .has_value = true, .take = &take_orcpt},
});

bool is_known(For whom, const CommandContext& context) {
  switch (whom) {
    case For::all: return true;
    case For::extended: return context.extended;
    case For::auth: return context.extended && context.auth;
    case For::trusted: return context.extended && context.trusted;
    case For::hold: return context.extended && context.trusted && context.hold_until_max;
  }
  return false;
}

template <typename Out, std::size_t size>
Refusal take_parameters(std::string_view text, const CommandContext& context, const std::array<Rule<Out>, size>& rules,
                        Out& out) {
  std::bitset<size> said;
  for (const std::string_view one : split(text, ' ')) {
    if (one.empty()) continue;
    const std::optional<Parameter> parameter = parse_parameter(one);
    if (!parameter) return malformed("Syntax: keyword=value");
    const auto rule =
        std::ranges::find_if(rules, [&](const auto& r) { return iequals_ascii(r.keyword, parameter->keyword); });
    if (rule == rules.end() || !is_known(rule->whom, context))
      return refused(555, "5.5.4", "Parameter not known here");  // 5321 §4.1.1.11
    const auto index = static_cast<std::size_t>(rule - rules.begin());
    const std::string keyword(rule->keyword);
    if (said.test(index)) return malformed(keyword + " said twice");
    said.set(index);
    if (rule->has_value != parameter->value.has_value())
      return malformed(keyword + (rule->has_value ? " wants a value" : " has no value"));
    if (Refusal refusal = rule->take(parameter->value.value_or(""), context, out)) return refusal;
  }
  return std::nullopt;
}

// --- XCLIENT ---

bool is_port(std::string_view value) { return all_digits(value) && parse_number<std::uint16_t>(value).has_value(); }
bool is_hello(std::string_view value) { return !value.empty() && value.size() <= kHelloNameOctetsMax; }
bool is_host(std::string_view value) {
  const Result<mail::Domain> domain = mail::Domain::parse(value);
  return domain && !domain->is_literal();
}
bool is_address(std::string_view value) { return mail::Domain::parse("[" + std::string(value) + "]").has_value(); }
bool is_protocol(std::string_view value) { return iequals_ascii(value, "SMTP") || iequals_ascii(value, "ESMTP"); }
bool is_login(std::string_view /*value*/) { return true; }

struct Attribute {
  std::string_view name;
  bool (*is_right)(std::string_view value);
  std::optional<std::string> XclientAttributes::* field;  ///< nullptr: dropped
};
constexpr auto kAttributes = std::to_array<Attribute>({
    {.name = "NAME", .is_right = &is_host, .field = &XclientAttributes::name},
    {.name = "ADDR", .is_right = &is_address, .field = &XclientAttributes::address},
    {.name = "PORT", .is_right = &is_port, .field = &XclientAttributes::port},
    {.name = "PROTO", .is_right = &is_protocol, .field = &XclientAttributes::protocol},
    {.name = "HELO", .is_right = &is_hello, .field = &XclientAttributes::hello},
    {.name = "LOGIN", .is_right = &is_login, .field = nullptr},  // SECURITY R4
    {.name = "DESTADDR", .is_right = &is_address, .field = &XclientAttributes::own_address},
    {.name = "DESTPORT", .is_right = &is_port, .field = &XclientAttributes::own_port},
});

/// `2026-05-04` etc.: digits at `at`, `count` of them.
std::optional<int> digits_at(std::string_view text, std::size_t at, std::size_t count) {
  if (text.size() < at + count || !all_digits(text.substr(at, count))) return std::nullopt;
  return parse_number<int>(text.substr(at, count)).value();
}

/// `Z`, `+02:00` (3339 §5.6 time-offset).
std::optional<std::chrono::minutes> parse_offset(std::string_view text) {
  if (iequals_ascii(text, "Z")) return std::chrono::minutes(0);
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') return std::nullopt;
  const std::optional<int> hours = digits_at(text, 1, 2);
  const std::optional<int> minutes = digits_at(text, 4, 2);
  if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  const std::chrono::minutes offset(*hours * 60 + *minutes);
  return text[0] == '-' ? -offset : offset;
}

}  // namespace

RefusedCommand refused(int code, std::string enhanced, std::string text) {
  return {.reply = {.code = code, .enhanced = std::move(enhanced), .text = std::move(text)},
          .hang_up = false,
          .limit = std::nullopt};
}

std::optional<RefusedCommand> take_mail_parameters(std::string_view text, const CommandContext& context,
                                                   MailParameters& out) {
  if (Refusal refusal = take_parameters(text, context, kMailRules, out)) return refusal;
  const mail::SenderRequest& request = out.request;
  if (!request.deliver_by || request.deliver_by->mode != mail::DeliverBy::Mode::return_it) return std::nullopt;
  std::chrono::seconds hold = request.hold_for.value_or(std::chrono::seconds(0));
  if (request.hold_until) {
    const WallTime now = *context.hold_until_max - kHoldMax;
    hold = std::chrono::ceil<std::chrono::seconds>(*request.hold_until - now);
  }
  if (hold >= request.deliver_by->within) return malformed("Held longer than BY leaves it");  // it could only fail
  return std::nullopt;
}

std::optional<RefusedCommand> take_rcpt_parameters(std::string_view text, const CommandContext& context,
                                                   mail::RecipientRequest& out) {
  return take_parameters(text, context, kRcptRules, out);
}

std::optional<RefusedCommand> take_xclient_attributes(std::string_view text, XclientAttributes& out) {
  std::bitset<kAttributes.size()> said;
  for (const std::string_view one : split(text, ' ')) {
    if (one.empty()) continue;
    const auto [name, xtext] = split_once(one, '=');
    const auto known = std::ranges::find_if(kAttributes, [&](const auto& a) { return iequals_ascii(a.name, name); });
    if (known == kAttributes.end()) return malformed("Attribute of XCLIENT not known");
    const auto index = static_cast<std::size_t>(known - kAttributes.begin());
    Result<std::string> value = mail::decode_xtext(xtext);
    if (!value || value->empty() || said.test(index)) return malformed("Attribute of XCLIENT not understood");
    said.set(index);
    if (iequals_ascii(*value, "[UNAVAILABLE]") || iequals_ascii(*value, "[TEMPUNAVAIL]")) {
      value->clear();
    } else if (!known->is_right(*value)) {
      return malformed(std::string(known->name) + " of XCLIENT has a wrong value");
    }
    const bool is_v6 = known->is_right == &is_address && istarts_with_ascii(*value, "IPv6:");
    if (known->field != nullptr) (out.*known->field).emplace(is_v6 ? value->substr(5) : *value);
  }
  if (said.none()) return malformed("Syntax: XCLIENT attribute=value");
  return std::nullopt;
}

Result<WallTime> parse_rfc3339(std::string_view text) {
  const auto wrong = error(Error::malformed, "smtp.date_time", "not a date-time");
  const std::optional<int> year = digits_at(text, 0, 4);
  const std::optional<int> month = digits_at(text, 5, 2);
  const std::optional<int> day = digits_at(text, 8, 2);
  const std::optional<int> hour = digits_at(text, 11, 2);
  const std::optional<int> minute = digits_at(text, 14, 2);
  const std::optional<int> second = digits_at(text, 17, 2);
  if (!year || !month || !day || !hour || !minute || !second) return wrong;
  if (text[4] != '-' || text[7] != '-' || to_upper_ascii(text[10]) != 'T' || text[13] != ':' || text[16] != ':')
    return wrong;
  std::string_view rest = text.substr(19);
  if (rest.starts_with('.')) {
    const std::size_t end = std::min(rest.find_first_not_of("0123456789", 1), rest.size());
    if (end == 1) return wrong;
    rest.remove_prefix(end);  // parts of a second are of no use to anyone
  }
  const std::optional<std::chrono::minutes> offset = parse_offset(rest);
  const std::chrono::year_month_day date(std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!offset || !date.ok() || *hour > 23 || *minute > 59 || *second > 60) return wrong;
  return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
         std::chrono::seconds(std::min(*second, 59)) - *offset;
}

}  // namespace postrider::smtp
