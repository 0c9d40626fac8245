// What is put in front of, into and behind the handshake of STARTTLS and STLS has no effect (SECURITY R5), over the
// drivers, with real TLS; each in several cuts of the network.
#include "tests/dialogue/scripted_answers.hpp"

namespace postrider::attack {
namespace {

using dialogue::Script;
using dialogue::Stage;
using dialogue::Step;
using namespace std::chrono_literals;

constexpr std::uint64_t kSeeds = 6;

/// What both protocols have.
struct Protocol {
  std::string name;
  Stage::Serve serve;
  std::string opening;            ///< up to where TLS can begin
  std::size_t opening_replies;    ///< with the greeting
  std::string start;              ///< asks for TLS
  std::string ready;              ///< how the answer begins that grants it
  std::string refusal;            ///< the one that refuses what stands behind it
  std::vector<std::string> said;  ///< what an attacker would have the server do
  std::string probe;              ///< said inside…
  std::string answer;             ///< …and answered so by a session that knows nothing
};

const std::string kPlain = "AGFubgBzZWNyZXQ=";  // ann, with the right password

Protocol smtp_protocol() {
  return {
      .name = "smtp",
      .serve = &dialogue::serve_smtp,
      .opening = "EHLO c.example\r\n",
      .opening_replies = 2,
      .start = "STARTTLS\r\n",
      .ready = "220 2.0.0",
      .refusal = "554 5.5.1 Nothing goes with STARTTLS",
      .said = {"EHLO evil.example\r\n", "MAIL FROM:<x@evil.example>\r\n", "M", "MAIL FROM:<x@evil.example>",
               "AUTH PLAIN " + kPlain + "\r\n", "AUTH PLAIN\r\n" + kPlain + "\r\n", "\r\n", "\r", "\n", "STARTTLS\r\n",
               "QUIT\r\n", std::string(1, '\0'), "220 ready\r\n", "\x16\x03\x01", "\x16\x03\x01\x02",
               "EHLO e\r\nAUTH PLAIN " + kPlain +
                   "\r\nMAIL FROM:<x@evil.example>\r\nRCPT TO:<ann@example.test>\r\nDATA\r\nx\r\n.\r\n",
               std::string(5000, 'x')},
      .probe = "MAIL FROM:<y@c.example>\r\n",
      .answer = "503 5.5.1"};
}

Protocol pop3_protocol() {
  return {.name = "pop3",
          .serve = &dialogue::serve_pop3,
          .opening = "USER ann\r\n",
          .opening_replies = 2,
          .start = "STLS\r\n",
          .ready = "+OK begin TLS",
          .refusal = "-ERR nothing goes with STLS",
          .said = {"USER ann\r\nPASS secret\r\n", "PASS secret\r\n", "P", "USER ann", "AUTH PLAIN " + kPlain + "\r\n",
                   "AUTH PLAIN\r\n" + kPlain + "\r\n", "\r\n", "\r", "\n", "STLS\r\n", "QUIT\r\n", std::string(1, '\0'),
                   "+OK\r\n", "\x16\x03\x01", "PASS secret\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n", std::string(5000, 'x')},
          .probe = "PASS secret\r\n",
          .answer = "-ERR USER first"};
}

/// AUTH is there before TLS too, so that there is something to carry over.
Script script_of_attacks() {
  Script script;
  script.tls = Script::Tls::offered;
  script.cleartext = dialogue::Cleartext::allowed;
  script.rights.mechanisms = {"PLAIN"};
  return script;
}

struct World {
  World(const Protocol* the_protocol, std::uint64_t seed)
      : protocol(the_protocol), stage(&script, the_protocol->serve, seed, the_protocol->name) {
    stage.protect();
  }
  /// In a second; in an hour.
  [[nodiscard]] SteadyTime in(Duration duration) { return stage.world.clock.steady() + duration; }

  const Protocol* protocol;
  Script script = script_of_attacks();
  Stage stage;
};

/// A client that has said the opening and read the answers; the server's end is served.
Task<std::shared_ptr<net::Stream>> connect(World* world) {
  Stage& stage = world->stage;
  net::Network* const host = stage.network.host(net::Address::v4({10, 0, 0, 1}));
  const net::Endpoint at{.address = net::Address::v4({10, 0, 0, 1}), .port = dialogue::kPort, .unix_path = {}};
  std::vector<Shard*> shards(1, &stage.world.shard);
  Result<std::vector<std::unique_ptr<net::Listener>>> listeners = host->listen(at, shards);
  check(listeners.has_value(), "attack: listen");
  spawn(&stage.world.shard, "server", dialogue::serve_one(&stage, std::move(listeners->front())));
  net::Network* const client = stage.network.host(net::Address::v4({10, 0, 0, 2}));
  Result<std::unique_ptr<net::Stream>> stream = co_await client->dial(at, std::nullopt, world->in(1h));
  check(stream.has_value(), "attack: dial");
  const Result<void> written = co_await (*stream)->write(world->protocol->opening, world->in(1h));
  check(written.has_value(), "attack: write");
  const Step reply{.kind = Step::Kind::server_reply, .octets = ".*"};
  for (std::size_t i = 0; i < world->protocol->opening_replies; ++i) {
    co_await dialogue::read_until(&stage, stream->get(), &reply);
    const std::string different = stage.transcript.compare(reply);
    check(different.empty(), different);
  }
  std::shared_ptr<net::Stream> shared = std::move(*stream);
  co_return shared;
}

/// The client's part of the handshake, on a stream that the attacker still has.
Task<Result<std::unique_ptr<net::Stream>>> shake_hands(World* world, std::shared_ptr<net::Stream> stream) {
  net::TlsAsk ask{.name = "mx.example.test"};
  std::unique_ptr<net::Stream> passing = std::make_unique<dialogue::PassingStream>(std::move(stream));
  co_return co_await world->stage.protection->client->connect(std::move(passing), std::move(ask), world->in(1h));
}

Task<void> say(World* world, net::Stream* stream, std::string octets) {
  const Result<void> written = co_await stream->write(octets, world->in(1h));
  (void)written;  // a server that hung up is as good
}

/// The next line of the server, without its CRLF; what there is when it hangs up.
Task<std::string> read_line(World* world, net::Stream* stream) {
  Stage& stage = world->stage;
  const Step line{.kind = Step::Kind::server_line, .octets = {}};
  co_await dialogue::read_until(&stage, stream, &line);
  std::string said = stage.transcript.rest();
  const std::size_t end = said.find("\r\n");
  if (end != std::string::npos) {
    said.resize(end);
    const Step there{.kind = Step::Kind::server_line, .octets = said};
    const std::string different = stage.transcript.compare(there);
    check(different.empty(), different);
  }
  co_return said;
}

enum class How : std::uint8_t { one_write, two_writes, after_the_reply };

struct Outcome {
  std::string reply;
  bool protects = false;  ///< the handshake went well
  bool closed = false;
  std::string inside;  ///< the answer to the probe
};

Task<Outcome> inject(World* world, std::string said, How how) {
  Outcome outcome;
  std::shared_ptr<net::Stream> stream = co_await connect(world);
  std::string first = world->protocol->start;
  if (how == How::one_write) first += said;
  co_await say(world, stream.get(), std::move(first));
  if (how == How::two_writes) co_await say(world, stream.get(), said);
  outcome.reply = co_await read_line(world, stream.get());
  if (how == How::after_the_reply) co_await say(world, stream.get(), std::move(said));
  if (outcome.reply.starts_with(world->protocol->ready)) {
    Result<std::unique_ptr<net::Stream>> secured = co_await shake_hands(world, stream);
    outcome.protects = secured.has_value();
    if (secured) {
      std::string probe = world->protocol->probe;
      co_await say(world, secured->get(), std::move(probe));
      outcome.inside = co_await read_line(world, secured->get());
    }
  }
  co_await dialogue::read_until(&world->stage, stream.get(), nullptr);
  outcome.closed = world->stage.closed;
  stream->close();
  co_return outcome;
}

void expect_untouched(World& world) {
  world.stage.world.run_until_still();
  EXPECT_EQ(world.stage.world.shard.tasks(), 0U) << "the session goes on";
  EXPECT_EQ(world.stage.senders, std::vector<std::string>());
  EXPECT_EQ(world.stage.taken, std::vector<std::string>());
  EXPECT_EQ(world.stage.logins, 0U);
}

class TlsInjection : public testing::TestWithParam<Protocol (*)()> {};

TEST_P(TlsInjection, OctetsBehindTheCommandEndTheSession) {
  const Protocol protocol = GetParam()();
  std::size_t refused = 0;
  std::size_t broken = 0;
  for (const std::string& said : protocol.said) {
    for (const How how : {How::one_write, How::two_writes, How::after_the_reply}) {
      for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        World world(&protocol, seed);
        const Outcome outcome = test::run(world.stage.world, inject(&world, said, how));
        SCOPED_TRACE(testing::PrintToString(said.substr(0, 60)) + " seed " + std::to_string(seed) + " way " +
                     std::to_string(static_cast<int>(how)));
        EXPECT_FALSE(outcome.protects);
        EXPECT_TRUE(outcome.closed);
        if (outcome.reply == protocol.refusal) {
          EXPECT_EQ(world.stage.transcript.rest(), "") << "said behind the refusal";
          ++refused;
        } else {
          EXPECT_TRUE(outcome.reply.starts_with(protocol.ready)) << outcome.reply;
          EXPECT_EQ(world.stage.transcript.rest().find("\r\n"), std::string::npos) << "answered in the clear";
          ++broken;
        }
        expect_untouched(world);
        if (HasFailure()) return;
      }
    }
  }
  EXPECT_GT(refused, 20U) << "both ways it can end were seen";
  EXPECT_GT(broken, 20U);
}

TEST_P(TlsInjection, WhatWasSaidBeforeMeansNothingInside) {
  const Protocol protocol = GetParam()();
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    World world(&protocol, seed);
    const Outcome outcome = test::run(world.stage.world, inject(&world, "", How::one_write));
    EXPECT_TRUE(outcome.protects);
    EXPECT_TRUE(outcome.inside.starts_with(protocol.answer)) << outcome.inside;
    expect_untouched(world);
  }
}

/// Commands in the clear while TLS protects the connection: an attacker on the way puts them in.
Task<Outcome> inject_outside(World* world, std::string said) {
  Outcome outcome;
  std::shared_ptr<net::Stream> stream = co_await connect(world);
  std::string start = world->protocol->start;
  co_await say(world, stream.get(), std::move(start));
  outcome.reply = co_await read_line(world, stream.get());
  Result<std::unique_ptr<net::Stream>> secured = co_await shake_hands(world, stream);
  outcome.protects = secured.has_value();
  if (!secured) co_return outcome;
  co_await say(world, stream.get(), std::move(said));
  outcome.inside = co_await read_line(world, secured->get());
  outcome.closed = world->stage.closed;
  (*secured)->close();
  co_return outcome;
}

TEST_P(TlsInjection, OctetsInTheClearAmongProtectedOnesEndTheSession) {
  const Protocol protocol = GetParam()();
  for (const std::string& said : protocol.said) {
    if (said.size() < 5) continue;  // less is the start of a record that does not end
    World world(&protocol, 1);
    const Outcome outcome = test::run(world.stage.world, inject_outside(&world, said));
    SCOPED_TRACE(testing::PrintToString(said.substr(0, 60)));
    EXPECT_TRUE(outcome.protects);
    EXPECT_TRUE(outcome.closed);
    EXPECT_EQ(outcome.inside, "");
    expect_untouched(world);
    if (HasFailure()) return;
  }
}

enum class Drain : std::uint8_t { never, meanwhile };

/// Asks for TLS and says `said`, then nothing. Gives how long the server puts up with it.
Task<Duration> stay_silent(World* world, std::string said, Drain drain) {
  std::shared_ptr<net::Stream> stream = co_await connect(world);
  std::string start = world->protocol->start;
  co_await say(world, stream.get(), std::move(start));
  const std::string reply = co_await read_line(world, stream.get());
  check(reply.starts_with(world->protocol->ready), "attack: TLS begins");
  co_await say(world, stream.get(), std::move(said));
  const SteadyTime begun = world->in(0s);
  if (drain == Drain::meanwhile) world->stage.drain.set();
  co_await dialogue::read_until(&world->stage, stream.get(), nullptr);
  check(world->stage.closed, "attack: closed");
  co_return world->in(0s) - begun;
}

TEST_P(TlsInjection, WhoNeverBeginsTheHandshakeIsClosed) {
  const Protocol protocol = GetParam()();
  for (const std::string_view said : {std::string_view(), std::string_view("\x16\x03\x01\x01\x00", 5)}) {
    World world(&protocol, 1);
    const Duration patience = test::run(world.stage.world, stay_silent(&world, std::string(said), Drain::never));
    EXPECT_GT(patience, 58s);
    EXPECT_LT(patience, 62s);
    expect_untouched(world);
  }
}

TEST_P(TlsInjection, AShutdownWaitsForNoHandshake) {
  const Protocol protocol = GetParam()();
  World world(&protocol, 1);
  const Duration patience = test::run(world.stage.world, stay_silent(&world, "", Drain::meanwhile));
  EXPECT_LT(patience, 1s);
  expect_untouched(world);
}

INSTANTIATE_TEST_SUITE_P(Both, TlsInjection, testing::Values(&smtp_protocol, &pop3_protocol),
                         [](const auto& row) { return row.param().name; });

}  // namespace
}  // namespace postrider::attack
