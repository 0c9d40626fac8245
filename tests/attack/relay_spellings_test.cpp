// Recipients in every spelling that ever made an open relay (SECURITY R4): each goes through the whole path, the SMTP
// engine, the gate and a directory, as a stranger says it. None is accepted.
#include "gate/test_host.hpp"
#include "tests/attack/attack.hpp"

#include <array>

namespace postrider::attack {
namespace {

/// One session of a stranger with an engine whose recipients are judged by a real gate. here.test is local; `list@` and
/// postmaster are all that it has.
class Stranger {
 public:
  explicit Stranger(gate::test::Host* host) : host_(host) {
    session_.start(actions_);
    perform();
    say("EHLO stranger.example\r\n");
  }
  /// The replies to `octets`.
  std::string say(std::string_view octets) {
    sent_.clear();
    session_.step(smtp::Received{octets}, actions_);
    perform();
    return sent_;
  }
  [[nodiscard]] bool closed() const { return session_.closed(); }
  std::vector<mail::Address> asked;
  std::vector<mail::Address> accepted;

 private:
  void perform() {
    while (!actions_.empty()) {
      const smtp::Action action = std::move(actions_.front());
      actions_.pop_front();
      std::optional<smtp::Reply> answer;
      if (const auto* const send = std::get_if<smtp::Send>(&action)) sent_ += send->octets;
      if (std::holds_alternative<smtp::AskConnect>(action)) answer = {.code = 220, .enhanced = "", .text = "hi"};
      if (std::holds_alternative<smtp::AskHello>(action)) answer = {.code = 250, .enhanced = "", .text = "hi"};
      if (const auto* const ask = std::get_if<smtp::AskSender>(&action))
        answer = reply_of(host_->gate->check_sender(ask->reverse_path, 0, {}));
      if (const auto* const ask = std::get_if<smtp::AskRecipient>(&action)) {
        asked.push_back(ask->address);
        const gate::RecipientVerdict verdict = host_->check(ask->address);
        if (gate::accepts(verdict.verdict)) accepted.push_back(ask->address);
        answer = reply_of(verdict.verdict);
      }
      if (std::holds_alternative<smtp::AskFlushed>(action)) answer = {.code = 250, .enhanced = "", .text = ""};
      if (std::holds_alternative<smtp::BeginContent>(action)) answer = {.code = 354, .enhanced = "", .text = "go"};
      if (answer) session_.step(smtp::Answered{.reply = std::move(*answer)}, actions_);
    }
  }
  static smtp::Reply reply_of(const gate::Verdict& verdict) {
    return {.code = verdict.code, .enhanced = verdict.enhanced, .text = verdict.text};
  }

  gate::test::Host* host_;
  smtp::ServerSettings settings_{.hostname = "mx.here.test", .own_domain = gate::test::domain("mx.here.test")};
  smtp::ServerSession session_{&settings_};
  smtp::Actions actions_;
  std::string sent_;
};

using namespace std::string_view_literals;

/// What stands behind `RCPT TO:`.
constexpr std::array kSpellings = {
    // Elsewhere, said plainly.
    "<x@away.test>"sv,
    "<X@AWAY.TEST>"sv,
    "<postmaster@away.test>"sv,
    "<abuse@away.test>"sv,
    "<list@away.test>"sv,
    "<x@sub.here.test>"sv,
    "<list@sub.here.test>"sv,
    "<x@SUB.HERE.TEST>"sv,
    "<list@a.b.c.here.test>"sv,
    "<list@xhere.test>"sv,
    "<list@here.test.away.test>"sv,
    "<list@here-test>"sv,
    "<list@test>"sv,
    "<list@here>"sv,
    "<list@mx.here.test>"sv,
    "<list@localhost>"sv,
    "<x@localhost.localdomain>"sv,
    "<x@local>"sv,
    // Dots that are too many.
    "<list@here.test.>"sv,
    "<x@away.test.>"sv,
    "<list@here.test..>"sv,
    "<x@.here.test>"sv,
    "<x@here..test>"sv,
    "<x@.>"sv,
    "<x@..>"sv,
    "<x@away.test.here>"sv,
    // Per cent.
    "<x%away.test@here.test>"sv,
    "<x%away.test%here.test@here.test>"sv,
    "<x%away.test>"sv,
    "<x%here.test@away.test>"sv,
    "<x%away.test@>"sv,
    "<%away.test@here.test>"sv,
    "<x%%away.test@here.test>"sv,
    "<x%40away.test@here.test>"sv,
    "<list%away.test@here.test>"sv,
    "<x%[192.0.2.1]@here.test>"sv,
    "<x%away.test@[127.0.0.1]>"sv,
    "<x%away.test@localhost>"sv,
    "<x+list%away.test@here.test>"sv,
    // Bangs.
    "<away.test!x@here.test>"sv,
    "<here.test!away.test!x>"sv,
    "<away.test!x>"sv,
    "<here.test!x@away.test>"sv,
    "<!away.test!x@here.test>"sv,
    "<away.test!x%other.test@here.test>"sv,
    "<\"away.test!x\"@here.test>"sv,
    "<away.test!list@here.test>"sv,
    "<away.test::x@here.test>"sv,
    // Routes.
    "<@here.test:x@away.test>"sv,
    "<@away.test:x@here.test>"sv,
    "<@here.test,@away.test:x@other.test>"sv,
    "<@here.test:x%away.test@here.test>"sv,
    "<@here.test:away.test!x@here.test>"sv,
    "<@here.test:\"x@away.test\"@here.test>"sv,
    "<@here.test>"sv,
    "<@here.test:>"sv,
    "<@:x@away.test>"sv,
    "<:x@away.test>"sv,
    "<@here.test:@away.test:x@here.test>"sv,
    "<@here.test,x@away.test>"sv,
    "<@here.test: x@away.test>"sv,
    "<@[127.0.0.1]:x@away.test>"sv,
    "<@away.test:list@away.test>"sv,
    "<here.test:x@away.test>"sv,
    "<@here.test:x>"sv,
    // Quoted.
    "<\"x@away.test\"@here.test>"sv,
    "<\"x@away.test\">"sv,
    "<\"x@here.test\"@away.test>"sv,
    "<\"x%away.test\"@here.test>"sv,
    "<\"@away.test:x\"@here.test>"sv,
    "<\"x\\@away.test\"@here.test>"sv,
    "<\"x@away.test>\"@here.test>"sv,
    "<\"x\"@away.test\"@here.test>"sv,
    "<\"\"@away.test>"sv,
    "<\"\"@here.test>"sv,
    "<\"list\"\"@away.test>"sv,
    "<\"list\\\"@here.test>"sv,
    "<'x@away.test'@here.test>"sv,
    "\"x@away.test\"@here.test"sv,
    "<x@\"away.test\">"sv,
    "<x@\"here.test\">"sv,
    "<\"list@here.test\"@[127.0.0.1]>"sv,
    "<\"list \"@here.test>"sv,
    // Two at signs.
    "<x@away.test@here.test>"sv,
    "<x@here.test@away.test>"sv,
    "<x\\@away.test@here.test>"sv,
    "<@x@away.test>"sv,
    "<list@here.test@>"sv,
    "<x@@away.test>"sv,
    // Literals, also our own.
    "<x@[192.0.2.1]>"sv,
    "<x@[127.0.0.1]>"sv,
    "<postmaster@[127.0.0.1]>"sv,
    "<list@[127.0.0.1]>"sv,
    "<postmaster@[192.0.2.25]>"sv,
    "<x@[IPv6:::1]>"sv,
    "<postmaster@[IPv6:::1]>"sv,
    "<x@[IPv6:2001:db8::1]>"sv,
    "<x@[ipv6:2001:DB8::1]>"sv,
    "<x@[IPv6:::ffff:127.0.0.1]>"sv,
    "<x@[IPv6:::ffff:7f00:1]>"sv,
    "<x@[IPv6:fe80::1%eth0]>"sv,
    "<x@[::1]>"sv,
    "<x@[2130706433]>"sv,
    "<x@[0x7f000001]>"sv,
    "<x@[0177.0.0.1]>"sv,
    "<x@[127.1]>"sv,
    "<x@[127.0.0.1.]>"sv,
    "<x@[here.test]>"sv,
    "<x@[]>"sv,
    "<x@[ 127.0.0.1 ]>"sv,
    "<x@[127.0.0.1]here.test>"sv,
    "<x@here.test[127.0.0.1]>"sv,
    "<x@[tag:here.test]>"sv,
    "<x@[127.0.0.1>"sv,
    "<x@127.0.0.1]>"sv,
    "<x@[[127.0.0.1]]>"sv,
    // Numbers that are no literals.
    "<x@192.0.2.1>"sv,
    "<x@127.0.0.1>"sv,
    "<x@2130706433>"sv,
    "<x@0x7f000001>"sv,
    "<x@#2130706433>"sv,
    "<x@::1>"sv,
    "<x@017700000001>"sv,
    // Other scripts.
    "<list@h\xc3\xa9re.test>"sv,

    "<list@h\xd0\xb5re.test>"sv,
    "<list@xn--hre-9la.test>"sv,
    "<list@xn--hre-fpa.test>"sv,
    "<list@xn--here.test>"sv,
    "<l\xd1\x96st@here.test>"sv,
    "<\xc3\xa9@away.test>"sv,
    "<x\xef\xbc\xa0\x61way.test@here.test>"sv,
    "<x@away\xe2\x80\xa4test>"sv,

    "<list@here\xc2\xadtest>"sv,
    "<x\xef\xbc\x85\x61way.test@here.test>"sv,
    "<list@here.test\xc0\x80>"sv,
    "<list@\xff.here.test>"sv,
    // Blanks, comments, control characters.
    "<list@here.test\t>"sv,
    "<x@here.test >"sv,
    "< x@away.test>"sv,
    "<x @away.test>"sv,
    "<x@ away.test>"sv,
    "<x@away.test (here.test)>"sv,
    "<x(c)@away.test>"sv,
    "<x@(here.test)away.test>"sv,
    "<list@here.test(away.test)>"sv,
    "<list@here.test\0.away.test>"sv,
    "<x@away.test\0@here.test>"sv,
    "<list\0@here.test>"sv,
    "<x@away.test\x7f>"sv,
    "<x@away.test\n>"sv,
    "<x@away.test\r>"sv,
    "<x@away.test\nRCPT TO:<list@here.test>"sv,
    "<x@away.test\x08>"sv,
    // More than one.
    "<x@away.test,y@here.test>"sv,
    "<x@away.test;list@here.test>"sv,
    "<list@here.test>,<x@away.test>"sv,
    "<list@here.test> <x@away.test>"sv,
    "<list@here.test><x@away.test>"sv,
    "<list@here.test,x@away.test>"sv,
    "<x@away.test> TO:<list@here.test>"sv,
    "Away <x@away.test>"sv,
    "list@here.test <x@away.test>"sv,
    // Brackets.
    "<<x@away.test>@here.test>"sv,
    "<<x@away.test>>"sv,
    "<x@away.test>@here.test"sv,
    "x@away.test"sv,
    "<x@away.test"sv,
    "x@away.test>"sv,
    ">x@away.test<"sv,
    "<>"sv,
    "<@>"sv,
    "<x@>"sv,
    "<x>"sv,
    "<@here.test:<x@away.test>>"sv,
    "[x@away.test]"sv,
    // Parameters that name another recipient.
    "<x@here.test> ORCPT=rfc822;x@away.test"sv,
    "<x@away.test> ORCPT=rfc822;list@here.test"sv,
    "<x@away.test> NOTIFY=NEVER"sv,
    "<x@away.test> RELAY"sv,
    "<x@away.test> AUTH=<list@here.test>"sv,
    // What is none of it.
    "<|/bin/sh@here.test>"sv,
    "<|/bin/sh>"sv,
    "</etc/passwd@here.test>"sv,
    "<x/away.test@here.test>"sv,
    "<x=away.test@here.test>"sv,
    "<x#away.test@here.test>"sv,
    "<list@here_test>"sv,
    "<list@*.here.test>"sv,
    "<x@*>"sv,
    "<*@here.test>"sv,
    "<list@here.test:25>"sv,
    "<list@here.test/away.test>"sv,
    "<list@here.test%away.test>"sv,
    "<mailto:x@away.test>"sv,
    "<smtp:x@away.test>"sv,
    "<SMTP:x@away.test@here.test>"sv,
    "<IMCEASMTP-x+40away+2Etest@here.test>"sv,
    "<x@away.test#here.test>"sv,
    "<SRS0=aaaa=bb=away.test=x@here.test>"sv,
    "<prvs=0123456789=x%away.test@here.test>"sv,
};

TEST(RelaySpellings, NoneIsAccepted) {
  static_assert(kSpellings.size() >= 60);
  gate::test::Host host;
  std::size_t judged = 0;
  for (const std::string_view mail : {"MAIL FROM:<x@stranger.example>\r\n"sv, "MAIL FROM:<list@here.test>\r\n"sv,
                                      "MAIL FROM:<>\r\n"sv, "MAIL FROM:<x@stranger.example> SMTPUTF8\r\n"sv}) {
    for (const std::string_view spelling : kSpellings) {
      SCOPED_TRACE(testing::PrintToString(std::string(mail) + std::string(spelling)));
      Stranger stranger(&host);
      stranger.say(mail);
      const std::string said = stranger.say("RCPT TO:" + std::string(spelling) + "\r\n");
      EXPECT_EQ(codes_of(said).substr(0, 1), "5") << said;
      EXPECT_EQ(stranger.accepted, std::vector<mail::Address>());
      judged += stranger.asked.size();
      const std::string next = stranger.say("DATA\r\n");
      EXPECT_TRUE(codes_of(next) == "554" || codes_of(next) == "503") << next;
    }
  }
  EXPECT_GT(judged, 100U) << "most never came to the gate: the table tests the parser only";
}

/// The table means something: the same path takes what is ours.
TEST(RelaySpellings, WhatIsOursIsAccepted) {
  gate::test::Host host;
  for (const std::string_view spelling : {"<list@here.test>"sv, "<list@HERE.Test>"sv, "<\"list\"@here.test>"sv,
                                          "<@away.test:list@here.test>"sv, " <list@here.test>"sv}) {
    Stranger stranger(&host);
    stranger.say("MAIL FROM:<x@stranger.example>\r\n");
    EXPECT_EQ(codes_of(stranger.say("RCPT TO:" + std::string(spelling) + "\r\n")), "250") << spelling;
    EXPECT_EQ(stranger.accepted.size(), 1U);
  }
}

/// Spellings of our domain that IDNA maps to it are ours with SMTPUTF8 (6531 §3.3), and no addresses without.
TEST(RelaySpellings, OurDomainInOtherScriptsIsOurs) {
  gate::test::Host host;
  for (const std::string_view spelling : {"<list@here\xe3\x80\x82test>"sv, "<list@\xef\xbd\x88\xef\xbd\x85re.test>"sv,
                                          "<list@here.test\xe2\x80\x8b>"sv}) {
    Stranger stranger(&host);
    stranger.say("MAIL FROM:<x@stranger.example>\r\n");
    EXPECT_EQ(codes_of(stranger.say("RCPT TO:" + std::string(spelling) + "\r\n")), "553") << spelling;
    stranger.say("RSET\r\nMAIL FROM:<x@stranger.example> SMTPUTF8\r\n");
    stranger.say("RCPT TO:" + std::string(spelling) + "\r\n");
    for (const mail::Address& accepted : stranger.accepted) EXPECT_EQ(accepted.text(), "list@here.test");
  }
}

/// A relay domain opens itself and nothing else: no spelling reaches another domain by it, nor asks its host to send
/// on.
TEST(RelaySpellings, ARelayDomainOpensNoOther) {
  constexpr std::array kNone = {
      "<x@sub.any.test>"sv,
      "<x@any.test.away.test>"sv,
      "<x@xany.test>"sv,
      "<x@any>"sv,
      "<x@any.test.>"sv,
      "<x@.any.test>"sv,
      "<x@any..test>"sv,
      "<x@any.test@away.test>"sv,
      "<x@away.test@any.test>"sv,
      "<\"x@any.test\"@away.test>"sv,
      "<\"x@away.test\"@any.test>"sv,
      "<\"x@away.test\"@asked.test>"sv,
      "<x%away.test@any.test>"sv,
      "<x%away.test@asked.test>"sv,
      "<x%away.test%any.test@any.test>"sv,
      "<x%any.test@away.test>"sv,
      "<away.test!x@any.test>"sv,
      "<any.test!away.test!x@any.test>"sv,
      "<any.test!x@away.test>"sv,
      "<\"away.test!x\"@any.test>"sv,
      "<\"x%away.test\"@any.test>"sv,
      "<\"@away.test:x\"@any.test>"sv,
      "<\"x\\@away.test\"@any.test>"sv,
      "<@any.test:x@away.test>"sv,
      "<@here.test,@any.test:x@away.test>"sv,
      "<@away.test:x%away.test@any.test>"sv,
      "<@any.test:@away.test:x@any.test>"sv,
      "<x@any.test,y@away.test>"sv,
      "<x@any.test> <x@away.test>"sv,
      "<x@any.test:25>"sv,
      "<x@any.test/away.test>"sv,
      "<x@any.test%away.test>"sv,
      "<x@[any.test]>"sv,
      "<x@any.test[127.0.0.1]>"sv,
      "<x@any.test(away.test)>"sv,
      "<x@any.test\0.away.test>"sv,
      "<x@any.test\t>"sv,
      "<x@*.test>"sv,
      "<x@127.0.0.1>"sv,
      "<x@[127.0.0.1]>"sv,
  };
  gate::test::Host host;
  host.probe.answer = {.kind = gate::RecipientProbe::Answer::Kind::accepted, .reply = "250 ok"};
  for (const std::string_view spelling : kNone) {
    SCOPED_TRACE(testing::PrintToString(std::string(spelling)));
    Stranger stranger(&host);
    stranger.say("MAIL FROM:<x@any.test>\r\n");
    EXPECT_EQ(codes_of(stranger.say("RCPT TO:" + std::string(spelling) + "\r\n")).substr(0, 1), "5");
    EXPECT_EQ(stranger.accepted, std::vector<mail::Address>());
  }
  for (const std::string_view spelling :
       {"<x@any.test>"sv, "<X@ANY.test>"sv, "<@away.test:x@any.test>"sv, "<x@asked.test>"sv}) {
    Stranger stranger(&host);
    stranger.say("MAIL FROM:<x@stranger.example>\r\n");
    EXPECT_EQ(codes_of(stranger.say("RCPT TO:" + std::string(spelling) + "\r\n")), "250") << spelling;
    ASSERT_EQ(stranger.accepted.size(), 1U);
    EXPECT_TRUE(stranger.accepted[0].domain().text() == "any.test" ||
                stranger.accepted[0].domain().text() == "asked.test");
  }
  for (const mail::Address& asked : host.probe.asked) EXPECT_EQ(asked.domain().text(), "asked.test");
}

/// A source route, HELO name or sender of ours gives no right to relay.
TEST(RelaySpellings, NoNameThatIsSaidMakesOneTrusted) {
  gate::test::Host host;
  Stranger stranger(&host);
  for (const std::string_view hello : {"EHLO here.test\r\n"sv, "HELO localhost\r\n"sv, "EHLO [127.0.0.1]\r\n"sv}) {
    stranger.say(hello);
    for (const std::string_view sender :
         {"<list@here.test>"sv, "<postmaster@here.test>"sv, "<@here.test:x@here.test>"sv}) {
      stranger.say("MAIL FROM:" + std::string(sender) + "\r\n");
      EXPECT_EQ(codes_of(stranger.say("RCPT TO:<x@away.test>\r\n")), "550");
      stranger.say("RSET\r\n");
    }
  }
}

}  // namespace
}  // namespace postrider::attack
