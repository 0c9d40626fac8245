#include "gate/gate.hpp"

#include "directory/recipient_list.hpp"
#include "gate/expiring_cache.hpp"
#include "gate/test_host.hpp"
#include "route/via.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace postrider::gate {
namespace {

using test::address;
using test::Host;

TEST(Gate, ASizeOverTheLimitAndAFullDiskAreRefusedAtMail) {
  Host host;
  EXPECT_TRUE(accepts(host.gate->check_sender({}, 1000, {})));
  const Verdict large = host.gate->check_sender({}, 1001, {});
  EXPECT_EQ(large.code, 552);
  EXPECT_EQ(large.enhanced, "5.3.4");
  host.disk.set_full(true);
  const Verdict full = host.gate->check_sender({}, 10, {});
  EXPECT_EQ(full.code, 452);
  EXPECT_EQ(full.enhanced, "4.3.1");
  host.disk.set_full(false);
  EXPECT_TRUE(accepts(host.gate->check_sender({}, 10, {})));
}

TEST(Gate, UnknownUsersAreRefusedAndAliasesGiveTheirTargets) {
  Host host;
  const Verdict unknown = host.check(address("nobody@here.test")).verdict;
  EXPECT_EQ(unknown.code, 550);
  EXPECT_EQ(unknown.enhanced, "5.1.1");
  EXPECT_EQ(unknown.rule, "recipient.unknown");
  const RecipientVerdict alias = host.check(address("List@here.test"));
  EXPECT_TRUE(accepts(alias.verdict));
  ASSERT_EQ(alias.targets.size(), 1U);
  EXPECT_EQ(alias.targets[0].address, address("far@away.test"));
}

TEST(Gate, ADirectoryThatCannotBeReadDefers) {
  Host host;
  host.store.fail_call(1, Error::corrupt);
  const Verdict verdict = host.check(address("nobody@here.test")).verdict;
  EXPECT_EQ(verdict.code, 451);
  EXPECT_EQ(verdict.enhanced, "4.3.0");
}

TEST(Gate, ADomainWithANullMxIsRefusedToThoseWhoMayRelay) {
  Host host;
  ASSERT_TRUE(host.resolver.add("none.test MX 0 ."));
  ASSERT_TRUE(host.resolver.add("dead.test MX !SERVFAIL"));
  const SessionIdentity ours{.account = std::nullopt, .in_relay_network = true};
  const Verdict none = host.check(address("x@none.test"), ours).verdict;
  EXPECT_EQ(none.code, 556);
  EXPECT_EQ(none.enhanced, "5.1.10");
  EXPECT_EQ(none.rule, "recipient.null_mx");
  EXPECT_EQ(host.check(address("x@none.test")).verdict.rule, "relay.denied");  // no question is asked for strangers
  EXPECT_TRUE(accepts(host.check(address("x@dead.test"), ours).verdict));
  EXPECT_TRUE(accepts(host.check(address("x@unknown.test"), ours).verdict));  // a report says it
}

const SessionIdentity kOurs{.account = std::nullopt, .in_relay_network = true};

TEST(Gate, WhatCanNeverWorkIsRefusedToOurOwnPeopleAtOnce) {
  Host host;
  ASSERT_TRUE(host.resolver.add("none.test MX 0 ."));
  ASSERT_TRUE(host.resolver.add("dead.test MX !SERVFAIL"));
  ASSERT_TRUE(host.resolver.add("late.test MX !TIMEOUT"));
  ASSERT_TRUE(host.resolver.add("text.test TXT \"no mail exchanger, and no address\""));
  ASSERT_TRUE(host.resolver.add("good.test MX 10 mx.good.test"));
  ASSERT_TRUE(host.resolver.add("mx.good.test A 192.0.2.9"));
  SessionIdentity account;
  account.account = mail::AccountId{7};
  account.login = "ann@here.test";
  SessionIdentity local;
  local.local_user = 1000;
  local.login = "uid:1000";
  for (const SessionIdentity& own : {account, local}) {
    const auto rule = [&](std::string_view to) {
      return host.check(address(to), own, ListenerRole::submission).verdict.rule;
    };
    EXPECT_EQ(rule("x@unknown.test"), "recipient.no_domain");
    EXPECT_EQ(rule("x@none.test"), "recipient.null_mx");
    EXPECT_EQ(rule("nobody@here.test"), "recipient.unknown");
    EXPECT_EQ(rule("x@[192.0.2.1]"), "relay.denied");
    for (const std::string_view to : {"x@dead.test", "x@late.test", "x@text.test", "x@good.test", "list@here.test"})
      EXPECT_EQ(rule(to), "accept") << to;
  }
  const Verdict none = host.check(address("x@unknown.test"), account, ListenerRole::submission).verdict;
  EXPECT_EQ(fmt::format("{} {}", none.code, none.enhanced), "550 5.1.2");
  EXPECT_EQ(host.check(address("x@unknown.test"), {}, ListenerRole::submission).verdict.rule, "relay.denied");
}

TEST(Gate, ARouteOfALoginRefusesThatLogin) {
  Host host({{.via = {"error:5.7.1 not from you"}, .account = "ann@here.test"}});
  ASSERT_TRUE(host.resolver.add("away.test A 192.0.2.9"));
  SessionIdentity who;
  who.account = mail::AccountId{7};
  for (const auto& [login, rule] :
       {std::pair("ann@here.test", "recipient.route"), std::pair("bob@here.test", "accept"), std::pair("", "accept")}) {
    who.login = login;
    EXPECT_EQ(host.check(address("x@away.test"), who, ListenerRole::submission).verdict.rule, rule) << login;
  }
}

TEST(Gate, RecipientsOfARelayDomainAreTakenFromAnybody) {
  Host host;
  const RecipientVerdict taken = host.check(address("Whoever@any.test"));
  ASSERT_TRUE(accepts(taken.verdict));
  ASSERT_EQ(taken.targets.size(), 1U);
  EXPECT_EQ(taken.targets[0].address, address("Whoever@any.test"));
  EXPECT_FALSE(taken.targets[0].account);
  EXPECT_TRUE(host.probe.asked.empty());
  EXPECT_EQ(host.check(address("x@sub.any.test")).verdict.rule, "relay.denied");
  EXPECT_EQ(host.check(address("x@any.test"), {}, ListenerRole::lmtp).verdict.rule, "relay.denied");
  EXPECT_EQ(host.check(address("x@asked.test"), {}, ListenerRole::lmtp).verdict.rule, "relay.denied");
  EXPECT_TRUE(host.probe.asked.empty());  // nobody is asked for those who may not
  EXPECT_EQ(host.check(address("x%away.test@any.test")).verdict.rule, "relay.routed");
  EXPECT_TRUE(accepts(host.check(address("x%away.test@any.test"), kOurs).verdict));
}

TEST(Gate, TheNextHopIsAskedAndItsAnswerKeptAWhile) {
  using Kind = RecipientProbe::Answer::Kind;
  struct Row {
    Kind kind;
    int code;
    const char* enhanced;
    const char* rule;
    Duration kept;
  };
  const Row rows[] = {
      {Kind::accepted, 250, "2.1.5", "accept", kProbeAcceptedKept},
      {Kind::refused, 550, "5.1.1", "recipient.refused_by_next_hop", kProbeRefusedKept},
      {Kind::unknown, 450, "4.1.1", "recipient.unverified", kProbeUnknownKept},
  };
  for (const Row& row : rows) {
    Host host;
    host.probe.answer = {.kind = row.kind, .reply = "what it said"};
    const SteadyTime start = host.world.clock.steady();
    for (const char* const spelling : {"Ann@asked.test", "ann@ASKED.test", "ANN@asked.test"}) {
      const RecipientVerdict got = host.check(address(spelling));
      EXPECT_EQ(got.verdict.code, row.code);
      EXPECT_EQ(got.verdict.enhanced, row.enhanced);
      EXPECT_EQ(got.verdict.rule, row.rule);
      EXPECT_EQ(got.verdict.detail, "what it said");
      EXPECT_EQ(got.targets.size(), row.code == 250 ? 1U : 0U);
    }
    EXPECT_EQ(host.probe.asked.size(), 1U);
    EXPECT_EQ(host.probe.last_until, start + kProbeWait);
    (void)host.check(address("bob@asked.test"));
    EXPECT_EQ(host.probe.asked.size(), 2U);
    host.world.clock.advance_to(start + (row.kept - std::chrono::seconds(1)));
    (void)host.check(address("ann@asked.test"));
    EXPECT_EQ(host.probe.asked.size(), 2U);
    host.world.clock.advance_to(start + (row.kept + std::chrono::seconds(1)));
    (void)host.check(address("ann@asked.test"));
    EXPECT_EQ(host.probe.asked.size(), 3U);
  }
}

TEST(Gate, ThatTooManyAreAskedAboutIsNotRemembered) {
  Host host;
  host.probe.answer = {.kind = RecipientProbe::Answer::Kind::not_asked, .reply = "too many"};
  EXPECT_EQ(host.check(address("ann@asked.test")).verdict.code, 450);
  host.probe.answer = {.kind = RecipientProbe::Answer::Kind::accepted, .reply = "ok"};
  EXPECT_EQ(host.check(address("ann@asked.test")).verdict.code, 250);
}

TEST(Gate, ARouteThatRefusesDoesItAtRcpt) {
  Host host({{.domain = "closed.test", .via = {"error:5.1.2 closed for good"}},
             {.domain = "busy.test", .via = {"error:4.3.2 closed for now"}},
             {.domain = "any.test", .via = {"error:5.7.1 not from you"}, .sender = "@bad.test"},
             {.domain = "here.test", .via = {"error:5.1.6 moved"}, .sender = "<>", .match_local = true}});
  const Verdict closed = host.check(address("x@closed.test"), kOurs).verdict;
  EXPECT_EQ(closed.code, 550);
  EXPECT_EQ(closed.enhanced, "5.1.2");
  EXPECT_EQ(closed.text, "closed for good");
  EXPECT_EQ(closed.rule, "recipient.route");
  EXPECT_EQ(host.check(address("x@busy.test"), kOurs).verdict.code, 450);
  EXPECT_EQ(host.check(address("x@closed.test")).verdict.rule, "relay.denied");
  const mail::Path bad(address("x@bad.test"));
  const mail::Path good(address("x@good.test"));
  EXPECT_EQ(host.check(address("x@any.test"), {}, ListenerRole::relay_in, bad).verdict.enhanced, "5.7.1");
  EXPECT_TRUE(accepts(host.check(address("x@any.test"), {}, ListenerRole::relay_in, good).verdict));
  EXPECT_EQ(host.check(address("list@here.test")).verdict.enhanced, "5.1.6");
  EXPECT_TRUE(accepts(host.check(address("list@here.test"), {}, ListenerRole::relay_in, good).verdict));
  EXPECT_EQ(host.check(address("nobody@here.test")).verdict.enhanced, "5.1.1");
}

Task<bool> add_account(directory::Directory* directory, mail::Address address) {
  Secret password("pw");
  const Result<directory::Account> made = co_await directory->add_account(std::move(address), std::move(password));
  co_return made.has_value();
}

TEST(Gate, ARouteThatTakesLocalMailTakesItFromTheMailbox) {
  Host host({{.domain = "here.test", .via = {"127.0.0.1:26"}, .sender = "@away.test", .match_local = true}});
  host.directory.emplace(&host.store, &host.workers, &host.random, &host.world.clock,
                         directory::Settings{.domains = {},
                                             .aliases = {},
                                             .catch_alls = {},
                                             .recipient_lists = {},
                                             .hostname = {},
                                             .catch_everything = {}});
  directory::DomainRecord here{.name = test::domain("here.test"), .catch_all = {}, .postmaster = {}};
  ASSERT_TRUE(postrider::test::run(host.world, host.directory->add_domain(here)));
  ASSERT_TRUE(postrider::test::run(host.world, add_account(&*host.directory, address("ann@here.test"))));
  const mail::Path away(address("x@away.test"));
  const RecipientVerdict taken = host.check(address("ann@here.test"), {}, ListenerRole::relay_in, away);
  ASSERT_EQ(taken.targets.size(), 1U);
  EXPECT_FALSE(taken.targets[0].account);
  const RecipientVerdict kept = host.check(address("ann@here.test"));
  ASSERT_EQ(kept.targets.size(), 1U);
  EXPECT_TRUE(kept.targets[0].account);
  EXPECT_EQ(host.check(address("bob@here.test"), {}, ListenerRole::relay_in, away).verdict.enhanced, "5.1.1");
  const auto check_from_away = [&](std::string_view to, SessionIdentity identity) {
    return host.check(address(to), identity, ListenerRole::relay_in, away).verdict;
  };
  EXPECT_TRUE(accepts(check_from_away("ann+tag@here.test", {})));
  EXPECT_EQ(check_from_away("ann+x%far.test@here.test", {}).rule, "relay.routed");
  EXPECT_EQ(check_from_away("\"ann+x@far.test\"@here.test", {}).rule, "relay.routed");
  EXPECT_TRUE(accepts(check_from_away("ann+x%far.test@here.test", kOurs)));
  EXPECT_TRUE(accepts(host.check(address("ann+x%far.test@here.test")).verdict));  // to the mailbox
}

TEST(Gate, ASubaddressOfWhatIsListedDoesNotRoute) {
  Host host;
  std::vector<directory::FileMistake> mistakes;
  const mail::Domain listed = test::domain("listed.test");
  directory::Settings settings;
  settings.domains.push_back({.name = listed,
                              .kind = directory::DomainKind::relay,
                              .recipients = {.by = directory::RelayRecipients::By::file},
                              .catch_all = std::nullopt,
                              .postmaster = std::nullopt});
  settings.recipient_lists[listed] = std::make_shared<const directory::RecipientList>(
      directory::RecipientList::parse("ann\nodd%name\n", listed, "list", mistakes));
  host.directory.emplace(&host.store, &host.workers, &host.random, &host.world.clock, std::move(settings));
  EXPECT_TRUE(mistakes.empty());
  for (const char* const good : {"ann@listed.test", "ann+tag@listed.test", "Odd%Name@listed.test"})
    EXPECT_TRUE(accepts(host.check(address(good)).verdict)) << good;
  for (const char* const bad : {"ann+x%far.test@listed.test", "\"ann+x@far.test\"@listed.test",
                                "ann+far.test!x@listed.test", "postmaster+x%far.test@listed.test"}) {
    EXPECT_EQ(host.check(address(bad)).verdict.rule, "relay.routed") << bad;
    EXPECT_TRUE(accepts(host.check(address(bad), kOurs).verdict)) << bad;
  }
}

TEST(Gate, WhereARouteLeadsElsewhereNoMxIsAskedFor) {
  Host host({{.domain = "none.test", .via = {"127.0.0.1:26"}}, {.domain = "held.test", .via = {"hold"}}});
  ASSERT_TRUE(host.resolver.add("none.test MX 0 ."));
  EXPECT_TRUE(accepts(host.check(address("x@none.test"), kOurs).verdict));
  EXPECT_TRUE(accepts(host.check(address("x@held.test"), kOurs).verdict));
  EXPECT_EQ(host.resolver.questions(), 0U);
}

TEST(Gate, DeadNamesAreNotAskedOverAndOver) {
  Host host;
  ASSERT_TRUE(host.resolver.add("dead.test MX !TIMEOUT"));
  ASSERT_TRUE(host.resolver.add("none.test MX 0 ."));
  const SteadyTime start = host.world.clock.steady();
  EXPECT_TRUE(accepts(host.check(address("x@dead.test"), kOurs).verdict));
  EXPECT_LE(host.world.clock.steady(), start + kNullMxWait + kSweepGrain);
  host.world.run_until_still();
  const std::size_t asked = host.resolver.questions();
  EXPECT_GT(asked, 0U);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(accepts(host.check(address("y@dead.test"), kOurs).verdict));
  EXPECT_EQ(host.resolver.questions(), asked);
  EXPECT_EQ(host.check(address("x@none.test"), kOurs).verdict.code, 556);
  host.world.clock.advance_to(host.world.clock.steady() + kDeadNamesKept);
  EXPECT_TRUE(accepts(host.check(address("y@dead.test"), kOurs).verdict));
  EXPECT_GT(host.resolver.questions(), asked + 1);
}

TEST(ExpiringCache, ForgetsInTimeAndWhenItIsFull) {
  ExpiringCache<int> cache(3);
  const SteadyTime now = SteadyTime{} + std::chrono::seconds(100);
  const auto in = [&](int seconds) { return now + std::chrono::seconds(seconds); };
  cache.put("a", 1, in(30));
  cache.put("b", 2, in(10));
  cache.put("c", 3, in(20));
  EXPECT_EQ(cache.find("a", now), 1);
  EXPECT_EQ(cache.find("x", now), std::nullopt);
  cache.put("a", 4, in(40));  // in place of what it was
  EXPECT_EQ(cache.size(), 3U);
  EXPECT_EQ(cache.find("a", now), 4);
  cache.put("d", 5, in(5));  // b would have gone first
  EXPECT_EQ(cache.size(), 3U);
  EXPECT_EQ(cache.find("b", now), std::nullopt);
  EXPECT_EQ(cache.find("d", now), 5);
  EXPECT_EQ(cache.find("d", in(5)), std::nullopt);
  EXPECT_EQ(cache.size(), 2U);
  EXPECT_EQ(cache.find("c", in(19)), 3);
  EXPECT_EQ(cache.find("c", in(20)), std::nullopt);
}

TEST(Gate, HeadersAreJudgedByTheirSizeAndHops) {
  Host host;
  EXPECT_EQ(host.gate->check_content(error(Error::too_long, "x")).code, 550);
  mail::HeaderSection section;
  for (std::size_t i = 0; i < mail::kReceivedFieldsMax; ++i)
    section.fields.push_back({.name = "received", .value = "x", .range = {}});
  EXPECT_TRUE(accepts(host.gate->check_content(section)));
  section.fields.push_back({.name = "Received", .value = "x", .range = {}});
  const Verdict loop = host.gate->check_content(section);
  EXPECT_EQ(loop.code, 554);
  EXPECT_EQ(loop.enhanced, "5.4.6");
}

TEST(SessionCounts, LimitInAllAndOfOneAddress) {
  SessionCounts counts(Settings{.max_connections = 5, .max_connections_per_ip = 2});
  const auto a = *route::parse_address("192.0.2.1");
  std::vector<SessionCounts::Place> places;
  for (int i = 0; i < 2; ++i) places.push_back(counts.enter(a).value());
  EXPECT_EQ(counts.enter(a).error().code, Error::denied);
  for (int i = 2; i < 5; ++i)
    places.push_back(counts.enter(*route::parse_address(fmt::format("192.0.2.{}", i))).value());
  EXPECT_EQ(counts.enter(*route::parse_address("192.0.2.99")).error().code, Error::exhausted);
  EXPECT_TRUE(counts.crowded());
  {
    const SessionCounts::Place beyond = counts.enter(*route::parse_address("192.0.2.99"), 1).value();
    EXPECT_EQ(counts.enter(*route::parse_address("192.0.2.100"), 1).error().code, Error::exhausted);
  }
  places.erase(places.begin());
  EXPECT_FALSE(counts.crowded());
  places.push_back(counts.enter(a).value());
  EXPECT_EQ(counts.sessions(), 5U);
  places.clear();
  EXPECT_EQ(counts.sessions(), 0U);
}

TEST(SessionCounts, ASixtyFourCountsAsOneAddress) {
  SessionCounts counts(Settings{.max_connections = 9, .max_connections_per_ip = 2});
  std::vector<SessionCounts::Place> places;
  for (const std::string_view peer : {"2001:db8:0:1::1", "2001:db8:0:1:ffff::2"})
    places.push_back(counts.enter(*route::parse_address(peer)).value());
  EXPECT_EQ(counts.enter(*route::parse_address("2001:db8:0:1::3")).error().code, Error::denied);
  EXPECT_TRUE(counts.enter(*route::parse_address("2001:db8:0:2::1")));
}

TEST(SessionCounts, AClientBehindAProxyCountsAsItself) {
  SessionCounts counts(Settings{.max_connections = 4, .max_connections_per_ip = 1});
  const auto a = *route::parse_address("192.0.2.1");
  const auto b = *route::parse_address("192.0.2.2");
  std::vector<SessionCounts::Place> places;
  for (int i = 0; i < 4; ++i) places.push_back(counts.enter(std::nullopt).value());
  EXPECT_EQ(counts.enter(std::nullopt).error().code, Error::exhausted);
  EXPECT_TRUE(places[0].move_to(a));
  EXPECT_TRUE(places[0].move_to(a));
  EXPECT_EQ(places[1].move_to(a).error().code, Error::denied);
  EXPECT_TRUE(places[0].move_to(b));
  EXPECT_TRUE(places[1].move_to(a));
  places.clear();
  EXPECT_EQ(counts.sessions(), 0U);
  EXPECT_TRUE(counts.enter(a));
  EXPECT_TRUE(SessionCounts::Place().move_to(a));
}

TEST(SessionCounts, HoldUnderThreads) {
  SessionCounts counts(Settings{.max_connections = 100, .max_connections_per_ip = 10});
  {
    std::vector<std::jthread> threads;
    for (unsigned t = 0; t < 4; ++t) {
      threads.emplace_back([&counts, t] {
        route::AddressOctets peer{};
        for (unsigned i = 0; i < 5000; ++i) {
          peer[15] = static_cast<std::uint8_t>((i + t) % 7);
          const Result<SessionCounts::Place> place = counts.enter(peer);
          EXPECT_TRUE(place);
        }
      });
    }
  }
  EXPECT_EQ(counts.sessions(), 0U);
}

}  // namespace
}  // namespace postrider::gate
