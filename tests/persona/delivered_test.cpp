// Every behaviour of the remote of every temper against the whole server: what becomes of each recipient, what is in
// the queue, in the trace and in the sender's mailbox, and what the next attempt brings.
#include "core/test_run.hpp"
#include "core/text.hpp"
#include "delivery/test_tls.hpp"
#include "dns/sim_resolver.hpp"
#include "mail/dsn_parse.hpp"
#include "queue/test_accept.hpp"
#include "server/server.hpp"
#include "store/sim_store.hpp"
#include "tests/persona/persona_remote.hpp"
#include "tests/persona/persona_rows.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace postrider::persona {
namespace {

using smtp::PersonaBehaviour;
using smtp::PersonaNeeds;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

const net::Address kHere = net::Address::v4({10, 0, 0, 1});

Task<std::string> read_all(store::Store* store, store::Content content) {
  store::ContentReader reader(store, std::move(content));
  std::string text;
  for (;;) {
    const Result<std::string> chunk = co_await reader.next(64 * 1024);
    check(chunk.has_value(), "test: read");
    if (chunk->empty()) co_return text;
    text += *chunk;
  }
}

/// What the table says of a recipient: `550 5.1.1@rcpt`.
struct Wanted {
  int code = 0;
  std::string status;  // as it is kept: made up from the code where the remote said none
  [[nodiscard]] std::string_view what() const { return code < 300 ? "relayed" : code < 500 ? "deferred" : "failed"; }
};
Wanted parse_wanted(std::string_view text) {
  const auto [code, rest] = split_once(text, ' ');
  const std::string_view status = rest.substr(0, rest.find('@'));
  Wanted wanted{.code = std::stoi(std::string(code)), .status = std::string(status)};
  if (wanted.status.empty()) wanted.status = fmt::format("{}.0.0", wanted.code / 100);
  return wanted;
}

/// One Postrider whose way to everywhere is the persona with one profile. The sender is whoever @here.test, since ann
/// gets all mail of that domain; it may be reported to.
class Site {
 public:
  Site(std::string_view profile, PersonaNeeds needs) : profile_(profile), remote_(network_.host(kHere), &world_.shard) {
    server::Settings settings;
    settings.hostname = "mx.here.test";
    settings.directory.domains.push_back(
        {.name = *mail::Domain::parse("here.test"), .catch_all = address("ann@here.test"), .postmaster = std::nullopt});
    const std::string_view scheme = smtp::persona_profile(profile).lmtp ? "lmtp://" : "";
    settings.route.routes.push_back(
        {.domain = "*", .via = {fmt::format("{}{}:25", scheme, remote_.address(profile).to_text())}});
    if (needs == PersonaNeeds::login) {
      settings.route.routes.back().tls = route::TlsPolicy::none;
      settings.route.routes.back().credentials.secret = "us";
      const delivery::Logins logins{{"us", {.name = "postrider", .password = Secret("secret")}}};
      settings.delivery.relay.logins = std::make_shared<const delivery::Logins>(logins);
    }
    settings.delivery.relay.tls = &tls_;
    settings.queue = queue::default_settings();
    settings.delivery.relay.hostname = settings.hostname;
    settings.delivery.hostname = settings.hostname;
    server_.emplace(server::Doors{&store_, &world_.clock, &random_, &workers_, &events_, &metrics_,
                                  network_.host(kHere), &resolver_},
                    std::move(settings));
    ann_ = test::run(world_, server_->directory()->add_account(address("ann@here.test"), Secret("pw"))).value().id;
    check(server_->listen({&world_.shard}).has_value(), "test: listen");
    server_->start([] {}, [] {});
  }
  ~Site() {
    server_->drain();
    remote_.drain();
    world_.run_until_still();
    EXPECT_EQ(world_.shard.tasks(), 0U);
  }

  /// Takes a message from `sender` for these recipients, as the server would from a relay network.
  queue::QueueId accept(const std::string& sender, const std::vector<std::string>& recipients, PersonaNeeds needs) {
    std::string text = "Message-ID: <1@here.test>\r\nSubject: hello\r\n\r\n.\r\nbody\r\n";
    queue::NewEntry entry{.id = ids_.next(),
                          .reverse_path = mail::Path(address(sender)),
                          .recipients = {},
                          .content = {},
                          .return_paths = {},
                          .report_to = queue::ReportTo::sender,
                          .request = {},
                          .arrival = world_.clock.wall(),
                          .client = "192.0.2.1 here.test"};
    if (needs == PersonaNeeds::eight_bit)
      text +=
          "gr\xC3\xBC\xC3\x9F"
          "e\r\n";
    if (needs == PersonaNeeds::utf8_header)
      text =
          "Subject: gr\xC3\xBC\xC3\x9F"
          "e\r\n\r\nbody\r\n";
    if (needs == PersonaNeeds::utf8_header) entry.request.utf8 = mail::Utf8::yes;
    if (needs == PersonaNeeds::two_thousand_octets) text += std::string(2000, 'x') + "\r\n";
    entry.has_eight_bit = !is_ascii(text);
    for (const std::string& recipient : recipients) {
      entry.recipients.push_back(
          {.address = address(recipient), .original = std::nullopt, .account = std::nullopt, .request = {}});
    }
    const Result<void> accepted =
        test::run(world_, queue::test::accept_text(&store_, server_->queue(), &entry, std::move(text)));
    check(accepted.has_value(), "test: accepted");
    return entry.id;
  }

  void pass(Duration time) {
    bool over = false;
    const Deadlines::Handle end = world_.shard.deadlines().add(world_.clock.steady() + time, [&over] { over = true; });
    while (!over) check(world_.step(), "test: there is a deadline");
  }

  /// What the trace says became of a recipient, attempt by attempt.
  std::vector<queue::TraceEvent> attempts(const queue::QueueId& id, std::string_view recipient) {
    Result<std::vector<queue::TraceEvent>> events = test::run(world_, server_->queue()->trace(id));
    check(events.has_value(), "test: trace");
    static constexpr auto kEnds = std::to_array<std::string_view>({"relayed", "deferred", "failed"});
    std::erase_if(*events, [&](const queue::TraceEvent& event) {
      return event.recipient != recipient || std::ranges::find(kEnds, event.what) == kEnds.end();
    });
    return std::move(*events);
  }
  /// In the queue; nullopt: it has left it.
  std::optional<queue::Recipient> queued(const queue::QueueId& id, std::string_view recipient) {
    const Result<queue::Listed> listed = test::run(world_, server_->queue()->show(id));
    if (!listed) return std::nullopt;
    const auto at = std::ranges::find_if(listed->recipients,
                                         [&](const queue::Recipient& r) { return r.address.text() == recipient; });
    if (at == listed->recipients.end()) return std::nullopt;
    return *at;
  }
  std::vector<std::string> inbox() {
    const Result<mailbox::Mailbox> inbox = test::run(world_, server_->mailboxes()->open_inbox(ann_));
    check(inbox.has_value(), "test: inbox");
    const Result<std::vector<mailbox::Message>> messages =
        test::run(world_, server_->mailboxes()->list(*inbox, 1, 100));
    check(messages.has_value(), "test: list");
    std::vector<std::string> texts;
    for (const mailbox::Message& message : *messages) {
      texts.push_back(test::run(world_, read_all(&store_, message.content)));
    }
    return texts;
  }
  [[nodiscard]] std::vector<smtp::PersonaMessage> taken() const { return remote_.service(profile_).messages(); }
  [[nodiscard]] WallTime now() const { return world_.clock.wall(); }

 private:
  const std::string profile_;
  test::World world_;
  SeededRandom random_{1};
  Events events_{&world_.clock, LogFormat::text, Level::error, nullptr};
  InlineWorkers workers_;
  Metrics metrics_;
  store::SimDisk disk_;
  store::SimStore store_{store::SimStoreOptions{.disk = &disk_, .random = &random_}};
  net::SimNetwork network_{&random_};
  dns::SimResolver resolver_{&random_};
  delivery::FakeTls tls_;
  PersonaRemote remote_;
  queue::QueueIds ids_{&world_.clock, &random_};
  std::optional<server::Server> server_;
  mail::AccountId ann_{};
};

/// A message to the recipient of a row and two others.
struct Case {
  explicit Case(const PersonaBehaviour& of) : row(of), site(profile_of(of), of.needs) {
    const std::string name(row.name);
    recipients = {(row.by == smtp::PersonaBy::recipient ? name : "bert") + "@persona.test", "carla@persona.test",
                  "dora@persona.test"};
    sender = (row.by == smtp::PersonaBy::sender ? name : "anna") + "@here.test";
    id = site.accept(sender, recipients, row.needs);
  }

  /// Lets time pass until each recipient had `count` attempts, or has left the queue.
  void await_attempts(const std::vector<std::string>& of, std::size_t count) {
    const auto has_them = [&](const std::string& recipient) {
      const std::vector<queue::TraceEvent> attempts = site.attempts(id, recipient);
      return attempts.size() >= count || (!attempts.empty() && attempts.back().what != "deferred");
    };
    for (int steps = 0; steps < 400 && !std::ranges::all_of(of, has_them); ++steps) site.pass(seconds(30));
  }

  /// What the last attempt came to is in the trace and in the queue.
  void expect_end(const std::string& recipient, const Wanted& wanted, std::size_t attempt) {
    SCOPED_TRACE(recipient);
    const std::vector<queue::TraceEvent> attempts = site.attempts(id, recipient);
    ASSERT_GE(attempts.size(), attempt);
    const queue::TraceEvent& event = attempts[attempt - 1];
    EXPECT_EQ(event.what, wanted.what()) << event.detail;
    EXPECT_TRUE(event.detail.starts_with(fmt::format("{} {}", wanted.status, wanted.code))) << event.detail;
    EXPECT_TRUE(std::ranges::all_of(event.detail, [](char c) { return c >= ' ' && c <= '~'; }));
    const std::optional<queue::Recipient> left = site.queued(id, recipient);
    EXPECT_EQ(left.has_value(), wanted.what() == "deferred");
    if (!left) return;
    EXPECT_EQ(left->state, queue::RecipientState::due);
    EXPECT_EQ(left->attempts, attempts.size());
    EXPECT_TRUE(left->last_reply.starts_with(std::to_string(wanted.code))) << left->last_reply;
    if (attempts.size() == attempt && attempt == 1) {  // LIMITS.md: 5 minutes, ±20 %
      EXPECT_GE(left->due - event.at, minutes(4));
      EXPECT_LE(left->due - event.at, minutes(6));
    }
  }

  const PersonaBehaviour& row;
  Site site;
  std::vector<std::string> recipients;
  std::string sender;
  queue::QueueId id = *queue::QueueId::parse("000000000000000000");
};

/// Each failed recipient is in exactly one report, with its status; nobody else is in any.
void expect_reports(const std::vector<std::string>& inbox, const std::map<std::string, Wanted>& failed) {
  std::map<std::string, std::string> reported;
  for (const std::string& text : inbox) {
    const mail::ParsedReport report = mail::parse_report(text);
    EXPECT_EQ(report.kind, mail::ReportKind::dsn) << text;
    for (const mail::ReportedRecipient& recipient : report.recipients) {
      EXPECT_EQ(recipient.action, "failed");
      EXPECT_FALSE(reported.contains(recipient.final)) << recipient.final << " is reported twice";
      reported[recipient.final] = fmt::format("{} {}", recipient.status, recipient.code);
    }
    EXPECT_TRUE(text.starts_with("Return-Path: <>\r\n")) << text;
    EXPECT_TRUE(std::ranges::none_of(text, [](char c) { return c == '\0'; }));
  }
  std::map<std::string, std::string> wanted;
  for (const auto& [recipient, end] : failed) wanted[recipient] = fmt::format("{} {}", end.status, end.code);
  EXPECT_EQ(reported, wanted);
}

TEST(RemoteOfEveryTemper, EachRecipientHasItsOutcomeItsRetryItsReportAndItsTrace) {
  EXPECT_GE(smtp::persona_behaviours().size(), 80U);
  for (const PersonaBehaviour& row : smtp::persona_behaviours()) {
    SCOPED_TRACE(row.name);
    Case c(row);
    c.await_attempts(c.recipients, 1);
    std::map<std::string, Wanted> failed;
    std::vector<std::string> deferred;
    std::set<std::string> relayed;
    const std::vector<std::string> wanted = persona::wanted(row);
    for (std::size_t i = 0; i < c.recipients.size(); ++i) {
      const Wanted end = parse_wanted(wanted[i]);
      c.expect_end(c.recipients[i], end, 1);
      if (end.what() == "failed") failed[c.recipients[i]] = end;
      if (end.what() == "deferred") deferred.push_back(c.recipients[i]);
      if (end.what() == "relayed") relayed.insert(c.recipients[i]);
    }
    for (const smtp::PersonaMessage& message : c.site.taken()) {
      EXPECT_EQ(message.sender, c.sender);
      for (const std::string& recipient : message.recipients) relayed.erase(recipient);
    }
    EXPECT_EQ(relayed, std::set<std::string>()) << "said to be relayed, but the remote does not have it";
    c.site.pass(seconds(1));  // a report is delivered
    const std::vector<std::string> reports = c.site.inbox();
    EXPECT_EQ(reports.size(), failed.empty() ? 0U : 1U);
    expect_reports(reports, failed);

    // The next attempts: as the first, or as the row has it; a throttle takes one more recipient each time.
    if (deferred.empty()) continue;
    c.await_attempts(deferred, 1 + deferred.size());
    for (const std::string& recipient : deferred) {
      const auto at = std::ranges::find(c.recipients, recipient) - c.recipients.begin();
      const Wanted end =
          parse_wanted(row.again.empty() ? std::string_view(wanted[static_cast<std::size_t>(at)]) : row.again);
      const std::vector<queue::TraceEvent> attempts = c.site.attempts(c.id, recipient);
      ASSERT_GE(attempts.size(), 2U) << recipient;
      EXPECT_EQ(attempts.back().what, end.what()) << recipient << ' ' << attempts.back().detail;
      if (!row.name.starts_with("throttle-"))
        EXPECT_EQ(attempts[1].what, end.what()) << recipient << ' ' << attempts[1].detail;
    }
  }
}

TEST(RemoteOfEveryTemper, WhatIsDeferredForeverIsReportedLateOnceAndThenFailed) {
  const PersonaBehaviour* const row = smtp::find_persona_behaviour(smtp::PersonaBy::recipient, "rcpt-450");
  ASSERT_NE(row, nullptr);
  Case c(*row);
  c.site.pass(hours(3));
  EXPECT_EQ(c.site.inbox().size(), 0U);
  c.site.pass(hours(2));  // LIMITS.md: warned after 4 h
  ASSERT_EQ(c.site.inbox().size(), 1U);
  const mail::ParsedReport late = mail::parse_report(c.site.inbox()[0]);
  ASSERT_EQ(late.recipients.size(), 1U);
  EXPECT_EQ(late.recipients[0].action, "delayed");
  EXPECT_EQ(late.recipients[0].final, "rcpt-450@persona.test");
  c.site.pass(hours(5 * 24));  // given up after 5 days
  ASSERT_EQ(c.site.inbox().size(), 2U);
  const mail::ParsedReport given_up = mail::parse_report(c.site.inbox()[1]);
  ASSERT_EQ(given_up.recipients.size(), 1U);
  EXPECT_EQ(given_up.recipients[0].action, "failed");
  EXPECT_EQ(given_up.recipients[0].status, "4.4.7");
  EXPECT_FALSE(c.site.queued(c.id, "rcpt-450@persona.test"));
}

}  // namespace
}  // namespace postrider::persona
