#include "gate/login_guard.hpp"

#include "gate/guard_table.hpp"
#include "gate/peer_network.hpp"
#include "route/via.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <thread>

namespace postrider::gate {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr WallTime kStart = WallTime(std::chrono::hours(24 * 365 * 50));
const std::string kAnn = "ann@example.test";
const std::string kBob = "bob@example.test";

route::AddressOctets at(std::string_view text) { return route::parse_address(text).value(); }

struct Rig {
  explicit Rig(std::size_t entries_max = kGuardEntriesMax) : guard(&clock, {.entries_max = entries_max}) {}
  /// So many failed logins; none is tried where a ban stands in the way. Gives how many were tried.
  unsigned fail(const std::string& login, std::string_view peer, unsigned times = 1) {
    unsigned tried = 0;
    for (unsigned i = 0; i < times; ++i) {
      if (guard.judge(login, at(peer)).banned) continue;
      (void)guard.failed(login, at(peer));
      ++tried;
    }
    return tried;
  }
  Duration delay(const std::string& login, std::string_view peer) { return guard.judge(login, at(peer)).delay; }
  bool banned(const std::string& login, std::string_view peer) { return guard.judge(login, at(peer)).banned; }
  SimClock clock{kStart};
  LoginGuard guard;
};

TEST(LoginGuard, FromTheThirdFailureOnAnswersWaitLongerAndLonger) {
  Rig rig;
  std::vector<long> waits;
  for (int i = 0; i < 10; ++i) {
    waits.push_back(std::chrono::duration_cast<seconds>(rig.delay(kAnn, "192.0.2.1")).count());
    rig.fail(kAnn, "192.0.2.1");
  }
  EXPECT_EQ(waits, (std::vector<long>{0, 0, 1, 2, 4, 8, 16, 30, 30, 30}));
  EXPECT_EQ(rig.delay("Ann@Example.TEST", "192.0.2.250"), seconds(30)) << "a /24 counts as one, and so do cases";
  EXPECT_EQ(rig.delay(kAnn, "192.0.3.1"), Duration{}) << "another network begins anew";
  EXPECT_EQ(rig.delay(kBob, "192.0.2.1"), seconds(1)) << "ten failures of a network slow it for all logins";
}

TEST(LoginGuard, AnAddressIsOneLoginHoweverItIsSpelled) {
  Rig rig;
  for (const char* const spelling :
       {"ann@example.test", R"("ann"@example.test)", R"("a\nn"@example.test)", R"("\A\nn"@EXAMPLE.test)"})
    rig.fail(spelling, "192.0.2.1");
  EXPECT_EQ(rig.delay(kAnn, "192.0.2.1"), seconds(4));
  EXPECT_EQ(rig.delay(R"("an\n"@example.test)", "192.0.2.1"), seconds(4));
  EXPECT_EQ(rig.guard.lift(R"("ann"@example.test)"), 1U);
  EXPECT_EQ(rig.delay(kAnn, "192.0.2.1"), Duration{});
}

TEST(LoginGuard, ASuccessForgetsTheFailuresOfThatLoginThere) {
  Rig rig;
  rig.fail(kAnn, "192.0.2.1", 4);
  EXPECT_EQ(rig.delay(kAnn, "192.0.2.1"), seconds(4));
  rig.guard.succeeded(kAnn, at("192.0.2.9"));
  EXPECT_EQ(rig.delay(kAnn, "192.0.2.1"), Duration{});
  rig.fail(kAnn, "192.0.2.1", 3);
  EXPECT_EQ(rig.delay(kAnn, "192.0.2.1"), seconds(2)) << "who is known is slowed by failures of its own";
}

TEST(LoginGuard, FailuresAreForgottenWithinAnHour) {
  Rig rig;
  rig.fail(kAnn, "192.0.2.1", 3);
  rig.clock.advance(minutes(30));
  rig.fail(kAnn, "192.0.2.1", 2);
  EXPECT_EQ(rig.delay(kAnn, "192.0.2.1"), seconds(8));
  rig.clock.advance(minutes(30));
  EXPECT_EQ(rig.delay(kAnn, "192.0.2.1"), seconds(1)) << "two of them are left";
  rig.clock.advance(minutes(30));
  EXPECT_EQ(rig.delay(kAnn, "192.0.2.1"), Duration{});
  EXPECT_TRUE(rig.guard.bans().empty());
}

TEST(LoginGuard, OnePasswordTriedOnManyLoginsSlowsAndThenBansTheNetwork) {
  Rig rig;
  unsigned banned_after = 0;
  for (unsigned i = 0; i < 200 && banned_after == 0; ++i) {
    const auto ban = rig.guard.failed(fmt::format("user{}", i), at("192.0.2.1"));
    if (!ban) continue;
    banned_after = i + 1;
    EXPECT_EQ(ban->network, "192.0.2.0/24");
    EXPECT_TRUE(ban->banned);
    EXPECT_EQ(ban->until, kStart + hours(1));
  }
  EXPECT_EQ(banned_after, kFailuresBeforeBan);
  EXPECT_TRUE(rig.banned("somebody", "192.0.2.77"));
  EXPECT_EQ(rig.guard.judge("somebody", at("192.0.2.77")).until, kStart + hours(1));
  EXPECT_FALSE(rig.banned("somebody", "192.0.3.77"));
  EXPECT_EQ(rig.delay("somebody", "192.0.3.77"), Duration{});
  rig.clock.advance(hours(1));
  EXPECT_FALSE(rig.banned("somebody", "192.0.2.77"));
  EXPECT_EQ(rig.delay("somebody", "192.0.2.77"), Duration{});
}

TEST(LoginGuard, ANetworkIsSlowedLongBeforeItIsBanned) {
  Rig rig;
  std::vector<long> waits;
  for (int i = 0; i < 99; ++i) {
    if (i % 10 == 0) waits.push_back(std::chrono::duration_cast<seconds>(rig.delay("new", "192.0.2.1")).count());
    rig.fail(fmt::format("user{}", i), "192.0.2.1");
  }
  EXPECT_EQ(waits, (std::vector<long>{0, 1, 2, 4, 8, 16, 30, 30, 30, 30}));
  EXPECT_FALSE(rig.banned("new", "192.0.2.1"));
}

TEST(LoginGuard, ManyNetworksGuessingAtOneLoginAreSlowedAndItsOwnerIsNot) {
  Rig rig;
  rig.guard.succeeded(kAnn, at("198.51.100.7"));
  for (int i = 0; i < 250; ++i) rig.fail(kAnn, fmt::format("10.1.{}.1", i));
  EXPECT_EQ(rig.delay(kAnn, "10.2.0.1"), seconds(30)) << "a network that never logged in, at its first try";
  EXPECT_EQ(rig.delay(kBob, "10.2.0.1"), Duration{}) << "another login";
  EXPECT_EQ(rig.delay(kAnn, "198.51.100.7"), Duration{});
  EXPECT_FALSE(rig.banned(kAnn, "203.0.113.1")) << "no login is locked: the owner on a journey waits, at most 30 s";
  EXPECT_EQ(rig.delay(kAnn, "203.0.113.1"), seconds(30));
  rig.guard.succeeded(kAnn, at("203.0.113.1"));
  EXPECT_EQ(rig.delay(kAnn, "203.0.113.1"), Duration{}) << "and from then on it is known there";
}

TEST(LoginGuard, WhoSharesANetworkWithAGuesserStillLogsInWhereItDidBefore) {
  Rig rig;
  rig.guard.succeeded(kAnn, at("192.0.2.10"));
  for (int i = 0; i < 150; ++i) rig.fail(fmt::format("user{}", i), "192.0.2.66");
  EXPECT_TRUE(rig.banned(kBob, "192.0.2.10")) << "never logged in from there";
  EXPECT_FALSE(rig.banned(kAnn, "192.0.2.10"));
  EXPECT_EQ(rig.delay(kAnn, "192.0.2.10"), Duration{});
  EXPECT_FALSE(rig.banned(kBob, "198.51.100.1")) << "nor is its login locked elsewhere";
}

TEST(LoginGuard, AProgramWithAnOldPasswordBansNobodyOfItsNetwork) {
  Rig rig;
  rig.guard.succeeded(kAnn, at("192.0.2.10"));
  EXPECT_EQ(rig.fail(kAnn, "192.0.2.10", 500), 500U);
  EXPECT_EQ(rig.delay(kAnn, "192.0.2.10"), seconds(30));
  EXPECT_FALSE(rig.banned(kBob, "192.0.2.10"));
  EXPECT_EQ(rig.delay(kBob, "192.0.2.10"), Duration{});
}

TEST(LoginGuard, WhoHasAnAccountGainsNothingByLoggingInBetweenGuesses) {
  Rig rig;
  unsigned tried = 0;
  for (int i = 0; i < 500; ++i) {
    tried += rig.fail(fmt::format("user{}", i), "192.0.2.1");
    rig.guard.succeeded("mallory", at("192.0.2.1"));
  }
  EXPECT_EQ(tried, kFailuresBeforeBan);
}

TEST(LoginGuard, Ipv6CountsByTheNetworkOfACustomerAndByItsSite) {
  Rig rig;
  rig.fail(kAnn, "2001:db8:0:1::1", 3);
  EXPECT_EQ(rig.delay(kAnn, "2001:db8:0:1:ffff::2"), seconds(2)) << "the same /64";
  EXPECT_EQ(rig.delay(kAnn, "2001:db8:0:2::1"), Duration{});
  unsigned tried = 0;
  for (int i = 0; i < 3000; ++i) tried += rig.fail(fmt::format("user{}", i), fmt::format("2001:db8:7:{:x}::1", i));
  EXPECT_EQ(tried, kFailuresBeforeBan * kSiteFactor) << "65,536 networks of one site do not help";
  EXPECT_TRUE(rig.banned(kBob, "2001:db8:7:ffff::1"));
  EXPECT_FALSE(rig.banned(kBob, "2001:db8:8::1"));
}

TEST(LoginGuard, AnIpv4AddressInIpv6IsAnIpv4Address) {
  Rig rig;
  rig.fail(kAnn, "::ffff:192.0.2.1", 3);
  EXPECT_EQ(rig.delay(kAnn, "192.0.2.2"), seconds(2));
  EXPECT_EQ(rig.guard.bans().at(0).network, "192.0.2.0/24");
}

TEST(LoginGuard, WhoIsSlowedIsListedAndLifted) {
  Rig rig;
  rig.fail(kAnn, "192.0.2.1", 12);
  for (int i = 0; i < 19; ++i) rig.fail(kAnn, fmt::format("10.1.{}.1", i));
  for (int i = 0; i < 120; ++i) rig.fail(fmt::format("user{}", i), "198.51.100.1");
  const std::vector<LoginGuard::Ban> bans = rig.guard.bans();
  ASSERT_EQ(bans.size(), 4U);
  EXPECT_EQ(bans[0].network, "198.51.100.0/24");
  EXPECT_TRUE(bans[0].banned);
  EXPECT_EQ(bans[0].failures, kFailuresBeforeBan);
  EXPECT_EQ(bans[0].until, kStart + hours(1));
  EXPECT_EQ(bans[1].login, kAnn);
  EXPECT_EQ(bans[1].failures, 21U);
  EXPECT_EQ(bans[1].network, "") << "from networks that it never logged in from";
  EXPECT_EQ(bans[2].network, "192.0.2.0/24");
  EXPECT_EQ(bans[2].login, "");
  EXPECT_EQ(bans[3].network, "192.0.2.0/24");
  EXPECT_EQ(bans[3].login, kAnn);
  EXPECT_EQ(bans[3].failures, 12U);

  EXPECT_EQ(rig.guard.lift("203.0.113.1"), 0U);
  EXPECT_EQ(rig.guard.lift("nobody"), 0U);
  EXPECT_EQ(rig.guard.lift("198.51.100.77"), 1U) << "an address of the network";
  EXPECT_FALSE(rig.banned("x", "198.51.100.1"));
  EXPECT_EQ(rig.guard.lift("ANN@example.test"), 2U);
  EXPECT_EQ(rig.delay(kAnn, "203.0.113.1"), Duration{});
  EXPECT_EQ(rig.guard.lift("192.0.2.0/24"), 1U);
  EXPECT_EQ(rig.delay(kAnn, "192.0.2.1"), Duration{});
  EXPECT_TRUE(rig.guard.bans().empty());
}

TEST(LoginGuard, LiftingALoginDoesNotMakeItsOwnerAStranger) {
  Rig rig;
  rig.guard.succeeded(kAnn, at("198.51.100.7"));
  for (int i = 0; i < 30; ++i) rig.fail(kAnn, fmt::format("10.1.{}.1", i));
  EXPECT_EQ(rig.guard.lift(kAnn), 1U);
  for (int i = 0; i < 30; ++i) rig.fail(kAnn, fmt::format("10.1.{}.1", i));
  EXPECT_EQ(rig.delay(kAnn, "198.51.100.7"), Duration{});
}

TEST(LoginGuard, WithoutDelaysNobodyIsSlowed) {
  SimClock clock(kStart);
  LoginGuard guard(&clock, {.delays = false});
  for (int i = 0; i < 500; ++i) (void)guard.failed(kAnn, at("192.0.2.1"));
  EXPECT_EQ(guard.judge(kAnn, at("192.0.2.1")).delay, Duration{});
  EXPECT_FALSE(guard.judge(kAnn, at("192.0.2.1")).banned);
}

TEST(LoginGuard, WhatSlowsAGuesserIsNotPushedOutByLoginsThatAreTriedOnce) {
  Rig rig(1000);
  rig.guard.succeeded(kAnn, at("198.51.100.7"));
  rig.fail(kAnn, "192.0.2.1", 5);
  for (int i = 0; i < 20'000; ++i) rig.fail(fmt::format("user{}", i), fmt::format("10.{}.{}.1", i / 250, i % 250));
  EXPECT_EQ(rig.delay(kAnn, "192.0.2.1"), seconds(8));
  for (int i = 0; i < 250; ++i) rig.fail(kAnn, fmt::format("172.16.{}.1", i));
  EXPECT_EQ(rig.delay(kAnn, "198.51.100.7"), Duration{}) << "where it logged in from is remembered too";
}

TEST(LoginGuard, LongLoginsAreToldApartAndKeptShort) {
  Rig rig;
  const std::string long_one(200, 'a');
  rig.fail(long_one + "1", "192.0.2.1", 3);
  EXPECT_EQ(rig.delay(long_one + "1", "192.0.2.1"), seconds(2));
  EXPECT_EQ(rig.delay(long_one + "2", "192.0.2.1"), Duration{});
  EXPECT_EQ(rig.guard.bans().at(0).login.size(), kGuardedLoginOctetsMax);
}

TEST(LoginGuard, AnOwnerIsKnownInAtMostSoManyNetworks) {
  Rig rig;
  for (unsigned i = 0; i <= kKnownNetworksMax; ++i) rig.guard.succeeded(kAnn, at(fmt::format("10.0.{}.1", i)));
  for (int i = 0; i < 30; ++i) rig.fail(kAnn, fmt::format("172.16.{}.1", i));
  EXPECT_GT(rig.delay(kAnn, "10.0.0.1"), Duration{}) << "the oldest";
  EXPECT_EQ(rig.delay(kAnn, "10.0.1.1"), Duration{});
  EXPECT_EQ(rig.delay(kAnn, fmt::format("10.0.{}.1", kKnownNetworksMax)), Duration{});
}

TEST(LoginGuard, ShardsShareIt) {
  Rig rig;
  std::vector<std::jthread> shards;
  for (int shard = 0; shard < 4; ++shard) {
    shards.emplace_back([&rig, shard] {
      for (int i = 0; i < 500; ++i) {
        const std::string login = fmt::format("user{}", i % 7);
        (void)rig.guard.judge(login, at(fmt::format("10.{}.0.1", shard)));
        (void)rig.guard.failed(login, at(fmt::format("10.{}.0.1", shard)));
        rig.guard.succeeded(login, at("198.51.100.7"));
        if (i % 100 == 0) (void)rig.guard.bans();
      }
    });
  }
  shards.clear();
  EXPECT_TRUE(rig.banned("somebody", "10.3.0.1"));
}

TEST(GuardTable, TheOldestNewEntryGoesFirstAndKeptOnesAreAtMostThreeQuarters) {
  GuardTable<int, int> table(8);
  for (int i = 0; i < 8; ++i) table.touch(i) = i;
  table.touch(0);  // the youngest again
  table.touch(100);
  EXPECT_NE(table.find(0), nullptr);
  EXPECT_EQ(table.find(1), nullptr);
  table.keep(2);
  for (int i = 200; i < 300; ++i) table.touch(i);
  EXPECT_NE(table.find(2), nullptr);
  EXPECT_EQ(table.size(), 8U);
  for (int i = 300; i < 400; ++i) {
    table.touch(i);
    table.keep(i);
  }
  EXPECT_EQ(table.find(2), nullptr) << "others that matter as much push it out";
  EXPECT_EQ(table.size(), 8U);
  table.touch(500);
  EXPECT_NE(table.find(500), nullptr) << "there is room for what is new";
}

TEST(PeerNetwork, TextsAndOverlaps) {
  struct Row {
    std::string_view text, want;
  };
  for (const Row& row : {Row{"192.0.2.7/24", "192.0.2.0/24"}, Row{"10.1.2.3", "10.1.2.3/32"},
                         Row{"2001:db8::1/48", "2001:db8::/48"}, Row{"0.0.0.0/0", "0.0.0.0/0"}, Row{"::/0", "::/0"}})
    EXPECT_EQ(to_text(parse_network(row.text).value()), row.want) << row.text;
  for (const std::string_view text :
       {"", "ann", "192.0.2.1/33", "2001:db8::/129", "192.0.2.1/", "192.0.2/24", "1.2.3.4/-1"})
    EXPECT_FALSE(parse_network(text)) << text;
  EXPECT_TRUE(overlap(parse_network("192.0.0.0/16").value(), network_of(at("192.0.2.1"))));
  EXPECT_FALSE(overlap(parse_network("192.1.0.0/16").value(), network_of(at("192.0.2.1"))));
  EXPECT_FALSE(overlap(parse_network("2001:db8::/32").value(), network_of(at("192.0.2.1"))));
}

}  // namespace
}  // namespace postrider::gate
