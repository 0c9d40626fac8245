// Relaying with TLS and a login: what is said in the clear, what is not, and what becomes of the message.
#include "core/test_run.hpp"
#include "delivery/relay.hpp"
#include "delivery/test_tls.hpp"
#include "net/sim_network.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <list>

namespace postrider::delivery {
namespace {

using route::HopProtocol;
using route::TlsPolicy;
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

const net::Address kOwn = net::Address::v4({10, 9, 9, 9});

/// A next hop with TLS as test_tls.hpp has it.
struct Hop {
  std::string offers = "250-STARTTLS\r\n";  // in the clear
  std::string secured_offers = "250-AUTH PLAIN LOGIN\r\n";
  std::string starttls = "220 go\r\n";
  std::string hello = "SERVERHELLO hop.test\r\n";  // empty: closes in the handshake; "silent": says nothing
  std::string auth = "235 2.7.0 in\r\n";
  bool from_start = false;

  int sessions = 0;
  int handshakes = 0;
  std::string clear = {};    // commands heard in the clear
  std::string secured = {};  // and those that TLS protected
};

struct Rig {
  test::World world;
  SeededRandom random{5};
  net::SimNetwork network{&random};
  net::Connector connector{network.host(kOwn), {*net::Network4Or6::parse("10.0.0.0/8")}};
  Signal stop;
  FakeTls tls;
  RelaySettings settings{.hostname = "mx.here.test", .timeouts = {}, .tls = &tls, .random = &random};
  std::unique_ptr<Parked> connection = nullptr;
  std::uint8_t hosts = 0;

  ~Rig() {
    connection.reset();
    stop.set();
    world.run_until_still();
    EXPECT_EQ(world.shard.tasks(), 0U);
  }

  struct Line {
    std::string text;
    bool ended = false;
  };
  static Task<Line> hear(Rig* rig, net::Stream* stream) {
    Line line;
    while (!line.text.ends_with("\r\n")) {
      const Result<net::Ready> ready = co_await stream->wait_readable(SteadyTime::never(), &rig->stop);
      line.ended = !ready || *ready == net::Ready::signalled;
      if (line.ended) co_return line;
      std::array<char, 1> octet;
      const Result<std::size_t> got = stream->read_some(octet);
      line.ended = !got;
      if (line.ended) co_return line;
      line.text.append(octet.data(), *got);
    }
    co_return line;
  }
  /// True: the handshake is done.
  static Task<bool> shake_hands(Rig* rig, Hop* hop, net::Stream* stream) {
    const Line line = co_await hear(rig, stream);
    if (line.ended || hop->hello.empty() || !line.text.starts_with("CLIENTHELLO")) co_return false;
    if (hop->hello == "silent") {
      const Line more = co_await hear(rig, stream);
      co_return more.ended && false;
    }
    const Result<void> written = co_await stream->write(hop->hello, SteadyTime::never());
    ++hop->handshakes;
    co_return written.has_value();
  }
  static Task<void> speak(Rig* rig, Hop* hop, std::unique_ptr<net::Stream> stream) {
    ++hop->sessions;
    bool is_secured = hop->from_start;
    bool in_data = false;
    if (is_secured) {
      const bool shaken = co_await shake_hands(rig, hop, stream.get());
      if (!shaken) co_return;
    }
    std::string said = "220 hop\r\n";
    for (;;) {
      const Result<void> written = co_await stream->write(said, SteadyTime::never());
      if (!written) co_return;
      const Line line = co_await hear(rig, stream.get());
      if (line.ended) co_return;
      const std::string& text = line.text;
      (is_secured ? hop->secured : hop->clear) += text;
      said = "250 2.0.0 ok\r\n";
      if (in_data) {
        in_data = text != ".\r\n";
        if (in_data) said.clear();
      } else if (text.starts_with("EHLO") || text.starts_with("LHLO")) {
        said = "250-hop\r\n" + (is_secured ? hop->secured_offers : hop->offers) + "250 HELP\r\n";
      } else if (text == "DATA\r\n") {
        in_data = true;
        said = "354 go\r\n";
      } else if (text.starts_with("AUTH")) {
        said = hop->auth;
      } else if (text == "STARTTLS\r\n") {
        said = hop->starttls;
        if (!said.starts_with("220")) continue;
        const Result<void> told = co_await stream->write(said, SteadyTime::never());
        if (!told) co_return;
        is_secured = co_await shake_hands(rig, hop, stream.get());
        if (!is_secured) co_return;
        said.clear();
      }
    }
  }
  static Task<void> listen(Rig* rig, Hop* hop, std::unique_ptr<net::Listener> listener) {
    for (;;) {
      Result<std::unique_ptr<net::Stream>> stream = co_await listener->accept(&rig->stop);
      if (!stream) co_return;
      spawn(&rig->world.shard, "hop", speak(rig, hop, std::move(*stream)));
    }
  }
  /// Opens `hop` and gives the way to it.
  route::Hop open(Hop* hop, TlsPolicy policy, bool loopback = false) {
    const net::Address at = loopback ? net::Address::v4({127, 0, 0, 1}) : net::Address::v4({10, 0, 0, ++hosts});
    std::vector<Shard*> shards(1, &world.shard);
    auto listeners = network.host(loopback ? kOwn : at)->listen({.address = at, .port = 25, .unix_path = {}}, shards);
    check(listeners.has_value(), "test: listen");
    spawn(&world.shard, "listen", listen(this, hop, std::move(listeners->front())));
    return {.host = "hop.test",
            .addresses = {at.octets()},
            .port = 25,
            .from_dns = false,
            .tls = policy,
            .tls_from_start = hop->from_start};
  }
  void know(std::string_view secret) {
    const Logins logins{{std::string(secret), {.name = "us", .password = Secret("secret")}}};
    settings.logins = std::make_shared<const Logins>(logins);
  }
  RelayResult send(std::vector<route::Hop> hops, route::Credentials credentials = {}) {
    Text text;
    RelayMessage message{.reverse_path = mail::Path(*mail::Address::parse("a@here.test")),
                         .recipients = {*mail::Address::parse("b@hop.test")},
                         .size_octets = 20};
    route::Relay way{.hops = std::move(hops), .destination = "hop.test", .credentials = std::move(credentials)};
    RelayResult result = test::run(world, relay(&connector, settings, std::move(way), std::move(message), &text));
    connection = std::move(result.connection);
    return result;
  }
};

std::string shown(const RelayResult& result) {
  const smtp::RecipientOutcome& outcome = result.outcomes.at(0);
  return fmt::format("{} {}@{}", outcome.reply.code, outcome.reply.enhanced, smtp::name_of(outcome.phase));
}

const std::string kRelayed = "250 2.0.0@end_of_data";

TEST(SecureRelay, TlsIsTakenWhereItIsOffered) {
  Rig rig;
  Hop hop;
  const RelayResult result = rig.send({rig.open(&hop, TlsPolicy::automatic)});
  EXPECT_EQ(shown(result), kRelayed);
  ASSERT_TRUE(result.tls);
  EXPECT_EQ(result.tls->version, "TLSv1.3");
  EXPECT_FALSE(result.tls->verified);
  EXPECT_EQ(hop.clear, "EHLO mx.here.test\r\nSTARTTLS\r\n");
  EXPECT_TRUE(hop.secured.starts_with("EHLO mx.here.test\r\nMAIL FROM:<a@here.test>\r\n")) << hop.secured;
  ASSERT_EQ(rig.tls.asked.size(), 1U);
  EXPECT_EQ(rig.tls.asked[0].name, "hop.test");
  EXPECT_EQ(rig.tls.asked[0].verify, net::TlsVerify::nothing);
}

struct Row {
  std::string name;
  Hop hop;
  std::string opportunistic;
  std::string required;
  std::string verified;
  bool clear = false;  // opportunistic goes in the clear
};

std::vector<Row> rows() {
  const std::string kBroken = "451 4.7.5@starttls";
  return {
      {"right", {}, kRelayed, kRelayed, kRelayed},
      {"another name", {.hello = "SERVERHELLO other.test\r\n"}, kRelayed, kRelayed, kBroken},
      {"untrusted", {.hello = "SERVERHELLO hop.test untrusted\r\n"}, kRelayed, kRelayed, kBroken},
      {"not offered", {.offers = ""}, kRelayed, "451 4.7.4@hello", "451 4.7.4@hello", true},
      {"454", {.starttls = "454 4.7.0 no\r\n"}, kRelayed, kBroken, kBroken, true},
      {"nonsense", {.starttls = "what\r\n"}, kRelayed, "451 4.5.0@starttls", "451 4.5.0@starttls", true},
      {"closes in the handshake", {.hello = ""}, kRelayed, kBroken, kBroken, true},
      {"goes on in the clear", {.hello = "250 hop\r\n"}, kRelayed, kBroken, kBroken, true},
      {"injects",
       {.starttls = "220 go\r\n250-hop\r\n250 AUTH PLAIN\r\n"},
       kRelayed,
       "451 4.7.0@starttls",
       "451 4.7.0@starttls",
       true},
      {"421", {.starttls = "421 4.3.2 bye\r\n"}, "421 4.3.2@starttls", "421 4.3.2@starttls", "421 4.3.2@starttls"},
      {"from the start", {.from_start = true}, "", kRelayed, kRelayed},
      {"from the start, another name", {.hello = "SERVERHELLO x\r\n", .from_start = true}, "", kRelayed, kBroken},
      {"from the start, in the clear", {.hello = "220 hop\r\n", .from_start = true}, "", kBroken, kBroken},
  };
}

TEST(SecureRelay, EveryPolicyWithEveryHop) {
  for (const Row& row : rows()) {
    for (const TlsPolicy policy :
         {TlsPolicy::none, TlsPolicy::automatic, TlsPolicy::opportunistic, TlsPolicy::required, TlsPolicy::verified}) {
      SCOPED_TRACE(fmt::format("{}: {}", row.name, route::name_of(policy)));
      const bool may_be_clear = policy == TlsPolicy::automatic || policy == TlsPolicy::opportunistic;
      if (row.hop.from_start && (may_be_clear || policy == TlsPolicy::none)) continue;
      Rig rig;
      Hop hop = row.hop;
      const RelayResult result = rig.send({rig.open(&hop, policy)});
      const std::string& want = policy == TlsPolicy::none       ? kRelayed
                                : may_be_clear                  ? row.opportunistic
                                : policy == TlsPolicy::required ? row.required
                                                                : row.verified;
      EXPECT_EQ(shown(result), want);
      const bool in_clear = hop.clear.contains("MAIL FROM");
      EXPECT_EQ(in_clear, policy == TlsPolicy::none || (may_be_clear && row.clear));
      if (shown(result) == kRelayed) EXPECT_EQ(result.tls.has_value(), !in_clear);
      if (result.tls) EXPECT_EQ(result.tls->verified, policy == TlsPolicy::verified);
      EXPECT_EQ(hop.clear.contains("STARTTLS"),
                policy != TlsPolicy::none && !row.hop.from_start && row.name != "not offered");
      EXPECT_LE(hop.sessions, may_be_clear ? 2 : 1);
      const bool failed = want == "451 4.7.5@starttls" || want == "451 4.7.4@hello";
      if (failed) EXPECT_TRUE(result.outcomes[0].reply.text.contains("TLS")) << result.outcomes[0].reply.text;
    }
  }
}

TEST(SecureRelay, AHandshakeHasAMinute) {  // docs/limits.md
  for (const TlsPolicy policy : {TlsPolicy::required, TlsPolicy::opportunistic}) {
    Rig rig;
    Hop hop{.hello = "silent"};
    const RelayResult result = rig.send({rig.open(&hop, policy)});
    EXPECT_EQ(shown(result), policy == TlsPolicy::required ? "451 4.7.5@starttls" : kRelayed);
    EXPECT_GE(rig.world.clock.steady().since_start, seconds(60));
    EXPECT_LT(rig.world.clock.steady().since_start, seconds(70));
  }
}

TEST(SecureRelay, TheNextHostIsTriedWhereTlsIsMissing) {
  Rig rig;
  Hop broken{.hello = ""};
  Hop without{.offers = ""};
  Hop good;
  const RelayResult result = rig.send({rig.open(&broken, TlsPolicy::required), rig.open(&without, TlsPolicy::required),
                                       rig.open(&good, TlsPolicy::required)});
  EXPECT_EQ(shown(result), kRelayed);
  EXPECT_FALSE(broken.clear.contains("MAIL"));
  EXPECT_FALSE(without.clear.contains("MAIL"));
}

TEST(SecureRelay, TlsTroubleCountsForTheDestination) {
  Rig rig;
  Hop broken{.hello = ""};
  EXPECT_EQ(rig.send({rig.open(&broken, TlsPolicy::required)}).result, ConnectionResult::failed);
}

TEST(SecureRelay, WithoutATlsClientNothingThatRequiresItGoesOut) {
  Rig rig;
  rig.settings.tls = nullptr;
  Hop hop;
  EXPECT_EQ(shown(rig.send({rig.open(&hop, TlsPolicy::verified)})), "454 4.7.0@connect");
  EXPECT_EQ(hop.sessions, 0);
}

TEST(SecureRelay, WhatTheRouteSaysIsAskedOfTls) {
  Rig rig;
  Hop hop{.hello = "SERVERHELLO smart.test\r\n"};
  const RelayResult result =
      rig.send({rig.open(&hop, TlsPolicy::verified)},
               {.tls_name = "smart.test", .tls_authorities = "/ca.pem", .client_certificate = "/cert.pem"});
  EXPECT_EQ(shown(result), kRelayed);
  ASSERT_EQ(rig.tls.asked.size(), 1U);
  EXPECT_EQ(rig.tls.asked[0].name, "smart.test");
  EXPECT_EQ(rig.tls.asked[0].authorities, "/ca.pem");
  EXPECT_EQ(rig.tls.asked[0].certificate, "/cert.pem");
  EXPECT_EQ(rig.tls.asked[0].private_key, "/cert.pem");
}

TEST(SecureRelay, AnAddressIsNoName) {
  for (const char* const host : {"10.0.0.1", "[10.0.0.1]", "2001:db8::1"}) {
    Rig rig;
    Hop hop;
    route::Hop way = rig.open(&hop, TlsPolicy::opportunistic);
    way.host = host;
    EXPECT_EQ(shown(rig.send({way})), kRelayed);
    EXPECT_EQ(rig.tls.asked.at(0).name, "");
  }
}

Task<std::optional<RelayResult>> again(std::unique_ptr<Parked> connection) {
  Text text;
  RelayMessage message{.reverse_path = mail::Path::null(), .recipients = {}, .size_octets = 20};
  message.recipients.push_back(*mail::Address::parse("c@hop.test"));
  co_return co_await relay_over(std::move(connection), std::move(message), &text);
}

TEST(SecureRelay, AConnectionCarriesMore) {
  Rig rig;
  Hop hop;
  rig.know("us");
  ASSERT_EQ(shown(rig.send({rig.open(&hop, TlsPolicy::required)}, {.secret = "us"})), kRelayed);
  std::optional<RelayResult> second = test::run(rig.world, again(std::move(rig.connection)));
  ASSERT_TRUE(second);
  EXPECT_EQ(shown(*second), kRelayed);
  EXPECT_TRUE(second->tls);
  EXPECT_EQ(hop.sessions, 1);
  EXPECT_EQ(hop.handshakes, 1);
  EXPECT_EQ(hop.secured.find("AUTH"), hop.secured.rfind("AUTH"));
}

TEST(SecureRelay, LmtpToo) {
  Rig rig;
  Hop hop;
  route::Hop way = rig.open(&hop, TlsPolicy::required);
  way.protocol = HopProtocol::lmtp;
  EXPECT_EQ(shown(rig.send({way})), kRelayed);
  EXPECT_EQ(hop.clear, "LHLO mx.here.test\r\nSTARTTLS\r\n");
  EXPECT_TRUE(hop.secured.starts_with("LHLO mx.here.test\r\nMAIL"));
}

TEST(SecureRelay, AskingGoesTheSameWay) {
  Rig rig;
  Hop hop;
  rig.know("us");
  route::Relay way{.hops = {rig.open(&hop, TlsPolicy::verified)}, .destination = "x", .credentials = {.secret = "us"}};
  const smtp::RecipientOutcome outcome = test::run(
      rig.world,
      probe(&rig.connector, rig.settings, std::move(way), *mail::Address::parse("b@hop.test"), SteadyTime::never()));
  EXPECT_EQ(outcome.reply.code, 250);
  EXPECT_EQ(outcome.phase, smtp::Phase::rcpt);
  EXPECT_FALSE(hop.clear.contains("RCPT"));
  EXPECT_TRUE(hop.secured.contains("AUTH PLAIN"));
}

// --- Logins ---

TEST(SecureRelay, LogsInBeforeTheFirstTransaction) {
  Rig rig;
  Hop hop;
  rig.know("us");
  EXPECT_EQ(shown(rig.send({rig.open(&hop, TlsPolicy::required)}, {.secret = "us"})), kRelayed);
  const std::string wanted = "AUTH PLAIN " + to_base64(std::string_view("\0us\0secret", 10)) + "\r\n";
  EXPECT_TRUE(hop.secured.starts_with("EHLO mx.here.test\r\n" + wanted + "MAIL")) << hop.secured;
  EXPECT_FALSE(hop.clear.contains("AUTH"));
}

TEST(SecureRelay, ARefusedLoginWaitsAndIsTriedAtOneHostOnly) {
  Rig rig;
  Hop first{.auth = "535 5.7.8 wrong\r\n"};
  Hop second;
  rig.know("us");
  const RelayResult result =
      rig.send({rig.open(&first, TlsPolicy::required), rig.open(&second, TlsPolicy::required)}, {.secret = "us"});
  EXPECT_EQ(shown(result), "454 4.7.8@auth");
  EXPECT_EQ(result.result, ConnectionResult::failed);
  EXPECT_TRUE(result.outcomes[0].reply.text.contains("535 5.7.8 wrong"));
  EXPECT_EQ(second.sessions, 0);
  EXPECT_FALSE(first.secured.contains("MAIL"));
}

TEST(SecureRelay, ATemporaryTroubleOfTheLoginIsTheHostsOwn) {
  Rig rig;
  Hop first{.auth = "454 4.7.0 not now\r\n"};
  Hop second;
  rig.know("us");
  EXPECT_EQ(shown(rig.send({rig.open(&first, TlsPolicy::required), rig.open(&second, TlsPolicy::required)},
                           {.secret = "us"})),
            kRelayed);
}

TEST(SecureRelay, NobodyLogsInWhereTlsIsMissing) {
  struct Case {
    TlsPolicy policy;
    Hop hop;
    std::string want;
  };
  const std::string auth = "250-AUTH PLAIN\r\n";
  for (const Case& one :
       {Case{TlsPolicy::none, {.offers = auth}, "454 4.7.0@connect"},
        Case{TlsPolicy::automatic, {.offers = auth}, "454 4.7.0@connect"},
        Case{TlsPolicy::opportunistic, {}, "454 4.7.0@connect"},
        Case{TlsPolicy::required, {.offers = auth}, "451 4.7.4@hello"},
        Case{
            TlsPolicy::required, {.offers = auth + "250-STARTTLS\r\n", .starttls = "454 no\r\n"}, "451 4.7.5@starttls"},
        Case{TlsPolicy::required, {.starttls = "220 go\r\n250-hop\r\n250 AUTH PLAIN\r\n"}, "451 4.7.0@starttls"},
        Case{TlsPolicy::verified, {.hello = "SERVERHELLO evil.test\r\n"}, "451 4.7.5@starttls"}}) {
    SCOPED_TRACE(fmt::format("{} {}", route::name_of(one.policy), one.want));
    Rig rig;
    rig.know("us");
    Hop hop = one.hop;
    EXPECT_EQ(shown(rig.send({rig.open(&hop, one.policy)}, {.secret = "us"})), one.want);
    EXPECT_FALSE((hop.clear + hop.secured).contains("AUTH"));
  }
}

TEST(SecureRelay, OnLoopbackALoginMayGoInTheClear) {
  Rig rig;
  rig.know("us");
  Hop hop{.offers = "250-AUTH PLAIN\r\n"};
  EXPECT_EQ(shown(rig.send({rig.open(&hop, TlsPolicy::none, true)}, {.secret = "us"})), kRelayed);
  EXPECT_TRUE(hop.clear.contains("AUTH PLAIN "));
}

TEST(SecureRelay, ASecretThatIsNotThere) {
  Rig rig;
  Hop hop;
  EXPECT_EQ(shown(rig.send({rig.open(&hop, TlsPolicy::required)}, {.secret = "us"})), "454 4.7.0@connect");
  rig.know("others");
  EXPECT_EQ(shown(rig.send({rig.open(&hop, TlsPolicy::required)}, {.secret = "us"})), "454 4.7.0@connect");
  EXPECT_EQ(hop.sessions, 0);
}

TEST(SecureRelay, NoMechanismInCommon) {
  Rig rig;
  rig.know("us");
  Hop hop{.secured_offers = "250-AUTH GSSAPI XOAUTH2\r\n"};
  const RelayResult result = rig.send({rig.open(&hop, TlsPolicy::required)}, {.secret = "us"});
  EXPECT_EQ(shown(result), "454 4.7.4@auth");
  EXPECT_TRUE(result.outcomes[0].reply.text.ends_with("it offers GSSAPI XOAUTH2"));
}

Task<SessionResult> one_session(Rig* rig, net::Endpoint to, SessionPlan plan, std::string* seen) {
  const SteadyTime until = rig->world.clock.steady() + seconds(30);
  Result<std::unique_ptr<net::Stream>> stream =
      co_await rig->connector.connect(std::move(to), net::FoundBy::configuration, std::nullopt, until);
  check(stream.has_value(), "test: connect");
  Text text;
  RelayMessage message{.reverse_path = mail::Path::null(), .recipients = {}, .size_octets = 20};
  message.recipients.push_back(*mail::Address::parse("c@hop.test"));
  Observe observe = [seen](char direction, std::string_view octets) {
    *seen += direction;
    *seen += octets;
  };
  co_return co_await send_over(std::move(*stream), rig->settings, std::move(plan), std::move(message), &text,
                               std::move(observe));
}

TEST(SecureRelay, WhoLooksOnSeesNoPassword) {
  Rig rig;
  Hop hop;
  const route::Hop way = rig.open(&hop, TlsPolicy::required);
  SessionPlan plan{.begin_tls = smtp::BeginTls::required,
                   .ask = {.name = "hop.test"},
                   .login = Login{.name = "us", .password = Secret("secret")}};
  std::string seen;
  const SessionResult result = test::run(
      rig.world, one_session(&rig, {.address = net::Address::v6(way.addresses.front()), .port = 25, .unix_path = {}},
                             plan, &seen));
  EXPECT_EQ(result.outcomes.at(0).reply.code, 250);
  EXPECT_TRUE(result.tls);
  EXPECT_TRUE(seen.contains(">AUTH PLAIN ***\r\n<235"));
  EXPECT_FALSE(seen.contains(to_base64(std::string_view("\0us\0secret", 10))));
  EXPECT_TRUE(hop.secured.contains(to_base64(std::string_view("\0us\0secret", 10))));
}

}  // namespace
}  // namespace postrider::delivery
