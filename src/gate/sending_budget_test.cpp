// Caps of a day and bursts, over a simulated store and clock.
#include "gate/sending_budget.hpp"

#include "core/test_run.hpp"
#include "store/sim_store.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace postrider::gate {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

const BudgetSubject kAnn = BudgetSubject::account(mail::AccountId{7});
const BudgetSubject kUser = BudgetSubject::local_user(1000);

mail::Address address(std::string_view text) { return mail::Address::parse(text).value(); }

struct Bench {
  explicit Bench(SendingLimits wanted = {}) : limits(wanted) { open(); }
  void open() {
    budget.reset();
    store = std::make_unique<store::SimStore>(store::SimStoreOptions{.disk = &disk, .random = &random});
    budget.emplace(store.get(), &world.clock, limits);
  }
  void pass(Duration time) { world.clock.advance_to(world.clock.steady() + time); }

  SendingBudget::Allowed message(const BudgetSubject& who = kAnn) {
    return test::run(world, budget->allow_message(who)).value();
  }
  SendingBudget::Allowed recipient(std::string_view to, std::size_t pending = 0, const BudgetSubject& who = kAnn) {
    return test::run(world, budget->allow_recipient(who, address(to), pending)).value();
  }
  static Task<Result<SendingBudget::Counted>> commit(Bench* bench, BudgetSubject who, std::size_t recipients,
                                                     std::vector<RecipientMark> fresh) {
    store::Transaction transaction;
    const Result<SendingBudget::Counted> counted =
        co_await bench->budget->count(who, recipients, std::move(fresh), &transaction);
    const Result<store::Version> committed =
        co_await bench->store->commit(std::move(transaction), store::Durability::durable);
    if (!committed) co_return fail(committed);
    co_return counted;
  }
  SendingBudget::Counted send(std::size_t recipients = 1, std::vector<RecipientMark> fresh = {},
                              const BudgetSubject& who = kAnn) {
    return test::run(world, commit(this, who, recipients, std::move(fresh))).value();
  }
  /// Sends to addresses that nobody wrote to, each a message.
  void send_new(int count, const std::string& prefix) {
    for (int i = 0; i < count; ++i) {
      const SendingBudget::Allowed one = recipient(fmt::format("{}{}@away.test", prefix, i));
      EXPECT_TRUE(one.is_new);
      send(1, {one.mark});
    }
  }

  test::World world;
  SeededRandom random{1};
  store::SimDisk disk;
  SendingLimits limits;
  std::unique_ptr<store::SimStore> store;
  std::optional<SendingBudget> budget;
};

SendingLimits small() {
  return {.messages_a_day = 5, .new_recipients_a_day = 3, .burst_messages = 1000, .burst_recipients = 1000};
}

TEST(SendingBudget, TheCapsAreToldOfForFourteenDaysAndHoldFromThenOn) {
  Bench bench(small());
  EXPECT_FALSE(bench.message().over) << "who never sent is not over";
  for (int i = 0; i < 5; ++i) bench.send();
  SendingBudget::Allowed over = bench.message();
  EXPECT_EQ(over.over, SendingBudget::Cap::messages);
  EXPECT_FALSE(over.refused);
  EXPECT_TRUE(over.first_today);
  EXPECT_FALSE(bench.message().first_today);
  bench.pass(days(14) - seconds(1));
  EXPECT_FALSE(bench.message().over) << "another day";
  for (int i = 0; i < 5; ++i) bench.send();
  EXPECT_FALSE(bench.message().refused);
  bench.pass(seconds(1));
  for (int i = 0; i < 5; ++i) bench.send();
  over = bench.message();
  EXPECT_TRUE(over.refused);
  EXPECT_GT(over.until, bench.world.clock.wall());
  EXPECT_LE(over.until, bench.world.clock.wall() + days(1));
  bench.pass(over.until - bench.world.clock.wall());
  EXPECT_FALSE(bench.message().over) << "and the next day it may send again";
}

TEST(SendingBudget, WhatSessionsAtTheSameTimeGetPastACapIsHeld) {
  Bench bench(small());
  bench.send_new(1, "first");
  EXPECT_FALSE(bench.send(4, {1, 2, 3, 4}).is_burst) << "in its first days a cap is only told of";
  bench.pass(days(20));
  const SendingBudget::Allowed here = bench.recipient("here@away.test", 2);
  const SendingBudget::Allowed there = bench.recipient("there@away.test", 2);
  EXPECT_FALSE(here.over || there.over) << "each has the day to itself, as far as is known";
  EXPECT_FALSE(bench.send(3, {here.mark, 11, 12}).is_burst);
  EXPECT_TRUE(bench.send(3, {there.mark, 13, 14}).is_burst);
  EXPECT_FALSE(bench.send(1).is_burst) << "to those it knows it may go on";
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(bench.send().is_burst);
  EXPECT_TRUE(bench.send().is_burst) << "the sixth message";
  EXPECT_FALSE(bench.send(9, {1, 2, 3, 4, 5, 6, 7, 8, 9}, kUser).is_burst) << "who has no caps";
}

TEST(SendingBudget, AddressesThatItWroteToBeforeAreNotNew) {
  Bench bench(small());
  bench.send_new(1, "first");
  bench.pass(days(20));
  bench.send_new(3, "new");
  const SendingBudget::Allowed fourth = bench.recipient("another@away.test");
  EXPECT_EQ(fourth.over, SendingBudget::Cap::new_recipients);
  EXPECT_TRUE(fourth.refused);
  for (const std::string_view known : {"first0@away.test", "FIRST0@Away.Test", "new2@away.test"})
    EXPECT_FALSE(bench.recipient(known).over) << known;
  EXPECT_FALSE(bench.message().over);
  bench.pass(days(1));
  EXPECT_FALSE(bench.recipient("another@away.test", 2).over);
  EXPECT_TRUE(bench.recipient("another@away.test", 3).refused) << "those of the same message count";
  EXPECT_TRUE(bench.recipient("new2@away.test", 0, BudgetSubject::account(mail::AccountId{8})).is_new);
}

TEST(SendingBudget, CountsOutliveTheProcess) {
  Bench bench(small());
  bench.send_new(1, "first");
  bench.pass(days(20));
  bench.send_new(3, "new");
  bench.send();
  bench.send();
  bench.open();
  EXPECT_TRUE(bench.message().refused);
  EXPECT_TRUE(bench.recipient("another@away.test").refused);
  EXPECT_FALSE(bench.recipient("new1@away.test").over);
}

TEST(SendingBudget, MoreThanABurstIsHeldFromTheFirstDayOn) {
  Bench bench;
  for (int i = 0; i < 50; ++i) EXPECT_FALSE(bench.send().is_burst) << i;
  SendingBudget::Counted counted = bench.send();
  EXPECT_TRUE(counted.is_burst);
  EXPECT_TRUE(counted.first_today);
  counted = bench.send();
  EXPECT_TRUE(counted.is_burst);
  EXPECT_FALSE(counted.first_today) << "one notice a day";
  bench.open();
  EXPECT_TRUE(bench.send().is_burst) << "also after a start";
  bench.pass(minutes(10));
  EXPECT_FALSE(bench.send().is_burst);
  EXPECT_FALSE(bench.send(1, {}, kUser).is_burst) << "each has its own";
}

TEST(SendingBudget, WhoGoesOnAtThatRateStaysHeld) {
  Bench bench;
  int out = 0;
  for (int i = 0; i < 10'000; ++i) {
    out += bench.send().is_burst ? 0 : 1;
    bench.pass(std::chrono::milliseconds(60));  // 10 minutes in all
  }
  EXPECT_EQ(out, 50);
}

TEST(SendingBudget, RecipientsMakeABurstToo) {
  for (const BudgetSubject& who : {kAnn, kUser}) {
    Bench bench;
    EXPECT_FALSE(bench.send(100, {}, who).is_burst);
    EXPECT_TRUE(bench.send(1, {}, who).is_burst);
    bench.pass(minutes(10));
    EXPECT_TRUE(bench.send(101, {}, who).is_burst);
  }
}

TEST(SendingBudget, ALocalUserHasNoCaps) {
  Bench bench(small());
  bench.send(1, {}, kUser);
  bench.pass(days(20));
  for (int i = 0; i < 20; ++i) bench.send(1, {}, kUser);
  EXPECT_FALSE(bench.message(kUser).over);
  EXPECT_FALSE(bench.recipient("a@away.test", 100, kUser).over);
}

TEST(SendingBudget, WhatWasNotAcceptedDoesNotCount) {
  Bench bench(small());
  bench.send();
  bench.pass(days(20));
  for (int i = 0; i < 20; ++i) {
    bench.send(1, {bench.recipient("a@away.test").mark});
    bench.budget->uncount(kAnn, 1, 1);
  }
  EXPECT_FALSE(bench.message().over);
  EXPECT_FALSE(bench.recipient("b@away.test").over);
}

TEST(SendingBudget, AStoreThatCannotBeReadIsAnError) {
  Bench bench;
  bench.store->fail_call(1, Error::corrupt);
  EXPECT_FALSE(test::run(bench.world, bench.budget->allow_message(kAnn)));
  store::Transaction vandal;
  vandal.put("Gs" + kAnn.key(), "junk");
  EXPECT_TRUE(test::run(bench.world, bench.store->commit(std::move(vandal), store::Durability::durable)));
  EXPECT_EQ(test::run(bench.world, bench.budget->allow_message(kAnn)).error().code, Error::corrupt);
}

TEST(SendingBudget, RemembersSoManyRecipientsAndSubjects) {
  Bench bench;
  std::vector<RecipientMark> marks(kKnownRecipientsMax / 20);
  RecipientMark next = 1;
  for (int i = 0; i < 21; ++i) {
    for (RecipientMark& mark : marks) mark = next++;
    bench.send(1, marks);
  }
  const Result<store::Page> page = test::run(bench.world, bench.store->scan(store::range_of_prefix("Gr"), 100'000));
  EXPECT_EQ(page->entries.size(), kKnownRecipientsMax);
  // More subjects than fit: those that were put out are read again.
  bench.send(101, {}, kUser);
  for (std::uint32_t uid = 2000; uid < 2000 + kBudgetSubjectsMax; ++uid) {
    bench.pass(std::chrono::microseconds(10));
    (void)bench.message(BudgetSubject::local_user(uid));
  }
  EXPECT_TRUE(bench.send(1, {}, kUser).is_burst);
}

}  // namespace
}  // namespace postrider::gate
