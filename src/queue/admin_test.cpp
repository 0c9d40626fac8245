#include "queue/queue.hpp"
#include "queue/test_bench.hpp"

namespace postrider::queue::test {
namespace {

using std::chrono::hours;

TEST(QueueCommands, ListPagesThroughAllInTheOrderOfTime) {
  Bench bench;
  std::vector<std::string> want;
  for (int i = 0; i < 25; ++i) want.push_back(bench.accepted({"ann@here.test", "bob@here.test"}).id.text());
  std::vector<std::string> got;
  std::optional<QueueId> after;
  for (int page = 0; page < 10; ++page) {
    const auto listed = bench.run(bench.queue->list(after, 7));
    ASSERT_TRUE(listed);
    if (listed->empty()) break;
    EXPECT_LE(listed->size(), 7U);
    for (const Listed& one : *listed) {
      EXPECT_EQ(one.recipients.size(), 2U);
      got.push_back(one.entry.id.text());
    }
    after = listed->back().entry.id;
  }
  EXPECT_EQ(got, want);
}

TEST(QueueCommands, WhatIsInDeliveryIsNeitherRemovedNorRetried) {
  Bench bench;
  const NewEntry made = bench.accepted({"ann@here.test"});
  Job job = bench.next();
  EXPECT_EQ(bench.run(bench.queue->remove(made.id)).error().code, Error::conflict);
  EXPECT_EQ(bench.run(bench.queue->retry(made.id)).error().code, Error::conflict);
  EXPECT_EQ(bench.settled(std::move(job), Attempt::deferred), Fate::retried);
  EXPECT_TRUE(bench.run(bench.queue->remove(made.id)));
  EXPECT_EQ(bench.run(bench.queue->remove(made.id)).error().code, Error::not_found);
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
  EXPECT_TRUE(bench.run(bench.queue->retry(made.id)));
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
  bench.store->fail_call(2, Error::exhausted);  // the read, then the commit
  EXPECT_EQ(bench.run(bench.queue->retry(made.id)).error().code, Error::exhausted);
  EXPECT_EQ(bench.next().recipients.size(), 1U);
}

TEST(QueueCommands, UnknownIdsAreNotFound) {
  Bench bench;
  const QueueId id = bench.ids.next();
  EXPECT_EQ(bench.run(bench.queue->show(id)).error().code, Error::not_found);
  EXPECT_EQ(bench.run(bench.queue->retry(id)).error().code, Error::not_found);
  EXPECT_EQ(bench.run(bench.queue->trace(id)).error().code, Error::not_found);
}

}  // namespace
}  // namespace postrider::queue::test
