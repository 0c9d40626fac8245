// Submission through the whole server over the simulated network: what goes out of a stolen account, and what is
// signed.
#include "core/test_run.hpp"
#include "core/text.hpp"
#include "dns/sim_resolver.hpp"
#include "net/sim_network.hpp"
#include "server/server.hpp"
#include "store/sim_store.hpp"
#include "trust/dkim_key.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace postrider::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Stream = std::unique_ptr<net::Stream>;

constexpr std::string_view kHere = "10.0.0.1";
constexpr std::string_view kFriend = "10.1.0.1";  // may relay on port 25
constexpr std::string_view kStranger = "10.9.0.1";
constexpr std::uint16_t kSmtp = 25;
constexpr std::uint16_t kSubmission = 587;
const std::string kAnn = "ann@here.test";
const std::string kPassword = "correct horse";

class KeptLog final : public LogOutput {
 public:
  void write_line(std::string_view line) override { (text += line) += '\n'; }
  std::string text;
};

net::Address ip(std::string_view text) { return *net::Address::parse(text); }
mail::Address address(const std::string& text) { return *mail::Address::parse(text); }

/// How many replies have ended.
int replies_in(std::string_view heard) {
  int count = 0;
  for (const std::string_view line : split(heard, '\n')) count += line.size() > 3 && line[3] == ' ' ? 1 : 0;
  return count;
}

/// Writes, and reads so many replies, or until a minute passes.
Task<std::string> say(Clock* clock, net::Stream* stream, std::string octets, int replies) {
  const Result<void> written = co_await stream->write(octets, clock->steady() + seconds(5));
  if (!written) co_return "<closed>";
  std::string heard;
  while (!heard.ends_with('\n') || replies_in(heard) < replies) {
    const Result<net::Ready> ready = co_await stream->wait_readable(clock->steady() + seconds(60), nullptr);
    std::array<char, 4096> buffer;
    const Result<std::size_t> got = ready ? stream->read_some(buffer) : fail(ready);
    if (!got) co_return heard + "<closed>";
    heard.append(buffer.data(), *got);
  }
  co_return heard;
}

Task<bool> wait(Clock* clock, Duration time) {
  Signal nothing;
  const Result<void> waited = co_await nothing.wait(clock->steady() + time);
  co_return !waited;
}

/// What goes to away.test vanishes as relayed; what goes to held.test stays.
class Site {
 public:
  Site() {
    Settings settings;
    settings.hostname = "mx.here.test";
    settings.gate = {.max_message_size = 100'000, .max_connections = 100, .max_connections_per_ip = 50};
    settings.directory.domains.push_back(
        {.name = *mail::Domain::parse("here.test"), .catch_all = std::nullopt, .postmaster = address("bob@here.test")});
    settings.queue = queue::default_settings();
    settings.route.routes.push_back({.domain = "away.test", .via = {"discard"}});
    settings.route.routes.push_back({.domain = "held.test", .via = {"hold"}});
    settings.listen.push_back(listen_at(Service::smtp, kSmtp));
    settings.listen.push_back(listen_at(Service::submission, kSubmission));
    server_.emplace(
        Doors{&store_, &world_.clock, &random_, &workers_, &events_, &metrics_, network_.host(ip(kHere)), &resolver_},
        std::move(settings));
    for (const std::string& account : {kAnn, std::string("bob@here.test")})
      check(run(server_->directory()->add_account(address(account), Secret(kPassword))).has_value(), "account");
    check(server_->listen({&world_.shard}).has_value(), "test: listen");
    server_->start([] {}, [] {});
  }
  ~Site() {
    server_->drain();
    world_.run_until_still();
    EXPECT_EQ(world_.shard.tasks(), 0U);
    EXPECT_FALSE(log_.text.contains("task.failed")) << log_.text;
  }

  template <class T>
  T run(Task<T> task) {
    return postrider::test::run(world_, std::move(task));
  }
  Server& server() { return *server_; }
  void pass(Duration time) { EXPECT_TRUE(run(wait(&world_.clock, time))); }
  std::string say(const Stream& stream, std::string octets, int replies = 1) {
    return run(server::say(&world_.clock, stream.get(), std::move(octets), replies));
  }
  Stream connect(std::uint16_t port, std::string_view from) {
    const net::Endpoint at{.address = ip(kHere), .port = port, .unix_path = {}};
    Stream stream = run(network_.host(ip(from))->dial(at, std::nullopt, world_.clock.steady() + seconds(5))).value();
    EXPECT_TRUE(say(stream, "").starts_with("220"));
    EXPECT_TRUE(say(stream, "EHLO client.test\r\n").starts_with("250"));
    return stream;
  }
  Stream log_in(const std::string& account = kAnn) {
    Stream stream = connect(kSubmission, kStranger);
    const std::string secret = to_base64('\0' + account + '\0' + kPassword);
    EXPECT_TRUE(say(stream, "AUTH PLAIN " + secret + "\r\n").starts_with("235"));
    return stream;
  }
  /// A message by BDAT, so that it is one exchange; gives the last reply.
  std::string give(const Stream& stream, const std::vector<std::string>& to, const std::string& header,
                   const std::string& from = kAnn) {
    std::string all = "MAIL FROM:<" + from + ">\r\n";
    for (const std::string& one : to) all += "RCPT TO:<" + one + ">\r\n";
    const std::string content = header + "\r\nx\r\n";
    all += fmt::format("BDAT {} LAST\r\n{}", content.size(), content);
    const std::string heard = say(stream, std::move(all), static_cast<int>(to.size()) + 2);
    const std::size_t last = heard.rfind('\n', heard.size() - 2);
    return heard.substr(last == std::string::npos ? 0 : last + 1);
  }
  /// Recipients that left for away.test.
  [[nodiscard]] std::size_t out() const {
    std::size_t count = 0;
    for (const std::string_view line : split(log_.text, '\n'))
      count += line.contains("delivery.attempt") && line.contains("@away.test") ? 1 : 0;
    return count;
  }
  /// The fields above the content of what is in the queue.
  std::vector<std::string> prefixes() {
    std::vector<std::string> out;
    for (const queue::Listed& listed : run(server_->queue()->list({}, std::nullopt, 100)).value().entries)
      out.push_back(listed.entry.content.prefix);
    return out;
  }
  [[nodiscard]] const std::string& log() const { return log_.text; }

 private:
  static Listen listen_at(Service service, std::uint16_t port) {
    return {.service = service,
            .at = {.address = ip(kHere), .port = port, .unix_path = {}},
            .smtp = smtp::ServerSettings{.hostname = "mx.here.test",
                                         .own_domain = *mail::Domain::parse("here.test"),
                                         .submission = service == Service::submission},
            .relay_from = {*net::Network4Or6::parse("10.1.0.0/16")},
            .proxy_protocol_from = {},
            .xclient_from = {},
            .cleartext = pop3::Cleartext::allowed,
            .handler = {}};
  }

  postrider::test::World world_;
  SeededRandom random_{1};
  KeptLog log_;
  Events events_{&world_.clock, LogFormat::text, Level::info, &log_};
  InlineWorkers workers_;
  Metrics metrics_;
  store::SimDisk disk_;
  store::SimStore store_{store::SimStoreOptions{.disk = &disk_, .random = &random_}};
  net::SimNetwork network_{&random_};
  dns::SimResolver resolver_{&random_};
  std::optional<Server> server_;
};

TEST(ServerSubmission, AStolenAccountsReplayLetsAHundredOutAtMost) {
  Site site;
  const Stream thief = site.log_in();
  SeededRandom random(3);
  for (int i = 0; i < 10'000; ++i) {
    std::vector<std::string> to;
    const std::uint64_t count = 1 + random.below(i % 50 == 0 ? 20 : 2);
    for (std::uint64_t n = 0; n < count; ++n) to.push_back(fmt::format("v{}.{}@away.test", i, n));
    ASSERT_TRUE(site.give(thief, to, "From: ann@here.test\r\n").starts_with("250 2.0.0")) << i;
    site.pass(milliseconds(60));
  }
  site.pass(seconds(30));
  const std::size_t before = site.out();
  EXPECT_LE(before, 100U);
  EXPECT_GE(before, 20U);
  EXPECT_TRUE(site.log().contains("submission.burst login=ann@here.test"));
  // One command lets it all go.
  queue::Selection burst;
  burst.login = kAnn;
  burst.held_why = {queue::HeldWhy::burst};
  std::optional<queue::QueueId> after;
  std::size_t released = 0;
  do {
    const queue::ChangePage page =
        site.run(site.server().queue()->change({.what = queue::Change::What::release, .to = {}}, burst, after, 1000))
            .value();
    for (const queue::Listed& one : page.changed) released += one.recipients.size();
    after = page.next;
  } while (after);
  EXPECT_GT(released, 10'000U);
  site.pass(seconds(600));
  EXPECT_EQ(site.out(), before + released);
}

TEST(ServerSubmission, AProgramsAccountPasses) {
  Site site;
  ASSERT_TRUE(site.run(site.server().directory()->set_class(address(kAnn), directory::AccountClass::app)));
  const Stream program = site.log_in();
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(site.give(program, {fmt::format("v{}@away.test", i)}, "From: ann@here.test\r\n").starts_with("250 2"));
  }
  site.pass(seconds(30));
  EXPECT_EQ(site.out(), 300U);
}

TEST(ServerSubmission, WhoLoggedInSendsAsHimselfOnly) {
  Site site;
  const Stream ann = site.log_in();
  EXPECT_TRUE(site.say(ann, "MAIL FROM:<bob@here.test>\r\n")
                  .starts_with("553 5.7.1 ann@here.test may not send as bob@here.test"));
  EXPECT_TRUE(site.give(ann, {"x@held.test"}, "From: bob@here.test\r\n").starts_with("550 5.7.1"));
  EXPECT_TRUE(site.give(ann, {"x@held.test"}, "From: ann@here.test\r\nBcc: y@held.test\r\n").starts_with("250 2"));
  ASSERT_EQ(site.prefixes().size(), 1U);
  EXPECT_TRUE(site.prefixes()[0].contains("\r\nDate: "));
  EXPECT_TRUE(site.prefixes()[0].contains("\r\nMessage-ID: <"));
}

TEST(ServerSubmission, MailOfOurDomainsIsSigned) {
  Site site;
  trust::NewDkimKey made = trust::make_dkim_key(trust::DkimAlgorithm::ed25519_sha256).value();
  directory::DkimKey key{.selector = "s1",
                         .algorithm = directory::DkimAlgorithm::ed25519_sha256,
                         .private_key = std::move(made.private_key),
                         .public_key = made.public_key,
                         .created = {}};
  ASSERT_TRUE(site.run(site.server().dkim_keys()->add(*mail::Domain::parse("here.test"), std::move(key))));
  const auto signed_by = [&](const Stream& stream, const std::string& from, const std::string& to) {
    EXPECT_TRUE(site.give(stream, {to}, "From: " + from + "\r\n").starts_with("250 2"));
    const std::string prefix = site.prefixes().back();
    return prefix.contains("DKIM-Signature: ") && prefix.contains("d=here.test");
  };
  const Stream relay = site.connect(kSmtp, kFriend);
  EXPECT_TRUE(signed_by(relay, "cron@here.test", "x@held.test"));
  EXPECT_FALSE(signed_by(relay, "cron@away.test", "x@held.test"));
  const Stream ann = site.log_in();
  EXPECT_TRUE(signed_by(ann, "ann@here.test", "x@held.test"));
  const Stream stranger = site.connect(kSmtp, kStranger);
  EXPECT_TRUE(site.give(stranger, {"bob@here.test"}, "From: ann@here.test\r\n").starts_with("250 2"));
  EXPECT_FALSE(site.log().contains("smtp.refused")) << site.log();
}

}  // namespace
}  // namespace postrider::server
