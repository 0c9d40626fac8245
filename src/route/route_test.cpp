#include "route/route.hpp"

#include "core/test_run.hpp"
#include "dns/sim_resolver.hpp"
#include "route/via.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

namespace postrider::route {
namespace {

using Words = std::vector<std::string>;

struct Net {
  explicit Net(const Words& records, Settings given = {}) : settings(std::move(given)) {
    for (const std::string& line : records) EXPECT_TRUE(resolver.add(line)) << line;
    settings.hostname = "mx.own.test";
    settings.own_addresses = {*parse_address("192.0.2.100"), *parse_address("2001:db8::100")};
  }
  static Task<bool> keep(Task<RouteDecision> task, std::optional<RouteDecision>* out) {
    RouteDecision decision = co_await std::move(task);
    out->emplace(std::move(decision));
    co_return true;
  }
  RouteDecision route(std::string_view domain) { return route(Query{.domain = mail::Domain::parse(domain).value()}); }
  RouteDecision route(Query query) {
    Router router(&resolver, &random, settings);
    std::optional<RouteDecision> out;
    test::run(world, keep(router.route(std::move(query)), &out));
    return std::move(*out);
  }
  test::World world;
  SeededRandom random{5};
  dns::SimResolver resolver{&random};
  Settings settings;
};

/// "host:port a,b; host …" or "hold", "discard", "local", "5.1.10", "later 4.4.3".
std::string shown(const RouteDecision& decision) {
  if (std::holds_alternative<Hold>(decision.next)) return "hold";
  if (std::holds_alternative<Discard>(decision.next)) return "discard";
  if (std::holds_alternative<Local>(decision.next)) return "local";
  if (const auto* const none = std::get_if<NoRoute>(&decision.next))
    return (none->permanent ? "" : "later ") + none->status;
  std::string out;
  for (const Hop& hop : std::get<Relay>(decision.next).hops) {
    if (!out.empty()) out += "; ";
    if (hop.protocol == HopProtocol::lmtp) out += "lmtp ";
    if (!hop.unix_path.empty()) out += "socket ";
    out += fmt::format("{}:{}{} ", hop.host, hop.port, hop.from_dns ? "" : "!");
    for (std::size_t i = 0; i < hop.addresses.size(); ++i) {
      const AddressOctets& octets = hop.addresses[i];
      if (i > 0) out += ',';
      out += octets[10] == 0xFF ? fmt::format("{}.{}.{}.{}", octets[12], octets[13], octets[14], octets[15])
                                : fmt::format("six{}", octets[15]);
    }
  }
  return out;
}

struct Row {
  const char* name;
  Words records;
  const char* want;
  const char* rule;
};

TEST(Mx, FollowsTheRules) {
  const std::vector<Row> rows = {
      {"one", {"d.test MX 10 a.test", "a.test A 192.0.2.1"}, "a.test:25 192.0.2.1", "mx"},
      {"by preference",
       {"d.test MX 20 b.test", "d.test MX 5 a.test", "a.test A 192.0.2.1", "b.test A 192.0.2.2"},
       "a.test:25 192.0.2.1; b.test:25 192.0.2.2",
       "mx"},
      {"AAAA and A in turn, at most four",
       {"d.test MX 1 a.test", "a.test A 192.0.2.1", "a.test A 192.0.2.2", "a.test A 192.0.2.3",
        "a.test AAAA 2001:db8::1", "a.test AAAA 2001:db8::2"},
       "a.test:25 six1,192.0.2.1,six2,192.0.2.2",
       "mx"},
      {"implicit", {"d.test A 192.0.2.7"}, "d.test:25 192.0.2.7", "implicit mx"},
      {"implicit, v6 only", {"d.test AAAA 2001:db8::7"}, "d.test:25 six7", "implicit mx"},
      {"no implicit MX where there is one", {"d.test MX 1 a.test", "d.test A 192.0.2.7"}, "5.4.4", "mx"},
      {"nxdomain", {}, "5.1.2", "mx"},
      {"exists without addresses", {"d.test TXT \"x\""}, "5.4.4", "implicit mx"},
      {"null mx", {"d.test MX 0 .", "d.test A 192.0.2.7"}, "5.1.10", "null mx"},
      {"null mx among others is no null mx",
       {"d.test MX 0 .", "d.test MX 5 a.test", "a.test A 192.0.2.1"},
       "a.test:25 192.0.2.1",
       "mx"},
      {"servfail", {"d.test MX !SERVFAIL"}, "later 4.4.3", "mx"},
      {"host without address is skipped",
       {"d.test MX 1 none.test", "d.test MX 2 a.test", "a.test A 192.0.2.1"},
       "a.test:25 192.0.2.1",
       "mx"},
      {"dead host is skipped",
       {"d.test MX 1 dead.test", "dead.test A !SERVFAIL", "dead.test AAAA !SERVFAIL", "d.test MX 2 a.test",
        "a.test A 192.0.2.1"},
       "a.test:25 192.0.2.1",
       "mx"},
      {"all dead",
       {"d.test MX 1 dead.test", "dead.test A !SERVFAIL", "dead.test AAAA !SERVFAIL", "d.test MX 2 none.test"},
       "later 4.4.3",
       "mx"},
      {"own name drops equals and worse",
       {"d.test MX 1 a.test", "d.test MX 5 mx.own.test", "d.test MX 5 b.test", "d.test MX 9 c.test",
        "a.test A 192.0.2.1", "b.test A 192.0.2.2", "c.test A 192.0.2.3"},
       "a.test:25 192.0.2.1",
       "mx"},
      {"own address drops equals and worse",
       {"d.test MX 1 a.test", "d.test MX 5 us.test", "d.test MX 9 c.test", "a.test A 192.0.2.1",
        "us.test A 192.0.2.100", "c.test A 192.0.2.3"},
       "a.test:25 192.0.2.1",
       "mx"},
      {"own v6 address", {"d.test MX 5 us.test", "us.test A 192.0.2.5", "us.test AAAA 2001:db8::100"}, "5.4.6", "mx"},
      {"own name first is a loop",
       {"d.test MX 5 MX.own.test", "d.test MX 9 c.test", "c.test A 192.0.2.3"},
       "5.4.6",
       "mx"},
      {"implicit MX that is us is a loop", {"d.test A 192.0.2.100"}, "5.4.6", "implicit mx"},
      {"exchanger twice",
       {"d.test MX 1 a.test", "d.test MX 2 a.test", "a.test A 192.0.2.1"},
       "a.test:25 192.0.2.1",
       "mx"},
      {"exchanger that is an address", {"d.test MX 1 192.0.2.1"}, "5.4.4", "mx"},
  };
  for (const Row& row : rows) {
    Net net(row.records);
    const RouteDecision decision = net.route("d.test");
    EXPECT_EQ(shown(decision), row.want) << row.name;
    EXPECT_EQ(decision.rule, row.rule) << row.name;
    EXPECT_FALSE(decision.reason.empty());
  }
}

TEST(Mx, EqualPreferencesTakeTurnsAndLimitsHold) {
  Words records;
  for (int i = 0; i < 30; ++i) {
    records.push_back(fmt::format("d.test MX 10 h{}.test", i));
    records.push_back(fmt::format("h{}.test A 192.0.2.{}", i, i + 1));
  }
  Net net(records);
  std::set<std::string> first;
  for (int i = 0; i < 60; ++i) {
    const RouteDecision decision = net.route("d.test");
    const auto& hops = std::get<Relay>(decision.next).hops;
    EXPECT_EQ(hops.size(), kMxHostsMax);
    first.insert(hops.front().host);
  }
  EXPECT_GT(first.size(), 15U);
}

TEST(Mx, DeadNameServersEndTheSearchEarly) {
  Words records;
  for (int i = 0; i < 15; ++i) {
    records.push_back(fmt::format("d.test MX {} h{}.test", i, i));
    records.push_back(fmt::format("h{}.test A !TIMEOUT", i));
    records.push_back(fmt::format("h{}.test AAAA !TIMEOUT", i));
  }
  Net net(records);
  EXPECT_EQ(shown(net.route("d.test")), "later 4.4.3");
  EXPECT_LE(net.resolver.questions(), 6U);
}

TEST(StaticRoutes, FirstMatchWinsAndListsAddUp) {
  const Words records = {"relay.test A 192.0.2.50", "other.test MX 1 a.test", "a.test A 192.0.2.1",
                         "d.test MX 1 a.test",      "dead.test A !SERVFAIL",  "dead.test AAAA !SERVFAIL"};
  struct Via {
    const char* domain;
    Words via;
    const char* asked;
    const char* want;
  };
  const std::vector<Via> rows = {
      {"d.test", {"127.0.0.1:2600"}, "D.test", "127.0.0.1:2600! 127.0.0.1"},
      {"d.test", {"[2001:db8::9]:26"}, "d.test", "2001:db8::9:26! six9"},
      {"d.test", {"relay.test:587"}, "d.test", "relay.test:587! 192.0.2.50"},
      {"d.test", {"nowhere.test:587"}, "d.test", "5.4.4"},
      {"d.test", {"dead.test:587"}, "d.test", "later 4.4.3"},
      {"d.test", {"dead.test:587", "relay.test:25"}, "d.test", "relay.test:25! 192.0.2.50"},
      {"d.test",
       {"127.0.0.1:1", "mx", "relay.test:3"},
       "d.test",
       "127.0.0.1:1! 127.0.0.1; a.test:25 192.0.2.1; relay.test:3! 192.0.2.50"},
      {"d.test", {"127.0.0.1:1", "dead.test:2"}, "d.test", "127.0.0.1:1! 127.0.0.1"},
      {"d.test", {"127.0.0.1:1", "hold"}, "d.test", "127.0.0.1:1! 127.0.0.1"},
      {"d.test", {"mx:other.test"}, "d.test", "a.test:25 192.0.2.1"},
      {"d.test", {"lmtp://127.0.0.1:24"}, "d.test", "lmtp 127.0.0.1:24! 127.0.0.1"},
      {"d.test", {"lmtp://[2001:db8::9]:24"}, "d.test", "lmtp 2001:db8::9:24! six9"},
      {"d.test", {"lmtp://relay.test:24"}, "d.test", "lmtp relay.test:24! 192.0.2.50"},
      {"d.test", {"lmtp+unix:/run/lmtp"}, "d.test", "lmtp socket /run/lmtp:25! "},
      {"d.test",
       {"lmtp+unix:/run/lmtp", "relay.test:25"},
       "d.test",
       "lmtp socket /run/lmtp:25! ; relay.test:25! 192.0.2.50"},
      {"d.test", {"dead.test:1", "error:4.3.2 wait"}, "d.test", "later 4.3.2"},
      {"d.test", {"nowhere.test:1", "relay.test:25"}, "d.test", "5.4.4"},
      {"d.test", {"local"}, "d.test", "local"},
      {"d.test", {"dead.test:1", "local"}, "d.test", "local"},
      {"d.test", {"hold"}, "d.test", "hold"},
      {"d.test", {"discard"}, "d.test", "discard"},
      {"d.test", {"error:5.1.2 no such place"}, "d.test", "5.1.2"},
      {"d.test", {"error:4.3.2 closed for now"}, "d.test", "later 4.3.2"},
      {"*.d.test", {"discard"}, "x.d.test", "discard"},
      {"*.d.test", {"discard"}, "x.y.d.test", "discard"},
      {"*.d.test", {"discard"}, "d.test", "a.test:25 192.0.2.1"},
      {"*.d.test", {"discard"}, "xd.test", "5.1.2"},
      {"*", {"discard"}, "any.thing", "discard"},
      {"*", {"discard"}, "[192.0.2.5]", "discard"},
      {"other.test", {"discard"}, "[192.0.2.5]", "[192.0.2.5]:25 192.0.2.5"},
      {"other.test", {"discard"}, "[IPv6:2001:db8::5]", "[ipv6:2001:db8::5]:25 six5"},
      {"other.test", {"discard"}, "[192.0.2.100]", "5.4.6"},
  };
  for (const Via& row : rows) {
    Settings settings;
    settings.routes = {{.domain = row.domain, .via = row.via}, {.domain = row.domain, .via = {"hold"}}};
    EXPECT_TRUE(check_route(settings.routes[0])) << row.domain;
    Net net(records, settings);
    EXPECT_EQ(shown(net.route(row.asked)), row.want) << row.asked << " by " << row.domain << " via " << row.via.front();
  }
}

TEST(StaticRoutes, SayWhichRuleAndDestination) {
  Settings settings;
  settings.routes = {{.domain = "other.test", .via = {"hold"}}, {.domain = "*.remote.test", .via = {"127.0.0.1:2600"}}};
  Net net({"d.test A 192.0.2.1"}, settings);
  RouteDecision decision = net.route("x.remote.test");
  EXPECT_EQ(decision.rule, "route[1] *.remote.test via 127.0.0.1:2600");
  EXPECT_EQ(std::get<Relay>(decision.next).destination, "127.0.0.1:2600");
  decision = net.route("d.test");
  EXPECT_EQ(std::get<Relay>(decision.next).destination, "d.test");
}

Query query_of(std::string_view domain, std::string_view sender, bool is_local = false, std::string account = {}) {
  mail::Path path;
  if (!sender.empty()) path = mail::Path(mail::Address::parse(sender).value());
  return {.domain = mail::Domain::parse(domain).value(),
          .is_local = is_local,
          .sender = std::move(path),
          .account = std::move(account)};
}

TEST(StaticRoutes, TakeWhatAllTheirKeysSay) {
  struct Row {
    StaticRoute route;
    Query query;
    bool taken;
  };
  const Words away = {"discard"};
  const std::vector<Row> rows = {
      {{.via = away, .sender = "a@x.test"}, query_of("d.test", "a@x.test"), true},
      {{.via = away, .sender = "A@X.test"}, query_of("d.test", "a@x.TEST"), true},
      {{.via = away, .sender = "a@x.test"}, query_of("d.test", "b@x.test"), false},
      {{.via = away, .sender = "a@x.test"}, query_of("d.test", "aa@x.test"), false},
      {{.via = away, .sender = "a@x.test"}, query_of("d.test", "a@x.test.evil.test"), false},
      {{.via = away, .sender = "a@x.test"}, query_of("d.test", ""), false},
      {{.via = away, .sender = "@x.test"}, query_of("d.test", "b@X.test"), true},
      {{.via = away, .sender = "@x.test"}, query_of("d.test", "b@y.x.test"), false},
      {{.via = away, .sender = "@x.test"}, query_of("d.test", "b@xx.test"), false},
      {{.via = away, .sender = "@x.test"}, query_of("d.test", "\"b@x.test\"@y.test"), false},
      {{.via = away, .sender = "@x.test"}, query_of("d.test", ""), false},
      {{.via = away, .sender = "*.x.test"}, query_of("d.test", "b@y.x.test"), true},
      {{.via = away, .sender = "*.x.test"}, query_of("d.test", "b@x.test"), false},
      {{.via = away, .sender = "*.x.test"}, query_of("d.test", "b@yx.test"), false},
      {{.via = away, .sender = "*"}, query_of("d.test", "b@x.test"), true},
      {{.via = away, .sender = "*"}, query_of("d.test", ""), false},
      {{.via = away, .sender = "<>"}, query_of("d.test", ""), true},
      {{.via = away, .sender = "<>"}, query_of("d.test", "a@x.test"), false},
      {{.domain = "e.test", .via = away, .sender = "a@x.test"}, query_of("d.test", "a@x.test"), false},
      {{.via = away, .account = "u@x.test"}, query_of("d.test", "", false, "U@x.test"), true},
      {{.via = away, .account = "@x.test"}, query_of("d.test", "", false, "u@x.test"), true},
      {{.via = away, .account = "@x.test"}, query_of("d.test", "", false, "u@y.test"), false},
      {{.via = away, .account = "u@x.test"}, query_of("d.test", "u@x.test"), false},
      {{.via = away}, query_of("d.test", "", true), false},
      {{.via = away, .match_local = true}, query_of("d.test", "", true), true},
      {{.via = away, .match_local = true}, query_of("d.test", "", false), true},
      {{.domain = "e.test", .via = away, .match_local = true}, query_of("d.test", "", true), false},
  };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Row& row = rows[i];
    EXPECT_TRUE(check_route(row.route)) << i;
    Net net({"d.test A 192.0.2.1"}, {.routes = {row.route}, .hostname = {}, .own_addresses = {}});
    const char* const otherwise = row.query.is_local ? "local" : "d.test:25 192.0.2.1";
    EXPECT_EQ(shown(net.route(row.query)), row.taken ? "discard" : otherwise) << i;
  }
}

TEST(StaticRoutes, SayWhatIsDoneOnTheWay) {
  Settings settings;
  settings.routes = {{.domain = "six.test",
                      .via = {"127.0.0.1:26"},
                      .source = "2001:db8::7",
                      .hello = "out.own.test",
                      .retry = {std::chrono::seconds(5), std::chrono::minutes(1)}},
                     {.domain = "four.test", .via = {"127.0.0.1:26"}, .source = "192.0.2.9"},
                     {.domain = "*", .via = {"mx"}, .retry = {std::chrono::seconds(9)}}};
  Net net({"d.test A 192.0.2.1"}, settings);
  RouteDecision decision = net.route("six.test");
  EXPECT_EQ(std::get<Relay>(decision.next).source, parse_address("2001:db8::7"));
  EXPECT_EQ(std::get<Relay>(decision.next).hello, "out.own.test");
  EXPECT_EQ(std::get<Relay>(decision.next).destination, "127.0.0.1:26 from 2001:db8::7 as out.own.test");
  EXPECT_EQ(decision.retry.size(), 2U);
  decision = net.route("four.test");
  EXPECT_EQ(std::get<Relay>(decision.next).source, parse_address("192.0.2.9"));
  EXPECT_TRUE(decision.retry.empty());
  decision = net.route("d.test");
  EXPECT_EQ(std::get<Relay>(decision.next).destination, "d.test");
  EXPECT_EQ(decision.retry.size(), 1U);
  EXPECT_EQ(net.route("nowhere.test").retry.size(), 1U);
}

/// Whatever the routes: `destination` is that of `route` where a way was found, and a route that ends otherwise by its
/// own word has none.
TEST(Destination, IsThatOfTheRouteWithoutAsking) {
  const Words ways = {"127.0.0.1:1", "relay.test:2",       "dead.test:3",     "nowhere.test:4", "mx",
                      "mx:d.test",   "lmtp://127.0.0.1:5", "lmtp+unix:/s",    "local",          "hold",
                      "discard",     "error:5.1.2 no",     "error:4.1.2 wait"};
  const Words domains = {"d.test", "x.d.test", "e.test", "nowhere.test", "dead.test", "[192.0.2.8]", "[192.0.2.100]"};
  const Words patterns = {"d.test", "*.d.test", "*", "e.test"};
  const Words senders = {"", "<>", "@x.test", "a@x.test"};
  const Words records = {"d.test MX 1 relay.test",  "x.d.test A 192.0.2.3",  "e.test A 192.0.2.4",
                         "relay.test A 192.0.2.50", "dead.test A !SERVFAIL", "dead.test AAAA !SERVFAIL",
                         "dead.test MX !SERVFAIL"};
  SeededRandom random{7};
  const auto pick = [&](const Words& from) { return from[static_cast<std::size_t>(random.below(from.size()))]; };
  std::size_t relayed = 0;
  for (int round = 0; round < 1000; ++round) {
    Settings settings;
    for (std::uint64_t i = random.below(4); i > 0; --i) {
      StaticRoute route{.domain = pick(patterns), .sender = pick(senders), .match_local = random.below(2) == 0};
      for (std::uint64_t k = random.below(3) + 1; k > 0; --k) route.via.push_back(pick(ways));
      if (random.below(4) == 0) route.source = "192.0.2.7";
      if (random.below(4) == 0) route.hello = "out.test";
      if (check_route(route)) settings.routes.push_back(route);
    }
    Net net(records, settings);
    const Query query = query_of(pick(domains), random.below(2) == 0 ? "" : "a@x.test", random.below(2) == 0);
    const RouteDecision decision = net.route(query);
    const Router router(&net.resolver, &net.random, net.settings);
    const std::string destination = router.destination(query);
    if (const auto* const relay = std::get_if<Relay>(&decision.next)) {
      ++relayed;
      EXPECT_EQ(destination, relay->destination) << decision.rule;
      EXPECT_FALSE(router.refusal(query));
      EXPECT_TRUE(!query.is_local || router.takes_local(query)) << decision.rule;
    }
    if (destination.empty()) {
      EXPECT_FALSE(std::holds_alternative<Relay>(decision.next)) << decision.rule;
    }
    if (const std::optional<NoRoute> refusal = router.refusal(query)) {
      ASSERT_TRUE(std::holds_alternative<NoRoute>(decision.next)) << decision.rule;
      EXPECT_EQ(std::get<NoRoute>(decision.next).status, refusal->status);
      EXPECT_TRUE(destination.empty());
    }
  }
  EXPECT_GT(relayed, 200U);
}

TEST(StaticRoutes, TakeLocalRecipientsOnlyWhereTheySaySo) {
  struct Row {
    StaticRoute route;
    bool takes;
  };
  const std::vector<Row> rows = {
      {{.via = {"127.0.0.1:1"}}, false},
      {{.via = {"local"}, .match_local = true}, false},
      {{.via = {"127.0.0.1:1"}, .match_local = true}, true},
      {{.via = {"hold"}, .match_local = true}, true},
      {{.via = {"error:5.1.1 gone"}, .match_local = true}, true},
      {{.domain = "other.test", .via = {"hold"}, .match_local = true}, false},
  };
  for (const Row& row : rows) {
    const Net net({}, {.routes = {row.route}, .hostname = {}, .own_addresses = {}});
    const Router router(nullptr, nullptr, net.settings);
    EXPECT_EQ(router.takes_local({.domain = mail::Domain::parse("d.test").value()}), row.takes)
        << row.route.via.front();
  }
}

TEST(StaticRoutes, BadOnesAreRefusedWithAReason) {
  const std::vector<StaticRoute> bad = {
      {"", {"mx"}},
      {"a b", {"mx"}},
      {"*x.test", {"mx"}},
      {"*.", {"mx"}},
      {"d.test", {}},
      {"d.test", {""}},
      {"d.test", {"host"}},
      {"d.test", {"host:0"}},
      {"d.test", {"host:65536"}},
      {"d.test", {"host:+25"}},
      {"d.test", {":25"}},
      {"d.test", {"[::1:25"}},
      {"d.test", {"::1:25"}},
      {"d.test", {"[x]:25"}},
      {"d.test", {"ho st:25"}},
      {"d.test", {"mx:"}},
      {"d.test", {"mx:a b"}},
      {"d.test", {"error:"}},
      {"d.test", {"error:550 x"}},
      {"d.test", {"error:2.0.0 x"}},
      {"d.test", {"error:5.1.2 a\rb"}},
      {"d.test", {"Hold"}},
      {"d.test", {"mx", "nonsense"}},
      {"*.[192.0.2.1]", {"mx"}},
      {"d.test", {"smtps://"}},
      {"d.test", {"smtps://:465"}},
      {"d.test", {"smtps://mx.test:x"}},
      {"d.test", {"smtps://2001:db8::1"}},
      {"d.test", {"smtp://mx.test:25"}},
      {"d.test", {"lmtp://"}},
      {"d.test", {"lmtp://host"}},
      {"d.test", {"lmtp://2001:db8::1:24"}},
      {"d.test", {"lmtp+unix:"}},
      {"d.test", {"lmtp+unix:/a\tb"}},
      {"d.test", {"lmtp+unix:/" + std::string(107, 'x')}},
      {"d.test", {"Local"}},
      {"d.test", {"hold", "mx"}},
      {"d.test", {"local", "mx"}},
      {"d.test", {"error:4.3.2 wait", "mx"}},
      {"d.test", Words(kViasMax + 1, "mx")},
      {.domain = "d.test", .via = {"mx"}, .sender = "x.test"},
      {.domain = "d.test", .via = {"mx"}, .sender = "@"},
      {.domain = "d.test", .via = {"mx"}, .sender = "@a b"},
      {.domain = "d.test", .via = {"mx"}, .sender = "*x.test"},
      {.domain = "d.test", .via = {"mx"}, .sender = "a@"},
      {.domain = "d.test", .via = {"mx"}, .sender = "<a@x.test>"},
      {.domain = "d.test", .via = {"mx"}, .account = "x.test"},
      {.domain = "d.test", .via = {"mx"}, .account = "*.x.test"},
      {.domain = "d.test", .via = {"mx"}, .source = "eth0"},
      {.domain = "d.test", .via = {"mx"}, .source = "192.0.2.0/24"},
      {.domain = "d.test", .via = {"mx"}, .source = "[2001:db8::1]"},
      {.domain = "d.test", .via = {"mx"}, .hello = "not a name"},
      {.domain = "d.test", .via = {"mx"}, .hello = "x\r\nRSET"},
      {.domain = "d.test", .via = {"smtps://mx.test"}, .tls = TlsPolicy::none},
      {.domain = "d.test", .via = {"mx.test:25", "smtps://mx.test"}, .tls = TlsPolicy::opportunistic},
      {.domain = "d.test", .via = {"192.0.2.1:25"}, .tls = TlsPolicy::verified},
      {.domain = "d.test", .via = {"lmtp+unix:/s"}, .tls = TlsPolicy::verified},
      {.domain = "d.test", .via = {"mx"}, .tls = TlsPolicy::none, .credentials = {.tls_authorities = "/ca"}},
      {.domain = "d.test", .via = {"mx"}, .credentials = {.client_key = "/key"}},
      {.domain = "d.test", .via = {"mx"}, .credentials = {.tls_name = "a b"}},
      {.domain = "d.test", .via = {"mx"}, .credentials = {.secret = "x"}},
      {.domain = "d.test", .via = {"192.0.2.1:587"}, .credentials = {.secret = "x"}},
      {.domain = "d.test", .via = {"a.test:587"}, .tls = TlsPolicy::none, .credentials = {.secret = "x"}},
      {.domain = "d.test", .via = {"a.test:587"}, .tls = TlsPolicy::opportunistic, .credentials = {.secret = "x"}},
      {.domain = "d.test",
       .via = {"127.0.0.1:1", "192.0.2.1:1"},
       .tls = TlsPolicy::none,
       .credentials = {.secret = "x"}},
  };
  for (const StaticRoute& route : bad) {
    const Result<void> checked = check_route(route);
    ASSERT_FALSE(checked) << route.domain << " " << (route.via.empty() ? "" : route.via.front());
    EXPECT_FALSE(checked.error().detail.empty());
  }
}

TEST(Tls, IsThatOfTheRouteOrWhatItsWaysNeed) {
  struct Row {
    StaticRoute route;
    TlsPolicy want;
    bool from_start = false;
    std::uint16_t port = 25;
  };
  const std::vector<Row> rows = {
      {{.domain = "*", .via = {"192.0.2.1:25"}}, TlsPolicy::automatic},
      {{.domain = "*", .via = {"192.0.2.1:25"}, .tls = TlsPolicy::none}, TlsPolicy::none},
      {{.domain = "*", .via = {"192.0.2.1:25"}, .tls = TlsPolicy::required}, TlsPolicy::required},
      {{.domain = "*", .via = {"smtps://192.0.2.1"}}, TlsPolicy::required, true, 465},
      {{.domain = "*", .via = {"smtps://[2001:db8::1]"}}, TlsPolicy::required, true, 465},
      {{.domain = "*", .via = {"smtps://192.0.2.1:2465"}}, TlsPolicy::required, true, 2465},
      {{.domain = "*", .via = {"smtps://192.0.2.1"}, .credentials = {.tls_name = "a.test", .secret = "x"}},
       TlsPolicy::verified,
       true,
       465},
      {{.domain = "*", .via = {"192.0.2.1:25"}, .credentials = {.tls_name = "a.test", .secret = "x"}},
       TlsPolicy::verified},
      {{.domain = "*", .via = {"192.0.2.1:25"}, .tls = TlsPolicy::required, .credentials = {.secret = "x"}},
       TlsPolicy::required},
      {{.domain = "*", .via = {"127.0.0.1:25"}, .tls = TlsPolicy::none, .credentials = {.secret = "x"}},
       TlsPolicy::none},
      {{.domain = "*", .via = {"lmtp://192.0.2.1:25"}, .tls = TlsPolicy::required}, TlsPolicy::required},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.route.via.front());
    ASSERT_TRUE(check_route(row.route));
    Net net({}, {.routes = {row.route}, .port = 25, .hostname = {}, .own_addresses = {}});
    const RouteDecision decision = net.route(query_of("d.test", "", false));
    const auto* const relay = std::get_if<Relay>(&decision.next);
    ASSERT_NE(relay, nullptr);
    EXPECT_EQ(relay->hops.at(0).tls, row.want);
    EXPECT_EQ(relay->hops.at(0).tls_from_start, row.from_start);
    EXPECT_EQ(relay->hops.at(0).port, row.port);
    EXPECT_EQ(relay->credentials, row.route.credentials);
  }
}

/// A connection is for one protection and one login.
TEST(Tls, OtherProtectionIsAnotherDestination) {
  std::set<std::string> seen;
  const std::vector<StaticRoute> routes = {
      {.domain = "*", .via = {"a.test:25"}},
      {.domain = "*", .via = {"a.test:25"}, .tls = TlsPolicy::none},
      {.domain = "*", .via = {"a.test:25"}, .tls = TlsPolicy::verified},
      {.domain = "*", .via = {"a.test:25"}, .tls = TlsPolicy::verified, .credentials = {.tls_name = "b.test"}},
      {.domain = "*", .via = {"a.test:25"}, .tls = TlsPolicy::verified, .credentials = {.tls_authorities = "/b"}},
      {.domain = "*", .via = {"a.test:25"}, .tls = TlsPolicy::verified, .credentials = {.client_certificate = "/c"}},
      {.domain = "*", .via = {"a.test:25"}, .credentials = {.secret = "x"}},
      {.domain = "*", .via = {"a.test:25"}, .credentials = {.secret = "y"}},
      {.domain = "*", .via = {"smtps://a.test:25"}},
  };
  for (const StaticRoute& route : routes) {
    Net net({}, {.routes = {route}, .port = 25, .hostname = {}, .own_addresses = {}});
    const Router router(&net.resolver, &net.random, net.settings);
    seen.insert(router.destination(query_of("d.test", "", false)));
  }
  EXPECT_EQ(seen.size(), routes.size());
}

}  // namespace
}  // namespace postrider::route
