#include "queue/queue.hpp"

#include "core/text.hpp"
#include "queue/keys.hpp"
#include "queue/test_bench.hpp"

#include <set>

namespace postrider::queue::test {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using Words = std::vector<std::string>;

TEST(QueueId, AMillionAreUniqueAndInOrderWhileTheClockStandsAndStepsBack) {
  struct Jumpy final : Clock {
    SteadyTime steady() const override { return {}; }
    WallTime wall() const override { return at; }
    WallTime at = WallTime(seconds(1'780'000'000));
  } clock;
  SeededRandom random(1);
  QueueIds ids(&clock, &random);
  QueueId last = ids.next();
  for (int i = 0; i < 1'000'000; ++i) {
    if (i == 300'000) clock.at -= hours(1);
    if (i == 600'000) clock.at += hours(2);
    const QueueId id = ids.next();
    ASSERT_LT(last, id) << i;
    last = id;
  }
  EXPECT_EQ(last.text().size(), 18U);
  EXPECT_EQ(QueueId::parse(last.text()).value(), last);
}

TEST(QueueId, OtherTextsAreNone) {
  for (const char* bad :
       {"", "0", "00000000000000000a", "00000000000000000B", "0000000000000000000", "0000000000000000 0"}) {
    EXPECT_FALSE(QueueId::parse(bad)) << bad;
  }
}

TEST(QueueId, TwoProcessesInOneMillisecondDiffer) {
  SimClock clock{WallTime(seconds(1'780'000'000))};
  SeededRandom one(1);
  SeededRandom other(2);
  EXPECT_NE(QueueIds(&clock, &one).next(), QueueIds(&clock, &other).next());
}

TEST(RetryDelay, FollowsTheTableWithinTwentyPercentAndRepeatsItsLast) {
  const Settings settings = default_settings();
  const std::vector<Duration> want = {minutes(5), minutes(10), minutes(20), minutes(40),
                                      hours(1),   hours(2),    hours(2),    hours(2)};
  SeededRandom random(3);
  for (std::uint32_t attempts = 1; attempts <= want.size(); ++attempts) {
    std::set<Duration> seen;
    for (int i = 0; i < 200; ++i) {
      const Duration delay = retry_delay(settings, attempts, random);
      EXPECT_GE(delay, want[attempts - 1] * 8 / 10);
      EXPECT_LE(delay, want[attempts - 1] * 12 / 10);
      seen.insert(delay);
    }
    EXPECT_GT(seen.size(), 50U);
  }
}

TEST(Queue, WhatIsAcceptedComesBackAsItWas) {
  Bench bench;
  NewEntry made = bench.entry({"ann@here.test", "\"b c\"@away.test"});
  made.recipients[0].account = mail::AccountId{7};
  made.recipients[0].original = address("alias@here.test");
  ASSERT_TRUE(bench.run(bench.accept(&made)));
  const Job job = bench.next();
  EXPECT_EQ(job.entry.id, made.id);
  EXPECT_EQ(job.entry.reverse_path, made.reverse_path);
  EXPECT_EQ(job.entry.content, made.content);
  EXPECT_EQ(job.entry.return_paths, made.return_paths);
  EXPECT_TRUE(job.entry.has_eight_bit);
  EXPECT_EQ(job.entry.report_to, ReportTo::sender);
  EXPECT_EQ(job.entry.arrival, made.arrival);
  EXPECT_EQ(job.entry.client, made.client);
  EXPECT_EQ(job.entry.recipients_left, 2U);
  ASSERT_EQ(job.recipients.size(), 2U);
  EXPECT_EQ(job.recipients[0].account, mail::AccountId{7});
  EXPECT_EQ(job.recipients[0].original, address("alias@here.test"));
  EXPECT_EQ(job.recipients[1].address, address("\"b c\"@away.test"));
  EXPECT_EQ(bench.queue->depth(), 2U);
}

TEST(Queue, AnAcceptOfOneRecipientIsFourKeysAndItsBody) {
  Bench bench;
  NewEntry made = bench.entry({"ann@here.test"});
  store::Transaction transaction;
  ASSERT_TRUE(bench.queue->stage_accept(transaction, made));
  EXPECT_EQ(transaction.key_count(), 4U);
}

TEST(Queue, RefusesMoreRecipientsThanTheLimitAndNone) {
  Bench bench;
  store::Transaction transaction;
  EXPECT_EQ(
      bench.queue->stage_accept(transaction, bench.entry(Words(kRecipientsMax + 1, "ann@here.test"))).error().code,
      Error::too_long);
  EXPECT_EQ(bench.queue->stage_accept(transaction, bench.entry({})).error().code, Error::too_long);
  NewEntry fat = bench.entry({"ann@here.test"});
  fat.content.prefix.assign(store::kValueOctetsMax, 'x');
  EXPECT_EQ(bench.queue->stage_accept(transaction, fat).error().code, Error::too_long);
  EXPECT_TRUE(transaction.empty());
}

TEST(Queue, AThousandLongRecipientsFitOneTransaction) {
  Bench bench;
  const std::string domain = std::string(60, 'd') + '.' + std::string(60, 'e') + '.' + std::string(60, 'f') + ".test";
  NewEntry made = bench.accepted(Words(kRecipientsMax, std::string(64, 'l') + '@' + domain));
  Job job = bench.next();
  EXPECT_EQ(job.recipients.size(), kRecipientsMax);
  EXPECT_EQ(bench.settled(std::move(job), Attempt::relayed), Fate::done);
  EXPECT_FALSE(bench.run(bench.queue->show(made.id)));
}

TEST(Queue, TheLastDeliveryTakesTheEntryAndItsBody) {
  Bench bench;
  const NewEntry made = bench.accepted({"ann@here.test", "bob@here.test"});
  Job job = bench.next();
  const Recipient second = job.recipients[1];
  job.recipients.pop_back();
  EXPECT_EQ(bench.settled(job, Attempt::delivered), Fate::done);
  Listed left = bench.run(bench.queue->show(made.id)).value();
  EXPECT_EQ(left.entry.recipients_left, 1U);
  EXPECT_EQ(bench.disk.synced().blobs.size(), 1U);
  EXPECT_EQ(bench.settled({.entry = left.entry, .recipients = {second}}, Attempt::relayed), Fate::done);
  EXPECT_EQ(bench.run(bench.queue->show(made.id)).error().code, Error::not_found);
  EXPECT_EQ(bench.disk.synced().blobs.size(), 0U);
  EXPECT_EQ(bench.keys_with("Qd") + bench.keys_with("Qe"), 0U);
  EXPECT_EQ(bench.trace(made.id), (Words{"accepted", "delivered", "relayed"}));
  EXPECT_EQ(bench.queue->depth(), 0U);
}

TEST(Queue, DeferredComesBackAfterTheTablesDelayWithItsReplyKept) {
  Bench bench;
  const NewEntry made = bench.accepted({"ann@away.test"});
  EXPECT_EQ(bench.settled(bench.next(), Attempt::deferred), Fate::retried);
  const SteadyTime before = bench.world.clock.steady();
  const Job job = bench.next();
  const Duration waited = bench.world.clock.steady() - before;
  EXPECT_GE(waited, minutes(4) - seconds(1));
  EXPECT_LE(waited, minutes(6) + seconds(1));
  EXPECT_EQ(job.recipients[0].attempts, 1U);
  EXPECT_EQ(job.recipients[0].last_reply, "451 4.2.1 later??");
  EXPECT_EQ(bench.keys_with("Qd"), 1U);
}

TEST(Queue, FailuresGoBySenderPostmasterOrNobody) {
  struct Row {
    ReportTo report_to;
    bool null_path;
    Fate want;
    bool stays;
    Words trace;
  };
  const std::vector<Row> rows = {
      {ReportTo::sender, false, Fate::report_sender, false, {"accepted", "failed", "reported"}},
      {ReportTo::postmaster, false, Fate::held_for_postmaster, true, {"accepted", "failed", "held"}},
      {ReportTo::nobody, false, Fate::dropped_null_sender, false, {"accepted", "failed", "removed"}},
      {ReportTo::sender, true, Fate::dropped_null_sender, false, {"accepted", "failed", "removed"}},
      {ReportTo::postmaster, true, Fate::dropped_null_sender, false, {"accepted", "failed", "removed"}},
  };
  for (const Row& row : rows) {
    Bench bench;
    NewEntry made = bench.entry({"ann@away.test"});
    made.report_to = row.report_to;
    if (row.null_path) made.reverse_path = mail::Path::null();
    ASSERT_TRUE(bench.run(bench.accept(&made)));
    EXPECT_EQ(bench.settled(bench.next(), Attempt::failed), row.want);
    EXPECT_EQ(bench.run(bench.queue->show(made.id)).has_value(), row.stays);
    EXPECT_EQ(bench.disk.synced().blobs.size(), row.stays ? 1U : 0U);
    EXPECT_EQ(bench.trace(made.id), row.trace);
  }
}

std::vector<std::string> many_recipients(std::size_t count) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(fmt::format("{}{}@away.test", std::string(50, 'r'), i));
  return out;
}

TEST(Queue, ABatchOfTheLongestEndsFitsATransaction) {
  Bench bench;
  NewEntry made = bench.entry(many_recipients(kRecipientsACommitMax));
  made.report_to = ReportTo::postmaster;  // a held one writes most
  ASSERT_TRUE(bench.run(bench.accept(&made)));
  Job job = bench.next();
  ASSERT_EQ(job.recipients.size(), kRecipientsACommitMax);
  const Outcome outcome{.attempt = Attempt::failed,
                        .status = "5.1.1",
                        .reply = "550 5.1.1 " + std::string(4 * kReplyTextOctetsMax, 'x'),
                        .remote = std::string(255, 'm')};
  store::Transaction transaction;
  Entry entry = job.entry;
  for (const Recipient& recipient : job.recipients) {
    ASSERT_TRUE(bench.queue->stage_settle(transaction, entry, recipient, outcome));
  }
  EXPECT_LT(transaction.size_octets(), store::kTransactionOctetsMax / 2);  // the report goes with it
  EXPECT_LT(transaction.key_count(), store::kTransactionKeysMax / 2);
  const auto settled = bench.run(bench.settle_all(&job, outcome));
  EXPECT_TRUE(settled) << describe(settled.error());
}

TEST(Queue, RetryAndRemoveTakeAnEntryOfAnySizeAlsoWhilePaused) {
  Bench bench;
  const NewEntry made = bench.accepted(many_recipients(kRecipientsMax));
  const Job job = bench.next();
  ASSERT_EQ(job.recipients.size(), kRecipientsMax);
  EXPECT_EQ(bench.run(bench.queue->remove(made.id)).error().code, Error::conflict);  // in delivery
  for (const Recipient& recipient : job.recipients) bench.queue->give_back(made.id, recipient.number);
  const Result<void> retried = bench.run(bench.queue->retry(made.id));
  EXPECT_TRUE(retried) << describe(retried.error());
  const Result<void> removed = bench.run(bench.queue->remove(made.id));
  EXPECT_TRUE(removed) << describe(removed.error());
  EXPECT_FALSE(bench.run(bench.queue->show(made.id)));
  EXPECT_TRUE(bench.disk.synced().blobs.empty());
}

TEST(Queue, AHeldRecipientIsShownThenExpiresByItselfWithATrace) {
  Bench bench;
  NewEntry made = bench.entry({"ann@away.test"});
  made.report_to = ReportTo::postmaster;
  ASSERT_TRUE(bench.run(bench.accept(&made)));
  bench.settled(bench.next(), Attempt::failed);
  EXPECT_FALSE(bench.has_job(days(4)));
  EXPECT_EQ(bench.run(bench.queue->show(made.id))->recipients.at(0).state, RecipientState::held);
  EXPECT_FALSE(bench.has_job(days(2)));
  EXPECT_EQ(bench.run(bench.queue->show(made.id)).error().code, Error::not_found);
  EXPECT_EQ(bench.trace(made.id).back(), "expired");
  EXPECT_EQ(bench.disk.synced().blobs.size(), 0U);
  EXPECT_EQ(bench.queue->depth(), 0U);
}

TEST(Queue, DeferredUntilItsTimeIsOverFails) {
  for (const bool bounce : {false, true}) {
    Bench bench;
    NewEntry made = bench.entry({"ann@away.test"});
    made.report_to = ReportTo::sender;
    if (bounce) made.reverse_path = mail::Path::null();
    ASSERT_TRUE(bench.run(bench.accept(&made)));
    Fate fate = Fate::retried;
    int attempts = 0;
    Outcome last;
    while (fate == Fate::retried && attempts < 200) {
      Job job = bench.next();
      last = bench.queue->judged(job.entry,
                                 {.attempt = Attempt::deferred, .status = "4.2.1", .reply = "451 later", .remote = {}});
      fate = bench.settled(std::move(job), Attempt::deferred);
      ++attempts;
    }
    EXPECT_EQ(fate, bounce ? Fate::dropped_null_sender : Fate::report_sender);
    EXPECT_GT(attempts, 20);
    const Duration lived = bench.world.clock.wall() - made.arrival;
    EXPECT_GE(lived, bounce ? days(2) : days(5));
    EXPECT_LE(lived, (bounce ? days(2) : days(5)) + minutes(1));
    EXPECT_EQ(last.status, "4.4.7");
    EXPECT_EQ(last.reply, "451 later");
  }
}

TEST(Queue, ACrashLosesNothingThatWasCommitted) {
  Bench bench(4);
  std::set<std::string> want;
  for (int i = 0; i < 30; ++i) {
    NewEntry made = bench.entry({"ann@away.test"});
    ASSERT_TRUE(bench.run(bench.accept(&made, i % 2 == 0)));
    want.insert(made.id.text());
  }
  Job lost = bench.next();
  bench.crash();
  std::set<std::string> got;
  for (int i = 0; i < 30; ++i) {
    Job job = bench.next();
    got.insert(job.entry.id.text());
    bench.settled(std::move(job), Attempt::delivered);
  }
  EXPECT_EQ(got, want);
  EXPECT_FALSE(bench.has_job(hours(3)));
  EXPECT_EQ(bench.queue->depth(), 0U);
}

TEST(Queue, ACorruptRecipientIsSetAsideAndTheOthersGoOn) {
  Bench bench;
  const NewEntry made = bench.accepted({"ann@here.test", "bob@here.test"});
  store::Transaction vandal;
  vandal.put(recipient_key({.id = made.id, .number = 0}), "junk");
  ASSERT_TRUE(bench.run(bench.store->commit(std::move(vandal), store::Durability::durable)));
  Job job = bench.next();
  ASSERT_EQ(job.recipients.size(), 1U);
  EXPECT_EQ(job.recipients[0].number, 1U);
  bench.settled(std::move(job), Attempt::delivered);
  EXPECT_EQ(bench.keys_with("Qx"), 1U);
  EXPECT_EQ(bench.keys_with("Qd"), 0U);
  EXPECT_EQ(bench.disk.synced().blobs.size(), 1U);  // its body is kept, visible in list, until it is removed
  EXPECT_TRUE(bench.run(bench.queue->remove(made.id)));
  EXPECT_EQ(bench.disk.synced().blobs.size(), 0U);
}

TEST(Queue, ACorruptEntryIsSetAsideWithItsRecipientsAndNothingSpins) {
  Bench bench;
  const NewEntry made = bench.accepted({"ann@here.test", "bob@here.test"});
  store::Transaction vandal;
  vandal.put(entry_key(made.id), "junk");
  ASSERT_TRUE(bench.run(bench.store->commit(std::move(vandal), store::Durability::durable)));
  EXPECT_FALSE(bench.has_job(hours(1)));
  EXPECT_EQ(bench.keys_with("Qx"), 3U);
  EXPECT_EQ(bench.keys_with("Qe") + bench.keys_with("Qd"), 0U);
  EXPECT_LT(bench.store->calls(), 40U);
}

TEST(Queue, NextEndsWhenItIsStopped) {
  Bench bench;
  Signal stop;
  stop.set();
  EXPECT_EQ(bench.run(bench.queue->next(&stop)).error().code, Error::cancelled);
  EXPECT_FALSE(bench.has_job(seconds(1)));
}

}  // namespace
}  // namespace postrider::queue::test
