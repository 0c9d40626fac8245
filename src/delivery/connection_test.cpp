// Connections that carry more than one message, LMTP, and questions about recipients.
#include "delivery/relay.hpp"
#include "delivery/test_scene.hpp"

namespace postrider::delivery {
namespace {

using std::chrono::seconds;

class Text final : public ContentSource {
 public:
  void rewind() override { given_ = false; }
  Task<Result<std::string>> next(std::size_t /*octets_max*/) override {
    co_return std::exchange(given_, true) ? std::string() : std::string("Subject: x\r\n\r\nbody\r\n");
  }

 private:
  bool given_ = false;
};

struct Rig {
  test::World world;
  SeededRandom random{5};
  net::SimNetwork network{&random};
  net::Connector connector{network.host(kOwn), {*net::Network4Or6::parse("10.0.0.0/8")}};
  Signal stop;
  Hops hops{&world, &network, &stop};
  RelaySettings settings{.hostname = "mx.here.test", .timeouts = {}};
  std::unique_ptr<Parked> connection = nullptr;

  ~Rig() {
    connection.reset();
    stop.set();
    world.run_until_still();
    EXPECT_EQ(world.shard.tasks(), 0U);
  }

  static route::Hop to(const net::Address& address) {
    return {.host = "hop.test", .addresses = {address.octets()}, .port = 25, .from_dns = true};
  }
  static RelayMessage message(std::initializer_list<const char*> recipients) {
    RelayMessage out{.reverse_path = mail::Path(address("ann@here.test")), .recipients = {}, .size_octets = 20};
    for (const char* recipient : recipients) out.recipients.push_back(address(recipient));
    return out;
  }
  RelayResult send(route::Relay route, RelayMessage what) {
    Text text;
    RelayResult result = test::run(world, relay(&connector, settings, std::move(route), std::move(what), &text));
    connection = std::move(result.connection);
    return result;
  }
  /// Over the connection that is left; nullopt: it was stale.
  std::optional<RelayResult> send_on(RelayMessage what) {
    Text text;
    std::optional<RelayResult> result = test::run(world, relay_over(std::move(connection), std::move(what), &text));
    if (result) connection = std::move(result->connection);
    return result;
  }
  smtp::RecipientOutcome ask(route::Relay route, const char* recipient) {
    return test::run(
        world, probe(&connector, settings, std::move(route), address(recipient), world.clock.steady() + seconds(20)));
  }
};

constexpr const char* kAll = "250-PIPELINING\r\n250-CHUNKING\r\n250-8BITMIME\r\n";

TEST(Connection, CarriesAHundredMessages) {
  NextHop hop{.offers = kAll};
  Rig rig;
  rig.hops.open(&hop, kHop);
  rig.send({.hops = {Rig::to(kHop)}, .destination = "d"}, Rig::message({"bob@away.test"}));
  unsigned sent = 1;
  for (; rig.connection; ++sent) {
    const auto result = rig.send_on(Rig::message({"bob@away.test"}));
    ASSERT_TRUE(result);
    EXPECT_EQ(result->outcomes[0].reply.code, 250);
  }
  EXPECT_EQ(sent, kMessagesAConnectionMax);
  EXPECT_EQ(hop.sessions, 1);
  EXPECT_EQ(hop.messages, 100);
}

TEST(Connection, ASmallMessageIsOneWrite) {
  NextHop hop{.offers = kAll};
  Rig rig;
  rig.hops.open(&hop, kHop);
  rig.send({.hops = {Rig::to(kHop)}, .destination = "d"}, Rig::message({"bob@away.test", "eve@away.test"}));
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(rig.send_on(Rig::message({"bob@away.test", "eve@away.test"})));
  EXPECT_EQ(hop.messages, 11);
  EXPECT_EQ(hop.reads, 1 + 11);  // EHLO, and each message with its envelope
}

TEST(Connection, GoesOnAfterARefusal) {
  Rig rig;
  for (const char* offers : {kAll, "250-PIPELINING\r\n", ""}) {
    NextHop hop{.offers = offers};
    Signal stop;
    Hops hops{&rig.world, &rig.network, &stop};
    hops.open(&hop, kHop);
    const RelayResult first =
        rig.send({.hops = {Rig::to(kHop)}, .destination = "d"}, Rig::message({"gone@away.test", "later@away.test"}));
    EXPECT_EQ(first.outcomes[0].reply.code, 550);
    EXPECT_EQ(first.outcomes[1].reply.code, 451);
    EXPECT_EQ(first.result, ConnectionResult::worked);
    ASSERT_TRUE(rig.connection);
    const auto second = rig.send_on(Rig::message({"bob@away.test", "gone@away.test"}));
    ASSERT_TRUE(second);
    EXPECT_EQ(second->outcomes[0].reply.code, 250);
    EXPECT_EQ(second->outcomes[1].reply.code, 550);
    EXPECT_EQ(hop.sessions, 1);
    EXPECT_EQ(hop.content, "Subject: x\r\n\r\nbody\r\n");
    rig.connection.reset();
    stop.set();
    rig.world.run_until_still();
  }
}

TEST(Connection, OneThatThePeerClosedIsNoOutcome) {
  NextHop hop{.offers = kAll, .messages_a_session = 1};
  Rig rig;
  rig.hops.open(&hop, kHop);
  EXPECT_EQ(
      rig.send({.hops = {Rig::to(kHop)}, .destination = "d"}, Rig::message({"bob@away.test"})).outcomes[0].reply.code,
      250);
  ASSERT_TRUE(rig.connection);
  EXPECT_FALSE(rig.send_on(Rig::message({"bob@away.test"})));
  EXPECT_EQ(hop.messages, 1);
}

TEST(Connection, OneThatBreaksBeforeMailIsAnsweredIsNoOutcome) {
  for (const char* offers : {kAll, "250-PIPELINING\r\n", ""}) {
    NextHop hop{.offers = offers};
    Rig rig;
    rig.hops.open(&hop, kHop);
    EXPECT_EQ(
        rig.send({.hops = {Rig::to(kHop)}, .destination = "d"}, Rig::message({"bob@away.test"})).outcomes[0].reply.code,
        250);
    ASSERT_TRUE(rig.connection);
    hop.thinks = seconds(2);  // it breaks after what we write, before it answers
    Text text;
    std::optional<std::optional<RelayResult>> result;
    spawn(&rig.world.shard, "send",
          test::keep(relay_over(std::move(rig.connection), Rig::message({"bob@away.test"}), &text), &result));
    while (rig.world.shard.poll() > 0) {
    }
    rig.network.set_down(kHop);
    rig.world.run_until_still();
    ASSERT_TRUE(result);
    EXPECT_FALSE(*result);
    rig.network.set_up(kHop);
  }
}

TEST(Connection, AFreshOneThatBreaksIsAnOutcome) {
  NextHop hop{.offers = kAll};
  Rig rig;
  rig.hops.open(&hop, kHop);
  rig.network.break_next(kHop, 120);
  const RelayResult result = rig.send({.hops = {Rig::to(kHop)}, .destination = "d"}, Rig::message({"bob@away.test"}));
  EXPECT_EQ(result.outcomes[0].reply.code, 451);
  EXPECT_EQ(result.result, ConnectionResult::throttled);
  EXPECT_FALSE(rig.connection);
}

TEST(Connection, AFiveHundredGreetingMeansTheNextHostAndThenStands) {  // 7504 §3
  NextHop refuses{.greeting = "554 5.7.1 go away\r\n"};
  NextHop takes{.offers = kAll};
  Rig rig;
  const net::Address other = net::Address::v4({10, 0, 0, 2});
  rig.hops.open(&refuses, kHop);
  const RelayResult alone = rig.send({.hops = {Rig::to(kHop)}, .destination = "d"}, Rig::message({"bob@away.test"}));
  EXPECT_EQ(alone.outcomes[0].reply.code, 554);
  EXPECT_EQ(alone.outcomes[0].reply.text, "go away");
  EXPECT_EQ(alone.result, ConnectionResult::throttled);
  rig.hops.open(&takes, other);
  const RelayResult both =
      rig.send({.hops = {Rig::to(kHop), Rig::to(other)}, .destination = "d"}, Rig::message({"bob@away.test"}));
  EXPECT_EQ(both.outcomes[0].reply.code, 250);
  EXPECT_EQ(both.remote, "hop.test [10.0.0.2]");
}

TEST(Connection, AForbiddenAddressIsPermanentOnlyWhereThereIsNoOther) {
  Rig rig;
  const net::Address forbidden = net::Address::v4({192, 168, 0, 1});
  const net::Address silent = net::Address::v4({10, 0, 0, 9});
  rig.network.set_answer(silent, net::SimAnswer::silent);
  for (const auto& [hops, code] : {std::pair(std::vector{Rig::to(forbidden)}, 550),
                                   std::pair(std::vector{Rig::to(forbidden), Rig::to(silent)}, 451),
                                   std::pair(std::vector{Rig::to(silent), Rig::to(forbidden)}, 451)}) {
    EXPECT_EQ(rig.send({.hops = hops, .destination = "d"}, Rig::message({"bob@away.test"})).outcomes[0].reply.code,
              code);
  }
}

TEST(Connection, GreetsAndConnectsAsTheRouteSays) {
  NextHop hop{.offers = kAll};
  Rig rig;
  const net::Address source = net::Address::v4({10, 9, 9, 10});
  rig.network.add_address(kOwn, source);
  rig.hops.open(&hop, kHop);
  rig.send({.hops = {Rig::to(kHop)}, .destination = "d", .source = source.octets(), .hello = "out.here.test"},
           Rig::message({"bob@away.test"}));
  EXPECT_TRUE(hop.commands.starts_with("EHLO out.here.test\n")) << hop.commands;
}

TEST(Connection, LmtpAnswersForEachRecipientOverTcpAndUnixSockets) {
  NextHop tcp{.offers = kAll, .speaks_lmtp = true};
  NextHop socket{.offers = "", .speaks_lmtp = true};
  Rig rig;
  rig.hops.open(&tcp, kHop);
  rig.hops.open(&socket, {.address = {}, .port = 0, .unix_path = "/run/lmtp"}, kOwn);
  route::Hop over_tcp = Rig::to(kHop);
  over_tcp.protocol = route::HopProtocol::lmtp;
  const route::Hop over_unix{.host = "/run/lmtp",
                             .addresses = {},
                             .from_dns = false,
                             .protocol = route::HopProtocol::lmtp,
                             .unix_path = "/run/lmtp"};
  for (const route::Hop& way : {over_tcp, over_unix}) {
    const RelayResult result =
        rig.send({.hops = {way}, .destination = "d"},
                 Rig::message({"bob@away.test", "full@away.test", "gone@away.test", "eve@away.test"}));
    ASSERT_EQ(result.outcomes.size(), 4U);
    EXPECT_EQ(result.outcomes[0].reply.code, 250);
    EXPECT_EQ(result.outcomes[1].reply.code, 452);
    EXPECT_EQ(result.outcomes[2].reply.code, 550);
    EXPECT_EQ(result.outcomes[3].reply.code, 250);
    EXPECT_EQ(result.remote, way.unix_path.empty() ? "hop.test [10.0.0.1]" : "/run/lmtp");
    EXPECT_TRUE(rig.connection);
    rig.connection.reset();
  }
  EXPECT_TRUE(tcp.commands.starts_with("LHLO mx.here.test\n"));
  EXPECT_TRUE(socket.commands.starts_with("LHLO mx.here.test\n"));
  EXPECT_EQ(socket.content, "Subject: x\r\n\r\nbody\r\n");
}

TEST(Probe, AsksAndSendsNothing) {
  NextHop hop{.offers = kAll};
  Rig rig;
  rig.hops.open(&hop, kHop);
  const route::Relay route{.hops = {Rig::to(kHop)}, .destination = "d"};
  EXPECT_EQ(rig.ask(route, "bob@away.test").reply.code, 250);
  EXPECT_EQ(rig.ask(route, "later@away.test").reply.code, 451);
  const smtp::RecipientOutcome gone = rig.ask(route, "gone@away.test");
  EXPECT_EQ(gone.reply.code, 550);
  EXPECT_EQ(gone.phase, smtp::Phase::rcpt);
  EXPECT_EQ(hop.content, "");
  EXPECT_EQ(hop.messages, 0);
  EXPECT_TRUE(hop.commands.contains("MAIL FROM:<>"));
  EXPECT_TRUE(hop.commands.ends_with("QUIT\n")) << hop.commands;
}

TEST(Probe, EndsInTime) {
  NextHop hop{.offers = kAll, .thinks = seconds(15)};
  Rig rig;
  rig.hops.open(&hop, kHop);
  const SteadyTime start = rig.world.clock.steady();
  const smtp::RecipientOutcome outcome = rig.ask({.hops = {Rig::to(kHop)}, .destination = "d"}, "bob@away.test");
  EXPECT_FALSE(smtp::is_positive(outcome.reply));
  EXPECT_FALSE(smtp::is_permanent(outcome.reply));
  EXPECT_LE(rig.world.clock.steady() - start, seconds(21));
}

}  // namespace
}  // namespace postrider::delivery
