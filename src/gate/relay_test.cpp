// Spellings that must not relay for strangers (SECURITY R4): each goes through the parser of RCPT, the directory and
// the relay function.
#include "gate/gate.hpp"
#include "gate/test_host.hpp"

#include <gtest/gtest.h>

namespace postrider::gate {
namespace {

using test::address;
using test::domain;
using test::Host;

constexpr auto kAccount = mail::AccountId{1};

TEST(DecideRelay, IsThisTable) {
  struct Row {
    DomainIs is;
    const char* domain;
    SessionIdentity identity;
    ListenerRole role;
    RelayDecision want;
  };
  const SessionIdentity stranger;
  const SessionIdentity member{.account = kAccount};
  const SessionIdentity network{.account = std::nullopt, .in_relay_network = true};
  const SessionIdentity local_user{.account = std::nullopt, .local_user = 1000};
  const std::vector<Row> rows = {
      {DomainIs::local, "here.test", stranger, ListenerRole::relay_in, RelayDecision::local},
      {DomainIs::local, "here.test", network, ListenerRole::relay_in, RelayDecision::local},
      {DomainIs::local, "here.test", member, ListenerRole::submission, RelayDecision::local},
      {DomainIs::elsewhere, "away.test", stranger, ListenerRole::relay_in, RelayDecision::denied},
      {DomainIs::elsewhere, "away.test", stranger, ListenerRole::submission, RelayDecision::denied},
      {DomainIs::elsewhere, "away.test", network, ListenerRole::relay_in, RelayDecision::relay},
      {DomainIs::elsewhere, "away.test", member, ListenerRole::submission, RelayDecision::relay},
      {DomainIs::elsewhere, "away.test", member, ListenerRole::relay_in, RelayDecision::denied},
      {DomainIs::elsewhere, "away.test", network, ListenerRole::submission, RelayDecision::denied},
      {DomainIs::elsewhere, "away.test", local_user, ListenerRole::submission, RelayDecision::relay},
      {DomainIs::elsewhere, "away.test", local_user, ListenerRole::relay_in, RelayDecision::denied},
      {DomainIs::elsewhere, "away.test", local_user, ListenerRole::lmtp, RelayDecision::denied},
      {DomainIs::elsewhere, "[192.0.2.1]", local_user, ListenerRole::submission, RelayDecision::denied},
      {DomainIs::elsewhere, "[192.0.2.1]", stranger, ListenerRole::relay_in, RelayDecision::denied},
      {DomainIs::elsewhere, "[192.0.2.1]", network, ListenerRole::relay_in, RelayDecision::denied},
      {DomainIs::elsewhere, "[192.0.2.1]", member, ListenerRole::submission, RelayDecision::denied},
      {DomainIs::elsewhere, "away.test", network, ListenerRole::lmtp, RelayDecision::denied},
      {DomainIs::elsewhere, "away.test", member, ListenerRole::lmtp, RelayDecision::denied},
      {DomainIs::relay, "inner.test", stranger, ListenerRole::relay_in, RelayDecision::relay},
      {DomainIs::relay, "inner.test", network, ListenerRole::relay_in, RelayDecision::relay},
      {DomainIs::relay, "inner.test", member, ListenerRole::submission, RelayDecision::relay},
      {DomainIs::relay, "inner.test", stranger, ListenerRole::submission, RelayDecision::denied},
      {DomainIs::relay, "inner.test", network, ListenerRole::submission, RelayDecision::denied},
      {DomainIs::relay, "inner.test", stranger, ListenerRole::lmtp, RelayDecision::denied},
      {DomainIs::relay, "inner.test", network, ListenerRole::lmtp, RelayDecision::denied},
      {DomainIs::relay, "inner.test", member, ListenerRole::lmtp, RelayDecision::denied},
      {DomainIs::relay, "[192.0.2.1]", stranger, ListenerRole::relay_in, RelayDecision::denied},
      {DomainIs::relay, "[192.0.2.1]", network, ListenerRole::relay_in, RelayDecision::denied},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(decide_relay(row.is, domain(row.domain), row.identity, row.role), row.want) << row.domain;
  }
}

TEST(Relay, NoSpellingRelaysForStrangers) {
  const std::vector<std::string> spellings = {
      "<x@away.test>",
      "<X@AWAY.TEST>",
      "<x@sub.here.test>",
      "<x@SUB.HERE.TEST>",
      "<x@a.b.c.here.test>",
      "<x@xhere.test>",
      "<x@here.test.away.test>",
      "<x@here-test>",
      "<x@test>",
      "<x@here>",
      "<x@localhost>",
      "<x@here.test.>",
      "<x@away.test.>",
      "<x@.here.test>",
      "<x@here..test>",
      "<x%away.test@here.test>",
      "<x%away.test%here.test@here.test>",
      "<x%away.test>",
      "<away.test!x@here.test>",
      "<here.test!away.test!x>",
      "<away.test!x>",
      "<here.test!x@away.test>",
      "<x%here.test@away.test>",
      "<@here.test:x@away.test>",
      "<@away.test:x@here.test>",
      "<@here.test,@away.test:x@other.test>",
      "<@here.test:x%away.test@here.test>",
      "<@here.test:away.test!x@here.test>",
      "<@here.test>",
      "<@here.test:>",
      "<@:x@away.test>",
      "<:x@away.test>",
      "<\"x@away.test\"@here.test>",
      "<\"x@away.test\">",
      "<\"x@here.test\"@away.test>",
      "<\"x%away.test\"@here.test>",
      "<\"away.test!x\"@here.test>",
      "<\"@away.test:x\"@here.test>",
      "<\"x\\@away.test\"@here.test>",
      "<\"x@away.test>\"@here.test>",
      "<\"\"@away.test>",
      "<x@away.test@here.test>",
      "<x@here.test@away.test>",
      "<x\\@away.test@here.test>",
      "<x@[192.0.2.1]>",
      "<x@[127.0.0.1]>",
      "<postmaster@[127.0.0.1]>",
      "<postmaster@[192.0.2.25]>",
      "<x@[IPv6:::1]>",
      "<x@[IPv6:2001:db8::1]>",
      "<x@[IPv6:::ffff:127.0.0.1]>",
      "<x@[here.test]>",
      "<x@[]>",
      "<x@192.0.2.1>",
      "<x@127.0.0.1>",
      "<x@2130706433>",
      "<x@0x7f000001>",
      "<x@#2130706433>",
      "<x@h\xc3\xa9re.test>",
      "<x@here\xe3\x80\x82test>",
      "<x@\xef\xbd\x88\xef\xbd\x85re.test>",
      "<x@xn--hre-9la.test>",
      "<\xc3\xa9@away.test>",
      "<x@here.test\t>",
      "<x@here.test >",
      "< x@away.test>",
      "<x @away.test>",
      "<x@away.test,y@here.test>",
      "<x@away.test;y@here.test>",
      "<x@here.test:away.test>",
      "<x@here.test/away.test>",
      "<x(c)@away.test>",
      "<x@(here.test)away.test>",
      "<x@here.test(away.test)>",
      "<<x@away.test>@here.test>",
      "<x@away.test>@here.test",
      "<>",
      "<@>",
      "<x@>",
      "<x>",
      "x@away.test",
      "<x@here.test\0.away.test>",
      "<|/bin/sh@here.test>",
      "<x/away.test@here.test>",
      "<x+y%away.test@here.test>",
      "<x@here_test>",
      "<x@*.here.test>",
      "<x@*>",
  };
  ASSERT_GE(spellings.size(), 60U);
  Host host;
  int reached = 0;
  for (const std::string& spelling : spellings) {
    const Result<mail::ParsedForwardPath> parsed = mail::parse_forward_path(spelling, domain("mx.here.test"));
    if (!parsed) continue;  // 501: not an address
    ++reached;
    const RecipientVerdict verdict = host.check(parsed->address);
    EXPECT_FALSE(accepts(verdict.verdict)) << spelling << " reads as " << parsed->address.text();
    EXPECT_TRUE(verdict.targets.empty()) << spelling;
    EXPECT_TRUE(verdict.verdict.rule == "relay.denied" || verdict.verdict.rule == "recipient.unknown") << spelling;
  }
  EXPECT_GT(reached, 25);
}

TEST(Relay, TheRightToRelayComesFromNetworkOrAccountOnly) {
  Host host;
  const SessionIdentity network{.account = std::nullopt, .in_relay_network = true};
  const SessionIdentity member{.account = kAccount};
  EXPECT_EQ(host.check(address("x@away.test")).verdict.enhanced, "5.7.1");
  const RecipientVerdict relayed = host.check(address("x@away.test"), network);
  ASSERT_TRUE(accepts(relayed.verdict));
  ASSERT_EQ(relayed.targets.size(), 1U);
  EXPECT_EQ(relayed.targets[0].address, address("x@away.test"));
  EXPECT_FALSE(relayed.targets[0].account);
  ASSERT_TRUE(host.resolver.add("away.test A 192.0.2.9"));
  EXPECT_TRUE(accepts(host.check(address("x@away.test"), member, ListenerRole::submission).verdict));
  EXPECT_EQ(host.check(address("x@[192.0.2.1]"), network).verdict.rule, "relay.denied");
}

}  // namespace
}  // namespace postrider::gate
