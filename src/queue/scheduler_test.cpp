// Nothing due is forgotten and nothing is handed out twice, whatever the interleaving.
#include "queue/scheduler.hpp"

#include "queue/test_bench.hpp"

#include <array>
#include <set>

namespace postrider::queue::test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

Task<void> rest(Clock* clock, Duration time) {
  Signal never;
  const SteadyTime until = clock->steady() + time;
  const Result<void> ended = co_await never.wait(until);
  EXPECT_FALSE(ended);
}

/// Acceptors, workers and a commander at work on one queue.
struct Soak {
  Soak(std::uint64_t seed, std::size_t active_max) : bench(active_max), dice(seed) {}

  static Task<void> accept_some(Soak* soak, int entries) {
    for (int i = 0; i < entries; ++i) {
      co_await rest(&soak->bench.world.clock, milliseconds(soak->dice.below(50)));
      std::vector<std::string> recipients(1 + soak->dice.below(3), "ann@away.test");
      NewEntry made = soak->bench.entry(std::move(recipients));
      const Result<void> accepted = co_await soak->bench.accept(&made, false);
      if (!accepted) co_return;
      for (std::uint32_t number = 0; number < made.recipients.size(); ++number) soak->open.insert({made.id, number});
      soak->last_id = made.id;
      co_await rest(&soak->bench.world.clock,
                    milliseconds(soak->dice.below(30)));  // the commit is seen before it is told
      soak->bench.queue->accepted(made);
    }
    ++soak->acceptors_done;
  }

  static Task<void> work(Soak* soak, Job job) {
    co_await rest(&soak->bench.world.clock, milliseconds(soak->dice.below(400)));
    for (const Recipient& recipient : job.recipients) {
      const RecipientId who{.id = job.entry.id, .number = recipient.number};
      bool committed = false;
      const auto fate = soak->dice.below(10);
      const Attempt attempt = fate < 6 ? Attempt::delivered : Attempt::deferred;
      for (int tries = 0; fate < 9 && tries < 20 && !committed; ++tries) {
        const Result<Listed> now = co_await soak->bench.queue->show(who.id);
        if (!now) break;
        Entry entry = now->entry;
        store::Transaction transaction;
        const Outcome outcome{.attempt = attempt, .status = "4.0.0", .reply = "451 x", .remote = {}};
        const Result<Fate> staged = soak->bench.queue->stage_settle(transaction, entry, recipient, outcome);
        EXPECT_TRUE(staged);
        soak->bench.queue->stage_entry(transaction, entry);
        const Result<store::Version> done =
            co_await soak->bench.store->commit(std::move(transaction), store::Durability::durable);
        committed = done.has_value();
      }
      co_await rest(&soak->bench.world.clock, milliseconds(soak->dice.below(20)));
      EXPECT_EQ(soak->in_hand.erase(who), 1U);
      if (!committed) {
        soak->bench.queue->give_back(who.id, who.number);
        continue;
      }
      if (attempt == Attempt::delivered) EXPECT_EQ(soak->open.erase(who), 1U);
      soak->bench.queue->settled(who.id, who.number);
    }
  }

  static Task<void> command_some(Soak* soak) {
    while (soak->acceptors_done < 3) {
      co_await rest(&soak->bench.world.clock, milliseconds(soak->dice.below(300)));
      if (!soak->last_id) continue;
      const QueueId id = *soak->last_id;
      Selection one;
      one.ids = {id};
      const std::array<Change::What, 4> orders = {Change::What::retry, Change::What::hold, Change::What::release,
                                                  Change::What::bounce};
      Change order{.what = orders[soak->dice.below(4)], .to = {}};
      const Result<ChangePage> page =
          co_await soak->bench.queue->change(std::move(order), std::move(one), std::nullopt, 10);
      EXPECT_TRUE(page);
      if (page && !page->changed.empty()) ++soak->changed;
    }
    const Result<ChangePage> released =
        co_await soak->bench.queue->change({.what = Change::What::release, .to = {}}, Selection{}, std::nullopt, 1000);
    EXPECT_TRUE(released);
  }

  static Task<void> take(Soak* soak) {
    while (!soak->stop.is_set()) {
      Result<Job> job = co_await soak->bench.queue->next(&soak->stop);
      if (!job) continue;
      for (const Recipient& recipient : job->recipients) {
        EXPECT_TRUE(soak->in_hand.insert({job->entry.id, recipient.number}).second) << "handed out twice";
      }
      spawn(&soak->bench.world.shard, "work", work(soak, std::move(*job)));
    }
  }

  Bench bench;
  SeededRandom dice;
  Signal stop;
  std::set<RecipientId> open;
  std::set<RecipientId> in_hand;
  std::optional<QueueId> last_id;
  int acceptors_done = 0;
  int changed = 0;
};

TEST(Scheduler, EveryRecipientIsSettledUnderAnyInterleaving) {
  int changed = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const std::size_t active_max = 1 + seed % 9;
    Soak soak(seed, active_max);
    for (int i = 0; i < 3; ++i) spawn(&soak.bench.world.shard, "accept", Soak::accept_some(&soak, 15));
    spawn(&soak.bench.world.shard, "command", Soak::command_some(&soak));
    spawn(&soak.bench.world.shard, "take", Soak::take(&soak));
    const SteadyTime end = soak.bench.world.clock.steady() + hours(5 * 24);
    while ((soak.acceptors_done < 3 || !soak.open.empty()) && soak.bench.world.clock.steady() < end)
      ASSERT_TRUE(soak.bench.world.step());
    EXPECT_EQ(soak.open.size(), 0U) << "seed " << seed;
    soak.stop.set();
    soak.bench.world.run_until_still();
    EXPECT_EQ(soak.bench.keys_with("Qd") + soak.bench.keys_with("Qe"), 0U) << "seed " << seed;
    EXPECT_EQ(soak.bench.disk.synced().blobs.size(), 0U);
    changed += soak.changed;
  }
  EXPECT_GT(changed, 40);
}

TEST(Scheduler, AfterACrashInTheMiddleTheRestIsFound) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    std::set<std::string> want;
    Bench bench(3);
    for (int i = 0; i < 20; ++i) want.insert(bench.accepted({"ann@away.test"}).id.text());
    for (std::uint64_t i = 0; i < seed; ++i) {
      Job job = bench.next();
      if (i % 3 == 0) continue;  // stays in hand
      const bool ends = i % 3 == 1;
      if (ends) want.erase(job.entry.id.text());
      bench.settled(std::move(job), ends ? Attempt::delivered : Attempt::deferred);
    }
    bench.crash();
    std::set<std::string> got;
    while (got.size() < want.size()) {
      Job job = bench.next();
      got.insert(job.entry.id.text());
      bench.settled(std::move(job), Attempt::delivered);
    }
    EXPECT_EQ(got, want);
  }
}

Due due(QueueIds& ids, int at) { return {.at = WallTime(seconds(at)), .who = {.id = ids.next(), .number = 0}}; }

TEST(Scheduler, WhatIsAddedWhileAnOlderSnapshotIsReadIsKept) {
  SimClock clock{WallTime(seconds(1))};
  SeededRandom random(1);
  QueueIds ids(&clock, &random);
  Scheduler scheduler(10);
  ASSERT_TRUE(scheduler.begin_read());
  const Due late = due(ids, 5);
  scheduler.add({late});  // behind the frontier as it is, before the frontier as it will be
  scheduler.end_read({}, std::nullopt);
  EXPECT_EQ(scheduler.take(WallTime(seconds(9))), late);
  EXPECT_FALSE(scheduler.begin_read());
}

TEST(Scheduler, AFullHeapForgetsItsLastAndReadsItAgain) {
  SimClock clock{WallTime(seconds(1))};
  SeededRandom random(1);
  QueueIds ids(&clock, &random);
  Scheduler scheduler(2);
  ASSERT_TRUE(scheduler.begin_read());
  scheduler.end_read({}, std::nullopt);
  std::vector<Due> all;
  for (int i = 0; i < 3; ++i) all.push_back(due(ids, 10 - i));
  scheduler.add(all);
  const WallTime now(seconds(20));
  EXPECT_EQ(scheduler.take(now), all[2]);
  EXPECT_EQ(scheduler.take(now), all[1]);
  EXPECT_FALSE(scheduler.take(now));
  const auto range = scheduler.begin_read();
  ASSERT_TRUE(range);
  EXPECT_EQ(range->from, due_key(all[0]));
  scheduler.end_read({all[0]}, std::nullopt);
  EXPECT_EQ(scheduler.take(now), all[0]);
}

TEST(Scheduler, OneThatIsHeldIsNotTakenFromAnOldSnapshot) {
  SimClock clock{WallTime(seconds(1))};
  SeededRandom random(1);
  QueueIds ids(&clock, &random);
  Scheduler scheduler(9);
  ASSERT_TRUE(scheduler.begin_read());
  scheduler.end_read({}, std::nullopt);
  const Due real = due(ids, 3);
  const Due stale{.at = WallTime(seconds(4)), .who = real.who};
  scheduler.add({real, stale});
  EXPECT_TRUE(scheduler.take(WallTime(seconds(9))));
  EXPECT_FALSE(scheduler.take(WallTime(seconds(9))));
  scheduler.settled(real.who);
  EXPECT_FALSE(scheduler.take(WallTime(seconds(9))));
}

TEST(Scheduler, AfterAStartTheFirstJobWaitsForOneReadOnly) {
  Bench bench;
  for (int batch = 0; batch < 10; ++batch) {
    store::Transaction transaction;
    for (int i = 0; i < 800; ++i) {
      NewEntry entry = bench.entry({"ann@away.test"});
      ASSERT_TRUE(bench.queue->stage_accept(transaction, entry));
    }
    ASSERT_TRUE(bench.run(bench.store->commit(std::move(transaction), store::Durability::durable)));
  }
  bench.crash();
  const std::uint64_t before = bench.store->calls();
  static_cast<void>(bench.next());
  EXPECT_LE(bench.store->calls() - before, 3U);  // a page of the index, the entry, the freezes
  EXPECT_LE(bench.queue->depth(), 2000U);
  for (int i = 0; i < 10; ++i) static_cast<void>(bench.next());
  EXPECT_EQ(bench.queue->depth(), 8000U);
}

TEST(Scheduler, WhileVeryManyArePausedNothingIsTaken) {
  SimClock clock{WallTime(seconds(1))};
  SeededRandom random(1);
  QueueIds ids(&clock, &random);
  Scheduler scheduler(50'000);
  ASSERT_TRUE(scheduler.begin_read());
  scheduler.end_read({}, std::nullopt);
  std::vector<Due> all;
  for (std::size_t i = 0; i <= kPausedMax; ++i) all.push_back(due(ids, 5));
  scheduler.add(all);
  const WallTime now(seconds(9));
  const SteadyTime later = clock.steady() + minutes(1);
  for (std::size_t i = 0; i < kPausedMax; ++i) {
    const std::optional<Due> taken = scheduler.take(now);
    ASSERT_TRUE(taken);
    scheduler.give_back(taken->who, later);
  }
  EXPECT_FALSE(scheduler.take(now));
  EXPECT_FALSE(scheduler.next_due());  // nobody spins on it
  EXPECT_EQ(scheduler.next_pause_end(), later);
  scheduler.end_pauses(later);
  EXPECT_TRUE(scheduler.take(now));
}

/// What was consumed is named to the store, whose own test (AMillionDeletesDoNotSlowTheNextScan) shows what that is
/// worth.
TEST(Scheduler, NamesWhatWasConsumedUpToTheFirstThatIsLeft) {
  SimClock clock(WallTime(std::chrono::seconds(1'780'000'000)));
  SeededRandom random(1);
  QueueIds ids(&clock, &random);
  Scheduler scheduler(50'000);
  ASSERT_TRUE(scheduler.begin_read());
  scheduler.end_read({}, std::nullopt);  // nothing on disk
  std::vector<Due> all;
  for (int i = 0; i < 3000; ++i) {
    const WallTime at = clock.wall() + std::chrono::microseconds(i);
    all.push_back({.at = at, .who = {.id = ids.next(), .number = 0}});
  }
  scheduler.add(all);
  std::vector<Due> taken;
  for (int i = 0; i < 2500; ++i) {
    const std::optional<Due> due = scheduler.take(clock.wall() + std::chrono::hours(1));
    ASSERT_TRUE(due);
    taken.push_back(*due);
  }
  for (const Due& due : taken) {
    if (due.who == taken[2000].who) continue;  // this one is in hand still
    scheduler.staged(due.who, std::nullopt);
    scheduler.settled(due.who);
  }
  const std::optional<store::KeyRange> range = scheduler.consumed();
  ASSERT_TRUE(range);
  EXPECT_LE(range->from, due_key(taken[0]));
  EXPECT_EQ(range->to, due_key(taken[2000]));
  EXPECT_FALSE(scheduler.consumed());  // said once
}

/// Settles one recipient of a job in hand, and leaves the entry's record alone.
Task<bool> settle_one(Bench* bench, Entry entry, Recipient recipient, Attempt attempt) {
  const Outcome outcome{.attempt = attempt, .status = "4.2.1", .reply = "451 4.2.1 later", .remote = {}};
  store::Transaction transaction;
  const Result<Fate> fate = bench->queue->stage_settle(transaction, entry, recipient, outcome);
  if (!fate) co_return false;
  const Result<store::Version> committed =
      co_await bench->store->commit(std::move(transaction), store::Durability::durable);
  if (!committed) co_return false;
  bench->queue->settled(entry.id, recipient.number);
  co_return true;
}

Task<void> settle_aside(Bench* bench, Entry entry, Recipient recipient, Duration after, int* done) {
  co_await rest(&bench->world.clock, after);
  if (co_await settle_one(bench, std::move(entry), std::move(recipient), Attempt::held)) ++*done;
}

// Else one that was relayed while the entry was read for another recipient of it would be relayed again.
TEST(Scheduler, WhatEndsWhileItsEntryIsReadIsNoPartOfTheNextJob) {
  Bench bench;
  constexpr std::uint32_t kLast = kRecipientsMax - 1;
  constexpr int kAtOnce = 20;
  const NewEntry made = bench.accepted(std::vector<std::string>(kRecipientsMax, "eve@away.test"));
  const Job all = bench.next();  // more records than one read gives
  ASSERT_EQ(all.recipients.size(), kRecipientsMax);
  Recipient again = all.recipients[kLast];
  std::uint32_t ended = 0;
  while (ended + kAtOnce < kLast) {
    ASSERT_TRUE(bench.run(settle_one(&bench, all.entry, again, Attempt::deferred)));
    bench.world.clock.advance(hours(3));
    int done = 0;
    for (int i = 0; i < kAtOnce; ++i) {
      const Duration after = std::chrono::microseconds(100 * i);
      spawn(&bench.world.shard, "settle", settle_aside(&bench, all.entry, all.recipients[ended++], after, &done));
    }
    const Job next = bench.next();
    while (done < kAtOnce) ASSERT_TRUE(bench.world.step());
    ASSERT_EQ(next.recipients.size(), 1U) << "besides number " << next.recipients.front().number;
    ASSERT_EQ(next.recipients[0].number, kLast);
    again = next.recipients[0];
  }
}

}  // namespace
}  // namespace postrider::queue::test
