#include "gate/gate.hpp"

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
