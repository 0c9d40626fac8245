// One session's logins: each mechanism against its client's side, the waits in simulated time, what is said of them.
#include "server/login.hpp"

#include "core/test_run.hpp"
#include "sasl/password.hpp"
#include "server/test_login.hpp"

#include <gtest/gtest.h>

namespace postrider::server {
namespace {

using std::chrono::seconds;
using test::SecuredStream;
using Why = Login::Refused::Why;

constexpr std::string_view kPassword = "correct horse";

struct Rig {
  explicit Rig(bool plaintext_auth = false, bool scram_sha_1 = false, bool scram_plus = false)
      : service{.directory = &directory,
                .guard = &guard,
                .events = &events,
                .clock = &world.clock,
                .random = &random,
                .service = "submission",
                .scope = directory::Scope::submission,
                .plaintext_auth = plaintext_auth,
                .scram_sha_1 = scram_sha_1,
                .scram_plus = scram_plus,
                .metrics = LoginMetrics(&metrics, "submission"),
                .drain = &drain} {
    run(directory.add_domain({.name = *mail::Domain::parse("here.test"), .catch_all = {}, .postmaster = {}}));
    add("ann@here.test");
  }
  void add(std::string_view address) {
    check(run(directory.add_account(*mail::Address::parse(address), Secret(std::string(kPassword)))).has_value(),
          "add");
  }
  template <class T>
  T run(Task<T> task) {
    return postrider::test::run(world, std::move(task));
  }
  std::unique_ptr<Login> session(std::string_view peer, const net::Stream* stream = nullptr) {
    auto login = std::make_unique<Login>(
        &service, net::Endpoint{.address = *net::Address::parse(peer), .port = 4711, .unix_path = {}});
    if (stream != nullptr) login->secured(stream);
    (void)run(login->mechanisms());
    return login;
  }
  std::string offers(const net::Stream* stream) {
    const auto login = session("192.0.2.1", stream);
    return fmt::format("{}", fmt::join(run(login->mechanisms()), " "));
  }
  /// The whole exchange, as a client that has `password`; how it ended.
  Login::Step log_in(Login& login, sasl::Mechanism mechanism, std::string name, std::string password,
                     sasl::Bindings bindings = {}) {
    sasl::ClientExchange client(mechanism, {.login = std::move(name), .password = Secret(std::move(password))},
                                std::move(bindings), "client-nonce-0123456789");
    Login::Step step = run(login.begin(std::string(sasl::name_of(mechanism)), client.initial()));
    while (const auto* const challenge = std::get_if<Login::Challenged>(&step)) {
      Result<Secret> response = client.respond(challenge->octets);
      check(response.has_value(), "test: the client goes on");
      step = run(login.respond(std::move(*response)));
    }
    return step;
  }
  Login::Step with_password(Login& login, std::string name, std::string_view password) {
    return run(login.with_password(std::move(name), Secret(std::string(password))));
  }
  /// How many seconds of the simulated clock `use` took.
  template <class F>
  long waited(F use) {
    const SteadyTime before = world.clock.steady();
    use();
    return std::chrono::duration_cast<seconds>(world.clock.steady() - before).count();
  }
  [[nodiscard]] bool counted(std::string_view result, int times) const {
    return metrics.render().contains(
        fmt::format("postrider_logins_total{{service=\"submission\",result=\"{}\"}} {}\n", result, times));
  }

  postrider::test::World world;
  SeededRandom random{1};
  test::KeptLog log;
  Events events{&world.clock, LogFormat::text, Level::info, &log};
  InlineWorkers workers;
  Metrics metrics;
  store::SimDisk disk;
  store::SimStore store{store::SimStoreOptions{.disk = &disk, .random = &random}};
  directory::Directory directory{&store, &workers, &random, &world.clock, {}};
  gate::LoginGuard guard{&world.clock, {}};
  Signal drain;
  LoginService service;
};

/// "granted ann@here.test", "wrong", "later, hang up" …
std::string text_of(const Login::Step& step) {
  if (const auto* const granted = std::get_if<Login::Granted>(&step))
    return "granted " + granted->grant->account().address.text();
  const auto* const refused = std::get_if<Login::Refused>(&step);
  if (refused == nullptr) return "challenged";
  std::string out;
  switch (refused->why) {
    case Why::wrong: out = "wrong"; break;
    case Why::malformed: out = "malformed"; break;
    case Why::unknown: out = "unknown"; break;
    case Why::later: out = "later"; break;
  }
  return out + (refused->hang_up ? ", hang up" : "");
}

TEST(Login, OffersNothingInTheClear) {
  Rig rig;
  EXPECT_EQ(rig.offers(nullptr), "");
  const auto login = rig.session("192.0.2.1");
  EXPECT_EQ(text_of(rig.log_in(*login, sasl::Mechanism::plain, "ann@here.test", std::string(kPassword))), "unknown");
  EXPECT_EQ(text_of(rig.with_password(*login, "ann@here.test", kPassword)), "unknown");
  EXPECT_FALSE(rig.log.text.contains("auth.succeeded"));
}

TEST(Login, OffersWhatTheConnectionAndTheAccountsHave) {
  Rig rig(true);
  EXPECT_EQ(rig.offers(nullptr), "SCRAM-SHA-256 PLAIN LOGIN");
  const SecuredStream plain(sasl::Bindings{}, "");
  EXPECT_EQ(rig.offers(&plain), "SCRAM-SHA-256 PLAIN LOGIN");
  const SecuredStream bound(sasl::Bindings{.tls_exporter = "x", .tls_server_end_point = ""}, "ann@here.test");
  EXPECT_EQ(rig.offers(&bound), "SCRAM-SHA-256 PLAIN LOGIN EXTERNAL");
  Rig binds(true, false, true);
  EXPECT_EQ(binds.offers(&bound), "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN EXTERNAL");
  EXPECT_EQ(binds.offers(&plain), "SCRAM-SHA-256 PLAIN LOGIN");
  Rig old(false, true);
  EXPECT_EQ(old.offers(&bound), "SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN EXTERNAL");
  Rig all(false, true, true);
  EXPECT_EQ(all.offers(&bound), "SCRAM-SHA-256-PLUS SCRAM-SHA-256 SCRAM-SHA-1-PLUS SCRAM-SHA-1 PLAIN LOGIN EXTERNAL");
}

TEST(Login, ScramIsOfferedOnlyWhenAllAccountsHaveItsKeys) {
  Rig rig(true);
  const mail::Address bob = *mail::Address::parse("bob@here.test");
  const std::string hash = sasl::hash_password(Secret(std::string(kPassword))).value();
  ASSERT_TRUE(rig.run(rig.directory.import_account(bob, hash)));
  EXPECT_EQ(rig.offers(nullptr), "PLAIN LOGIN");
  const auto login = rig.session("192.0.2.1");
  EXPECT_EQ(text_of(rig.log_in(*login, sasl::Mechanism::plain, bob.text(), std::string(kPassword))),
            "granted bob@here.test");
  EXPECT_EQ(rig.offers(nullptr), "SCRAM-SHA-256 PLAIN LOGIN") << "a login makes the keys";
}

TEST(Login, EveryMechanismLetsInWhoHasThePasswordAndNobodyElse) {
  const sasl::Bindings bindings{.tls_exporter = std::string(32, 'e'), .tls_server_end_point = std::string(32, 'p')};
  const SecuredStream stream(bindings, "");
  using enum sasl::Mechanism;
  for (const sasl::Mechanism mechanism :
       {plain, login, scram_sha_1, scram_sha_1_plus, scram_sha_256, scram_sha_256_plus}) {
    SCOPED_TRACE(sasl::name_of(mechanism));
    Rig rig(false, true, true);
    const bool is_plus = sasl::name_of(mechanism).ends_with("-PLUS");
    const sasl::Bindings shown = is_plus ? bindings : sasl::Bindings{};
    const auto session = rig.session("192.0.2.1", &stream);
    EXPECT_EQ(text_of(rig.log_in(*session, mechanism, "ann@here.test", "wrong", shown)), "wrong");
    EXPECT_EQ(text_of(rig.log_in(*session, mechanism, "nobody@here.test", "wrong", shown)), "wrong");
    EXPECT_EQ(text_of(rig.log_in(*session, mechanism, "ann@here.test", std::string(kPassword), shown)),
              "granted ann@here.test");
    EXPECT_TRUE(rig.log.text.contains(
        fmt::format("warn auth.failed ip=192.0.2.1 port=4711 service=submission mechanism={} tls=TLSv1.3 why=denied "
                    "login=ann@here.test\n",
                    sasl::name_of(mechanism))))
        << rig.log.text;
    EXPECT_TRUE(rig.counted("succeeded", 1));
    EXPECT_TRUE(rig.counted("wrong", 2));
  }
}

TEST(Login, AClientThatWasRobbedOfChannelBindingIsRefused) {
  const sasl::Bindings bindings{.tls_exporter = std::string(32, 'e'), .tls_server_end_point = ""};
  const SecuredStream stream(bindings, "");
  Rig rig(false, false, true);
  const auto session = rig.session("192.0.2.1", &stream);
  // 5802 §6: it has bindings and says that it saw none offered, where they were.
  const auto robbed =
      rig.log_in(*session, sasl::Mechanism::scram_sha_256, "ann@here.test", std::string(kPassword), bindings);
  EXPECT_EQ(text_of(robbed), "wrong");
  const auto elsewhere =
      rig.log_in(*session, sasl::Mechanism::scram_sha_256_plus, "ann@here.test", std::string(kPassword),
                 {.tls_exporter = std::string(32, 'm'), .tls_server_end_point = ""});
  EXPECT_EQ(text_of(elsewhere), "wrong") << "somebody sits in the middle";
}

TEST(Login, WhereNoChannelBindingIsOfferedAClientMaySayThatItSawNone) {
  const sasl::Bindings bindings{.tls_exporter = std::string(32, 'e'), .tls_server_end_point = ""};
  const SecuredStream stream(bindings, "");
  Rig rig;
  const auto session = rig.session("192.0.2.1", &stream);
  const auto log_in = [&](sasl::Mechanism mechanism) {
    return text_of(rig.log_in(*session, mechanism, "ann@here.test", std::string(kPassword), bindings));
  };
  EXPECT_EQ(log_in(sasl::Mechanism::scram_sha_256_plus), "unknown") << "not offered, not taken";
  EXPECT_EQ(log_in(sasl::Mechanism::scram_sha_256), "granted ann@here.test");
}

TEST(Login, ACertificateIsItsOwnNameAndNobodyElses) {
  const SecuredStream stream({}, "ann@here.test");
  Rig rig;
  rig.add("bob@here.test");
  const auto session = rig.session("192.0.2.1", &stream);
  const auto as = [&](std::string authzid) {
    return text_of(rig.run(session->begin("EXTERNAL", Secret(std::move(authzid)))));
  };
  EXPECT_EQ(as("bob@here.test"), "wrong");
  EXPECT_EQ(as(""), "granted ann@here.test");
  EXPECT_EQ(as("ann@here.test"), "granted ann@here.test");
  const SecuredStream stranger({}, "nobody@here.test");
  const auto other = rig.session("192.0.2.1", &stranger);
  EXPECT_EQ(text_of(rig.run(other->begin("EXTERNAL", Secret()))), "wrong");
}

TEST(Login, WrongPasswordsWaitFromTheThirdOnAndTheFifthHangsUp) {
  Rig rig(true);
  const auto session = rig.session("192.0.2.1");
  std::vector<std::string> ends;
  std::vector<long> waits;
  for (int i = 0; i < 5; ++i)
    waits.push_back(rig.waited([&] { ends.push_back(text_of(rig.with_password(*session, "ann@here.test", "x"))); }));
  EXPECT_EQ(ends, (std::vector<std::string>{"wrong", "wrong", "wrong", "wrong", "wrong, hang up"}));
  EXPECT_EQ(waits, (std::vector<long>{0, 0, 1, 2, 4}));
  const auto another = rig.session("192.0.2.99");
  EXPECT_EQ(rig.waited([&] { (void)rig.with_password(*another, "ann@here.test", kPassword); }), 8)
      << "a right one waits as long: the wait says nothing";
  EXPECT_EQ(rig.waited([&] { (void)rig.with_password(*another, "ann@here.test", kPassword); }), 0);
}

TEST(Login, UnknownLoginsWaitAsKnownOnesDo) {
  for (const std::string name : {"ann@here.test", "nobody@here.test"}) {
    Rig rig(true);
    std::vector<long> waits;
    const auto session = rig.session("192.0.2.1");
    for (int i = 0; i < 4; ++i)
      waits.push_back(rig.waited([&] { EXPECT_TRUE(text_of(rig.with_password(*session, name, "x")) == "wrong"); }));
    EXPECT_EQ(waits, (std::vector<long>{0, 0, 1, 2})) << name;
  }
}

TEST(Login, TheSignatureOfScramWaitsToo) {
  Rig rig(true);
  const auto session = rig.session("192.0.2.1");
  for (int i = 0; i < 4; ++i) (void)rig.with_password(*session, "ann@here.test", "x");
  sasl::ClientExchange client(sasl::Mechanism::scram_sha_256,
                              {.login = "ann@here.test", .password = Secret(std::string(kPassword))}, {}, "n0nce");
  Login::Step step;
  EXPECT_EQ(rig.waited([&] { step = rig.run(session->begin("SCRAM-SHA-256", client.initial())); }), 0);
  Result<Secret> proof = client.respond(std::get<Login::Challenged>(step).octets);
  EXPECT_EQ(rig.waited([&] { step = rig.run(session->respond(std::move(*proof))); }), 4);
  Result<Secret> last = client.respond(std::get<Login::Challenged>(step).octets);
  ASSERT_TRUE(last.has_value());
  EXPECT_EQ(rig.waited([&] { step = rig.run(session->respond(std::move(*last))); }), 0) << "once is enough";
  EXPECT_EQ(text_of(step), "granted ann@here.test");
}

TEST(Login, FromABannedNetworkNoPasswordIsLookedAtButAnOwners) {
  Rig rig(true);
  rig.add("bob@here.test");
  EXPECT_EQ(text_of(rig.with_password(*rig.session("192.0.2.1"), "ann@here.test", kPassword)), "granted ann@here.test");
  for (int i = 0; i < 100; ++i)
    (void)rig.guard.failed(fmt::format("user{}", i), net::Address::parse("192.0.2.66")->octets());
  const auto session = rig.session("192.0.2.2");
  for (int i = 0; i < 4; ++i) EXPECT_EQ(text_of(rig.with_password(*session, "bob@here.test", kPassword)), "later");
  EXPECT_EQ(text_of(rig.with_password(*session, "bob@here.test", kPassword)), "later, hang up");
  EXPECT_TRUE(rig.log.text.contains("why=banned")) << rig.log.text;
  EXPECT_TRUE(rig.counted("banned", 5));
  EXPECT_EQ(rig.waited([&] {
    EXPECT_EQ(text_of(rig.with_password(*rig.session("192.0.2.1"), "ann@here.test", kPassword)),
              "granted ann@here.test");
  }),
            0);
  EXPECT_EQ(text_of(rig.with_password(*rig.session("198.51.100.1"), "bob@here.test", kPassword)),
            "granted bob@here.test");
}

TEST(Login, TheFailureThatBringsTheBanIsSaidOnce) {
  Rig rig(true);
  for (int i = 0; i < 99; ++i)
    (void)rig.guard.failed(fmt::format("user{}", i), net::Address::parse("192.0.2.66")->octets());
  for (int i = 0; i < 3; ++i) (void)rig.with_password(*rig.session("192.0.2.1"), "nobody@here.test", "x");
  const std::size_t first = rig.log.text.find("auth.banned network=192.0.2.0/24 failures=100 until=");
  ASSERT_NE(first, std::string::npos) << rig.log.text;
  EXPECT_EQ(rig.log.text.find("auth.banned", first + 1), std::string::npos);
}

TEST(Login, ADirectoryThatCannotBeAskedIsNoWrongPassword) {
  Rig rig(true);
  const auto session = rig.session("192.0.2.1");
  rig.store.fail_call(1, Error::transient);
  EXPECT_EQ(text_of(rig.with_password(*session, "ann@here.test", kPassword)), "later");
  EXPECT_TRUE(rig.guard.bans().empty());
  EXPECT_EQ(text_of(rig.with_password(*session, "ann@here.test", kPassword)), "granted ann@here.test");
}

TEST(Login, WhatTheMechanismDoesNotHaveIsMalformed) {
  Rig rig(true);
  const auto session = rig.session("192.0.2.1");
  EXPECT_EQ(text_of(rig.run(session->begin("PLAIN", Secret("no NUL in it")))), "malformed");
  EXPECT_EQ(text_of(rig.run(session->begin("SCRAM-SHA-256", Secret("n,,x")))), "malformed");
  EXPECT_EQ(text_of(rig.run(session->begin("CRAM-MD5", std::nullopt))), "unknown");
  EXPECT_EQ(text_of(rig.run(session->begin("SCRAM-SHA-1", std::nullopt))), "unknown") << "not offered";
  EXPECT_EQ(text_of(rig.run(session->begin("EXTERNAL", Secret()))), "unknown");
  EXPECT_EQ(text_of(rig.run(session->begin("PLAIN", Secret(std::string("bob\0ann@here.test\0correct horse", 31))))),
            "wrong")
      << "an authzid of somebody else";
  EXPECT_EQ(text_of(rig.run(session->begin("PLAIN", std::nullopt))), "challenged");
  session->cancel();
  EXPECT_EQ(text_of(rig.run(session->respond(Secret("x")))), "malformed") << "nothing is under way";
  EXPECT_EQ(text_of(rig.with_password(*session, std::string(5000, 'a'), std::string(5000, 'b'))), "wrong");
}

TEST(Login, AStopEndsTheWaits) {
  Rig rig(true);
  const auto session = rig.session("192.0.2.1");
  for (int i = 0; i < 3; ++i) (void)rig.with_password(*session, "ann@here.test", "x");
  rig.drain.set();
  EXPECT_EQ(rig.waited(
                [&] { EXPECT_EQ(text_of(rig.with_password(*session, "ann@here.test", kPassword)), "later, hang up"); }),
            0);
}

TEST(Login, AnAppPasswordIsGoodForItsScopeOnly) {
  Rig rig(true);
  const mail::Address ann = *mail::Address::parse("ann@here.test");
  const auto make = [&](std::string name, std::vector<directory::Scope> scopes) {
    return std::string(
        rig.run(rig.directory.add_app_password(ann, std::move(name), std::move(scopes)))->password.reveal());
  };
  const std::string reads = make("phone", {directory::Scope::pop3});
  const std::string sends = make("printer", {directory::Scope::submission});
  const auto session = rig.session("192.0.2.1");
  EXPECT_EQ(text_of(rig.with_password(*session, ann.text(), reads)), "wrong");
  EXPECT_EQ(text_of(rig.with_password(*session, ann.text(), sends)), "granted ann@here.test");
  EXPECT_TRUE(rig.log.text.contains("account=ann@here.test credential=printer")) << rig.log.text;
}

}  // namespace
}  // namespace postrider::server
