// Standing orders to hold what matches.
#include "queue/freezes.hpp"
#include "queue/keys.hpp"
#include "queue/test_bench.hpp"

namespace postrider::queue::test {
namespace {

using std::chrono::days;
using std::chrono::hours;
using What = Change::What;
using Words = std::vector<std::string>;

Freeze domain(std::string text) { return {.from = {}, .to = {}, .domain = std::move(text)}; }

Selection frozen_ones() {
  Selection selection;
  selection.held_why = {HeldWhy::frozen};
  return selection;
}

std::size_t release(Bench& bench) {
  const Result<ChangePage> page =
      bench.run(bench.queue->change({.what = What::release, .to = {}}, frozen_ones(), std::nullopt, 1000));
  check(page.has_value(), "test: released");
  std::size_t count = 0;
  for (const Listed& one : page->changed) count += one.recipients.size();
  return count;
}

TEST(Freeze, HoldsWhatMatchesWhenItIsDueAndLetsTheRestGo) {
  Bench bench;
  const NewEntry made = bench.accepted({"ann@away.test", "bob@other.test"});
  ASSERT_TRUE(bench.run(bench.queue->freeze(domain("Away.test"))));
  Job job = bench.next();
  ASSERT_EQ(job.recipients.size(), 1U);
  EXPECT_EQ(job.recipients[0].address, address("bob@other.test"));
  bench.settled(std::move(job), Attempt::delivered);
  const Recipient held = bench.run(bench.queue->show(made.id))->recipients.at(0);
  EXPECT_EQ(held.state, RecipientState::held);
  EXPECT_EQ(held.held_why, HeldWhy::frozen);
  EXPECT_EQ(held.due, kNever);
  EXPECT_EQ(held.attempts, 0U);
  EXPECT_EQ(bench.trace(made.id), (Words{"accepted", "held", "delivered"}));
  EXPECT_FALSE(bench.has_job(days(10)));

  EXPECT_EQ(release(bench), 0U);  // the freeze still matches
  ASSERT_TRUE(bench.run(bench.queue->thaw(domain("away.TEST"))));
  EXPECT_EQ(release(bench), 1U);
  EXPECT_EQ(bench.next().recipients.at(0).address, address("ann@away.test"));
}

TEST(Freeze, OutlivesACrashAndHoldsWhatComesLater) {
  Bench bench;
  ASSERT_TRUE(bench.run(bench.queue->freeze({.from = "@away.test", .to = {}, .domain = {}})));
  bench.crash();
  const NewEntry made = bench.accepted({"ann@here.test"});
  EXPECT_FALSE(bench.has_job(hours(1)));
  EXPECT_EQ(bench.run(bench.queue->show(made.id))->recipients.at(0).held_why, HeldWhy::frozen);
  bench.crash();
  EXPECT_EQ(bench.run(bench.queue->freezes()).value(),
            (std::vector<Freeze>{{.from = "@away.test", .to = {}, .domain = {}}}));
}

TEST(Freeze, ARedirectGetsPastItAndABounceToo) {
  Bench bench;
  ASSERT_TRUE(bench.run(bench.queue->freeze(domain("away.test"))));
  const NewEntry made = bench.accepted({"ann@away.test", "bob@away.test"});
  EXPECT_FALSE(bench.has_job(hours(1)));
  Selection ann;
  ann.to = "ann@away.test";
  Change::Destination other{.address = address("ann@other.test"), .account = std::nullopt};
  ASSERT_TRUE(bench.run(bench.queue->change({.what = What::redirect, .to = {other}}, ann, std::nullopt, 10)));
  Selection bob;
  bob.to = "bob@away.test";
  ASSERT_TRUE(bench.run(bench.queue->change({.what = What::bounce, .to = {}}, bob, std::nullopt, 10)));
  EXPECT_EQ(bench.next().recipients.size(), 2U);
}

TEST(Freeze, EachPartMustMatchAndNothingSetIsEverything) {
  struct Row {
    Freeze freeze;
    bool holds;
  };
  const std::vector<Row> rows = {
      {{.from = {}, .to = {}, .domain = {}}, true},
      {{.from = "SENDER@away.test", .to = {}, .domain = {}}, true},
      {{.from = "<>", .to = {}, .domain = {}}, false},
      {{.from = {}, .to = "ann@here.test", .domain = {}}, true},
      {{.from = {}, .to = "old@here.test", .domain = {}}, true},  // as it was given
      {{.from = {}, .to = "@there.test", .domain = {}}, false},
      {{.from = "@away.test", .to = "@here.test", .domain = "here.test"}, true},
      {{.from = "@away.test", .to = "@here.test", .domain = "away.test"}, false},
  };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Bench bench;
    ASSERT_TRUE(bench.run(bench.queue->freeze(rows[i].freeze)));
    NewEntry made = bench.entry({"ann@here.test"});
    made.recipients[0].original = address("old@here.test");
    ASSERT_TRUE(bench.run(bench.accept(&made)));
    EXPECT_EQ(bench.has_job(hours(1)), !rows[i].holds) << i;
  }
}

TEST(Freeze, TwiceIsOnceAndAnUnknownOneIsNotThawed) {
  Bench bench;
  ASSERT_TRUE(bench.run(bench.queue->freeze(domain("a.test"))));
  ASSERT_TRUE(bench.run(bench.queue->freeze(domain("A.test"))));
  EXPECT_EQ(bench.run(bench.queue->freezes())->size(), 1U);
  EXPECT_EQ(bench.run(bench.queue->thaw(domain("b.test"))).error().code, Error::not_found);
  ASSERT_TRUE(bench.run(bench.queue->thaw(domain("a.test"))));
  EXPECT_TRUE(bench.run(bench.queue->freezes())->empty());
  EXPECT_EQ(bench.run(bench.queue->thaw(domain("a.test"))).error().code, Error::not_found);
}

TEST(Freeze, NoMoreThanTheLimitAndNoLongerOnes) {
  Bench bench;
  store::Transaction many;
  for (std::size_t i = 1; i < kFreezesMax; ++i) many.put(freeze_key(domain(fmt::format("d{}.test", i))), "x");
  ASSERT_TRUE(bench.run(bench.store->commit(std::move(many), store::Durability::durable)));
  ASSERT_TRUE(bench.run(bench.queue->freeze(domain("d0.test"))));
  EXPECT_EQ(bench.run(bench.queue->freeze(domain("one-more.test"))).error().code, Error::exhausted);
  EXPECT_TRUE(bench.run(bench.queue->freeze(domain("d7.test"))));
  ASSERT_TRUE(bench.run(bench.queue->thaw(domain("d7.test"))));
  const std::string longest(kFreezeTextOctetsMax, 'x');
  EXPECT_EQ(bench.run(bench.queue->freeze(domain(longest + "x"))).error().code, Error::too_long);
  EXPECT_TRUE(bench.run(bench.queue->freeze({.from = longest, .to = longest, .domain = longest})));
  EXPECT_EQ(bench.run(bench.queue->freezes())->size(), kFreezesMax);
}

TEST(Freeze, AThousandRecipientsAreHeldInBatches) {
  Bench bench;
  Words all;
  for (std::size_t i = 0; i < kRecipientsMax; ++i)
    all.push_back(fmt::format("r{}@{}.test", i, i % 10 == 3 ? "b" : "a"));
  const NewEntry made = bench.accepted(all);
  ASSERT_TRUE(bench.run(bench.queue->freeze(domain("a.test"))));
  EXPECT_EQ(bench.next().recipients.size(), kRecipientsMax / 10);
  std::size_t held = 0;
  const Listed now = bench.run(bench.queue->show(made.id)).value();
  for (const Recipient& one : now.recipients) held += one.state == RecipientState::held ? 1 : 0;
  EXPECT_EQ(held, kRecipientsMax - kRecipientsMax / 10);
}

TEST(Freeze, WhicheverCallFailsWhileAJobIsMadeAllAreFoundAgain) {
  int failures = 0;
  for (std::uint64_t k = 1; k <= 6; ++k) {
    SCOPED_TRACE(k);
    Bench bench;
    Words all;
    for (std::size_t i = 0; i < 250; ++i) all.push_back(fmt::format("r{}@{}.test", i, i == 200 ? "b" : "a"));
    const NewEntry made = bench.accepted(all);
    ASSERT_TRUE(bench.run(bench.queue->freeze(domain("a.test"))));
    bench.store->fail_call(k, Error::exhausted);
    Signal stop;
    Result<Job> job = bench.run(bench.queue->next(&stop));
    failures += job ? 0 : 1;
    if (!job) job = bench.run(bench.queue->next(&stop));
    ASSERT_TRUE(job);
    ASSERT_EQ(job->recipients.size(), 1U);
    EXPECT_EQ(job->recipients[0].number, 200U);
    bench.settled(std::move(*job), Attempt::delivered);
    ASSERT_TRUE(bench.run(bench.queue->thaw(domain("a.test"))));
    EXPECT_EQ(release(bench), 249U);
    EXPECT_EQ(bench.next().recipients.size(), 249U);
  }
  EXPECT_GE(failures, 5);
}

TEST(Freeze, WhicheverCallFailsItIsThereOrNot) {
  for (std::uint64_t k = 1; k <= 4; ++k) {
    Bench bench;
    EXPECT_TRUE(bench.run(bench.queue->freezes())->empty());  // a copy is in memory
    bench.store->fail_call(k, Error::exhausted);
    const Result<void> frozen = bench.run(bench.queue->freeze(domain("a.test")));
    EXPECT_EQ(frozen.has_value(), k == 4);
    if (k == 4) EXPECT_EQ(bench.run(bench.queue->freezes()).error().code, Error::exhausted);
    EXPECT_EQ(bench.run(bench.queue->freezes())->size(), frozen ? 1U : 0U);
    ASSERT_TRUE(bench.run(bench.queue->freeze(domain("a.test"))));
    bench.store->fail_call(k, Error::exhausted);
    EXPECT_EQ(bench.run(bench.queue->thaw(domain("a.test"))).has_value(), k == 4);
  }
}

TEST(Freeze, AKeyThatCannotBeReadIsPassedOver) {
  Bench bench;
  store::Transaction vandal;
  for (const char* junk : {"Qfx", "Qf\0\5abc", "Qfjunkjunkjunk"}) vandal.put(junk, "junk");
  ASSERT_TRUE(bench.run(bench.store->commit(std::move(vandal), store::Durability::durable)));
  ASSERT_TRUE(bench.run(bench.queue->freeze(domain("a.test"))));
  EXPECT_EQ(bench.run(bench.queue->freezes())->size(), 1U);
}

}  // namespace
}  // namespace postrider::queue::test
