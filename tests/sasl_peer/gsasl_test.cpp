// GNU SASL as the other side of each mechanism, as client and as server.
#include "core/overloaded.hpp"
#include "core/text.hpp"
#include "sasl/mechanism.hpp"
#include "sasl/test_exchange.hpp"

#include <gsasl.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>

namespace postrider::sasl {
namespace {

using enum Mechanism;

constexpr Mechanism kMechanisms[] = {plain, login, scram_sha_1, scram_sha_1_plus, scram_sha_256, scram_sha_256_plus};

struct Person {
  std::string login;
  std::string password;
};
const Person kPeople[] = {
    {"ann@example.test", "s3cret"},
    {"a,b=c", "comma, and = sign"},
    {"ann", "IX"},
    {"ann", "I\xC2\xADX"},                                      // a soft hyphen
    {"j\xC3\xBCrgen@example.test", "p\xC3\xA4ssw\xC3\xB6rt"},   // composed
    {"ann", "pa\xCC\x88sswort"},                                // not composed
    {"ann", "\xE2\x85\xA8 \xC2\xA0 \xE4\xB8\xAD\xE6\x96\x87"},  // roman nine, no-break space, Han
    {"ann", std::string(200, 'x')},
};

const std::string kBinding = "32 octets of tls-exporter keying";

bool is_plus(Mechanism mechanism) { return mechanism == scram_sha_1_plus || mechanism == scram_sha_256_plus; }

/// Answers gsasl's questions: its properties.
using Properties = std::map<Gsasl_property, std::string>;

int on_question(Gsasl* /*context*/, Gsasl_session* session, Gsasl_property property) {
  const auto* properties = static_cast<const Properties*>(::gsasl_session_hook_get(session));
  if (property == GSASL_VALIDATE_EXTERNAL) return GSASL_OK;
  const auto found = properties->find(property);
  if (found == properties->end()) return GSASL_NO_CALLBACK;
  return ::gsasl_property_set(session, property, found->second.c_str());
}

class Peer {
 public:
  enum class Side { client, server };
  Peer(Side side, Mechanism mechanism, Properties properties) : properties_(std::move(properties)) {
    EXPECT_EQ(::gsasl_init(&context_), GSASL_OK);
    ::gsasl_callback_set(context_, &on_question);
    const std::string name(name_of(mechanism));
    EXPECT_EQ(side == Side::client ? ::gsasl_client_start(context_, name.c_str(), &session_)
                                   : ::gsasl_server_start(context_, name.c_str(), &session_),
              GSASL_OK)
        << name;
    ::gsasl_session_hook_set(session_, &properties_);
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() {
    ::gsasl_finish(session_);
    ::gsasl_done(context_);
  }

  /// GSASL_OK: it is done, GSASL_NEEDS_MORE: and goes on; `out` is what it says.
  int step(std::string_view input, std::string& out) {
    char* octets = nullptr;
    std::size_t size = 0;
    const int result = ::gsasl_step(session_, input.data(), input.size(), &octets, &size);
    out.assign(octets == nullptr ? "" : octets, octets == nullptr ? 0 : size);
    ::gsasl_free(octets);
    return result;
  }

 private:
  Gsasl* context_ = nullptr;
  Gsasl_session* session_ = nullptr;
  Properties properties_;
};

struct Outcome {
  bool ours = false;
  bool theirs = false;
  std::string login;
};

/// gsasl logs in at our server.
Outcome log_in_here(Mechanism mechanism, const test::Accounts& accounts, Properties properties, Bindings bindings,
                    bool plus_offered) {
  Peer peer(Peer::Side::client, mechanism, std::move(properties));
  ServerExchange server(mechanism, {.bindings = std::move(bindings), .plus_offered = plus_offered, .nonce = "fresh"});
  std::string said;
  int result = GSASL_NEEDS_MORE;
  Step step = accounts.settle(server, server.start(std::nullopt));
  while (const auto* challenge = std::get_if<Challenge>(&step)) {
    if (result == GSASL_OK && challenge->octets.empty()) break;
    result = peer.step(challenge->octets, said);
    if (result != GSASL_OK && result != GSASL_NEEDS_MORE) return {};
    step = accounts.settle(server, server.respond(said));
  }
  if (const auto* done = std::get_if<Done>(&step)) return {true, result == GSASL_OK, done->login};
  return {.ours = false, .theirs = result == GSASL_OK, .login = {}};
}

/// Ours logs in at gsasl's server.
Outcome log_in_there(Mechanism mechanism, const Person& person, Properties properties, Bindings bindings) {
  Peer peer(Peer::Side::server, mechanism, std::move(properties));
  ClientExchange client(mechanism, {person.login, Secret(person.password)}, std::move(bindings), "ours+fresh");
  std::optional<Secret> response = client.initial();
  std::string said;
  int result = peer.step(response ? response->reveal() : std::string_view(), said);
  while (result == GSASL_NEEDS_MORE || !said.empty()) {
    if (result != GSASL_OK && result != GSASL_NEEDS_MORE) break;
    Result<Secret> next = client.respond(said);
    if (!next) return {.ours = false, .theirs = result == GSASL_OK, .login = {}};
    if (result == GSASL_OK) break;
    result = peer.step(next->reveal(), said);
  }
  return {.ours = client.may_succeed() && result == GSASL_OK, .theirs = result == GSASL_OK, .login = person.login};
}

Properties properties_of(const Person& person, Mechanism mechanism) {
  Properties out = {{GSASL_AUTHID, person.login}, {GSASL_PASSWORD, person.password}};
  if (is_plus(mechanism)) out[GSASL_CB_TLS_EXPORTER] = to_base64(kBinding);
  return out;
}

test::Accounts accounts_of(const Person& person) { return {.passwords = {{person.login, person.password}}}; }

Bindings bindings_of(Mechanism mechanism) {
  return {.tls_exporter = is_plus(mechanism) ? kBinding : std::string(), .tls_server_end_point = {}};
}

std::string told(Mechanism mechanism, const Person& person) {
  return std::string(name_of(mechanism)) + " " + person.login + " " + person.password;
}

TEST(Gsasl, LogsInHere) {
  for (const Mechanism mechanism : kMechanisms) {
    for (const Person& person : kPeople) {
      const Outcome outcome = log_in_here(mechanism, accounts_of(person), properties_of(person, mechanism),
                                          bindings_of(mechanism), is_plus(mechanism));
      EXPECT_TRUE(outcome.ours && outcome.theirs) << told(mechanism, person);
      EXPECT_EQ(outcome.login, person.login);
    }
  }
}

TEST(Gsasl, TakesOurs) {
  for (const Mechanism mechanism : kMechanisms) {
    for (const Person& person : kPeople) {
      const Outcome outcome = log_in_there(mechanism, person, properties_of(person, mechanism), bindings_of(mechanism));
      EXPECT_TRUE(outcome.ours && outcome.theirs) << told(mechanism, person);
    }
  }
}

TEST(Gsasl, IsRefusedWithAnotherPasswordHere) {
  const Person person{"ann", "right"};
  for (const Mechanism mechanism : kMechanisms) {
    const Properties wrong = properties_of({"ann", "wrong"}, mechanism);
    const Outcome outcome =
        log_in_here(mechanism, accounts_of(person), wrong, bindings_of(mechanism), is_plus(mechanism));
    EXPECT_FALSE(outcome.ours) << name_of(mechanism);
    const Properties nobody = properties_of({"nobody", "right"}, mechanism);
    EXPECT_FALSE(log_in_here(mechanism, accounts_of(person), nobody, bindings_of(mechanism), false).ours);
  }
}

TEST(Gsasl, RefusesOursWithAnotherPassword) {
  for (const Mechanism mechanism : kMechanisms) {
    const Properties right = properties_of({"ann", "right"}, mechanism);
    const Outcome outcome = log_in_there(mechanism, {"ann", "wrong"}, right, bindings_of(mechanism));
    EXPECT_FALSE(outcome.ours || outcome.theirs) << name_of(mechanism);
  }
}

TEST(Gsasl, AnotherConnectionsBindingIsRefusedByBoth) {
  const Person person{"ann", "right"};
  for (const Mechanism mechanism : {scram_sha_1_plus, scram_sha_256_plus}) {
    EXPECT_FALSE(log_in_here(mechanism, accounts_of(person), properties_of(person, mechanism),
                             {.tls_exporter = "another connection", .tls_server_end_point = {}}, true)
                     .ours);
    EXPECT_FALSE(log_in_there(mechanism, person, properties_of(person, mechanism),
                              {.tls_exporter = "another connection", .tls_server_end_point = {}})
                     .theirs);
  }
}

// Ours could bind, and saw no -PLUS: it says y. gsasl 2.2 as the client gives up by itself there.
TEST(Gsasl, SeesADowngradeOfOurs) {
  const Person person{"ann", "right"};
  for (const auto& [mechanism, with] :
       {std::pair(scram_sha_1, scram_sha_1_plus), {scram_sha_256, scram_sha_256_plus}}) {
    EXPECT_FALSE(log_in_there(mechanism, person, properties_of(person, with), bindings_of(with)).theirs);
    EXPECT_TRUE(log_in_there(mechanism, person, properties_of(person, mechanism), bindings_of(with)).ours);
  }
}

TEST(Gsasl, AnotherAuthzidIsRefusedHere) {
  const Person person{"ann", "right"};
  for (const Mechanism mechanism : {plain, scram_sha_1, scram_sha_256}) {
    Properties properties = properties_of(person, mechanism);
    properties[GSASL_AUTHZID] = "bob";
    EXPECT_FALSE(log_in_here(mechanism, accounts_of(person), properties, {}, false).ours) << name_of(mechanism);
    properties[GSASL_AUTHZID] = "ann";
    EXPECT_TRUE(log_in_here(mechanism, accounts_of(person), properties, {}, false).ours) << name_of(mechanism);
  }
}

TEST(Gsasl, ExternalBothWays) {
  const test::Accounts accounts;
  const Outcome outcome = log_in_here(external, accounts, {{GSASL_AUTHZID, "ann"}}, {}, false);
  EXPECT_TRUE(outcome.ours && outcome.theirs);
  EXPECT_EQ(outcome.login, "ann");
  EXPECT_TRUE(log_in_there(external, {"ann", ""}, {}, {}).theirs);
}

}  // namespace
}  // namespace postrider::sasl
