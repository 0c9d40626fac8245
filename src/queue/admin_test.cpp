#include "queue/queue.hpp"
#include "queue/test_bench.hpp"

namespace postrider::queue::test {
namespace {

using std::chrono::hours;

TEST(QueueCommands, WhatIsInDeliveryIsNeitherRemovedNorRetried) {
  Bench bench;
  const NewEntry made = bench.accepted({"ann@here.test"});
  Job job = bench.next();
  EXPECT_EQ(bench.change(Change::What::remove, made.id)->busy, std::vector<QueueId>{made.id});
  EXPECT_EQ(bench.change(Change::What::retry, made.id)->busy, std::vector<QueueId>{made.id});
  EXPECT_EQ(bench.settled(std::move(job), Attempt::deferred), Fate::retried);
  EXPECT_EQ(bench.change(Change::What::remove, made.id)->changed.size(), 1U);
  EXPECT_TRUE(bench.change(Change::What::remove, made.id)->changed.empty());
  EXPECT_EQ(bench.trace(made.id), (std::vector<std::string>{"accepted", "deferred", "removed"}));
  EXPECT_FALSE(bench.has_job(hours(1)));
  EXPECT_EQ(bench.disk.synced().blobs.size(), 0U);
  EXPECT_EQ(bench.keys_with("Qd"), 0U);
  EXPECT_EQ(bench.queue->depth(), 0U);
}

TEST(QueueCommands, RetryMakesDeferredAndHeldOnesDueNow) {
  Bench bench;
  NewEntry made = bench.entry({"ann@away.test", "bob@away.test"});
  made.report_to = ReportTo::postmaster;
  ASSERT_TRUE(bench.run(bench.accept(&made)));
  Job job = bench.next();
  Recipient second = job.recipients[1];
  job.recipients.pop_back();
  EXPECT_EQ(bench.settled(job, Attempt::failed), Fate::held_for_postmaster);
  const Entry now = bench.run(bench.queue->show(made.id))->entry;
  EXPECT_EQ(bench.settled({.entry = now, .recipients = {second}}, Attempt::deferred), Fate::retried);
  EXPECT_EQ(bench.change(Change::What::retry, made.id)->changed.at(0).recipients.size(), 2U);
  const SteadyTime before = bench.world.clock.steady();
  job = bench.next();
  EXPECT_EQ(job.recipients.size(), 2U);
  EXPECT_LT(bench.world.clock.steady() - before, std::chrono::seconds(1));
  EXPECT_EQ(bench.settled(std::move(job), Attempt::delivered), Fate::done);
  EXPECT_EQ(bench.keys_with("Qd"), 0U);
}

TEST(QueueCommands, AFailedCommitOfRetryLeavesItDue) {
  Bench bench;
  const NewEntry made = bench.accepted({"ann@here.test"});
  bench.store->fail_call(3, Error::exhausted);  // the entry, the freezes, then the commit
  EXPECT_EQ(bench.change(Change::What::retry, made.id).error().code, Error::exhausted);
  EXPECT_EQ(bench.next().recipients.size(), 1U);
}

TEST(QueueCommands, UnknownIdsAreNotFound) {
  Bench bench;
  const QueueId id = bench.ids.next();
  EXPECT_EQ(bench.run(bench.queue->show(id)).error().code, Error::not_found);
  EXPECT_TRUE(bench.change(Change::What::retry, id)->changed.empty());
  EXPECT_EQ(bench.run(bench.queue->trace(id)).error().code, Error::not_found);
}

}  // namespace
}  // namespace postrider::queue::test
