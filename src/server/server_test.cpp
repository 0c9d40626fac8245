// The whole server over the simulated network: who a session is with, and what follows from it.
#include "server/server.hpp"

#include "core/test_run.hpp"
#include "dns/sim_resolver.hpp"
#include "net/sim_network.hpp"
#include "store/sim_store.hpp"

#include <gtest/gtest.h>

#include <array>
#include <map>

namespace postrider::server {
namespace {

using std::chrono::seconds;
using Stream = std::unique_ptr<net::Stream>;

class KeptLog final : public LogOutput {
 public:
  void write_line(std::string_view line) override { (text += line) += '\n'; }
  std::string text;
};

net::Address ip(std::string_view text) { return *net::Address::parse(text); }
net::Network4Or6 network_of(std::string_view text) { return *net::Network4Or6::parse(text); }

constexpr std::string_view kHere = "10.0.0.1";
constexpr std::string_view kFriend = "10.1.0.1";         // may relay
constexpr std::string_view kFriendlyProxy = "10.1.0.9";  // may relay, and may name clients by PROXY and XCLIENT
constexpr std::string_view kProxy = "10.2.0.1";          // may name clients by PROXY
constexpr std::string_view kXclient = "10.3.0.1";        // may name clients by XCLIENT
constexpr std::string_view kStranger = "10.9.0.1";
constexpr std::uint16_t kSmtp = 25;
constexpr std::uint16_t kLmtp = 24;

Task<std::string> exchange(Clock* clock, net::Stream* stream, std::string octets, Duration patience) {
  std::string heard;
  if (!octets.empty()) {
    const Result<void> written = co_await stream->write(octets, clock->steady() + patience);
    if (!written) co_return "<closed>";
  }
  for (;;) {
    const Result<net::Ready> ready = co_await stream->wait_readable(clock->steady() + patience, nullptr);
    if (!ready && ready.error().code == Error::timeout) co_return heard;
    std::array<char, 4096> buffer;
    const Result<std::size_t> got = ready ? stream->read_some(buffer) : fail(ready);
    if (!got) co_return heard + "<closed>";
    heard.append(buffer.data(), *got);
  }
}

/// One host that serves smtp and lmtp for here.test; list@here.test goes to far@away.test.
class Site {
 public:
  explicit Site(std::size_t max_connections = 100, Duration greeting_delay = {}) {
    Settings settings;
    settings.hostname = "mx.here.test";
    settings.gate = {.max_message_size = 100'000, .max_connections = max_connections, .max_connections_per_ip = 2};
    settings.directory.domains.push_back(
        {.name = *mail::Domain::parse("here.test"), .catch_all = std::nullopt, .postmaster = std::nullopt});
    settings.directory.aliases.push_back(
        {.address = *mail::Address::parse("list@here.test"), .targets = {*mail::Address::parse("far@away.test")}});
    add_lists(settings);
    add_relay_domains(settings);
    settings.queue = queue::default_settings();
    settings.listen.push_back(listen_at(Service::smtp, kSmtp, greeting_delay));
    settings.listen.push_back(listen_at(Service::lmtp, kLmtp, {}));
    server_.emplace(
        Doors{&store_, &world_.clock, &random_, &workers_, &events_, &metrics_, network_.host(ip(kHere)), &resolver_},
        std::move(settings));
    check(server_->listen({&world_.shard}).has_value(), "test: listen");
    server_->start([] {}, [] {});
  }
  ~Site() {
    server_->drain();
    world_.run_until_still();
    EXPECT_EQ(world_.shard.tasks(), 0U);
    EXPECT_FALSE(log().contains("task.failed")) << log();
  }

  Stream connect(std::string_view from, std::uint16_t port = kSmtp) {
    const net::Endpoint at{.address = ip(kHere), .port = port, .unix_path = {}};
    return test::run(world_, network_.host(ip(from))->dial(at, std::nullopt, world_.clock.steady() + seconds(5)))
        .value();
  }
  /// What is heard until a second passes in silence.
  std::string say(const Stream& stream, std::string octets, Duration patience = seconds(1)) {
    return test::run(world_, exchange(&world_.clock, stream.get(), std::move(octets), patience));
  }
  /// The reply to `RCPT TO:<to>` of a new transaction.
  std::string recipient(const Stream& stream, std::string_view to, std::string_view hello = "EHLO") {
    const std::string begun = say(stream, fmt::format("{} x.test\r\nMAIL FROM:<s@x.test>\r\n", hello));
    EXPECT_TRUE(begun.contains("250 2.1.0")) << begun;
    return say(stream, fmt::format("RCPT TO:<{}>\r\n", to));
  }
  /// Gives a message to list@here.test.
  void give(const Stream& stream, std::string_view hello = "EHLO") {
    EXPECT_TRUE(recipient(stream, "list@here.test", hello).starts_with("250"));
    EXPECT_TRUE(say(stream, "DATA\r\n").starts_with("354"));
    EXPECT_TRUE(say(stream, "Subject: x\r\n\r\nx\r\n.\r\n").starts_with("250 2.0.0"));
  }
  [[nodiscard]] const std::string& log() const { return log_.text; }
  [[nodiscard]] bool counted(std::string_view limit, int times) const {
    return server_->metrics().contains(fmt::format("limits_reached_total{{limit=\"{}\"}} {}\n", limit, times));
  }
  dns::SimResolver& resolver() { return resolver_; }
  std::unique_ptr<net::Listener> listen_on(std::string_view host) {
    const net::Endpoint at{.address = ip(host), .port = 25, .unix_path = {}};
    const std::array<Shard*, 1> shards = {&world_.shard};
    auto listeners = network_.host(ip(host))->listen(at, shards, net::UnixAccess::owner);
    return std::move(listeners.value().front());
  }
  /// One session of a host that answers so.
  std::unique_ptr<net::Listener> serve(std::string_view host, std::map<std::string, std::string> replies,
                                       std::string* heard);
  /// What is in the queue.
  std::vector<queue::Listed> queued() {
    return test::run(world_, server_->queue()->list({}, std::nullopt, 10)).value().entries;
  }

 private:
  /// Verified with 10.7.0.1, which `inner` plays.
  static void add_relay_domains(Settings& settings) {
    settings.directory.domains.push_back({.name = *mail::Domain::parse("inner.test"),
                                          .kind = directory::DomainKind::relay,
                                          .catch_all = std::nullopt,
                                          .postmaster = std::nullopt});
    settings.route.routes.push_back({.domain = "inner.test", .via = {"10.7.0.1:25"}});
  }

  /// group@ (two targets elsewhere), list1@ (the same, and an owner), large@ (1,500) and huge@ (2,001); what goes
  /// elsewhere is held.
  static void add_lists(Settings& settings) {
    const auto add = [&](const std::string& name, std::size_t count) {
      directory::AliasRecord alias{.address = *mail::Address::parse(name + "@here.test"), .targets = {}};
      for (std::size_t i = 0; i < count; ++i)
        alias.targets.push_back(*mail::Address::parse(fmt::format("{}{}@held.test", name, i)));
      settings.directory.aliases.push_back(std::move(alias));
    };
    add("group", 2);
    add("list1", 2);
    add("owner-list1", 1);
    add("large", 1500);
    add("huge", 2001);
    settings.route.routes.push_back({.domain = "held.test", .via = {"hold"}});
  }

  static Listen listen_at(Service service, std::uint16_t port, Duration greeting_delay) {
    const auto protocol = service == Service::lmtp ? smtp::Protocol::lmtp : smtp::Protocol::smtp;
    return {.service = service,
            .at = {.address = ip(kHere), .port = port, .unix_path = {}},
            .smtp =
                smtp::ServerSettings{
                    .hostname = "mx.here.test", .own_domain = *mail::Domain::parse("here.test"), .protocol = protocol},
            .relay_from = {network_of("10.1.0.0/16")},
            .proxy_protocol_from = {network_of(kProxy), network_of(kFriendlyProxy)},
            .xclient_from = {network_of(kXclient), network_of(kFriendlyProxy)},
            .bare_newline = smtp::BareNewline::normalize,
            .greeting_delay = greeting_delay,
            .cleartext = pop3::Cleartext::refused,
            .handler = {}};
  }

  test::World world_;
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

TEST(Server, AProxyNamesTheClientForTheLogAndTheEngineGoesOnBehindTheHeader) {
  Site site;
  const Stream proxied = site.connect(kProxy);
  EXPECT_TRUE(site.say(proxied, "PROXY TCP4 192.0.2.7 10.0.0.1 999 25\r\n").starts_with("220 mx.here.test ESMTP"));
  site.give(proxied);
  EXPECT_TRUE(site.log().contains("ip=192.0.2.7 size=")) << site.log();
}

TEST(Server, TheRightToRelayNeedsTheConnectionAndTheClient) {
  Site site;
  const Stream ours = site.connect(kFriend);
  EXPECT_TRUE(site.say(ours, "").starts_with("220"));
  EXPECT_TRUE(site.recipient(ours, "x@away.test").starts_with("250"));
  const auto by_proxy = [&](std::string_view proxy, std::string_view client) {
    const Stream stream = site.connect(proxy);
    EXPECT_TRUE(site.say(stream, fmt::format("PROXY TCP4 {} 10.0.0.1 999 25\r\n", client)).starts_with("220"));
    return site.recipient(stream, "x@away.test").substr(0, 9);
  };
  EXPECT_EQ(by_proxy(kProxy, kFriend), "550 5.7.1");
  EXPECT_EQ(by_proxy(kFriendlyProxy, "192.0.2.7"), "550 5.7.1");
  EXPECT_EQ(by_proxy(kFriendlyProxy, "10.1.0.5"), "250 2.1.5");
}

TEST(Server, XclientNamesTheClientAndGivesNoRight) {
  Site site;
  const Stream stream = site.connect(kXclient);
  EXPECT_TRUE(site.say(stream, "").starts_with("220"));
  EXPECT_TRUE(site.say(stream, "EHLO proxy.test\r\n").contains("XCLIENT"));
  EXPECT_TRUE(site.say(stream, "XCLIENT ADDR=10.1.0.5 NAME=c.test HELO=me.test LOGIN=admin\r\n").starts_with("220"));
  EXPECT_TRUE(site.recipient(stream, "x@away.test").starts_with("550 5.7.1"));
  EXPECT_TRUE(site.say(stream, "RSET\r\n").starts_with("250"));
  site.give(stream);
  EXPECT_TRUE(site.log().contains("ip=10.1.0.5 size=")) << site.log();
  EXPECT_TRUE(site.log().contains("hello=me.test")) << site.log();
}

TEST(Server, AProxyThatHandsItsStreamOnHandsNoRightOn) {
  for (const std::string_view client : {"10.9.9.9", "[UNAVAILABLE]"}) {
    Site site;
    const Stream stream = site.connect(kFriendlyProxy);
    EXPECT_TRUE(site.say(stream, "PROXY UNKNOWN\r\n").starts_with("220"));
    EXPECT_TRUE(site.say(stream, fmt::format("XCLIENT ADDR={}\r\n", client)).starts_with("220"));
    EXPECT_FALSE(site.say(stream, "EHLO client.test\r\n").contains("XCLIENT"));
    EXPECT_TRUE(site.say(stream, fmt::format("XCLIENT ADDR={}\r\n", kFriendlyProxy)).starts_with("550"));
    EXPECT_TRUE(site.recipient(stream, "x@away.test").starts_with("550 5.7.1"));
  }
}

TEST(Server, AClientOfUnknownAddressIsNobodyWeTrust) {
  Site site;
  const Stream stream = site.connect(kFriendlyProxy);  // names its clients by PROXY, and itself by XCLIENT
  EXPECT_TRUE(site.say(stream, "PROXY UNKNOWN\r\n").starts_with("220"));
  EXPECT_TRUE(site.say(stream, "EHLO proxy.test\r\n").contains("XCLIENT"));
  EXPECT_TRUE(site.say(stream, "XCLIENT ADDR=[UNAVAILABLE]\r\n").starts_with("220"));
  EXPECT_TRUE(site.recipient(stream, "x@away.test").starts_with("550 5.7.1"));
}

TEST(Server, AClientBehindAProxyHasNoXclient) {
  Site site;
  const Stream stream = site.connect(kFriendlyProxy);
  EXPECT_TRUE(site.say(stream, "PROXY TCP4 192.0.2.7 10.0.0.1 999 25\r\n").starts_with("220"));
  EXPECT_FALSE(site.say(stream, "EHLO proxy.test\r\n").contains("XCLIENT"));
  EXPECT_TRUE(site.say(stream, "XCLIENT ADDR=10.1.0.5\r\n").starts_with("5"));
}

TEST(Server, TheLimitOfAnAddressCountsTheClientAndNotItsProxy) {
  Site site;
  std::vector<Stream> held;
  const auto by_proxy = [&](std::string_view client) {
    held.push_back(site.connect(kProxy));
    return site.say(held.back(), fmt::format("PROXY TCP4 {} 10.0.0.1 999 25\r\n", client)).substr(0, 9);
  };
  const auto by_xclient = [&](std::string_view client) {
    held.push_back(site.connect(kXclient));
    EXPECT_TRUE(site.say(held.back(), "EHLO proxy.test\r\n").contains("XCLIENT"));
    return site.say(held.back(), fmt::format("XCLIENT ADDR={}\r\n", client)).substr(0, 9);
  };
  EXPECT_TRUE(by_proxy("192.0.2.7").starts_with("220"));
  EXPECT_TRUE(by_xclient("192.0.2.7").starts_with("220"));
  EXPECT_EQ(by_proxy("192.0.2.7"), "421 4.7.0");
  EXPECT_EQ(by_xclient("192.0.2.7"), "421 4.7.0");
  for (const std::string_view other : {"192.0.2.8", "192.0.2.9", "192.0.2.10"}) {
    EXPECT_TRUE(by_proxy(other).starts_with("220")) << other;
    EXPECT_TRUE(by_xclient(other).starts_with("220")) << other;
  }
  EXPECT_TRUE(site.counted("connections_per_ip", 2));
  EXPECT_TRUE(site.log().contains("session.refused ip=192.0.2.7")) << site.log();
}

TEST(Server, AProxyWithoutAHeaderGetsNothing) {
  Site site;
  EXPECT_EQ(site.say(site.connect(kProxy), "EHLO x.test\r\n"), "<closed>");
  EXPECT_EQ(site.say(site.connect(kProxy), "PROXY TCP4 192.0.2.7", seconds(12)), "<closed>");  // and no more
  EXPECT_TRUE(site.counted("proxy_header", 2));
  EXPECT_TRUE(site.log().contains("session.refused ip=10.2.0.1")) << site.log();
  const std::string believed = site.say(site.connect(kStranger), "PROXY TCP4 10.1.0.5 10.0.0.1 999 25\r\n");
  EXPECT_TRUE(believed.contains("554") && believed.ends_with("<closed>")) << believed;
}

TEST(Server, WhoTalksBeforeTheGreetingIsHungUpOn) {
  Site site(100, seconds(3));
  const std::string early = site.say(site.connect(kStranger), "EHLO x.test\r\n", seconds(5));
  EXPECT_TRUE(early.starts_with("554") && early.ends_with("<closed>")) << early;
  EXPECT_TRUE(site.counted("early_talker", 1));
  EXPECT_TRUE(site.say(site.connect(kStranger), "", seconds(5)).starts_with("220"));
}

TEST(Server, LmtpTakesForThisHostOnlyWhoeverAsks) {
  Site site;
  const Stream stream = site.connect(kFriend, kLmtp);
  EXPECT_TRUE(site.say(stream, "").starts_with("220 mx.here.test LMTP"));
  EXPECT_TRUE(site.recipient(stream, "x@away.test", "LHLO").starts_with("550 5.7.1"));
  EXPECT_TRUE(site.say(stream, "RSET\r\n").starts_with("250"));
  site.give(stream, "LHLO");
}

TEST(Server, BareNewlinesAreNormalizedForThoseWhoMayRelay) {
  Site site;
  for (const std::string_view from : {kFriend, kStranger}) {
    const Stream stream = site.connect(from);
    EXPECT_TRUE(site.say(stream, "").starts_with("220"));
    EXPECT_TRUE(site.recipient(stream, "list@here.test").starts_with("250"));
    EXPECT_TRUE(site.say(stream, "DATA\r\n").starts_with("354"));
    const std::string reply = site.say(stream, "Subject: x\n\nx\r\n.\r\n");
    EXPECT_TRUE(reply.starts_with(from == kFriend ? "250 2.0.0" : "550 5.5.2")) << from << reply;
  }
}

/// Answers one session's commands line by line: `replies` by the first word, "250 ok" to the rest.
Task<void> play_inner(net::Listener* listener, Clock* clock, std::map<std::string, std::string> replies,
                      std::string* heard) {
  const Result<Stream> stream = co_await listener->accept(nullptr);
  if (!stream) co_return;
  const SteadyTime until = clock->steady() + seconds(60);
  std::string say = "220 inner.test ESMTP\r\n";
  std::string rest;
  for (;;) {
    const Result<void> written = co_await (*stream)->write(say, until);
    if (!written) co_return;
    say.clear();
    while (say.empty()) {
      const std::size_t end = rest.find("\r\n");
      if (end == std::string::npos) {
        const Result<net::Ready> ready = co_await (*stream)->wait_readable(until, nullptr);
        std::array<char, 4096> buffer;
        const Result<std::size_t> got = ready ? (*stream)->read_some(buffer) : fail(ready);
        if (!got) co_return;
        rest.append(buffer.data(), *got);
        continue;
      }
      const std::string line = rest.substr(0, end);
      rest.erase(0, end + 2);
      *heard += line + "|";
      const auto reply = replies.find(line.substr(0, 4));
      say = (reply == replies.end() ? std::string("250 ok") : reply->second) + "\r\n";
    }
  }
}

std::unique_ptr<net::Listener> Site::serve(std::string_view host, std::map<std::string, std::string> replies,
                                           std::string* heard) {
  std::unique_ptr<net::Listener> listener = listen_on(host);
  spawn(&world_.shard, "test.inner", play_inner(listener.get(), &world_.clock, std::move(replies), heard));
  return listener;
}

TEST(Server, ARecipientOfARelayDomainIsVerifiedWithItsNextHop) {
  struct Row {
    std::map<std::string, std::string> replies;
    const char* want;
    const char* detail;
  };
  const std::vector<Row> rows = {
      {{}, "250 2.1.5", ""},
      {{{"RCPT", "550 5.1.1 no such person"}}, "550 5.1.1", "550 5.1.1 no such person"},
      {{{"RCPT", "553 not here"}}, "550 5.1.1", "553 "},
      {{{"RCPT", "452 4.5.3 too many"}}, "450 4.1.1", "452 4.5.3"},
      {{{"RCPT", "552 5.2.2 full"}}, "450 4.1.1", "4.2.2 full"},
      {{{"MAIL", "550 5.7.1 not from nobody"}}, "450 4.1.1", "550 5.7.1"},
      {{{"EHLO", "554 5.7.1 go away"}, {"HELO", "554 5.7.1 go away"}}, "450 4.1.1", "554"},
  };
  for (const Row& row : rows) {
    Site site;
    std::string heard;
    const std::unique_ptr<net::Listener> inner = site.serve("10.7.0.1", row.replies, &heard);
    const Stream stream = site.connect(kStranger);
    EXPECT_TRUE(site.say(stream, "").starts_with("220"));
    site.say(stream, "EHLO x.test\r\nMAIL FROM:<s@x.test>\r\n");
    const std::string reply = site.say(stream, "RCPT TO:<ann@inner.test>\r\n", seconds(8));
    EXPECT_TRUE(reply.starts_with(row.want)) << row.detail << reply << heard << site.log();
    EXPECT_TRUE(site.log().contains(row.detail)) << site.log();
    EXPECT_FALSE(heard.contains("DATA")) << heard;
    const std::string again = site.say(stream, "RCPT TO:<ANN@inner.test>\r\n");  // the answer is kept
    EXPECT_TRUE(again.starts_with(row.want)) << again;
  }
}

TEST(Server, ANextHopThatIsNotThereOrSaysNothingLeavesTheRecipientUnverified) {
  for (const bool is_there : {false, true}) {
    Site site;
    std::unique_ptr<net::Listener> silent;
    if (is_there) silent = site.listen_on("10.7.0.1");  // and never accepts
    const Stream stream = site.connect(kStranger);
    EXPECT_TRUE(site.say(stream, "").starts_with("220"));
    site.say(stream, "EHLO x.test\r\nMAIL FROM:<s@x.test>\r\n");
    EXPECT_TRUE(site.say(stream, "RCPT TO:<ann@inner.test>\r\n", seconds(8)).starts_with("450 4.1.1")) << site.log();
    EXPECT_TRUE(site.say(stream, "RCPT TO:<x@sub.inner.test>\r\n").starts_with("550 5.7.1"));
  }
}

/// "x@y from <owner> notify S-F-D", as they stand in the queue.
std::vector<std::string> shown(const std::vector<queue::Listed>& entries) {
  std::vector<std::string> out;
  for (const queue::Listed& listed : entries) {
    for (const queue::Recipient& recipient : listed.recipients) {
      std::string line = recipient.address.text();
      if (recipient.ordered == queue::Ordered::expand) line += " expand";
      if (recipient.original) line += " of " + recipient.original->text();
      if (recipient.reverse_path) line += " from " + recipient.reverse_path->text();
      if (const auto& notify = recipient.request.notify)
        line += fmt::format(" {}{}{}.", notify->success ? 'S' : '-', notify->failure ? 'F' : '-',
                            notify->delay ? 'D' : '-');
      if (!recipient.request.original.empty()) line += " " + recipient.request.original;
      out.push_back(std::move(line));
    }
  }
  return out;
}

struct ListRow {
  const char* sender;
  std::vector<const char*> recipients;
  std::vector<std::string> want;
};

TEST(Server, AliasesAndListsAreExpandedAtAcceptance) {
  const std::vector<ListRow> rows = {
      {"s@x.test",
       {"<group@here.test>"},
       {"group0@held.test of group@here.test", "group1@held.test of group@here.test"}},
      {"s@x.test",
       {"<group@here.test> NOTIFY=FAILURE ORCPT=rfc822;g@x.test"},
       {"group0@held.test of group@here.test -F-. g@x.test", "group1@held.test of group@here.test -F-. g@x.test"}},
      {"s@x.test",
       {"<list1@here.test> NOTIFY=NEVER"},
       {"list10@held.test of list1@here.test from owner-list1@here.test",
        "list11@held.test of list1@here.test from owner-list1@here.test"}},
      {"",
       {"<list1@here.test> NOTIFY=NEVER"},
       {"list10@held.test of list1@here.test ---.", "list11@held.test of list1@here.test ---."}},
      {"s@x.test", {"<owner-list1@here.test>"}, {"owner-list10@held.test of owner-list1@here.test"}},
      {"s@x.test",
       {"<group@here.test>", "<GROUP@here.test>"},
       {"group0@held.test of group@here.test", "group1@held.test of group@here.test"}},
  };
  for (const ListRow& row : rows) {
    Site site;
    const Stream stream = site.connect(kFriend);
    EXPECT_TRUE(site.say(stream, "").starts_with("220"));
    site.say(stream, fmt::format("EHLO x.test\r\nMAIL FROM:<{}>\r\n", row.sender));
    for (const char* const recipient : row.recipients)
      EXPECT_TRUE(site.say(stream, fmt::format("RCPT TO:{}\r\n", recipient)).starts_with("250")) << recipient;
    site.say(stream, "DATA\r\n");
    EXPECT_TRUE(site.say(stream, "Subject: x\r\n\r\nx\r\n.\r\n").starts_with("250 2.0.0"));
    EXPECT_EQ(shown(site.queued()), row.want) << row.recipients[0];
  }
}

TEST(Server, WhoAskedToHearOfSuccessHearsThatTheAliasWasExpanded) {
  Site site;
  const Stream stream = site.connect(kStranger);
  EXPECT_TRUE(site.say(stream, "").starts_with("220"));
  site.say(stream, "EHLO x.test\r\nMAIL FROM:<s@x.test>\r\nRCPT TO:<group@here.test> NOTIFY=SUCCESS,DELAY\r\n");
  // The expansion itself comes to an end at once; what it was expanded to no longer asks for success.
  EXPECT_TRUE(site.say(stream, "DATA\r\n").starts_with("354"));
  EXPECT_TRUE(site.say(stream, "Subject: x\r\n\r\nx\r\n.\r\n").starts_with("250 2.0.0"));
  EXPECT_TRUE(site.log().contains("recipients=3")) << site.log();
  std::vector<std::string> targets;
  for (const std::string& line : shown(site.queued())) {
    if (line.contains(" of ")) targets.push_back(line);
  }
  EXPECT_EQ(targets, (std::vector<std::string>{"group0@held.test of group@here.test --D.",
                                               "group1@held.test of group@here.test --D."}));
}

TEST(Server, AListThatNoEntryHoldsIsSeveralAndOneThatNoMessageGoesToIsRefused) {
  Site site;
  const Stream stream = site.connect(kFriend);
  EXPECT_TRUE(site.say(stream, "").starts_with("220"));
  EXPECT_TRUE(site.recipient(stream, "large@here.test").starts_with("250"));
  EXPECT_TRUE(site.say(stream, "RCPT TO:<huge@here.test>\r\n").starts_with("550 5.2.4"));
  EXPECT_TRUE(site.say(stream, "RCPT TO:<group@here.test>\r\n").starts_with("250"));
  EXPECT_TRUE(site.say(stream, "DATA\r\n").starts_with("354"));
  std::string body;  // a file of its own, with a reference from each
  for (int i = 0; i < 80; ++i) body += std::string(900, 'x') + "\r\n";
  EXPECT_TRUE(site.say(stream, "Subject: x\r\n\r\n" + body + ".\r\n").starts_with("250 2.0.0"));
  const std::vector<queue::Listed> entries = site.queued();
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].recipients.size(), queue::kRecipientsMax);
  EXPECT_EQ(entries[1].recipients.size(), 502U);
  EXPECT_EQ(entries[0].entry.content, entries[1].entry.content);
  // 1,500 and as many again have no room in one message.
  EXPECT_TRUE(site.recipient(stream, "large@here.test").starts_with("250"));
  for (int i = 0; i < 500; ++i) {
    const std::string reply =
        site.say(stream, fmt::format("RCPT TO:<r{}@held.test>\r\n", i), std::chrono::milliseconds(30));
    ASSERT_TRUE(reply.starts_with("250")) << i << reply;
  }
  EXPECT_TRUE(site.say(stream, "RCPT TO:<one@held.test>\r\n").starts_with("452 4.5.3"));
  EXPECT_TRUE(site.say(stream, "RCPT TO:<large@here.test>\r\n").starts_with("250"));  // all of them are there
}

TEST(Server, WhenItGetsCrowdedThoseWhoWaitAlreadyAreEndedSoon) {
  Site site(5);
  std::vector<Stream> idle;
  for (const std::string_view from : {"10.9.0.2", "10.9.0.3"}) {
    idle.push_back(site.connect(from));
    EXPECT_TRUE(site.say(idle.back(), "").starts_with("220"));
  }
  EXPECT_EQ(site.say(idle[0], "", seconds(60)), "");  // it is calm
  for (const std::string_view from : {"10.9.0.4", "10.9.0.5", "10.9.0.6"}) idle.push_back(site.connect(from));
  EXPECT_EQ(site.say(site.connect(kStranger), ""), "421 4.3.2 too many connections, try again later\r\n<closed>");
  EXPECT_TRUE(site.counted("connections", 1));
  const std::string ended = site.say(idle[0], "", seconds(15));
  EXPECT_TRUE(ended.starts_with("421 4.4.2")) << ended;
  EXPECT_TRUE(site.say(site.connect(kStranger), "").starts_with("220"));
}

}  // namespace
}  // namespace postrider::server
