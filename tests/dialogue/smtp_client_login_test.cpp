// STARTTLS (3207) and AUTH (4954) in the client engine, against a remote that answers from a table.
#include "core/text.hpp"
#include "tests/dialogue/scripted_remote.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace postrider::dialogue {
namespace {

using smtp::AuthGivenUp;
using smtp::AuthResponse;
using smtp::BeginTls;
using smtp::ClientEvent;
using smtp::ClientSettings;
using smtp::StartAuth;

constexpr std::string_view kOffersTls = "250-mx\r\n250-STARTTLS\r\n250 8BITMIME\r\n";
constexpr std::string_view kOffersAuth = "250-mx\r\n250 AUTH PLAIN LOGIN SCRAM-SHA-256\r\n";
constexpr std::size_t kCuts[] = {1, 2, 7, 100'000};

ClientSettings settings(BeginTls begin_tls, bool authenticate = false, smtp::Secured secured = smtp::Secured::no) {
  return {.hello_name = "client.example", .secured = secured, .begin_tls = begin_tls, .authenticate = authenticate};
}

/// "ready", or how the session was refused, with the number of handshakes.
std::string end_of(const ClientRunner& runner) {
  EXPECT_EQ(runner.broken, "");
  std::string out = runner.session().ready() ? "ready" : shown(runner.refused);
  if (!runner.session().ready()) EXPECT_TRUE(runner.hung_up && runner.session().closed());
  return runner.handshakes == 0 ? out : fmt::format("{} handshakes, {}", runner.handshakes, out);
}

struct TlsRow {
  std::string name;
  BeginTls begin_tls;
  std::string hello;  // of the session in the clear
  std::string starttls;
  std::string want;
};

std::vector<TlsRow> tls_rows() {
  const std::string offers(kOffersTls);
  return {
      {"never", BeginTls::never, offers, "220 go\r\n", "ready"},
      {"not offered", BeginTls::if_offered, "250 mx\r\n", "220 go\r\n", "ready"},
      {"not offered and required", BeginTls::required, "250 mx\r\n", "220 go\r\n", "451 4.7.4@hello"},
      {"no EHLO", BeginTls::required, "502 5.5.1 no\r\n", "220 go\r\n", "451 4.7.4@hello"},
      {"taken", BeginTls::if_offered, offers, "220 go\r\n", "1 handshakes, ready"},
      {"taken and required", BeginTls::required, offers, "220-go\r\n220 on\r\n", "1 handshakes, ready"},
      {"refused", BeginTls::if_offered, offers, "454 4.7.0 no\r\n", "ready"},
      {"refused and required", BeginTls::required, offers, "454 4.7.0 no\r\n", "451 4.7.5@starttls"},
      {"refused for ever", BeginTls::required, offers, "502 5.5.1 no\r\n", "451 4.7.5@starttls"},
      {"421", BeginTls::if_offered, offers, "421 4.3.2 bye\r\n", "421 4.3.2@starttls"},
      {"250", BeginTls::if_offered, offers, "250 ok\r\n", "451 4.5.0@starttls"},
      {"no reply at all", BeginTls::if_offered, offers, "\x15\x03\x01\r\n", "451 4.5.0@starttls"},
  };
}

TEST(SmtpClientTls, IsBegunAsItIsOrdered) {
  for (const TlsRow& row : tls_rows()) {
    for (const std::size_t cut : kCuts) {
      SCOPED_TRACE(fmt::format("{} cut at {}", row.name, cut));
      Remote remote{.rows = {{"STARTTLS", row.starttls}, {"EHLO", row.hello}}, .line = {}};
      ClientRunner runner(std::ref(remote), "x\r\n", 1000, settings(row.begin_tls));
      runner.remote_says("220 mx ESMTP\r\n");
      runner.listen(cut);
      EXPECT_EQ(end_of(runner), row.want);
    }
  }
}

TEST(SmtpClientTls, SaysWhyItRefused) {
  ClientRunner runner(Remote{.rows = {{"EHLO", "250 mx\r\n"}}, .line = {}}, "", 1, settings(BeginTls::required));
  runner.remote_says("220 mx\r\n");
  runner.listen(99);
  ASSERT_EQ(runner.refused.size(), 1U);
  EXPECT_EQ(smtp::to_line(runner.refused[0].reply), "451 4.7.4 TLS is required and not offered");
  EXPECT_TRUE(runner.sent.ends_with("QUIT\r\n"));
}

/// SECURITY R5: what stands behind the 220 would be read as if TLS protected it.
TEST(SmtpClientTls, OctetsBehindTheReplyEndTheSession) {
  for (const std::string_view behind :
       {"2", "250 mx\r\n", "250-mx\r\n250 AUTH PLAIN\r\n235 2.7.0 in\r\n", "\r\n", "\x16\x03\x03"}) {
    for (const BeginTls begin_tls : {BeginTls::if_offered, BeginTls::required}) {
      Remote remote{.rows = {{"STARTTLS", "220 go\r\n" + std::string(behind)}, {"EHLO", std::string(kOffersTls)}},
                    .line = {}};
      ClientRunner runner(remote, "", 1, settings(begin_tls));
      runner.remote_says("220 mx\r\n");
      runner.listen(100'000);
      EXPECT_EQ(end_of(runner), "451 4.7.0@starttls");
    }
  }
}

/// The reply to STARTTLS before STARTTLS was said is none.
TEST(SmtpClientTls, AReplyThatCameEarlyIsNone) {
  ClientRunner runner(Remote{.rows = {{"EHLO", std::string(kOffersTls) + "220 go\r\n"}}, .line = {}}, "", 1,
                      settings(BeginTls::if_offered));
  runner.remote_says("220 mx\r\n");
  runner.listen(100'000);
  EXPECT_EQ(end_of(runner), "451 4.5.0@starttls");
}

TEST(SmtpClientTls, TheNewSessionSaysEhloAndKnowsNothingOfTheOld) {
  int hellos = 0;
  const auto says = [&](std::string_view sent) -> std::string {
    if (sent.starts_with("EHLO"))
      return ++hellos == 1 ? "250-mx\r\n250-STARTTLS\r\n250-SIZE 9\r\n250 PIPELINING\r\n" : "250 mx\r\n";
    return sent.starts_with("STARTTLS") ? "220 go\r\n" : "250 ok\r\n";
  };
  ClientRunner runner(says, "x\r\n", 1000, settings(BeginTls::if_offered));
  runner.remote_says("220 mx\r\n");
  runner.listen(99);
  ASSERT_TRUE(runner.session().ready());
  EXPECT_EQ(hellos, 2);
  runner.begin(transaction(1));
  EXPECT_EQ(runner.writes.back(), "MAIL FROM:<x@client.example>\r\n");  // no SIZE, and alone
}

/// After the handshake STARTTLS is no offer any more (3207 §4.2).
TEST(SmtpClientTls, IsNotBegunTwice) {
  ClientRunner runner(Remote{.rows = {{"STARTTLS", "220 go\r\n"}, {"EHLO", std::string(kOffersTls)}}, .line = {}}, "",
                      1, settings(BeginTls::required));
  runner.remote_says("220 mx\r\n");
  runner.listen(99);
  EXPECT_EQ(end_of(runner), "1 handshakes, ready");
}

TEST(SmtpClientTls, FromTheStartTheGreetingComesFirst) {
  ClientRunner runner(Remote{.rows = {{"EHLO", std::string(kOffersTls)}}, .line = {}}, "", 1,
                      settings(BeginTls::required, false, smtp::Secured::from_start));
  EXPECT_EQ(runner.sent, "");
  runner.remote_says("220 mx\r\n");
  runner.listen(99);
  EXPECT_EQ(end_of(runner), "ready");
}

TEST(SmtpClientTls, LostWhileItIsBegun) {
  for (const bool late : {false, true}) {
    ClientRunner runner(Remote{.rows = {{"STARTTLS", ""}, {"EHLO", std::string(kOffersTls)}}, .line = {}}, "", 1,
                        settings(BeginTls::if_offered));
    runner.remote_says("220 mx\r\n");
    runner.listen(99);
    if (late)
      runner.step(smtp::TimedOut{});
    else
      runner.step(smtp::PeerClosed{});
    EXPECT_EQ(end_of(runner), "451 4.4.2@starttls");
  }
}

// --- AUTH ---

struct AuthRow {
  std::string name;
  std::vector<std::pair<std::string, std::string>> rows;
  std::string mechanism = "PLAIN";
  std::optional<std::string> initial = "\0u\0p";
  std::vector<std::string> responses = {};  // to each challenge; the last of responses allows success
  bool early = true;                        // the initial response allows success
  std::string want;
  std::string shown;  // of the exchange
};

std::vector<AuthRow> auth_rows() {
  const std::string kIn = "235 2.7.0 in\r\n";
  return {
      {"let in", {{"AUTH PLAIN eA==\r\n", kIn}}, "PLAIN", "x", {}, true, "ready", "AUTH PLAIN ***\r\n"},
      {"an empty initial response",
       {{"AUTH EXTERNAL =\r\n", kIn}},
       "EXTERNAL",
       "",
       {},
       true,
       "ready",
       "AUTH EXTERNAL ***\r\n"},
      {"without an initial response",
       {{"AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n"}, {"dQ==\r\n", "334 UGFzc3dvcmQ6\r\n"}, {"cA==\r\n", kIn}},
       "LOGIN",
       std::nullopt,
       {"u", "p"},
       false,
       "ready",
       "AUTH LOGIN\r\n***\r\n***\r\n"},
      {"an empty challenge and an empty response",
       {{"AUTH SCRAM-SHA-256 eA==\r\n", "334 \r\n"}, {"\r\n", kIn}},
       "SCRAM-SHA-256",
       "x",
       {""},
       false,
       "ready",
       "AUTH SCRAM-SHA-256 ***\r\n***\r\n"},
      {"wrong password", {{"AUTH", "535 5.7.8 no\r\n"}}, "PLAIN", "x", {}, true, "454 4.7.8@auth", ""},
      {"wrong password without a status", {{"AUTH", "535 no\r\n"}}, "PLAIN", "x", {}, true, "454 4.7.8@auth", ""},
      {"too weak", {{"AUTH", "534 5.7.9 no\r\n"}}, "PLAIN", "x", {}, true, "454 4.7.9@auth", ""},
      {"unknown mechanism", {{"AUTH", "504 5.5.4 what\r\n"}}, "PLAIN", "x", {}, true, "454 4.5.4@auth", ""},
      {"not now", {{"AUTH", "454 4.7.0 later\r\n"}}, "PLAIN", "x", {}, true, "454 4.7.0@auth", ""},
      {"421", {{"AUTH", "421 4.3.2 bye\r\n"}}, "PLAIN", "x", {}, true, "421 4.3.2@auth", ""},
      {"250 is no 235", {{"AUTH", "250 ok\r\n"}}, "PLAIN", "x", {}, true, "451 4.5.0@auth", ""},
      {"let in before it can know", {{"AUTH", kIn}}, "SCRAM-SHA-256", "x", {}, false, "454 4.7.0@auth", ""},
      {"let in without having asked", {{"AUTH", kIn}}, "LOGIN", std::nullopt, {}, false, "454 4.7.0@auth", ""},
      {"a challenge that is no base64",
       {{"AUTH", "334 ?\r\n"}},
       "PLAIN",
       "x",
       {},
       true,
       "454 4.7.0@auth",
       "AUTH PLAIN ***\r\n*\r\n"},
      {"base64 without padding", {{"AUTH", "334 dQ\r\n"}}, "PLAIN", "x", {"y"}, true, "454 4.7.0@auth", ""},
      {"a challenge of two lines",
       {{"AUTH", "334-dQ==\r\n334 dQ==\r\n"}},
       "PLAIN",
       "x",
       {"y"},
       true,
       "454 4.7.0@auth",
       ""},
      {"a challenge too long",
       {{"AUTH", "334 " + std::string(12'292, 'A') + "\r\n"}},
       "PLAIN",
       "x",
       {"y"},
       true,
       "454 4.7.0@auth",
       ""},
      {"a challenge that the mechanism does not have",
       {{"AUTH", "334 dQ==\r\n"}},
       "PLAIN",
       "x",
       {},
       true,
       "454 4.7.0@auth",
       "AUTH PLAIN ***\r\n*\r\n"},
      {"without end",
       {{"AUTH", "334 dQ==\r\n"}, {"eQ==", "334 dQ==\r\n"}},
       "PLAIN",
       "x",
       std::vector<std::string>(99, "y"),
       true,
       "454 4.7.0@auth",
       ""},
      {"a response too long",
       {{"AUTH", "334 dQ==\r\n"}},
       "PLAIN",
       "x",
       {std::string(9'300, 'y')},
       true,
       "454 4.7.0@auth",
       ""},
  };
}

TEST(SmtpClientAuth, EndsAsItMay) {
  for (const AuthRow& row : auth_rows()) {
    for (const std::size_t cut : kCuts) {
      SCOPED_TRACE(fmt::format("{} cut at {}", row.name, cut));
      Remote remote{.rows = row.rows, .line = {}};
      remote.rows.emplace_back("EHLO", std::string(kOffersAuth));
      ClientRunner runner(std::ref(remote), "x\r\n", 1000, settings(BeginTls::never, true, smtp::Secured::from_start));
      runner.on_auth = [&](const std::vector<std::string>& offered) -> ClientEvent {
        EXPECT_EQ(offered, (std::vector<std::string>{"PLAIN", "LOGIN", "SCRAM-SHA-256"}));
        StartAuth start{.mechanism = row.mechanism, .initial = std::nullopt, .may_succeed = row.early};
        if (row.initial) start.initial = Secret(*row.initial);
        return start;
      };
      std::size_t asked = 0;
      runner.on_challenge = [&](const std::string&) -> ClientEvent {
        if (asked == row.responses.size()) return AuthGivenUp{.why = "it is wrong"};
        AuthResponse response{.response = Secret(row.responses[asked])};
        response.may_succeed = ++asked == row.responses.size();
        return response;
      };
      runner.remote_says("220 mx ESMTP\r\n");
      runner.listen(cut);
      EXPECT_EQ(end_of(runner), row.want);
      if (!row.shown.empty()) EXPECT_TRUE(runner.shown.contains(row.shown)) << runner.shown;
    }
  }
}

TEST(SmtpClientAuth, ALongInitialResponseGoesByItself) {
  const std::string token(500, 't');
  const std::string encoded = to_base64(token) + "\r\n";
  Remote remote{
      .rows = {{"AUTH XOAUTH2\r\n", "334 \r\n"}, {encoded, "235 2.7.0 in\r\n"}, {"EHLO", std::string(kOffersAuth)}},
      .line = {}};
  ClientRunner runner(std::ref(remote), "", 1, settings(BeginTls::never, true, smtp::Secured::from_start));
  runner.on_auth = [&](const std::vector<std::string>&) -> ClientEvent {
    return StartAuth{.mechanism = "XOAUTH2", .initial = Secret(token), .may_succeed = true};
  };
  runner.remote_says("220 mx\r\n");
  runner.listen(99);
  EXPECT_EQ(end_of(runner), "ready");
  EXPECT_FALSE(runner.shown.contains(encoded));
}

TEST(SmtpClientAuth, IsRefusedWhereItIsNotOffered) {
  for (const std::string_view hello : {"250 mx\r\n", "502 5.5.1 no\r\n", "250-mx\r\n250 AUTH\r\n"}) {
    ClientRunner runner(Remote{.rows = {{"EHLO", std::string(hello)}}, .line = {}}, "", 1,
                        settings(BeginTls::never, true));
    runner.remote_says("220 mx\r\n");
    runner.listen(99);
    EXPECT_EQ(end_of(runner), "454 4.7.4@auth");
  }
}

TEST(SmtpClientAuth, NoPasswordIsShownInTheClear) {
  for (const std::string_view mechanism : {"PLAIN", "LOGIN", "plain"}) {
    for (const bool may : {false, true}) {
      Remote remote{.rows = {{"AUTH", "235 2.7.0 in\r\n"}, {"EHLO", std::string(kOffersAuth)}}, .line = {}};
      ClientSettings with = settings(BeginTls::never, true);
      with.passwords_in_clear = may;
      ClientRunner runner(std::ref(remote), "", 1, with);
      runner.on_auth = [&](const std::vector<std::string>&) -> ClientEvent {
        return StartAuth{.mechanism = std::string(mechanism), .initial = Secret("secret"), .may_succeed = true};
      };
      runner.remote_says("220 mx\r\n");
      runner.listen(99);
      EXPECT_EQ(end_of(runner), may ? "ready" : "454 4.7.11@auth");
      EXPECT_EQ(runner.secrets.empty(), !may);
    }
  }
}

/// What a man in the middle offers before the handshake is not what is chosen from.
TEST(SmtpClientAuth, OffersFromBeforeTheHandshakeAreForgotten) {
  int hellos = 0;
  const auto says = [&](std::string_view sent) -> std::string {
    if (sent.starts_with("EHLO"))
      return ++hellos == 1 ? "250-mx\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n"
                           : "250-mx\r\n250 AUTH scram-sha-256 SCRAM-SHA-256\r\n";
    if (sent.starts_with("AUTH")) return "235 2.7.0 in\r\n";
    return "220 go\r\n";
  };
  ClientRunner runner(says, "", 1, settings(BeginTls::required, true));
  std::vector<std::string> offered;
  runner.on_auth = [&](const std::vector<std::string>& mechanisms) -> ClientEvent {
    offered = mechanisms;
    return StartAuth{.mechanism = mechanisms.front(), .initial = Secret("x"), .may_succeed = true};
  };
  runner.remote_says("220 mx\r\n");
  runner.listen(99);
  EXPECT_EQ(end_of(runner), "1 handshakes, ready");
  EXPECT_EQ(offered, std::vector<std::string>{"SCRAM-SHA-256"});
}

/// 454 to STARTTLS must not lead to a password in the clear.
TEST(SmtpClientAuth, ARefusedStarttlsGivesNoPasswordAway) {
  Remote remote{.rows = {{"STARTTLS", "454 4.7.0 no\r\n"},
                         {"AUTH", "235 2.7.0 in\r\n"},
                         {"EHLO", "250-mx\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n"}},
                .line = {}};
  ClientRunner runner(std::ref(remote), "", 1, settings(BeginTls::if_offered, true));
  runner.on_auth = [&](const std::vector<std::string>&) -> ClientEvent {
    return StartAuth{.mechanism = "PLAIN", .initial = Secret("secret"), .may_succeed = true};
  };
  runner.remote_says("220 mx\r\n");
  runner.listen(99);
  EXPECT_EQ(end_of(runner), "454 4.7.11@auth");
  EXPECT_TRUE(runner.secrets.empty());
}

TEST(SmtpClientAuth, OldAndOddOffers) {
  std::vector<std::string> offered;
  std::string many = "250 AUTH";
  for (int i = 0; i < 40; ++i) many += fmt::format(" M{}", i);
  for (const auto& [line, count] : {std::pair<std::string, std::size_t>{"250 AUTH=LOGIN PLAIN", 2},
                                    {"250-AUTH PLAIN\r\n250 AUTH=PLAIN LOGIN", 2},
                                    {"250 auth  plain ", 1},
                                    {"250 AUTH PLA!N AVERYLONGNAMEOFTWENTYONE X", 1},
                                    {many, smtp::kMechanismsOfferedMax}}) {
    ClientRunner runner(Remote{.rows = {{"EHLO", "250-mx\r\n" + line + "\r\n"}}, .line = {}}, "", 1,
                        settings(BeginTls::never, true));
    runner.on_auth = [&](const std::vector<std::string>& mechanisms) -> ClientEvent {
      offered = mechanisms;
      return AuthGivenUp{.why = "no mechanism in common"};
    };
    runner.remote_says("220 mx\r\n");
    runner.listen(99);
    EXPECT_EQ(offered.size(), count) << line;
    EXPECT_EQ(end_of(runner), "454 4.7.4@auth");
  }
}

TEST(SmtpClientAuth, LostInTheExchange) {
  Remote remote{.rows = {{"AUTH", ""}, {"EHLO", std::string(kOffersAuth)}}, .line = {}};
  ClientRunner runner(std::ref(remote), "", 1, settings(BeginTls::never, true, smtp::Secured::from_start));
  runner.on_auth = [&](const std::vector<std::string>&) -> ClientEvent {
    return StartAuth{.mechanism = "PLAIN", .initial = Secret("x"), .may_succeed = true};
  };
  runner.remote_says("220 mx\r\n");
  runner.listen(99);
  runner.step(smtp::PeerClosed{});
  EXPECT_EQ(end_of(runner), "451 4.4.2@auth");
}

}  // namespace
}  // namespace postrider::dialogue
