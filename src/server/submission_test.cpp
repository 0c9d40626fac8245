// As whom our own people may send, what is made of their messages, and how much goes out.
#include "server/submission.hpp"

#include "core/test_run.hpp"
#include "queue/test_bench.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

namespace postrider::server {
namespace {

using queue::test::address;
using std::chrono::days;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

struct KeptLog final : public LogOutput {
  void write_line(std::string_view line) override { (text += line) += '\n'; }
  std::string text;
};

struct HeldGrant final : public directory::Grant {
  explicit HeldGrant(directory::Account who) : who_(std::move(who)) {}
  [[nodiscard]] bool holds() const override { return true; }
  [[nodiscard]] const directory::Account& account() const override { return who_; }
  [[nodiscard]] const std::string& credential() const override { return credential_; }

 private:
  directory::Account who_;
  std::string credential_;
};

directory::Settings domains() {
  directory::Settings settings;
  settings.domains.push_back({.name = mail::Domain::parse("here.test").value(),
                              .catch_all = std::nullopt,
                              .postmaster = address("bob@here.test")});
  settings.aliases.push_back({.address = address("sales@here.test"), .targets = {address("alice@here.test")}});
  settings.aliases.push_back(
      {.address = address("team@here.test"), .targets = {address("alice@here.test"), address("bob@here.test")}});
  return settings;
}

/// alice@ and bob@here.test (who is postmaster), and what a submission of theirs comes to.
struct Bench : public queue::test::Bench {
  explicit Bench(gate::SendingLimits limits = {})
      : directory(store.get(), &workers, &random, &world.clock, domains()),
        budget(store.get(), &world.clock, limits),
        service{.store = store.get(),
                .clock = &world.clock,
                .events = &events,
                .queue = queue.get(),
                .ids = &ids,
                .directory = &directory,
                .budget = &budget,
                .hostname = mail::Domain::parse("here.test").value()} {
    alice = run(directory.add_account(address("alice@here.test"), Secret("secret"))).value();
    (void)run(directory.add_account(address("bob@here.test"), Secret("secret"))).value();
  }

  [[nodiscard]] Submitter by_alice() const {
    gate::SessionIdentity identity;
    identity.account = alice->id;
    identity.login = alice->address.text();
    return {.identity = std::move(identity), .grant = std::make_shared<HeldGrant>(*alice)};
  }
  [[nodiscard]] static Submitter by_user(std::uint32_t uid) {
    gate::SessionIdentity identity;
    identity.local_user = uid;
    identity.login = fmt::format("uid:{}", uid);
    return {.identity = std::move(identity), .grant = nullptr};
  }

  static std::string to_text(const smtp::Reply& reply) {
    return fmt::format("{} {} {}", reply.code, reply.enhanced, reply.text);
  }

  struct Message {
    std::string from = "alice@here.test";  ///< empty: the null reverse-path
    std::string header = "From: alice@here.test\r\n";
    std::vector<std::string> to = {"x@away.test"};
  };
  /// The first refusal, or "250 " and what stands below Received, then what was kept of the header.
  static Task<std::string> submit(Bench* bench, Submitter who, Message message) {
    Submission submission(&bench->service, std::move(who));
    mail::Path path = message.from.empty() ? mail::Path::null() : mail::Path(address(message.from));
    queue::NewEntry entry = bench->entry(message.to);
    entry.reverse_path = path;
    const std::optional<smtp::Reply> at_mail = co_await submission.begin(std::move(path));
    if (at_mail) co_return to_text(*at_mail);
    for (const std::string& one : message.to) {
      mail::Address to = address(one);
      const std::optional<smtp::Reply> at_rcpt = co_await submission.add_recipient(std::move(to));
      if (at_rcpt) co_return to_text(*at_rcpt);
    }
    const std::string content = message.header + "\r\nbody\r\n";
    mail::HeaderCollector collector;
    (void)collector.append(content);
    const mail::HeaderSection section = std::move(collector).finish().value();
    std::string hash;
    queue::QueueId id = entry.id;
    const Outgoing outgoing = co_await submission.complete(&section, std::move(hash), std::move(id));
    if (outgoing.refusal) co_return to_text(*outgoing.refusal);
    store::Transaction commit;
    const Result<bool> is_burst = co_await submission.count(&commit, message.to.size());
    if (!is_burst) co_return "error";
    entry.login = submission.login();
    if (*is_burst) entry.held = queue::HeldWhy::burst;
    const Result<std::unique_ptr<store::BlobWriter>> writer = co_await bench->store->create_blob();
    if (!writer) co_return "error";
    const Result<void> appended = co_await (*writer)->append(content);
    if (!appended) co_return "error";
    const Result<std::shared_ptr<store::SealedBlob>> sealed = co_await (*writer)->seal();
    if (!sealed) co_return "error";
    entry.content = {.prefix = outgoing.added, .dropped = outgoing.dropped, .body = (*sealed)->ref()};
    commit.add_blob(*sealed);
    (void)bench->queue->stage_accept(commit, entry);
    const Result<store::Version> committed =
        co_await bench->store->commit(std::move(commit), store::Durability::durable);
    submission.ended(committed.has_value());
    if (!committed) co_return "error";
    bench->queue->accepted(entry);
    std::string left = outgoing.added;
    std::size_t at = 0;
    for (const OctetRange& range : outgoing.dropped) {
      left += content.substr(at, range.offset - at);
      at = range.offset + range.size_octets;
    }
    co_return "250 " + left + section.octets.substr(at);
  }
  std::string send(Message message) { return run(submit(this, by_alice(), std::move(message))); }
  std::string send_as_user(std::uint32_t uid, Message message) {
    return run(submit(this, by_user(uid), std::move(message)));
  }

  /// What lies in the queue by "login held" or "login due", in recipients; notices have no login.
  std::map<std::string, std::size_t> queued() {
    std::map<std::string, std::size_t> out;
    std::optional<queue::QueueId> after;
    do {
      const queue::ListPage page = run(queue->list({}, after, 1000)).value();
      for (const queue::Listed& listed : page.entries) {
        for (const queue::Recipient& one : listed.recipients) {
          const bool held = one.state == queue::RecipientState::held;
          ++out[listed.entry.login + (held ? " held" : " due")];
        }
      }
      after = page.next;
    } while (after);
    return out;
  }
  /// Who has a notice in the queue.
  std::multiset<std::string> notified() {
    std::multiset<std::string> out;
    const queue::ListPage page = run(queue->list({}, std::nullopt, 100'000)).value();
    for (const queue::Listed& listed : page.entries) {
      if (!listed.entry.login.empty()) continue;
      EXPECT_TRUE(listed.entry.reverse_path.is_null());
      for (const queue::Recipient& one : listed.recipients) out.insert(one.address.text());
    }
    return out;
  }
  void pass(Duration time) { world.clock.advance_to(world.clock.steady() + time); }

  KeptLog log;
  Events events{&world.clock, LogFormat::text, Level::info, &log};
  InlineWorkers workers;
  directory::Directory directory;
  gate::SendingBudget budget;
  SubmissionService service;
  std::optional<directory::Account> alice;
};

TEST(Submission, TheEnvelopesSenderBelongsToTheLogin) {
  Bench bench;
  for (const std::string_view good :
       {"alice@here.test", "ALICE@here.test", "alice+tag@here.test", "sales@here.test", ""})
    EXPECT_TRUE(bench.send({.from = std::string(good)}).starts_with("250")) << good;
  for (const std::string_view bad : {"bob@here.test", "team@here.test", "alice@away.test", "postmaster@here.test",
                                     "alic@here.test", "nobody@here.test"}) {
    EXPECT_EQ(bench.send({.from = std::string(bad)}), fmt::format("553 5.7.1 alice@here.test may not send as {}", bad));
  }
}

TEST(Submission, TheAuthorsBelongToTheLogin) {
  Bench bench;
  const std::string foreign = "550 5.7.1 alice@here.test may not send a message from bob@here.test";
  for (const auto& [header, want] : std::vector<std::pair<std::string, std::string>>{
           {"From: Alice <alice@here.test>\r\n", "250"},
           {"From: Sales <sales@here.test>\r\n", "250"},
           {"From: alice+x@here.test\r\n", "250"},
           {"From: bob@here.test\r\n", foreign},
           {"From: Alice\r\n <bob@here.test>\r\n", foreign},
           {"From: alice@here.test, bob@here.test\r\n", foreign},
           {"From: bob@here.test <alice@here.test>\r\n", foreign},
           {"From: Us: alice@here.test, bob@here.test;\r\n", foreign},
           {"From: alice@here.test\r\nResent-From: bob@here.test\r\n", foreign},
           {"From: alice@here.test\r\nResent-Sender: bob@here.test\r\n", foreign},
           {"Sender: alice@here.test\r\nFrom: bob@here.test\r\n", foreign},
           {"Resent-From: alice@here.test\r\nFrom: bob@here.test\r\n", foreign},
           {"From: alice@here.test\r\nFrom: bob@here.test\r\n", "550 5.7.1 the message has several From fields"},
           {"Sender: alice@here.test\r\n", "550 5.6.0 the message has no From field"},
       }) {
    const std::string got = bench.send({.header = header});
    EXPECT_TRUE(got.starts_with(want)) << header << got;
    const std::string by_report = bench.send({.from = "", .header = header});
    EXPECT_TRUE(by_report.starts_with(want)) << "the null reverse-path opens no other way";
  }
}

TEST(Submission, ARightToSendAsAnotherIsEnough) {
  Bench bench;
  directory::Account boss = *bench.alice;
  ASSERT_TRUE(bench.run(bench.directory.add_send_as(
      address("alice@here.test"), {.local_part = "bob", .domain = mail::Domain::parse("here.test").value()})));
  for (const directory::Account& one : bench.run(bench.directory.list_accounts()).value()) {
    if (one.address == boss.address) bench.alice = one;
  }
  EXPECT_TRUE(bench.send({.from = "bob@here.test", .header = "From: bob@here.test\r\n"}).starts_with("250"));
}

TEST(Submission, WhatIsAddedAndDropped) {
  Bench bench;
  const std::string got = bench.send({.header = "Bcc: x@away.test\r\nFrom: alice@here.test\r\nX-A: b\r\n"});
  EXPECT_TRUE(got.starts_with("250 Date: ")) << got;
  EXPECT_TRUE(got.contains("\r\nMessage-ID: <")) << got;
  EXPECT_TRUE(got.contains("@here.test>\r\nFrom: alice@here.test\r\nX-A: b\r\n")) << got;
  EXPECT_FALSE(got.contains("Bcc")) << got;
  EXPECT_FALSE(got.contains("Sender")) << got;
  const std::string complete = "Date: x\r\nMessage-ID: <a@b>\r\n";
  const auto send = [&](const std::string& header) { return bench.send({.header = complete + header}).substr(4); };
  EXPECT_EQ(send("From: alice@here.test\r\n"), complete + "From: alice@here.test\r\n");
  EXPECT_EQ(send("From: sales@here.test\r\nSender: alice@here.test\r\n"),
            complete + "From: sales@here.test\r\nSender: alice@here.test\r\n");
  EXPECT_EQ(send("From: alice@here.test\r\nSender: bob@here.test\r\n"), complete + "From: alice@here.test\r\n");
  EXPECT_EQ(send("From: sales@here.test\r\nSender: bob@here.test\r\n"),
            "Sender: alice@here.test\r\n" + complete + "From: sales@here.test\r\n");
  EXPECT_EQ(send("From: \"sales@here.test\" <alice@here.test>\r\n"),
            complete + "From: \"sales@here.test\" <alice@here.test>\r\n");
  EXPECT_EQ(send("From: alice@here.test, sales@here.test\r\n"),
            "Sender: alice@here.test\r\n" + complete + "From: alice@here.test, sales@here.test\r\n");
}

TEST(Submission, ALocalUserMayNameAnybodyAndGetsAFrom) {
  Bench bench;
  const std::string got =
      bench.send_as_user(33, {.from = "www@here.test", .header = "Subject: x\r\nBcc: a@b.test\r\n"});
  EXPECT_TRUE(got.starts_with("250 From: www@here.test\r\nDate: ")) << got;
  EXPECT_FALSE(got.contains("Bcc")) << got;
  EXPECT_TRUE(
      bench.send_as_user(33, {.from = "bob@here.test", .header = "From: ceo@away.test\r\n"}).starts_with("250"));
  EXPECT_TRUE(bench.send_as_user(0, {.from = "", .header = "Subject: x\r\n"})
                  .starts_with("250 From: MAILER-DAEMON@here.test\r\n"));
  EXPECT_EQ(bench.queued()["uid:33 due"], 2U);
}

TEST(Submission, AStolenAccountsReplayLetsAHundredOutAtMost) {
  Bench bench;
  SeededRandom random(5);
  std::size_t recipients = 0;
  for (int i = 0; i < 1000; ++i) {
    Bench::Message message;
    message.to.clear();
    const std::size_t count = 1 + random.below(i % 50 == 20 ? 40 : 3);
    for (std::size_t n = 0; n < count; ++n) message.to.push_back(fmt::format("v{}.{}@away.test", i, n));
    recipients += count;
    ASSERT_TRUE(bench.send(std::move(message)).starts_with("250")) << i;
    bench.pass(milliseconds(600));
  }
  std::map<std::string, std::size_t> queued = bench.queued();
  EXPECT_LE(queued["alice@here.test due"], 100U);
  EXPECT_EQ(queued["alice@here.test held"] + queued["alice@here.test due"], recipients);
  EXPECT_EQ(bench.notified(), (std::multiset<std::string>{"alice@here.test", "bob@here.test"})) << "once";
  EXPECT_TRUE(bench.log.text.contains("submission.burst login=alice@here.test")) << bench.log.text;
  queue::Selection burst;
  burst.login = "alice@here.test";
  burst.held_why = {queue::HeldWhy::burst};
  std::optional<queue::QueueId> after;
  do {
    const queue::ChangePage page =
        bench.run(bench.queue->change({.what = queue::Change::What::remove, .to = {}}, burst, after, 1000)).value();
    after = page.next;
  } while (after);
  EXPECT_EQ(bench.queued()["alice@here.test held"], 0U);
}

TEST(Submission, AProgramsAccountPasses) {
  Bench bench;
  bench.alice->kind = directory::AccountClass::app;
  for (int i = 0; i < 1500; ++i)
    ASSERT_TRUE(bench.send({.to = {fmt::format("v{}@away.test", i)}}).starts_with("250")) << i;
  EXPECT_EQ(bench.queued()["alice@here.test due"], 1500U);
  EXPECT_TRUE(bench.notified().empty());
}

TEST(Submission, ALocalUsersBurstIsHeldAndPostmasterHearsOfIt) {
  Bench bench;
  for (int i = 0; i < 60; ++i)
    EXPECT_TRUE(bench.send_as_user(33, {.to = {fmt::format("v{}@away.test", i)}}).starts_with("250"));
  EXPECT_EQ(bench.queued()["uid:33 due"], 50U);
  EXPECT_EQ(bench.queued()["uid:33 held"], 10U);
  EXPECT_EQ(bench.notified(), std::multiset<std::string>{"bob@here.test"});
}

TEST(Submission, TheCapsSayWhatTheyAreAndWhenTheyEnd) {
  Bench bench({.messages_a_day = 4, .new_recipients_a_day = 2});
  EXPECT_TRUE(bench.send({}).starts_with("250"));
  bench.pass(days(15));
  EXPECT_TRUE(bench.send({.to = {"a@away.test", "a@away.test"}}).starts_with("250"));
  EXPECT_TRUE(bench.send({.to = {"b@away.test"}}).starts_with("250"));
  const std::string refused = bench.send({.to = {"c@away.test"}});
  EXPECT_TRUE(
      refused.starts_with("450 4.7.1 this account has sent to as many as it may in a day (2 recipients that it "
                          "never wrote to before), again from 2"))
      << refused;
  EXPECT_TRUE(bench.send({.to = {"a@away.test", "x@away.test"}}).starts_with("250")) << "to those it knows it may";
  EXPECT_TRUE(bench.send({.to = {"b@away.test"}}).starts_with("250"));
  EXPECT_TRUE(bench.send({.to = {"b@away.test"}})
                  .starts_with("452 4.7.1 this account has sent to as many as it may in "
                               "a day (4 messages), again from 2"));
  EXPECT_EQ(bench.notified(), (std::multiset<std::string>{"alice@here.test", "bob@here.test"})) << "one a day";
  EXPECT_TRUE(
      bench.log.text.contains("submission.cap login=alice@here.test cap=\"new recipients\" limit=2 refused=yes"))
      << bench.log.text;
  bench.pass(days(1));
  EXPECT_TRUE(bench.send({.to = {"c@away.test"}}).starts_with("250"));
}

TEST(Submission, AStoreThatFailsRefusesForNowAndCountsNothing) {
  for (std::uint64_t call = 1; call < 40; ++call) {
    Bench bench({.messages_a_day = 1});
    bench.store->fail_call(call, Error::exhausted);
    const std::string got = bench.send({});
    if (got.starts_with("250")) return;
    EXPECT_TRUE(got == "error" || got.starts_with("451 4.3.0")) << got;
    EXPECT_TRUE(bench.queued().empty());
    bench.pass(days(15));
    EXPECT_TRUE(bench.send({}).starts_with("250")) << call;
  }
  ADD_FAILURE() << "it never came through";
}

}  // namespace
}  // namespace postrider::server
