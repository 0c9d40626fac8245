#include "server/recipient_probe.hpp"

#include "core/test_run.hpp"
#include "dns/sim_resolver.hpp"
#include "net/sim_network.hpp"

#include <gtest/gtest.h>

#include <array>

namespace postrider::server {
namespace {

using Answer = gate::RecipientProbe::Answer;

net::Address ip(std::string_view text) { return *net::Address::parse(text); }

Task<void> ask(NextHopProbe* probe, std::string recipient, SteadyTime until, std::vector<Answer>* answers) {
  mail::Address address = mail::Address::parse(recipient).value();
  Answer answer = co_await probe->ask(std::move(address), until);
  answers->push_back(std::move(answer));
}

struct Rig {
  explicit Rig(std::string via) : router(&resolver, &random, settings_of(std::move(via))) {}
  static route::Settings settings_of(std::string via) {
    route::Settings settings{.routes = {}, .hostname = "mx.here.test", .own_addresses = {}};
    if (!via.empty()) settings.routes.push_back({.domain = "inner.test", .via = {std::move(via)}});
    return settings;
  }
  Answer ask_one() {
    std::vector<Answer> answers;
    spawn(&world.shard, "test",
          ask(&probe, "ann@inner.test", world.clock.steady() + std::chrono::seconds(5), &answers));
    world.run_until_still();
    return answers.at(0);
  }
  test::World world;
  SeededRandom random{1};
  dns::SimResolver resolver{&random};
  net::SimNetwork network{&random};
  net::Connector connector{network.host(ip("10.0.0.1")), {}};
  route::Router router;
  NextHopProbe probe{&connector, &router, {.hostname = "mx.here.test", .timeouts = {}}};
};

TEST(NextHopProbe, GoesByTheRoute) {
  struct Row {
    const char* via;
    Answer::Kind want;
  };
  const Row rows[] = {
      {"hold", Answer::Kind::accepted},
      {"discard", Answer::Kind::accepted},
      {"local", Answer::Kind::refused},
      {"error:5.1.2 no", Answer::Kind::refused},
      {"error:4.1.2 wait", Answer::Kind::unknown},
      {"10.7.0.1:25", Answer::Kind::unknown},
      {"nowhere.test:25", Answer::Kind::refused},
      {"dead.test:25", Answer::Kind::unknown},
  };
  for (const Row& row : rows) {
    Rig rig(row.via);
    for (const char* const record : {"dead.test A !TIMEOUT", "dead.test AAAA !TIMEOUT"})
      ASSERT_TRUE(rig.resolver.add(record));
    const Answer answer = rig.ask_one();
    EXPECT_EQ(answer.kind, row.want) << row.via << " " << answer.reply;
    EXPECT_FALSE(answer.reply.empty());
  }
}

TEST(NextHopProbe, EndsInTimeAndAsksForSoManyAtOnceAndNoMore) {
  Rig rig("10.7.0.1:25");
  const net::Endpoint at{.address = ip("10.7.0.1"), .port = 25, .unix_path = {}};
  const std::array<Shard*, 1> shards = {&rig.world.shard};
  const auto silent = rig.network.host(ip("10.7.0.1"))->listen(at, shards, net::UnixAccess::owner);
  ASSERT_TRUE(silent);
  const SteadyTime until = rig.world.clock.steady() + std::chrono::seconds(5);
  std::vector<Answer> answers;
  for (std::size_t i = 0; i < kProbesMax + 1; ++i)
    spawn(&rig.world.shard, "test", ask(&rig.probe, fmt::format("u{}@inner.test", i), until, &answers));
  while (answers.size() < kProbesMax + 1) ASSERT_TRUE(rig.world.step());
  EXPECT_LE(rig.world.clock.steady(), until + kSweepGrain);
  EXPECT_EQ(answers.front().reply, "too many recipients are being verified");
  for (const Answer& answer : answers) {
    const bool asked = &answer != &answers.front();
    EXPECT_EQ(answer.kind, asked ? Answer::Kind::unknown : Answer::Kind::not_asked);
  }
  rig.world.run_until_still();  // all places are given back
  answers.clear();
  spawn(&rig.world.shard, "test",
        ask(&rig.probe, "ann@inner.test", rig.world.clock.steady() + std::chrono::seconds(5), &answers));
  rig.world.run_until_still();
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_NE(answers[0].reply, "too many recipients are being verified");
}

}  // namespace
}  // namespace postrider::server
