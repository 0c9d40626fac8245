// What commands choose by.
#include "queue/keys.hpp"
#include "queue/test_bench.hpp"

#include <functional>

namespace postrider::queue::test {
namespace {

using std::chrono::seconds;

TEST(Selection, EachPartChooses) {
  SimClock clock{WallTime(seconds(1'780'000'000))};
  SeededRandom random(1);
  QueueIds ids(&clock, &random);
  Entry entry{.id = ids.next(),
              .reverse_path = mail::Path(address("Sender@away.test")),
              .content = {},
              .return_paths = {},
              .request = {},
              .arrival = WallTime(seconds(100)),
              .client = {}};
  Recipient recipient{.number = 7,
                      .address = address("Ann@inner.test"),
                      .original = address("alias@here.test"),
                      .account = std::nullopt,
                      .request = {},
                      .attempts = 2,
                      .due = WallTime(seconds(200)),
                      .last_reply = "451 4.2.1 later",
                      .last_remote = "MX.inner.test [192.0.2.9]"};
  const auto chosen = [&](const std::function<void(Selection&)>& set) {
    Selection selection;
    set(selection);
    return selects(selection, entry, recipient);
  };
  EXPECT_TRUE(chosen([](Selection&) {}));
  EXPECT_TRUE(chosen([&](Selection& s) { s.ids = {ids.next(), entry.id}; }));
  EXPECT_FALSE(chosen([&](Selection& s) { s.ids = {ids.next()}; }));
  EXPECT_TRUE(chosen([](Selection& s) { s.from = "sender@AWAY.test"; }));
  EXPECT_TRUE(chosen([](Selection& s) { s.from = "@away.TEST"; }));
  EXPECT_FALSE(chosen([](Selection& s) { s.from = "@test"; }));
  EXPECT_FALSE(chosen([](Selection& s) { s.from = "<>"; }));
  EXPECT_FALSE(chosen([](Selection& s) { s.from = ""; }));
  EXPECT_TRUE(chosen([](Selection& s) { s.to = "ann@inner.test"; }));
  EXPECT_TRUE(chosen([](Selection& s) { s.to = "ALIAS@here.test"; }));
  EXPECT_TRUE(chosen([](Selection& s) { s.to = "@here.test"; }));
  EXPECT_FALSE(chosen([](Selection& s) { s.to = "bob@inner.test"; }));
  EXPECT_TRUE(chosen([](Selection& s) { s.domain = "Inner.test"; }));
  EXPECT_FALSE(chosen([](Selection& s) { s.domain = "here.test"; }));  // where it goes, not what was given
  for (const char* mx : {"mx.inner.test", "192.0.2.9", "[192.0.2.9]"}) {
    EXPECT_TRUE(chosen([&](Selection& s) { s.mx = mx; })) << mx;
  }
  for (const char* mx : {"inner.test", "192.0.2", "", "[]"}) {
    EXPECT_FALSE(chosen([&](Selection& s) { s.mx = mx; })) << mx;
  }
  EXPECT_TRUE(chosen([](Selection& s) { s.state = RecipientState::due; }));
  EXPECT_FALSE(chosen([](Selection& s) { s.state = RecipientState::held; }));
  EXPECT_TRUE(chosen([](Selection& s) { s.only_deferred = true; }));
  EXPECT_FALSE(chosen([](Selection& s) { s.only_fresh = true; }));
  EXPECT_FALSE(chosen([](Selection& s) { s.held_why = {HeldWhy::undeliverable}; }));
  EXPECT_TRUE(chosen([](Selection& s) { s.number_max = 7; }));
  EXPECT_FALSE(chosen([](Selection& s) { s.number_max = 6; }));
  EXPECT_TRUE(chosen([](Selection& s) { s.arrived_before = WallTime(seconds(101)); }));
  EXPECT_FALSE(chosen([](Selection& s) { s.arrived_before = WallTime(seconds(100)); }));
  EXPECT_TRUE(chosen([](Selection& s) { s.reply = [](std::string_view reply) { return reply.starts_with("451"); }; }));
  EXPECT_FALSE(chosen([](Selection& s) { s.reply = [](std::string_view) { return false; }; }));
  EXPECT_FALSE(chosen([](Selection& s) {  // all must hold
    s.domain = "inner.test";
    s.from = "@other.test";
  }));

  recipient.state = RecipientState::held;
  recipient.held_why = HeldWhy::frozen;
  EXPECT_FALSE(chosen([](Selection& s) { s.only_deferred = true; }));
  EXPECT_TRUE(chosen([](Selection& s) { s.held_why = {HeldWhy::route, HeldWhy::frozen}; }));
  EXPECT_FALSE(chosen([](Selection& s) { s.held_why = {HeldWhy::route}; }));
  entry.reverse_path = mail::Path::null();
  EXPECT_TRUE(chosen([](Selection& s) { s.from = "<>"; }));
  EXPECT_FALSE(chosen([](Selection& s) { s.from = "@away.test"; }));
  recipient.reverse_path = mail::Path(address("owner@here.test"));  // of a list: what is delivered names that one
  EXPECT_TRUE(chosen([](Selection& s) { s.from = "owner@here.test"; }));
  recipient.state = RecipientState::due;
  recipient.attempts = 0;
  recipient.last_remote.clear();
  EXPECT_TRUE(chosen([](Selection& s) { s.only_fresh = true; }));
  EXPECT_FALSE(chosen([](Selection& s) { s.only_deferred = true; }));
  EXPECT_FALSE(chosen([](Selection& s) { s.mx = ""; }));
}

/// Pages through all that is chosen.
std::vector<Listed> all_of(Bench& bench, const Selection& selection, std::size_t read_max) {
  std::vector<Listed> out;
  std::optional<QueueId> after;
  for (int page = 0; page < 10'000; ++page) {
    Result<ListPage> got = bench.run(bench.queue->list(selection, after, read_max));
    EXPECT_TRUE(got);
    if (!got) break;
    EXPECT_LE(got->entries.size(), read_max);
    for (Listed& one : got->entries) out.push_back(std::move(one));
    if (!got->next) break;
    after = got->next;
  }
  return out;
}

std::vector<std::string> recipients(std::size_t count) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(fmt::format("r{}@away.test", i));
  return out;
}

TEST(List, GivesEntriesWholeWhateverTheSizeOfThePages) {
  Bench bench;
  std::vector<std::pair<std::string, std::size_t>> want;
  SeededRandom dice(5);
  for (int i = 0; i < 60; ++i) {
    const std::size_t count = i % 20 == 7 ? kRecipientsMax : 1 + dice.below(40);
    want.emplace_back(bench.accepted(recipients(count)).id.text(), count);
  }
  for (const std::size_t read_max : {1U, 2U, 7U, 59U, 60U, 1000U}) {
    std::vector<std::pair<std::string, std::size_t>> got;
    for (const Listed& one : all_of(bench, {}, read_max)) {
      got.emplace_back(one.entry.id.text(), one.recipients.size());
      for (std::size_t i = 0; i < one.recipients.size(); ++i) EXPECT_EQ(one.recipients[i].number, i);
    }
    EXPECT_EQ(got, want) << read_max;
  }
}

TEST(List, TakesOneReadForMany) {
  Bench bench;
  for (int i = 0; i < 2000; ++i) static_cast<void>(bench.accepted({"ann@away.test"}));
  const std::uint64_t before = bench.store->calls();
  EXPECT_EQ(all_of(bench, {}, 5000).size(), 2000U);
  EXPECT_LE(bench.store->calls() - before, 5U);
}

TEST(List, APageMayBeEmptyAndGoOn) {
  Bench bench;
  for (int i = 0; i < 30; ++i) static_cast<void>(bench.accepted({i == 25 ? "bob@other.test" : "ann@away.test"}));
  Selection selection;
  selection.domain = "other.test";
  const Result<ListPage> page = bench.run(bench.queue->list(selection, std::nullopt, 10));
  ASSERT_TRUE(page);
  EXPECT_TRUE(page->entries.empty());
  EXPECT_TRUE(page->next);
  EXPECT_EQ(all_of(bench, selection, 10).size(), 1U);
}

TEST(List, HasTheChosenRecipientsOnly) {
  Bench bench;
  const NewEntry made = bench.accepted({"ann@away.test", "bob@other.test", "cat@away.test"});
  Selection selection;
  selection.domain = "away.test";
  const std::vector<Listed> got = all_of(bench, selection, 10);
  ASSERT_EQ(got.size(), 1U);
  ASSERT_EQ(got[0].recipients.size(), 2U);
  EXPECT_EQ(got[0].recipients[1].number, 2U);
  EXPECT_EQ(got[0].entry.recipients_left, 3U);
}

TEST(List, IdsAreReadDirectlyAndPaged) {
  Bench bench;
  std::vector<QueueId> all;
  for (int i = 0; i < 100; ++i) all.push_back(bench.accepted({"ann@away.test"}).id);
  Selection selection;
  selection.ids = {all[70], all[3], bench.ids.next(), all[70], all[40]};
  const std::uint64_t before = bench.store->calls();
  for (const std::size_t read_max : {1U, 2U, 10U}) {
    std::vector<QueueId> got;
    for (const Listed& one : all_of(bench, selection, read_max)) got.push_back(one.entry.id);
    EXPECT_EQ(got, (std::vector<QueueId>{all[3], all[40], all[70]}));
  }
  EXPECT_LE(bench.store->calls() - before, 12U);
}

TEST(List, WhatCannotBeReadIsSetAsideAndTheRestIsListed) {
  Bench bench;
  std::vector<NewEntry> made;
  for (int i = 0; i < 4; ++i) made.push_back(bench.accepted({"ann@away.test", "bob@away.test"}));
  store::Transaction vandal;
  vandal.put(entry_key(made[1].id), "junk");
  vandal.put(recipient_key({.id = made[2].id, .number = 1}), "junk");
  vandal.put(recipient_key({.id = made[3].id, .number = 0}), "junk");
  vandal.put(recipient_key({.id = made[3].id, .number = 1}), "junk");
  vandal.put("Qejunk", "junk");
  ASSERT_TRUE(bench.run(bench.store->commit(std::move(vandal), store::Durability::durable)));
  const std::vector<Listed> got = all_of(bench, {}, 10);
  ASSERT_EQ(got.size(), 3U);
  EXPECT_EQ(got[0].recipients.size(), 2U);
  EXPECT_EQ(got[1].recipients.size(), 1U);
  EXPECT_EQ(got[2].recipients.size(), 0U);  // kept visible, so that it can be removed
  EXPECT_EQ(bench.keys_with("Qx"), 6U);
  Selection selection;
  selection.domain = "away.test";
  EXPECT_EQ(all_of(bench, selection, 10).size(), 2U);
}

TEST(List, AReadThatFailsIsSaid) {
  Bench bench;
  static_cast<void>(bench.accepted({"ann@away.test"}));
  bench.store->fail_call(1, Error::transient);
  EXPECT_EQ(bench.run(bench.queue->list(Selection{}, std::nullopt, 10)).error().code, Error::transient);
}

}  // namespace
}  // namespace postrider::queue::test
