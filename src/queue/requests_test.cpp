// What a sender asked for is honoured: FUTURERELEASE (4865), DELIVERBY (2852), NOTIFY (3461 §4.1).
#include "queue/test_bench.hpp"

namespace postrider::queue::test {
namespace {

using mail::NotifyOn;
using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using Words = std::vector<std::string>;

NewEntry accepted_with(Bench& bench, mail::SenderRequest request) {
  NewEntry made = bench.entry({"ann@away.test"});
  made.request = std::move(request);
  EXPECT_TRUE(bench.run(bench.accept(&made)));
  return made;
}

mail::SenderRequest hold_for(Duration time) {
  mail::SenderRequest request;
  request.hold_for = std::chrono::duration_cast<seconds>(time);
  return request;
}

mail::SenderRequest deliver_by(Duration within, mail::DeliverBy::Mode mode) {
  mail::SenderRequest request;
  request.deliver_by =
      mail::DeliverBy{.within = std::chrono::duration_cast<seconds>(within), .mode = mode, .trace = false};
  return request;
}

TEST(FutureRelease, AnEntryIsFirstDueWhenItsSenderLetsItGoAlsoAfterACrash) {
  for (const bool by_moment : {false, true}) {
    Bench bench;
    mail::SenderRequest request = hold_for(hours(3));
    if (by_moment) {
      request.hold_for.reset();
      request.hold_until = bench.world.clock.wall() + hours(3);
    }
    accepted_with(bench, request);
    bench.crash();
    EXPECT_FALSE(bench.has_job(hours(3) - seconds(1)));
    EXPECT_TRUE(bench.has_job(seconds(2)));
  }
}

TEST(FutureRelease, AMomentThatHasPassedIsNow) {
  Bench bench;
  mail::SenderRequest past;
  past.hold_until = bench.world.clock.wall() - days(10);
  accepted_with(bench, past);
  EXPECT_TRUE(bench.has_job(seconds(1)));
}

TEST(FutureRelease, TheLifetimeBeginsWithTheRelease) {
  Bench bench;
  const NewEntry made = accepted_with(bench, hold_for(days(30)));
  Fate fate = Fate::retried;
  while (stays_due(fate)) fate = bench.settled(bench.next(), Attempt::deferred);
  EXPECT_EQ(fate, Fate::report_sender);
  const Duration lived = bench.world.clock.wall() - made.arrival;
  EXPECT_GE(lived, days(35));
  EXPECT_LE(lived, days(35) + minutes(1));
}

TEST(DeliverBy, WhatIsNotDeliveredByThenFailsAndIsNotTriedAgain) {
  Bench bench;
  const NewEntry made = accepted_with(bench, deliver_by(minutes(7), mail::DeliverBy::Mode::return_it));
  Job first = bench.next();
  EXPECT_FALSE(bench.queue->overdue(first.entry));
  EXPECT_EQ(bench.settled(std::move(first), Attempt::deferred), Fate::retried);
  Job second = bench.next();  // within the seven minutes by the table
  EXPECT_EQ(bench.settled(std::move(second), Attempt::deferred), Fate::retried);
  const Job last = bench.next();
  EXPECT_GE(bench.world.clock.wall() - made.arrival, minutes(7));
  EXPECT_LE(bench.world.clock.wall() - made.arrival, minutes(7) + seconds(1));
  const std::optional<Outcome> outcome = bench.queue->overdue(last.entry);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->attempt, Attempt::failed);
  EXPECT_EQ(outcome->status, "5.4.7");
  // An attempt that was under way when the time ended keeps its reply.
  const Outcome judged =
      bench.queue->judged(last.entry, last.recipients[0],
                          {.attempt = Attempt::deferred, .status = "4.2.1", .reply = "451 x", .remote = {}});
  EXPECT_EQ(judged.attempt, Attempt::failed);
  EXPECT_EQ(judged.status, "5.4.7");
  EXPECT_EQ(judged.reply, "451 x");
}

TEST(DeliverBy, ModeNotifyGoesOnToTheEnd) {
  Bench bench;
  const NewEntry made = accepted_with(bench, deliver_by(minutes(7), mail::DeliverBy::Mode::notify));
  Fate fate = Fate::retried;
  while (stays_due(fate)) {
    Job job = bench.next();
    EXPECT_FALSE(bench.queue->overdue(job.entry));
    fate = bench.settled(std::move(job), Attempt::deferred);
  }
  EXPECT_GE(bench.world.clock.wall() - made.arrival, days(5));
}

struct Row {
  std::optional<NotifyOn> notify;
  ReportTo report_to = ReportTo::sender;
  bool null_path = false;
  Outcome outcome;
  Fate want;
  Words trace;
};

const Outcome kFailed{.attempt = Attempt::failed, .status = "5.1.1", .reply = "550 no", .remote = {}};
const Outcome kDelivered{.attempt = Attempt::delivered, .status = "2.0.0", .reply = "250 ok", .remote = {}};
const Outcome kRelayed{.attempt = Attempt::relayed, .status = "2.0.0", .reply = "250 ok", .remote = "mx [192.0.2.1]"};
const Outcome kPassedOn{.attempt = Attempt::relayed,
                        .status = "2.0.0",
                        .reply = "250 ok",
                        .remote = "mx [192.0.2.1]",
                        .reports_passed_on = true};

TEST(Notify, DecidesWhoHearsOfWhat) {
  const NotifyOn never;
  const NotifyOn success{.success = true, .failure = false, .delay = false};
  const NotifyOn failure{.success = false, .failure = true, .delay = false};
  const NotifyOn delay{.success = false, .failure = false, .delay = true};
  const NotifyOn all{.success = true, .failure = true, .delay = true};
  constexpr auto kSender = ReportTo::sender;
  constexpr auto kPostmaster = ReportTo::postmaster;
  const std::vector<Row> rows = {
      {std::nullopt, kSender, false, kFailed, Fate::report_sender, {"failed", "reported"}},
      {failure, kSender, false, kFailed, Fate::report_sender, {"failed", "reported"}},
      {never, kSender, false, kFailed, Fate::dropped_unwanted, {"failed", "removed"}},
      {success, kSender, false, kFailed, Fate::dropped_unwanted, {"failed", "removed"}},
      {delay, kSender, false, kFailed, Fate::dropped_unwanted, {"failed", "removed"}},
      {never, kPostmaster, false, kFailed, Fate::held_for_postmaster, {"failed", "held"}},
      {all, kSender, true, kFailed, Fate::dropped_null_sender, {"failed", "removed"}},
      {std::nullopt, kSender, false, kDelivered, Fate::done, {"delivered"}},
      {failure, kSender, false, kDelivered, Fate::done, {"delivered"}},
      {success, kSender, false, kDelivered, Fate::report_success, {"delivered", "reported"}},
      {all, kSender, false, kRelayed, Fate::report_success, {"relayed", "reported"}},
      {all, kSender, false, kPassedOn, Fate::done, {"relayed"}},
      {all, kSender, true, kDelivered, Fate::done, {"delivered"}},
      {all, kPostmaster, false, kDelivered, Fate::done, {"delivered"}},
      {all, ReportTo::nobody, false, kRelayed, Fate::done, {"relayed"}},
  };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    SCOPED_TRACE(i);
    const Row& row = rows[i];
    Bench bench;
    NewEntry made = bench.entry({"ann@away.test"});
    made.report_to = row.report_to;
    made.recipients[0].request.notify = row.notify;
    if (row.null_path) made.reverse_path = mail::Path::null();
    ASSERT_TRUE(bench.run(bench.accept(&made)));
    Job job = bench.next();
    const Result<std::vector<Fate>> fates = bench.run(bench.settle_all(&job, row.outcome));
    ASSERT_TRUE(fates);
    EXPECT_EQ(fates->front(), row.want);
    Words trace = bench.trace(made.id);
    trace.erase(trace.begin());
    EXPECT_EQ(trace, row.trace);
    EXPECT_EQ(bench.keys_with("Qe"), row.want == Fate::held_for_postmaster ? 2U : 0U);
  }
}

}  // namespace
}  // namespace postrider::queue::test
