// Logins through the whole server over the simulated network: what may be done before and after, what is taken back,
// and who guesses beside an owner.
#include "core/test_run.hpp"
#include "core/text.hpp"
#include "dns/sim_resolver.hpp"
#include "net/sim_network.hpp"
#include "server/server.hpp"
#include "server/test_login.hpp"
#include "store/sim_store.hpp"

#include <gtest/gtest.h>

#include <array>

namespace postrider::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Stream = std::unique_ptr<net::Stream>;

constexpr std::string_view kHere = "10.0.0.1";
constexpr std::string_view kOwner = "10.1.0.1";
constexpr std::uint16_t kSmtp = 25;
constexpr std::uint16_t kSubmission = 587;
constexpr std::uint16_t kPop3 = 110;
const std::string kAnn = "ann@here.test";
const std::string kPassword = "correct horse";

net::Address ip(std::string_view text) { return *net::Address::parse(text); }

/// Reads until `lines` lines have come that end a reply, or the end.
Task<std::string> say(Clock* clock, net::Stream* stream, std::string octets, Duration patience) {
  const Result<void> written = co_await stream->write(octets, clock->steady() + seconds(5));
  if (!written) co_return "<closed>";
  std::string heard;
  for (;;) {
    const Result<net::Ready> ready = co_await stream->wait_readable(clock->steady() + patience, nullptr);
    if (!ready && ready.error().code == Error::timeout) co_return heard;
    std::array<char, 4096> buffer;
    const Result<std::size_t> got = ready ? stream->read_some(buffer) : fail(ready);
    if (!got) co_return heard + "<closed>";
    heard.append(buffer.data(), *got);
    const std::size_t last = heard.rfind('\n', heard.size() - 2);
    const std::string_view line = std::string_view(heard).substr(last == std::string::npos ? 0 : last + 1);
    if (heard.ends_with('\n') && !(line.size() > 3 && line[3] == '-')) co_return heard;
  }
}

class Site {
 public:
  Site() {
    Settings settings;
    settings.hostname = "mx.here.test";
    settings.gate = {.max_message_size = 100'000, .max_connections = 1000, .max_connections_per_ip = 50};
    settings.directory.domains.push_back(
        {.name = *mail::Domain::parse("here.test"), .catch_all = std::nullopt, .postmaster = std::nullopt});
    settings.queue = queue::default_settings();
    settings.route.routes.push_back({.domain = "away.test", .via = {"hold"}});
    settings.listen.push_back(listen_at(Service::smtp, kSmtp));
    settings.listen.push_back(listen_at(Service::submission, kSubmission));
    settings.listen.push_back(listen_at(Service::pop3, kPop3));
    server_.emplace(
        Doors{&store_, &world_.clock, &random_, &workers_, &events_, &metrics_, network_.host(ip(kHere)), &resolver_},
        std::move(settings));
    for (const std::string& account : {kAnn, std::string("bob@here.test")})
      check(run(directory().add_account(*mail::Address::parse(account), Secret(kPassword))).has_value(), "account");
    check(server_->listen({&world_.shard}).has_value(), "test: listen");
    server_->start([] {}, [] {});
  }
  ~Site() {
    server_->drain();
    world_.run_until_still();
    EXPECT_EQ(world_.shard.tasks(), 0U);
    EXPECT_FALSE(log().contains("task.failed")) << log();
  }

  template <class T>
  T run(Task<T> task) {
    return postrider::test::run(world_, std::move(task));
  }
  directory::Directory& directory() { return *server_->directory(); }
  gate::LoginGuard& guard() { return *server_->login_guard(); }
  Stream connect(std::uint16_t port, std::string_view from = kOwner) {
    const net::Endpoint at{.address = ip(kHere), .port = port, .unix_path = {}};
    Stream stream = run(network_.host(ip(from))->dial(at, std::nullopt, world_.clock.steady() + seconds(5))).value();
    EXPECT_FALSE(say(stream, "").empty());
    return stream;
  }
  /// The reply, or what was heard within `patience`.
  std::string say(const Stream& stream, std::string octets, Duration patience = seconds(60)) {
    return run(server::say(&world_.clock, stream.get(), std::move(octets), patience));
  }
  static std::string plain(const std::string& login, const std::string& password) {
    return "AUTH PLAIN " + to_base64('\0' + login + '\0' + password) + "\r\n";
  }
  /// A submission session that has logged in.
  Stream submit(std::string_view from = kOwner) {
    Stream stream = connect(kSubmission, from);
    EXPECT_TRUE(say(stream, "EHLO client.test\r\n").contains("AUTH "));
    EXPECT_EQ(say(stream, plain(kAnn, kPassword)), "235 2.7.0 authentication successful\r\n");
    return stream;
  }
  /// A message from ann@ that is in the mailbox of `to` when this returns.
  void give(const Stream& stream, const std::string& to) {
    (void)say(stream, "MAIL FROM:<ann@here.test>\r\n");
    (void)say(stream, "RCPT TO:<" + to + ">\r\n");
    (void)say(stream, "DATA\r\n");
    EXPECT_TRUE(say(stream, "From: ann@here.test\r\nSubject: x\r\n\r\nx\r\n.\r\n").starts_with("250 2.0.0"));
    for (int i = 0; i < 20 && !queued().empty(); ++i) (void)say(stream, "", seconds(1));
    EXPECT_TRUE(queued().empty());
  }
  Duration since(SteadyTime before) const { return world_.clock.steady() - before; }
  [[nodiscard]] SteadyTime now() const { return world_.clock.steady(); }
  [[nodiscard]] const std::string& log() const { return log_.text; }
  std::vector<queue::Listed> queued() { return run(server_->queue()->list({}, std::nullopt, 10)).value().entries; }

 private:
  static Listen listen_at(Service service, std::uint16_t port) {
    return {.service = service,
            .at = {.address = ip(kHere), .port = port, .unix_path = {}},
            .smtp = smtp::ServerSettings{.hostname = "mx.here.test",
                                         .own_domain = *mail::Domain::parse("here.test"),
                                         .submission = service == Service::submission},
            .relay_from = {},
            .proxy_protocol_from = {},
            .xclient_from = {},
            .cleartext = pop3::Cleartext::allowed,
            .handler = {}};
  }

  postrider::test::World world_;
  SeededRandom random_{1};
  test::KeptLog log_;
  Events events_{&world_.clock, LogFormat::text, Level::info, &log_};
  InlineWorkers workers_;
  Metrics metrics_;
  store::SimDisk disk_;
  store::SimStore store_{store::SimStoreOptions{.disk = &disk_, .random = &random_}};
  net::SimNetwork network_{&random_};
  dns::SimResolver resolver_{&random_};
  std::optional<Server> server_;
};

TEST(ServerLogin, PortTwentyFiveHasNone) {
  Site site;
  const Stream stream = site.connect(kSmtp);
  EXPECT_FALSE(site.say(stream, "EHLO client.test\r\n").contains("AUTH"));
  EXPECT_FALSE(site.say(stream, Site::plain(kAnn, kPassword)).starts_with("2"));
}

TEST(ServerLogin, SubmissionWantsItAndThenTakesMailForAnywhere) {
  Site site;
  const Stream stream = site.connect(kSubmission);
  EXPECT_TRUE(site.say(stream, "EHLO client.test\r\n").contains("AUTH SCRAM-SHA-256 PLAIN LOGIN\r\n"));
  EXPECT_TRUE(site.say(stream, "MAIL FROM:<ann@here.test>\r\n").starts_with("530 5.7.0"));
  EXPECT_EQ(site.say(stream, Site::plain(kAnn, "wrong")), "535 5.7.8 authentication credentials invalid\r\n");
  EXPECT_TRUE(site.say(stream, "AUTH CRAM-MD5\r\n").starts_with("504 5.5.4"));
  EXPECT_TRUE(site.say(stream, "AUTH PLAIN AAAA\r\n").starts_with("501 5.5.2"));
  EXPECT_TRUE(site.say(stream, "AUTH PLAIN %%\r\n").starts_with("501 5.5.2"));
  EXPECT_TRUE(site.say(stream, "AUTH LOGIN\r\n").starts_with("334 "));
  EXPECT_TRUE(site.say(stream, to_base64(kAnn) + "\r\n").starts_with("334 "));
  EXPECT_TRUE(site.say(stream, to_base64(kPassword) + "\r\n").starts_with("235 2.7.0"));
  EXPECT_TRUE(site.say(stream, "MAIL FROM:<ann@here.test>\r\n").starts_with("250"));
  EXPECT_TRUE(site.say(stream, "RCPT TO:<x@away.test>\r\n").starts_with("250"));
  EXPECT_TRUE(site.say(stream, "DATA\r\n").starts_with("354"));
  EXPECT_TRUE(site.say(stream, "From: ann@here.test\r\nSubject: x\r\n\r\nx\r\n.\r\n").starts_with("250 2.0.0"));
  EXPECT_TRUE(site.log().contains("auth.succeeded ip=10.1.0.1 port=")) << site.log();
  EXPECT_TRUE(site.log().contains("service=submission mechanism=LOGIN tls=none account=ann@here.test"));
  EXPECT_TRUE(site.log().contains("login=ann@here.test from=ann@here.test")) << site.log();
}

TEST(ServerLogin, WhatIsReceivedSaysThatItWasAuthenticatedAndNotByWhom) {
  Site site;
  site.give(site.submit(), "bob@here.test");
  const Stream reader = site.connect(kPop3);
  (void)site.say(reader, "USER bob@here.test\r\n");
  EXPECT_TRUE(site.say(reader, "PASS " + kPassword + "\r\n").starts_with("+OK"));
  const std::string message = site.say(reader, "RETR 1\r\n") + site.say(reader, "", seconds(1));
  EXPECT_TRUE(message.contains("with ESMTPA id ")) << message;
  EXPECT_FALSE(message.contains("login")) << message;
}

TEST(ServerLogin, TheFifthWrongPasswordEndsTheSession) {
  Site site;
  const Stream stream = site.connect(kSubmission);
  (void)site.say(stream, "EHLO client.test\r\n");
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(site.say(stream, Site::plain(kAnn, "wrong")).starts_with("535 5.7.8"));
  EXPECT_TRUE(site.say(stream, Site::plain(kAnn, kPassword + "?")).starts_with("421 4.7.0"));
  EXPECT_EQ(site.say(stream, "NOOP\r\n"), "<closed>");
  const Stream reader = site.connect(kPop3, "10.7.0.1");
  std::string last;
  for (int i = 0; i < 5; ++i) {
    (void)site.say(reader, "USER ann@here.test\r\n");
    last = site.say(reader, "PASS wrong\r\n");
    EXPECT_TRUE(last.starts_with("-ERR [AUTH]")) << last;
  }
  EXPECT_EQ(site.say(reader, "NOOP\r\n"), "<closed>");
}

TEST(ServerLogin, WhatIsTakenBackEndsASubmissionAtItsNextStep) {
  const auto disable = [](Site& site) {
    EXPECT_TRUE(site.run(site.directory().set_enabled(*mail::Address::parse(kAnn), false)));
  };
  {
    Site site;
    const Stream stream = site.submit();
    disable(site);
    EXPECT_TRUE(site.say(stream, "MAIL FROM:<ann@here.test>\r\n").starts_with("421 4.7.0"));
    EXPECT_EQ(site.say(stream, "NOOP\r\n"), "<closed>");
    EXPECT_TRUE(site.log().contains("auth.revoked ip=10.1.0.1 service=submission account=ann@here.test"));
  }
  {
    Site site;
    const Stream stream = site.submit();
    (void)site.say(stream, "MAIL FROM:<ann@here.test>\r\n");
    disable(site);
    EXPECT_TRUE(site.say(stream, "RCPT TO:<x@away.test>\r\n").starts_with("421 4.7.0"));
  }
  {
    Site site;
    const Stream stream = site.submit();
    (void)site.say(stream, "MAIL FROM:<ann@here.test>\r\n");
    (void)site.say(stream, "RCPT TO:<x@away.test>\r\n");
    (void)site.say(stream, "DATA\r\n");
    EXPECT_TRUE(site.run(site.directory().set_password(*mail::Address::parse(kAnn), Secret("another one"))));
    EXPECT_TRUE(site.say(stream, "From: ann@here.test\r\nSubject: x\r\n\r\nx\r\n.\r\n").starts_with("421 4.7.0"));
    EXPECT_TRUE(site.queued().empty());
  }
}

TEST(ServerLogin, ARevokedAppPasswordReadsAndDeletesNothingMore) {
  Site site;
  const mail::Address ann = *mail::Address::parse(kAnn);
  std::string name = "phone";
  std::vector<directory::Scope> scopes = {directory::Scope::pop3};
  const auto made = site.run(site.directory().add_app_password(ann, std::move(name), std::move(scopes)));
  ASSERT_TRUE(made);
  const std::string secret(made->password.reveal());
  const Stream sender = site.connect(kSubmission);
  (void)site.say(sender, "EHLO client.test\r\n");
  EXPECT_TRUE(site.say(sender, Site::plain(kAnn, secret)).starts_with("535")) << "it is for reading";
  site.give(site.submit(), kAnn);

  Stream reader = site.connect(kPop3);
  (void)site.say(reader, "USER ann@here.test\r\n");
  EXPECT_TRUE(site.say(reader, "PASS " + secret + "\r\n").starts_with("+OK"));
  EXPECT_TRUE(site.say(reader, "STAT\r\n").starts_with("+OK 1 "));
  EXPECT_TRUE(site.say(reader, "DELE 1\r\n").starts_with("+OK"));
  EXPECT_TRUE(site.say(reader, "RSET\r\n").starts_with("+OK"));
  std::string id = made->record.id;
  EXPECT_TRUE(site.run(site.directory().revoke_app_password(ann, std::move(id))));
  EXPECT_TRUE(site.say(reader, "RETR 1\r\n").starts_with("-ERR"));
  reader.reset();
  const Stream after = site.connect(kPop3);
  (void)site.say(after, "USER ann@here.test\r\n");
  EXPECT_TRUE(site.say(after, "PASS " + secret + "\r\n").starts_with("-ERR [AUTH]"));
  EXPECT_TRUE(site.say(after, "USER ann@here.test\r\n").starts_with("+OK"));
  EXPECT_TRUE(site.say(after, "PASS " + kPassword + "\r\n").starts_with("+OK"));
  EXPECT_TRUE(site.say(after, "STAT\r\n").starts_with("+OK 1 ")) << "nothing was deleted";
}

TEST(ServerLogin, GuessersOfOneAddressAndOfManyAreSlowedAndTheOwnerIsNot) {
  Site site;
  (void)site.submit();  // the owner has logged in from there before
  const auto guess = [&](std::string_view from) {
    const Stream stream = site.connect(kSubmission, from);
    (void)site.say(stream, "EHLO guesser.test\r\n");
    const SteadyTime before = site.now();
    EXPECT_TRUE(site.say(stream, Site::plain(kAnn, "guess")).starts_with("535"));
    return site.since(before);
  };
  Duration of_one{};
  for (int i = 0; i < 12; ++i) of_one += guess("10.66.0.1");
  EXPECT_GE(of_one, seconds(1 + 2 + 4 + 8 + 16 + 5 * 30));
  Duration of_many{};
  for (int i = 0; i < 30; ++i) of_many += guess(fmt::format("10.77.{}.1", i));
  EXPECT_GE(of_many, seconds(10 * (1 + 2)));
  const SteadyTime before = site.now();
  (void)site.submit();
  EXPECT_LT(site.since(before), milliseconds(100));
}

}  // namespace
}  // namespace postrider::server
