#include "sasl/mechanism.hpp"

#include "core/text.hpp"
#include "sasl/password.hpp"
#include "sasl/test_exchange.hpp"

#include <gtest/gtest.h>

namespace postrider::sasl {
namespace {

using namespace std::string_literals;
using enum Mechanism;

constexpr Mechanism kScrams[] = {scram_sha_1, scram_sha_1_plus, scram_sha_256, scram_sha_256_plus};

test::Accounts accounts() {
  return {.passwords = {{"ann@example.test", "s3cret, =x"}, {"j\xC3\xBCrgen", "p\xC3\xA4ss"}, {"a,b=c", "x"}}};
}

bool is_plus(Mechanism mechanism) { return mechanism == scram_sha_1_plus || mechanism == scram_sha_256_plus; }

ServerExchange server_of(Mechanism mechanism, Bindings bindings = {"exporter octets", "end point"}) {
  return {mechanism, {.bindings = std::move(bindings), .plus_offered = true, .nonce = "servers+nonce"}};
}

ClientExchange client_of(Mechanism mechanism, std::string login, std::string password, Bindings bindings) {
  return {mechanism, {std::move(login), Secret(std::move(password))}, std::move(bindings), "clients+nonce"};
}

Error why(const Step& step) {
  const auto* failed = std::get_if<Failed>(&step);
  if (failed == nullptr) return Error{Error::conflict, "test", "did not fail"};
  return failed->why;
}

TEST(Mechanism, NamesComeBack) {
  for (const Mechanism mechanism :
       {plain, login, scram_sha_1, scram_sha_1_plus, scram_sha_256, scram_sha_256_plus, external}) {
    EXPECT_EQ(*parse_mechanism(name_of(mechanism)), mechanism);
    EXPECT_EQ(*parse_mechanism(lowered_ascii(name_of(mechanism))), mechanism);
  }
  for (const std::string_view name : {"", "PLAIN ", "CRAM-MD5", "SCRAM-SHA-512", "SCRAM"}) {
    EXPECT_EQ(parse_mechanism(name).error().code, Error::unsupported) << name;
  }
}

TEST(Mechanism, TheStrongestIsChosen) {
  const Bindings bound{"x", ""};
  const std::vector<std::string> all = {
      "PLAIN", "login", "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "scram-sha-256", "SCRAM-SHA-256-PLUS", "EXTERNAL", "GSSAPI"};
  EXPECT_EQ(choose_mechanism(all, true, bound), scram_sha_256_plus);
  EXPECT_EQ(choose_mechanism(all, true, {"", "y"}), scram_sha_256_plus);
  EXPECT_EQ(choose_mechanism(all, true, {}), scram_sha_256);
  EXPECT_EQ(choose_mechanism({"LOGIN", "SCRAM-SHA-1", "PLAIN"}, false, bound), scram_sha_1);
  EXPECT_EQ(choose_mechanism({"SCRAM-SHA-1", "SCRAM-SHA-1-PLUS"}, true, bound), scram_sha_1_plus);
  EXPECT_EQ(choose_mechanism({"LOGIN", "PLAIN"}, true, bound), plain);
  EXPECT_EQ(choose_mechanism({"LOGIN"}, true, bound), login);
  EXPECT_EQ(choose_mechanism({"LOGIN", "PLAIN"}, false, bound), std::nullopt);
  EXPECT_EQ(choose_mechanism({"EXTERNAL", "CRAM-MD5"}, true, bound), std::nullopt);
  EXPECT_EQ(choose_mechanism({}, true, bound), std::nullopt);
}

TEST(Exchange, BothSidesOfOursAgree) {
  for (const Mechanism mechanism : {plain, login, scram_sha_1, scram_sha_1_plus, scram_sha_256, scram_sha_256_plus}) {
    for (const auto& [name, password] : accounts().passwords) {
      for (const Bindings& bindings : {Bindings{"exporter octets", ""}, Bindings{"", "end point"}}) {
        ServerExchange server = server_of(mechanism);
        ClientExchange client = client_of(mechanism, name, password, is_plus(mechanism) ? bindings : Bindings{});
        const test::Ended ended = test::play(accounts(), server, client);
        EXPECT_FALSE(ended.why) << name_of(mechanism) << " " << describe(*ended.why);
        EXPECT_EQ(ended.login, name);
        EXPECT_TRUE(ended.client_agrees);
      }
    }
  }
}

TEST(Exchange, AWrongPasswordOrNameIsDenied) {
  for (const Mechanism mechanism : {plain, login, scram_sha_1, scram_sha_1_plus, scram_sha_256, scram_sha_256_plus}) {
    for (const auto& [name, password] : {std::pair("ann@example.test"s, "wrong"s), std::pair("nobody"s, "x"s),
                                         std::pair("nobody"s, "nobody knows"s)}) {
      ServerExchange server = server_of(mechanism);
      ClientExchange client =
          client_of(mechanism, name, password, is_plus(mechanism) ? Bindings{"exporter octets", ""} : Bindings{});
      const test::Ended ended = test::play(accounts(), server, client);
      ASSERT_TRUE(ended.why) << name_of(mechanism) << name;
      EXPECT_EQ(ended.why->code, Error::denied);
      EXPECT_EQ(ended.login, "");
    }
  }
}

TEST(Exchange, ChannelBindingMustHold) {  // 5802 §6
  struct Row {
    Mechanism mechanism;
    Bindings server, client;
  };
  const Row rows[] = {
      {scram_sha_256_plus, {"one", "end"}, {"another", ""}},  // somebody is between
      {scram_sha_256_plus, {"one", "end"}, {"", "another"}},
      {scram_sha_256_plus, {"", "end"}, {"one", ""}},  // a kind that we don't have
      {scram_sha_1_plus, {"one", ""}, {"", "end"}},
      {scram_sha_256, {"one", "end"}, {"one", ""}},  // y, but -PLUS was offered: taken out on the way
      {scram_sha_1, {"one", "end"}, {"", "end"}},
  };
  for (const Row& row : rows) {
    ServerExchange server = server_of(row.mechanism, row.server);
    ClientExchange client = client_of(row.mechanism, "ann@example.test", "s3cret, =x", row.client);
    const test::Ended ended = test::play(accounts(), server, client);
    ASSERT_TRUE(ended.why) << name_of(row.mechanism);
    EXPECT_EQ(ended.why->code, Error::unsupported);
  }
  ServerExchange without(scram_sha_256, {.bindings = {}, .plus_offered = false, .nonce = "n"});
  ClientExchange could = client_of(scram_sha_256, "ann@example.test", "s3cret, =x", {"one", ""});
  EXPECT_EQ(test::play(accounts(), without, could).login, "ann@example.test");
}

TEST(Exchange, TheFlagAndTheNameOfTheMechanismGoTogether) {
  EXPECT_EQ(why(server_of(scram_sha_256).start("p=tls-exporter,,n=u,r=x")).code, Error::unsupported);
  EXPECT_EQ(why(server_of(scram_sha_256_plus).start("n,,n=u,r=x")).code, Error::unsupported);
  EXPECT_EQ(why(server_of(scram_sha_256_plus).start("y,,n=u,r=x")).code, Error::unsupported);
  EXPECT_EQ(why(server_of(scram_sha_256_plus).start("p=tls-unique,,n=u,r=x")).code, Error::unsupported);
}

TEST(Exchange, AnotherAuthzidIsDenied) {
  for (const Mechanism mechanism : {scram_sha_1, scram_sha_256}) {
    EXPECT_EQ(why(server_of(mechanism).start("n,a=bob,n=ann,r=x")).code, Error::denied);
    EXPECT_TRUE(std::holds_alternative<AskKeys>(server_of(mechanism).start("n,a=ann,n=ann,r=x")));
  }
  EXPECT_EQ(why(server_of(plain).start("bob\0ann\0x"s)).code, Error::denied);
}

TEST(Exchange, BeginsWithTheServerWhereNothingCameWithTheCommand) {
  ServerExchange exchange = server_of(plain);
  EXPECT_EQ(std::get<Challenge>(exchange.start(std::nullopt)).octets, "");
  EXPECT_TRUE(std::holds_alternative<AskPassword>(exchange.respond("\0ann\0x"s)));
  ServerExchange asks = server_of(login);
  EXPECT_EQ(std::get<Challenge>(asks.start(std::nullopt)).octets, "Username:");
  EXPECT_EQ(std::get<Challenge>(asks.respond("ann")).octets, "Password:");
  const Step step = asks.respond("x y");
  EXPECT_EQ(std::get<AskPassword>(step).login, "ann");
  EXPECT_EQ(std::get<AskPassword>(step).password.reveal(), "x y");
  ServerExchange named = server_of(login);
  EXPECT_EQ(std::get<Challenge>(named.start("ann")).octets, "Password:");
  for (const Mechanism mechanism : kScrams) {
    EXPECT_EQ(std::get<Challenge>(server_of(mechanism).start(std::nullopt)).octets, "");
  }
}

TEST(Exchange, ExternalAsksForWhomItActs) {
  for (const std::string name : {"", "ann@example.test"}) {
    ServerExchange exchange = server_of(external);
    EXPECT_EQ(std::get<Challenge>(exchange.start(std::nullopt)).octets, "");
    EXPECT_EQ(std::get<AskExternal>(exchange.respond(name)).authzid, name);
    EXPECT_EQ(std::get<Done>(exchange.answer(Verified{true})).login, name);
    ServerExchange denied = server_of(external);
    EXPECT_TRUE(std::holds_alternative<AskExternal>(denied.start(name)));
    EXPECT_EQ(why(denied.answer(Verified{false})).code, Error::denied);
  }
  EXPECT_EQ(why(server_of(external).start("a\0b"s)).code, Error::malformed);
  EXPECT_EQ(why(server_of(external).start(std::string(kNameOctetsMax + 1, 'a'))).code, Error::too_long);
}

TEST(Exchange, BadMessagesEndIt) {
  struct Row {
    Mechanism mechanism;
    std::vector<std::string> messages;
    Error::Code want = Error::malformed;
  };
  const Row rows[] = {
      {plain, {""}},
      {plain, {"ann"}},
      {plain, {"\0a\nnn\0x"s}},
      {plain, {std::string(kMessageOctetsMax + 1, 'x')}, Error::too_long},
      {login, {""}},
      {login, {"a\0b"s}},
      {login, {"\xFF"}},
      {login, {std::string(kNameOctetsMax + 1, 'a')}, Error::too_long},
      {login, {"ann", ""}},
      {login, {"ann", "x\0y"s}},
      {login, {"ann", std::string(kPasswordOctetsMax + 1, 'x')}, Error::too_long},
      {scram_sha_256, {"n,,n=ann"}},
      {scram_sha_256, {"n,,m=x,n=ann,r=x"}, Error::unsupported},
      {scram_sha_256, {"n,,n=ann,r=x", ""}},
      {scram_sha_256, {"n,,n=ann,r=x", "c=biws,r=xservers+nonce"}},
      {scram_sha_256, {"n,,n=ann,r=x", "c=biws,r=x,p=AAAA"}, Error::denied},                    // its own nonce alone
      {scram_sha_256, {"n,,n=ann,r=x", "c=biws,r=yservers+nonce,p=AAAA"}, Error::denied},       // another one
      {scram_sha_256, {"n,,n=ann,r=x", "c=biws,r=xservers+nonce,p=AAAA"}},                      // of the wrong length
      {scram_sha_256, {"n,,n=ann,r=x", "c=eSws,r=xservers+nonce,p=AAAA"}, Error::unsupported},  // y,, behind n,,
  };
  for (const Row& row : rows) {
    ServerExchange exchange = server_of(row.mechanism);
    Step step = exchange.start(std::nullopt);
    for (const std::string& message : row.messages) {
      ASSERT_TRUE(std::holds_alternative<Challenge>(step)) << name_of(row.mechanism) << " " << message;
      step = accounts().settle(exchange, exchange.respond(message));
    }
    EXPECT_EQ(why(step).code, row.want) << name_of(row.mechanism) << " " << row.messages.back();
    EXPECT_EQ(why(exchange.respond("")).code, Error::malformed) << "over is over";
    EXPECT_EQ(why(exchange.start("")).code, Error::malformed) << "over is over";
  }
}

TEST(Exchange, TheSignatureIsAnsweredByNothing) {
  ServerExchange server = server_of(scram_sha_256);
  ClientExchange client = client_of(scram_sha_256, "ann@example.test", "s3cret, =x", {});
  Step step = accounts().settle(server, server.start(client.initial()->reveal()));
  step = server.respond(client.respond(std::get<Challenge>(step).octets)->reveal());
  ASSERT_TRUE(std::get<Challenge>(step).octets.starts_with("v="));
  EXPECT_EQ(why(server.respond("x")).code, Error::malformed);
}

TEST(Exchange, TheClientWantsTheServersProof) {
  for (const std::string& last : {"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "v=AAAA", "e=other-error"}) {
    ServerExchange server = server_of(scram_sha_256);
    ClientExchange client = client_of(scram_sha_256, "ann@example.test", "s3cret, =x", {});
    const Step step = accounts().settle(server, server.start(client.initial()->reveal()));
    ASSERT_TRUE(client.respond(std::get<Challenge>(step).octets));
    EXPECT_FALSE(client.may_succeed());
    EXPECT_EQ(client.respond(last).error().code, Error::denied);
    EXPECT_FALSE(client.may_succeed());
  }
}

TEST(Exchange, TheClientRefusesWhatTheMechanismDoesNotHave) {
  for (const std::string& first : {"r=clients+nonce,s=AAAA,i=4096", "r=anothers,s=AAAA,i=4096",
                                   "r=clients+noncex,s=AAAA,i=4095", "r=clients+noncex,s=AAAA,i=1000001", ""}) {
    ClientExchange client = client_of(scram_sha_256, "ann", "x", {});
    ASSERT_TRUE(client.initial());
    EXPECT_EQ(client.respond(first).error().code, Error::malformed) << first;
    EXPECT_FALSE(client.may_succeed());
    EXPECT_FALSE(client.respond("r=clients+noncex,s=AAAA,i=4096")) << "over is over";
  }
  ClientExchange once = client_of(plain, "ann", "x", {});
  EXPECT_EQ(once.initial()->reveal(), "\0ann\0x"s);
  EXPECT_TRUE(once.may_succeed());
  EXPECT_EQ(once.respond("more?").error().code, Error::malformed);
  EXPECT_FALSE(once.may_succeed());
  ClientExchange twice = client_of(login, "ann", "x", {});
  EXPECT_FALSE(twice.initial());
  EXPECT_EQ(twice.respond("User Name")->reveal(), "ann");
  EXPECT_FALSE(twice.may_succeed());
  EXPECT_EQ(twice.respond("Password")->reveal(), "x");
  EXPECT_TRUE(twice.may_succeed());
  EXPECT_EQ(twice.respond("Again").error().code, Error::malformed);
}

TEST(Exchange, KeysThatAreNoneEndIt) {
  ServerExchange server = server_of(scram_sha_256);
  ASSERT_TRUE(std::holds_alternative<AskKeys>(server.start("n,,n=u,r=x")));
  EXPECT_EQ(why(server.answer(Keys{{.salt = "s", .stored_key = "short", .server_key = "short"}, true})).code,
            Error::corrupt);
}

}  // namespace
}  // namespace postrider::sasl
