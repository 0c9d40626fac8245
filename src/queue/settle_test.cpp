// Ends of attempts: what is held, expanded, put off, late, or of a list.
#include "queue/test_bench.hpp"

namespace postrider::queue::test {
namespace {

using mail::NotifyOn;
using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using Words = std::vector<std::string>;

const Outcome kDeferred{
    .attempt = Attempt::deferred, .status = "4.2.1", .reply = "451 later", .remote = "mx.away.test [192.0.2.9]"};

Fate settle(Bench& bench, Job job, const Outcome& outcome) {
  const Result<std::vector<Fate>> fates = bench.run(bench.settle_all(&job, outcome));
  check(fates.has_value() && !fates->empty(), "test: settled");
  return fates->front();
}

Recipient shown(Bench& bench, const QueueId& id) { return bench.run(bench.queue->show(id))->recipients.at(0); }

TEST(Settle, ARouteHoldsUntilItIsReleasedAndCountsNoAttempt) {
  Bench bench;
  const NewEntry made = bench.accepted({"ann@away.test"});
  EXPECT_EQ(settle(bench, bench.next(), kDeferred), Fate::retried);
  const Outcome held{.attempt = Attempt::held, .status = "4.7.0", .reply = "held by its route", .remote = {}};
  EXPECT_EQ(settle(bench, bench.next(), held), Fate::held);
  bench.crash();
  const Recipient now = shown(bench, made.id);
  EXPECT_EQ(now.state, RecipientState::held);
  EXPECT_EQ(now.held_why, HeldWhy::route);
  EXPECT_EQ(now.due, kNever);
  EXPECT_EQ(now.attempts, 1U);
  EXPECT_EQ(now.last_reply, "451 later");
  EXPECT_EQ(bench.trace(made.id), (Words{"accepted", "deferred", "held"}));
  EXPECT_FALSE(bench.has_job(days(20)));
  EXPECT_TRUE(bench.run(bench.queue->show(made.id)));
}

TEST(Settle, AnExpandedOneLeavesAndIsReportedWhereItsSenderAskedFor) {
  for (const bool asked : {false, true}) {
    Bench bench;
    NewEntry made = bench.entry({"all@here.test"});
    made.recipients[0].ordered = Ordered::expand;
    if (asked) made.recipients[0].request.notify = NotifyOn{.success = true, .failure = true, .delay = false};
    ASSERT_TRUE(bench.run(bench.accept(&made)));
    Job job = bench.next();
    EXPECT_EQ(job.recipients[0].ordered, Ordered::expand);
    const Outcome expanded{.attempt = Attempt::expanded, .status = "2.0.0", .reply = "250 expanded", .remote = {}};
    EXPECT_EQ(settle(bench, std::move(job), expanded), asked ? Fate::report_success : Fate::done);
    EXPECT_EQ(bench.trace(made.id),
              asked ? (Words{"accepted", "expanded", "reported"}) : Words({"accepted", "expanded"}));
    EXPECT_EQ(bench.keys_with("Qe") + bench.keys_with("Qd") + bench.disk.synced().blobs.size(), 0U);
  }
}

TEST(Settle, WhatIsOrderedIsNotJudgedByItsTime) {
  Bench bench;
  NewEntry made = bench.entry({"ann@away.test"});
  made.arrival = bench.world.clock.wall() - days(30);
  ASSERT_TRUE(bench.run(bench.accept(&made)));
  const Job job = bench.next();
  Recipient one = job.recipients[0];
  EXPECT_EQ(bench.queue->judged(job.entry, one, kDeferred).attempt, Attempt::failed);
  for (const Ordered ordered : {Ordered::bounce, Ordered::expand}) {
    one.ordered = ordered;
    EXPECT_EQ(bench.queue->judged(job.entry, one, kDeferred).attempt, Attempt::deferred);
  }
}

TEST(Settle, ARoutesRetryTableTakesThePlaceOfTheSettings) {
  Bench bench;
  const NewEntry made = bench.accepted({"ann@away.test"});
  Outcome outcome = kDeferred;
  outcome.retry = {seconds(10), seconds(100)};
  for (const Duration want : {seconds(10), seconds(100), seconds(100)}) {
    Job job = bench.next();
    const WallTime before = bench.world.clock.wall();
    EXPECT_EQ(settle(bench, std::move(job), outcome), Fate::retried);
    const Duration delay = shown(bench, made.id).due - before;
    EXPECT_GE(delay, want * 8 / 10);
    EXPECT_LE(delay, want * 12 / 10 + seconds(1));
  }
  EXPECT_EQ(shown(bench, made.id).last_remote, "mx.away.test [192.0.2.9]");
}

TEST(Settle, TheRemoteOfTheLastAttemptIsKeptAsPrintableText) {
  Bench bench;
  const NewEntry made = bench.accepted({"ann@away.test"});
  Outcome outcome = kDeferred;
  outcome.remote = "mx\r\n" + std::string(1000, 'x');
  settle(bench, bench.next(), outcome);
  const std::string remote = shown(bench, made.id).last_remote;
  EXPECT_TRUE(remote.starts_with("mx??xxx"));
  EXPECT_LE(remote.size(), 320U);
  outcome.remote.clear();
  settle(bench, bench.next(), outcome);
  EXPECT_EQ(shown(bench, made.id).last_remote, "");
}

TEST(Postpone, WhatIsPutOffIsDueThenAndNothingIsCountedOrTraced) {
  Bench bench;
  const NewEntry made = bench.accepted({"ann@away.test"});
  const Job job = bench.next();
  store::Transaction transaction;
  const WallTime until = bench.world.clock.wall() + minutes(3);
  bench.queue->stage_postpone(transaction, job.entry, job.recipients[0], until);
  ASSERT_TRUE(bench.run(bench.store->commit(std::move(transaction), store::Durability::lazy)));
  bench.queue->settled(made.id, 0);
  EXPECT_EQ(shown(bench, made.id).due, until);
  EXPECT_EQ(shown(bench, made.id).attempts, 0U);
  EXPECT_EQ(bench.trace(made.id), Words{"accepted"});
  EXPECT_EQ(bench.keys_with("Qe"), 2U);
  EXPECT_FALSE(bench.has_job(minutes(3) - seconds(1)));
  EXPECT_TRUE(bench.has_job(seconds(2)));
}

TEST(Postpone, NeverBeyondTheTimeOfTheEntry) {
  Bench bench;
  NewEntry made = bench.entry({"ann@away.test"});
  made.request.deliver_by = mail::DeliverBy{.within = seconds(60)};
  ASSERT_TRUE(bench.run(bench.accept(&made)));
  const Job job = bench.next();
  store::Transaction transaction;
  bench.queue->stage_postpone(transaction, job.entry, job.recipients[0], bench.world.clock.wall() + hours(3));
  ASSERT_TRUE(bench.run(bench.store->commit(std::move(transaction), store::Durability::durable)));
  EXPECT_EQ(shown(bench, made.id).due, made.arrival + seconds(60));
}

/// When its sender heard that it is late, after the arrival; nullopt: never.
struct Heard {
  std::optional<Duration> late;
  int reports = 0;
};
Heard let_it_end(Bench& bench, const NewEntry& made) {
  Heard heard;
  for (Fate fate = Fate::retried; stays_due(fate);) {
    fate = settle(bench, bench.next(), kDeferred);
    if (fate != Fate::report_delay) continue;
    ++heard.reports;
    heard.late = bench.world.clock.wall() - made.arrival;
    EXPECT_TRUE(shown(bench, made.id).delay_reported);
    EXPECT_EQ(bench.trace(made.id).back(), "delayed");
    bench.crash();  // and it is not forgotten
  }
  return heard;
}

struct LateRow {
  std::string name;
  std::optional<NotifyOn> notify;
  ReportTo report_to = ReportTo::sender;
  bool null_path = false;
  std::optional<mail::DeliverBy> by;
  std::optional<seconds> hold_for;
  std::optional<Duration> want;
};

TEST(Late, DecidesWhoHearsOfADelayAndWhen) {
  const NotifyOn never;
  const NotifyOn failure{.success = false, .failure = true, .delay = false};
  const NotifyOn delay{.success = false, .failure = false, .delay = true};
  const auto by = [](Duration within) {
    return mail::DeliverBy{.within = std::chrono::duration_cast<seconds>(within),
                           .mode = mail::DeliverBy::Mode::notify};
  };
  const auto returned = [&](Duration within) {
    mail::DeliverBy out = by(within);
    out.mode = mail::DeliverBy::Mode::return_it;
    return out;
  };
  constexpr auto kSender = ReportTo::sender;
  const std::vector<LateRow> rows = {
      {"nothing said", std::nullopt, kSender, false, std::nullopt, std::nullopt, hours(4)},
      {"asked for", delay, kSender, false, std::nullopt, std::nullopt, hours(4)},
      {"failures only", failure, kSender, false, std::nullopt, std::nullopt, std::nullopt},
      {"never", never, kSender, false, std::nullopt, std::nullopt, std::nullopt},
      {"null path", delay, kSender, true, std::nullopt, std::nullopt, std::nullopt},
      {"stranger", delay, ReportTo::postmaster, false, std::nullopt, std::nullopt, std::nullopt},
      {"nobody", delay, ReportTo::nobody, false, std::nullopt, std::nullopt, std::nullopt},
      {"mode N", std::nullopt, kSender, false, by(minutes(7)), std::nullopt, minutes(7)},
      {"mode N, longer", std::nullopt, kSender, false, by(hours(9)), std::nullopt, hours(9)},
      {"mode N, but never", never, kSender, false, by(minutes(7)), std::nullopt, std::nullopt},
      {"mode N, passed before", std::nullopt, kSender, false, by(-minutes(7)), std::nullopt, hours(4)},
      {"mode R is back before", std::nullopt, kSender, false, returned(hours(1)), std::nullopt, std::nullopt},
      {"released later", std::nullopt, kSender, false, std::nullopt, hours(48), hours(52)},
  };
  for (const LateRow& row : rows) {
    SCOPED_TRACE(row.name);
    Bench bench;
    NewEntry made = bench.entry({"ann@away.test"});
    made.report_to = row.report_to;
    made.recipients[0].request.notify = row.notify;
    made.request.deliver_by = row.by;
    made.request.hold_for = row.hold_for;
    if (row.null_path) made.reverse_path = mail::Path::null();
    ASSERT_TRUE(bench.run(bench.accept(&made)));
    const Heard heard = let_it_end(bench, made);
    EXPECT_EQ(heard.reports, row.want ? 1 : 0);
    ASSERT_EQ(heard.late.has_value(), row.want.has_value());
    if (!row.want) continue;
    EXPECT_GE(*heard.late, *row.want);
    EXPECT_LE(*heard.late, *row.want + seconds(2));
  }
}

TEST(Late, WithoutATimeOnlyThoseHearWhoAsked) {
  for (const bool asked : {false, true}) {
    Bench bench;
    bench.settings.warn_after = {};
    bench.crash();
    NewEntry made = bench.entry({"ann@away.test"});
    if (asked) made.recipients[0].request.notify = NotifyOn{.success = false, .failure = true, .delay = true};
    ASSERT_TRUE(bench.run(bench.accept(&made)));
    EXPECT_EQ(let_it_end(bench, made).reports, asked ? 1 : 0);
  }
}

TEST(ListSender, TheOwnerHearsOfARecipientOfItsList) {
  const Outcome failed{.attempt = Attempt::failed, .status = "5.1.1", .reply = "550 no", .remote = {}};
  const auto made_with = [](Bench& bench, ReportTo report_to, bool null_path, std::optional<mail::Path> own) {
    NewEntry made = bench.entry({"ann@away.test"});
    made.report_to = report_to;
    if (null_path) made.reverse_path = mail::Path::null();
    made.recipients[0].reverse_path = std::move(own);
    EXPECT_TRUE(bench.run(bench.accept(&made)));
    return made;
  };
  const mail::Path owner(address("owner-list@here.test"));
  for (const ReportTo report_to : {ReportTo::sender, ReportTo::postmaster, ReportTo::nobody}) {
    for (const bool null_path : {false, true}) {
      Bench bench;
      const NewEntry made = made_with(bench, report_to, null_path, owner);
      Job job = bench.next();
      EXPECT_EQ(job.recipients[0].reverse_path, owner);
      EXPECT_EQ(settle(bench, std::move(job), failed), Fate::report_sender);
      const Result<std::vector<TraceEvent>> events = bench.run(bench.queue->trace(made.id));
      EXPECT_EQ(events->back().detail, "to <owner-list@here.test>");
    }
  }
  Bench bench;
  made_with(bench, ReportTo::sender, false, mail::Path::null());
  EXPECT_EQ(settle(bench, bench.next(), failed), Fate::dropped_null_sender);
}

TEST(ListSender, ItsLifetimeIsThatOfItsOwnSender) {
  for (const bool entry_is_null : {false, true}) {
    Bench bench;
    NewEntry made = bench.entry({"ann@away.test"});
    if (entry_is_null) made.reverse_path = mail::Path::null();
    made.recipients[0].reverse_path = entry_is_null ? mail::Path(address("owner-list@here.test")) : mail::Path::null();
    ASSERT_TRUE(bench.run(bench.accept(&made)));
    for (Fate fate = Fate::retried; stays_due(fate);) fate = settle(bench, bench.next(), kDeferred);
    const Duration lived = bench.world.clock.wall() - made.arrival;
    EXPECT_GE(lived, entry_is_null ? days(5) : days(2));
    EXPECT_LE(lived, (entry_is_null ? days(5) : days(2)) + minutes(1));
  }
}

}  // namespace
}  // namespace postrider::queue::test
