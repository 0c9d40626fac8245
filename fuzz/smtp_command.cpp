// rooms: smtp mail core
// One command line: no value that is taken has a control character in it, and all are within their limits; what is
// refused says so in a reply of its class. The first octet has the context.
#include "core/check.hpp"
#include "core/overloaded.hpp"
#include "core/text.hpp"
#include "smtp/command.hpp"
#include "smtp/command_parameters.hpp"

#include <algorithm>
#include <cstdint>
#include <string_view>

using namespace postrider;

namespace {

void check_text(std::string_view text, std::size_t octets_max) {
  const auto is_control = [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; };
  check(std::ranges::none_of(text, is_control), "no control characters");
  check(text.size() <= octets_max, "within its limit");
  check(is_utf8(text), "well-formed");
}

void check_mail(const smtp::MailCommand& command, const smtp::CommandContext& context) {
  const mail::SenderRequest& request = command.parameters.request;
  check_text(command.reverse_path.text(), 2 * mail::kPathOctetsMax);
  check_text(request.envelope_id, mail::kEnvelopeIdOctetsMax);
  check(is_ascii(request.envelope_id), "ENVID is ASCII");
  check(request.utf8 == mail::Utf8::yes || is_ascii(command.reverse_path.text()), "UTF-8 was asked for");
  check(!request.hold_for || (*request.hold_for >= std::chrono::seconds(1) && *request.hold_for <= smtp::kHoldMax),
        "HOLDFOR is within what is offered");
  check(!request.hold_until || *request.hold_until <= context.hold_until_max, "HOLDUNTIL is within what is offered");
  check(!request.hold_for || !request.hold_until, "held once");
  check(!request.priority || std::abs(*request.priority) <= mail::kPriorityMax, "MT-PRIORITY is in its range");
  const bool extended = request.hold_for || request.hold_until || request.priority || request.deliver_by;
  check(!extended || (context.trusted && context.extended), "only what was offered");
  check(request.body != smtp::BodyType::binary_mime || context.binarymime, "BINARYMIME was offered");
}

void check_rcpt(const smtp::RcptCommand& command, const smtp::CommandContext& context) {
  check_text(command.address.text(), 2 * mail::kPathOctetsMax);
  check_text(command.request.original, mail::kOriginalRecipientOctetsMax);
  check_text(command.request.original_type, mail::kOriginalRecipientOctetsMax);
  check(command.request.original.empty() == command.request.original_type.empty(), "ORCPT has both or none");
  check(command.request.original_type == "utf-8" || is_ascii(command.request.original), "ORCPT is as its type has it");
  check(context.utf8 == mail::Utf8::yes || is_ascii(command.address.text()), "UTF-8 was asked for");
}

void check_xclient(const smtp::XclientCommand& command, const smtp::CommandContext& context) {
  check(context.xclient, "XCLIENT was offered");
  const smtp::XclientAttributes& a = command.attributes;
  for (const auto* one : {&a.name, &a.address, &a.port, &a.hello, &a.protocol, &a.own_address, &a.own_port})
    check_text(one->value_or(""), mail::kDomainOctetsMax);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  static const mail::Domain own_domain = mail::Domain::parse("own.test").value();
  const auto has = [&](unsigned bit) { return (data[0] & bit) != 0; };
  smtp::CommandContext context{.own_domain = &own_domain,
                               .protocol = has(1) ? smtp::Protocol::lmtp : smtp::Protocol::smtp,
                               .extended = !has(2),
                               .binarymime = has(4),
                               .trusted = has(8),
                               .xclient = has(16),
                               .hold_until_max = std::nullopt,
                               .utf8 = has(32) ? mail::Utf8::yes : mail::Utf8::no};
  if (has(64)) context.hold_until_max = WallTime(std::chrono::sys_days{std::chrono::year{2030} / 1 / 1});
  const std::string_view line(reinterpret_cast<const char*>(data) + 1, size - 1);
  const smtp::Command command = smtp::parse_command(line.substr(0, smtp::kCommandLineOctetsMax - 2), context);
  std::visit(Overloaded{[](const smtp::HelloCommand& c) {
                          check_text(c.name, mail::kDomainOctetsMax);
                          check(is_ascii(c.name) && !c.name.empty(), "a name is printable ASCII");
                        },
                        [&](const smtp::MailCommand& c) { check_mail(c, context); },
                        [&](const smtp::RcptCommand& c) { check_rcpt(c, context); },
                        [&](const smtp::XclientCommand& c) { check_xclient(c, context); },
                        [](const smtp::BdatCommand&) {}, [](const smtp::BareCommand&) {},
                        [](const smtp::AuthCommand& c) {
                          check_text(c.mechanism, 21);
                          check(is_ascii(c.mechanism), "a mechanism is printable ASCII");
                          check(!c.initial || !c.initial->empty(), "an initial response is there or not");
                        },
                        [](const smtp::RefusedCommand& c) {
                          check(c.reply.code >= 500 && c.reply.code <= 555, "a permanent refusal");
                          check(c.reply.enhanced.starts_with("5."), "with its class");
                        }},
             command);
  return 0;
}
