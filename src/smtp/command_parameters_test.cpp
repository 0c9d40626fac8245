#include "smtp/command_parameters.hpp"

#include <gtest/gtest.h>

namespace postrider::smtp {
namespace {

using namespace std::chrono_literals;

const mail::Domain kOwn = mail::Domain::parse("own.test").value();

CommandContext trusted() {
  CommandContext context;
  context.own_domain = &kOwn;
  context.trusted = true;
  context.xclient = true;
  context.binarymime = true;
  context.hold_until_max = WallTime(std::chrono::sys_days{std::chrono::year{2030} / 1 / 1});
  return context;
}

TEST(Parameters, OfMailAreTakenAsTheyMean) {
  const Command command = parse_command(
      "MAIL FROM:<x@y.test> SIZE=42 BODY=BINARYMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb BY=-5;NT HOLDFOR=60 MT-PRIORITY=-3",
      trusted());
  const auto* const mail = std::get_if<MailCommand>(&command);
  ASSERT_NE(mail, nullptr);
  EXPECT_EQ(mail->parameters.size_octets, 42U);
  const mail::SenderRequest want{
      .utf8 = mail::Utf8::yes,
      .body = BodyType::binary_mime,
      .returned = mail::ReturnContent::headers,
      .envelope_id = "a+b",
      .deliver_by = mail::DeliverBy{.within = -5s, .mode = mail::DeliverBy::Mode::notify, .trace = true},
      .hold_for = 60s,
      .hold_until = std::nullopt,
      .priority = -3,
  };
  EXPECT_EQ(mail->parameters.request, want);
}

TEST(Parameters, OfMailThatAreNotSaidStayUnsaid) {
  const Command command = parse_command("MAIL FROM:<>", trusted());
  EXPECT_EQ(std::get<MailCommand>(command).parameters.request, mail::SenderRequest{});
}

TEST(Parameters, OfRcptAreTakenAsTheyMean) {
  Command command = parse_command("RCPT TO:<a@b.test> NOTIFY=SUCCESS,DELAY ORCPT=RFC822;a+2Bb@c.test", trusted());
  const mail::RecipientRequest& request = std::get<RcptCommand>(command).request;
  EXPECT_EQ(request.notify, (mail::NotifyOn{.success = true, .failure = false, .delay = true}));
  EXPECT_EQ(request.original_type, "rfc822");
  EXPECT_EQ(request.original, "a+b@c.test");
  command = parse_command("RCPT TO:<a@b.test> ORCPT=UTF-8;j\\x{F6}rg@c.test NOTIFY=never", trusted());
  EXPECT_EQ(std::get<RcptCommand>(command).request.original, "j\xc3\xb6rg@c.test");
  EXPECT_EQ(std::get<RcptCommand>(command).request.notify, mail::NotifyOn{});
}

TEST(Parameters, OfXclientAreDecodedAndLoginIsDropped) {
  const Command command = parse_command(
      "xclient name=mx.b.test addr=IPv6:2001:DB8::1 port=25 proto=smtp helo=a+20b login=ann destaddr=[UNAVAILABLE]",
      trusted());
  const XclientAttributes& got = std::get<XclientCommand>(command).attributes;
  EXPECT_EQ(got.name, "mx.b.test");
  EXPECT_EQ(got.address, "2001:DB8::1");
  EXPECT_EQ(got.port, "25");
  EXPECT_EQ(got.protocol, "smtp");
  EXPECT_EQ(got.hello, "a b");
  EXPECT_EQ(got.own_address, "");
  EXPECT_EQ(got.own_port, std::nullopt);
}

TEST(Parameters, TheLongestAreTakenAndOneOverIsNot) {
  const auto code = [](const std::string& line) {
    const Command command = parse_command(line, trusted());
    const auto* const refusal = std::get_if<RefusedCommand>(&command);
    return refusal == nullptr ? 250 : refusal->reply.code;
  };
  EXPECT_EQ(code("MAIL FROM:<> ENVID=" + std::string(mail::kEnvelopeIdOctetsMax, 'x')), 250);
  EXPECT_EQ(code("MAIL FROM:<> ENVID=" + std::string(mail::kEnvelopeIdOctetsMax + 1, 'x')), 501);
  EXPECT_EQ(code("RCPT TO:<a@b.test> ORCPT=x;" + std::string(mail::kOriginalRecipientOctetsMax - 2, 'x')), 250);
  EXPECT_EQ(code("RCPT TO:<a@b.test> ORCPT=x;" + std::string(mail::kOriginalRecipientOctetsMax - 1, 'x')), 501);
  EXPECT_EQ(code("MAIL FROM:<> HOLDFOR=" + std::to_string(kHoldMax.count())), 250);
  EXPECT_EQ(code("MAIL FROM:<> HOLDFOR=" + std::to_string(kHoldMax.count() + 1)), 501);
}

TEST(DateTime, Rfc3339) {
  const std::pair<const char*, const char*> rows[] = {
      {"2026-05-04T07:11:04Z", "2026-05-04T07:11:04.000Z"},
      {"2026-05-04t07:11:04.123456789z", "2026-05-04T07:11:04.000Z"},
      {"2026-05-04T07:11:04+02:00", "2026-05-04T05:11:04.000Z"},
      {"2026-12-31T23:30:00-01:00", "2027-01-01T00:30:00.000Z"},
      {"2016-12-31T23:59:60Z", "2016-12-31T23:59:59.000Z"},
      {"2024-02-29T00:00:00-00:00", "2024-02-29T00:00:00.000Z"},
  };
  for (const auto& [text, want] : rows) {
    const Result<WallTime> got = parse_rfc3339(text);
    ASSERT_TRUE(got) << text;
    EXPECT_EQ(to_rfc3339(*got), want);
  }
  for (const char* bad :
       {"", "2026", "2026-05-04", "2026-05-04T07:11:04", "2026-05-04 07:11:04Z", "2026-02-29T07:11:04Z",
        "2026-00-04T07:11:04Z", "2026-05-04T24:00:00Z", "2026-05-04T07:11:61Z", "2026-05-04T07:11:04.Z",
        "2026-05-04T07:11:04+2:00", "2026-05-04T07:11:04+02:60", "2026-05-04T07:11:04Z ", "+026-05-04T07:11:04Z"}) {
    EXPECT_FALSE(parse_rfc3339(bad)) << bad;
  }
}

}  // namespace
}  // namespace postrider::smtp
