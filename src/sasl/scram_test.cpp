#include "core/text.hpp"
#include "sasl/mechanism.hpp"
#include "sasl/password.hpp"
#include "sasl/scram_message.hpp"

#include <gtest/gtest.h>

namespace postrider::sasl {
namespace {

struct Vector {
  Mechanism mechanism;
  ScramHash hash;
  std::string client_nonce;
  std::string server_nonce;
  std::string salt;
  std::string client_final;
  std::string server_final;
};

const Vector kVectors[] = {
    {Mechanism::scram_sha_1, ScramHash::sha1, "fyko+d2lbbFgONRv9qkxdawL", "3rfcNHYJY1ZVvWVs7j", "QSXCR+Q6sek8bf92",
     "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
     "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="},  // 5802 §5
    {Mechanism::scram_sha_256, ScramHash::sha256, "rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
     "W22ZaJ0SNY7soEsUEjb6gQ==",
     "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
     "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},  // 7677 §3
};

TEST(Scram, TheServerGivesThePublishedAnswers) {
  for (const Vector& vector : kVectors) {
    ServerExchange server(vector.mechanism, {.bindings = {}, .nonce = vector.server_nonce});
    Step step = server.start("n,,n=user,r=" + vector.client_nonce);
    ASSERT_TRUE(std::holds_alternative<AskKeys>(step));
    EXPECT_EQ(std::get<AskKeys>(step).login, "user");
    EXPECT_EQ(std::get<AskKeys>(step).hash, vector.hash);
    const Result<ScramKeys> keys = make_scram_keys(vector.hash, Secret("pencil"), *from_base64(vector.salt));
    ASSERT_TRUE(keys);
    step = server.answer(Keys{*keys, true});
    ASSERT_TRUE(std::holds_alternative<Challenge>(step));
    EXPECT_EQ(std::get<Challenge>(step).octets,
              "r=" + vector.client_nonce + vector.server_nonce + ",s=" + vector.salt + ",i=4096");
    step = server.respond(vector.client_final);
    ASSERT_TRUE(std::holds_alternative<Challenge>(step));
    EXPECT_EQ(std::get<Challenge>(step).octets, vector.server_final);
    step = server.respond("");
    ASSERT_TRUE(std::holds_alternative<Done>(step));
    EXPECT_EQ(std::get<Done>(step).login, "user");
  }
}

TEST(Scram, TheClientGivesThePublishedMessages) {
  for (const Vector& vector : kVectors) {
    ClientExchange client(vector.mechanism, {"user", Secret("pencil")}, {}, vector.client_nonce);
    const std::optional<Secret> first = client.initial();
    ASSERT_TRUE(first);
    EXPECT_EQ(first->reveal(), "n,,n=user,r=" + vector.client_nonce);
    const Result<Secret> last =
        client.respond("r=" + vector.client_nonce + vector.server_nonce + ",s=" + vector.salt + ",i=4096");
    ASSERT_TRUE(last);
    EXPECT_EQ(last->reveal(), vector.client_final);
    EXPECT_FALSE(client.may_succeed());
    const Result<Secret> end = client.respond(vector.server_final);
    ASSERT_TRUE(end);
    EXPECT_TRUE(end->empty());
    EXPECT_TRUE(client.may_succeed());
  }
}

TEST(Scram, KeysVerifyTheirPasswordAndNoOther) {
  for (const ScramHash hash : {ScramHash::sha1, ScramHash::sha256}) {
    const Result<ScramKeys> keys = make_scram_keys(hash, Secret("I\xC2\xADX"), "salt");
    ASSERT_TRUE(keys);
    EXPECT_TRUE(verify_scram_keys(hash, *keys, Secret("IX")));  // SASLprep makes them one
    EXPECT_EQ(verify_scram_keys(hash, *keys, Secret("IY")).error().code, Error::denied);
    ScramKeys other = *keys;
    other.server_key[0] = static_cast<char>(other.server_key[0] ^ 1);
    EXPECT_EQ(verify_scram_keys(hash, other, Secret("IX")).error().code, Error::denied);
  }
}

TEST(Scram, KeysHaveLimits) {
  const std::string longest(kScramSaltOctetsMax, 's');
  EXPECT_TRUE(make_scram_keys(ScramHash::sha1, Secret("x"), longest, 1));
  EXPECT_EQ(make_scram_keys(ScramHash::sha1, Secret("x"), longest + "s").error().code, Error::malformed);
  EXPECT_EQ(make_scram_keys(ScramHash::sha1, Secret("x"), "").error().code, Error::malformed);
  EXPECT_EQ(make_scram_keys(ScramHash::sha1, Secret("x"), "s", 0).error().code, Error::malformed);
  EXPECT_EQ(make_scram_keys(ScramHash::sha1, Secret("x"), "s", kScramIterationsMax + 1).error().code, Error::malformed);
  EXPECT_EQ(make_scram_keys(ScramHash::sha1, Secret(std::string(kPasswordOctetsMax + 1, 'a')), "s").error().code,
            Error::too_long);
  EXPECT_EQ(make_scram_keys(ScramHash::sha1, Secret("\x01"), "s").error().code, Error::malformed);
}

TEST(ScramMessage, TakesWhatTheGrammarAllows) {
  struct Row {
    std::string message;
    Binding binding;
    std::string type, authzid, login, nonce;
  };
  const Row rows[] = {
      {"n,,n=user,r=abc", Binding::no, "", "", "user", "abc"},
      {"y,,n=user,r=abc", Binding::not_offered, "", "", "user", "abc"},
      {"p=tls-exporter,,n=user,r=abc", Binding::bound, "tls-exporter", "", "user", "abc"},
      {"n,a=user,n=user,r=abc", Binding::no, "", "user", "user", "abc"},
      {"n,,n=a=2Cb=3Dc,r==,x=later,y=z=", Binding::no, "", "", "a,b=c", "="},
      {"n,,n=j\xC3\xBCrgen@example.test,r=!~", Binding::no, "", "", "j\xC3\xBCrgen@example.test", "!~"},
      {"n,,n=" + std::string(kNameOctetsMax, 'a') + ",r=x", Binding::no, "", "", std::string(kNameOctetsMax, 'a'), "x"},
  };
  for (const Row& row : rows) {
    const Result<ClientFirst> got = parse_client_first(row.message);
    ASSERT_TRUE(got) << row.message;
    EXPECT_EQ(got->binding, row.binding);
    EXPECT_EQ(got->binding_type, row.type);
    EXPECT_EQ(got->authzid, row.authzid);
    EXPECT_EQ(got->login, row.login);
    EXPECT_EQ(got->nonce, row.nonce);
    EXPECT_EQ(got->gs2_header + got->bare, row.message);
  }
}

TEST(ScramMessage, RefusesOtherFirstMessagesOfClients) {
  struct Row {
    std::string message;
    Error::Code want = Error::malformed;
  };
  const Row rows[] = {
      {""},
      {","},
      {"n"},
      {"n,,"},
      {"n,,n=user"},
      {"n,,r=abc,n=user"},
      {"n=user,r=abc"},
      {",,n=user,r=abc"},
      {"x,,n=user,r=abc"},
      {"N,,n=user,r=abc"},
      {"nn,,n=user,r=abc"},
      {"F,n,,n=user,r=abc"},
      {"p,,n=user,r=abc"},
      {"p=,,n=user,r=abc"},
      {"p=tls exporter,,n=user,r=abc"},
      {"n,user,n=user,r=abc"},
      {"n,a=,n=user,r=abc"},
      {"n,a=us=er,n=user,r=abc"},
      {"n,,n=,r=abc"},
      {"n,,n=us=er,r=abc"},
      {"n,,n=us=2cer,r=abc"},
      {"n,,n=us=3,r=abc"},
      {"n,,n=us=,r=abc"},
      {"n,,n=us\x01"
       "er,r=abc"},
      {std::string("n,,n=us\0er,r=abc", 16)},
      {"n,,n=\xFF,r=abc"},
      {"n,,n=user,r="},
      {"n,,n=user,r=a b"},
      {"n,,n=user,r=\xC3\xBC"},
      {"n,,n=user,r=abc,"},
      {"n,,n=user,r=abc,x"},
      {"n,,n=user,r=abc,x="},
      {"n,,n=user,r=abc,1=x"},
      {"n,,n=user,r=abc,m=x"},
      {"n,,m=x,n=user,r=abc", Error::unsupported},
      {"n,,n=" + std::string(kNameOctetsMax + 1, 'a') + ",r=x", Error::too_long},
  };
  for (const Row& row : rows) {
    const Result<ClientFirst> got = parse_client_first(row.message);
    ASSERT_FALSE(got) << row.message;
    EXPECT_EQ(got.error().code, row.want) << row.message;
  }
}

TEST(ScramMessage, RefusesOtherFinalMessagesOfClients) {
  ASSERT_TRUE(parse_client_final("c=biws,r=abc,x=y,p=AAAA"));
  for (const std::string& message :
       {"", "c=biws", "c=biws,r=abc", "c=biws,p=AAAA,r=abc", "r=abc,c=biws,p=AAAA", "c=biws,r=abc,p=AAAA,x=y",
        "c=bi!s,r=abc,p=AAAA", "c=biw,r=abc,p=AAAA", "c=,r=abc,p=AAAA", "c=biws,r=,p=AAAA",
        "c=biws,r=abc,p=", "c=biws,r=abc,p=A", "c=biws,r=abc,m=x,p=AAAA", "c=biws,r=abc,,p=AAAA", "c=biws,r=a c,p=AAAA",
        "c=biws,r=abc,p=AAAA\n", "\xFF=biws,r=abc,p=AAAA"}) {
    EXPECT_EQ(parse_client_final(message).error().code, Error::malformed) << message;
  }
}

TEST(ScramMessage, RefusesOtherMessagesOfServers) {
  ASSERT_TRUE(parse_server_first("r=abc,s=AAAA,i=4096,x=y"));
  ASSERT_TRUE(parse_server_first("r=abc,s=AAAA,i=1000000"));
  for (const std::string& message :
       {"", "r=abc", "r=abc,s=AAAA", "s=AAAA,r=abc,i=4096", "m=x,r=abc,s=AAAA,i=4096", "r=abc,s=AAAA,i=4096,m=x",
        "r=,s=AAAA,i=4096", "r=abc,s=,i=4096", "r=abc,s=A,i=4096", "r=abc,s=AAAA,i=0", "r=abc,s=AAAA,i=-1",
        "r=abc,s=AAAA,i=04096", "r=abc,s=AAAA,i=4096x", "r=abc,s=AAAA,i=1000001", "r=abc,s=AAAA,i=99999999999",
        "r=abc,s=AAAA,i=4096,"}) {
    EXPECT_EQ(parse_server_first(message).error().code, Error::malformed) << message;
  }
  EXPECT_EQ(*parse_server_final("v=AAAA,x=y"), std::string("\0\0\0", 3));
  EXPECT_EQ(parse_server_final("e=invalid-proof").error().code, Error::denied);
  for (const std::string& message : {"", "v=", "v=A", "e=", "x=AAAA", "v=AAAA,", "AAAA"}) {
    EXPECT_EQ(parse_server_final(message).error().code, Error::malformed) << message;
  }
}

}  // namespace
}  // namespace postrider::sasl
