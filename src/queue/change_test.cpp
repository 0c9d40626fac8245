// The commands that change recipients.
#include "queue/keys.hpp"
#include "queue/test_bench.hpp"

namespace postrider::queue::test {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::seconds;
using What = Change::What;
using Words = std::vector<std::string>;

std::vector<std::string> many(std::size_t count) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(fmt::format("r{}@away.test", i));
  return out;
}

/// Makes one change, whatever it chooses, and gives the page.
ChangePage change(Bench& bench, What what, Selection selection = {}, std::vector<Change::Destination> to = {}) {
  Result<ChangePage> page =
      bench.run(bench.queue->change({.what = what, .to = std::move(to)}, std::move(selection), std::nullopt, 1000));
  check(page.has_value(), page ? "" : describe(page.error()));
  return std::move(*page);
}

Change::Destination to(std::string_view text, std::optional<mail::AccountId> account = std::nullopt) {
  return {.address = address(text), .account = account};
}

Listed shown(Bench& bench, const QueueId& id) { return bench.run(bench.queue->show(id)).value(); }

Words addresses(Bench& bench, const QueueId& id) {
  Words out;
  for (const Recipient& recipient : shown(bench, id).recipients) out.push_back(recipient.address.text());
  return out;
}

Selection to_only(std::string text) {
  Selection selection;
  selection.to = std::move(text);
  return selection;
}

NewEntry stranger(Bench& bench, std::vector<std::string> recipients) {
  NewEntry made = bench.entry(std::move(recipients));
  made.report_to = ReportTo::postmaster;
  EXPECT_TRUE(bench.run(bench.accept(&made)));
  return made;
}

TEST(Change, HoldKeepsDueOnesUntilTheyAreReleased) {
  Bench bench;
  const NewEntry made = bench.accepted({"ann@away.test", "bob@away.test"});
  const ChangePage page = change(bench, What::hold, to_only("ann@away.test"));
  ASSERT_EQ(page.changed.size(), 1U);
  ASSERT_EQ(page.changed[0].recipients.size(), 1U);
  EXPECT_EQ(page.changed[0].recipients[0].state, RecipientState::due);  // as it was
  EXPECT_FALSE(page.next);
  bench.crash();
  bench.settled(bench.next(), Attempt::delivered);  // bob
  EXPECT_FALSE(bench.has_job(days(10)));
  const Recipient held = shown(bench, made.id).recipients.at(0);
  EXPECT_EQ(held.held_why, HeldWhy::command);
  EXPECT_EQ(held.due, kNever);
  EXPECT_TRUE(change(bench, What::hold).changed.empty());   // it is held
  EXPECT_TRUE(change(bench, What::retry).changed.empty());  // by somebody's order
  EXPECT_EQ(change(bench, What::release).changed.size(), 1U);
  EXPECT_TRUE(change(bench, What::release).changed.empty());
  EXPECT_EQ(bench.next().recipients.at(0).address, address("ann@away.test"));
  EXPECT_EQ(bench.trace(made.id), (Words{"accepted", "held", "delivered", "released"}));
}

TEST(Change, AReleasedUndeliverableOneIsTriedAgain) {
  for (const What what : {What::release, What::retry}) {
    Bench bench;
    const NewEntry made = stranger(bench, {"ann@away.test"});
    EXPECT_EQ(bench.settled(bench.next(), Attempt::failed), Fate::held_for_postmaster);
    EXPECT_EQ(change(bench, what).changed.size(), 1U);
    Job job = bench.next();
    EXPECT_EQ(job.recipients[0].attempts, 1U);
    EXPECT_EQ(bench.settled(std::move(job), Attempt::delivered), Fate::done);
    EXPECT_EQ(bench.keys_with("Qd") + bench.keys_with("Qe"), 0U);
  }
}

TEST(Change, BounceMakesDueAndHeldOnesComeWithThatOrder) {
  Bench bench;
  const NewEntry made = bench.accepted({"ann@away.test", "bob@away.test"});
  bench.settled(bench.next(), Attempt::deferred);
  change(bench, What::hold, to_only("ann@away.test"));
  EXPECT_EQ(change(bench, What::bounce).changed.at(0).recipients.size(), 2U);
  bench.crash();
  Job job = bench.next();
  ASSERT_EQ(job.recipients.size(), 2U);
  for (const Recipient& recipient : job.recipients) EXPECT_EQ(recipient.ordered, Ordered::bounce);
  EXPECT_EQ(bench.settled(std::move(job), Attempt::failed), Fate::report_sender);
  EXPECT_FALSE(bench.run(bench.queue->show(made.id)));
}

TEST(Change, AStrangersBounceIsHeldAndARetryDelivers) {
  Bench bench;
  stranger(bench, {"ann@away.test"});
  change(bench, What::bounce);
  EXPECT_EQ(bench.settled(bench.next(), Attempt::failed), Fate::held_for_postmaster);
  change(bench, What::release);
  EXPECT_EQ(bench.next().recipients.at(0).ordered, Ordered::delivery);
}

TEST(Change, RemoveTakesWhatIsChosenAndTheBodyWithTheLast) {
  Bench bench;
  const NewEntry made = bench.accepted({"ann@away.test", "bob@away.test"});
  change(bench, What::remove, to_only("bob@away.test"));
  EXPECT_EQ(addresses(bench, made.id), Words{"ann@away.test"});
  EXPECT_EQ(shown(bench, made.id).entry.recipients_left, 1U);
  change(bench, What::remove);
  EXPECT_EQ(bench.keys_with("Qd") + bench.keys_with("Qe") + bench.disk.synced().blobs.size(), 0U);
  EXPECT_EQ(bench.queue->depth(), 0U);
  EXPECT_FALSE(bench.has_job(hours(1)));
}

TEST(Change, AnEntryWithoutReadableRecipientsCanBeRemoved) {
  Bench bench;
  const NewEntry made = bench.accepted({"ann@away.test"});
  store::Transaction vandal;
  vandal.put(recipient_key({.id = made.id, .number = 0}), "junk");
  ASSERT_TRUE(bench.run(bench.store->commit(std::move(vandal), store::Durability::durable)));
  EXPECT_FALSE(bench.has_job(hours(1)));
  EXPECT_TRUE(change(bench, What::hold).changed.empty());
  EXPECT_TRUE(change(bench, What::remove, to_only("ann@away.test")).changed.empty());
  EXPECT_EQ(change(bench, What::remove).changed.size(), 1U);
  EXPECT_EQ(bench.keys_with("Qe") + bench.disk.synced().blobs.size(), 0U);
}

TEST(Change, WhatIsInDeliveryIsNamedAndLeftAlone) {
  for (const What what : {What::retry, What::hold, What::bounce, What::remove, What::redirect}) {
    Bench bench;
    const NewEntry made = bench.accepted({"ann@away.test", "bob@away.test"});
    const NewEntry other = bench.accepted({"cat@away.test"});
    Job job = bench.next();
    bench.queue->give_back(made.id, 1);
    std::vector<Change::Destination> targets;
    if (what == What::redirect) targets.push_back(to("new@away.test"));
    const ChangePage page = change(bench, what, {}, targets);
    EXPECT_EQ(page.busy, std::vector<QueueId>{made.id});
    ASSERT_EQ(page.changed.size(), 2U);
    EXPECT_EQ(page.changed[0].recipients.at(0).number, 1U);
    EXPECT_EQ(page.changed[1].entry.id, other.id);
    job.recipients.pop_back();
    job.entry = shown(bench, made.id).entry;  // as a deliverer does after a conflict
    EXPECT_EQ(bench.settled(std::move(job), Attempt::delivered), Fate::done);
  }
}

TEST(Change, GoesThroughPagesAndEntriesOfAnySize) {
  Bench bench;
  for (int i = 0; i < 5; ++i) static_cast<void>(bench.accepted(many(i == 2 ? kRecipientsMax : 3)));
  std::size_t changed = 0;
  std::optional<QueueId> after;
  do {
    const Result<ChangePage> page = bench.run(bench.queue->change({.what = What::hold, .to = {}}, {}, after, 2));
    ASSERT_TRUE(page);
    for (const Listed& one : page->changed) changed += one.recipients.size();
    after = page->next;
  } while (after);
  EXPECT_EQ(changed, kRecipientsMax + 12U);
  EXPECT_FALSE(bench.has_job(days(1)));
}

TEST(Redirect, TheFirstTakesThePlaceTheOthersAreNew) {
  Bench bench;
  NewEntry made = bench.entry({"ann@here.test", "bob@away.test"});
  made.recipients[0].account = mail::AccountId{7};
  made.recipients[0].request.original_type = "rfc822";
  made.recipients[0].request.original = "ann@here.test";
  made.recipients[0].reverse_path = mail::Path(address("owner@here.test"));
  ASSERT_TRUE(bench.run(bench.accept(&made)));
  bench.settled(bench.next(), Attempt::deferred);
  const ChangePage page = change(bench, What::redirect, to_only("ann@here.test"),
                                 {to("new@away.test"), to("bob@away.test"), to("cat@here.test", mail::AccountId{9})});
  EXPECT_EQ(page.changed.at(0).recipients.at(0).address, address("ann@here.test"));
  bench.crash();
  const Listed now = shown(bench, made.id);
  EXPECT_EQ(now.entry.recipients_left, 3U);
  EXPECT_EQ(addresses(bench, made.id), (Words{"new@away.test", "bob@away.test", "cat@here.test"}));
  EXPECT_EQ(now.recipients[2].number, 2U);
  EXPECT_EQ(now.recipients[0].account, std::nullopt);
  EXPECT_EQ(now.recipients[2].account, mail::AccountId{9});
  for (const std::size_t i : {0U, 2U}) {
    EXPECT_EQ(now.recipients[i].original, address("ann@here.test"));
    EXPECT_EQ(now.recipients[i].request, made.recipients[0].request);
    EXPECT_EQ(now.recipients[i].reverse_path, made.recipients[0].reverse_path);
    EXPECT_EQ(now.recipients[i].attempts, 0U);
    EXPECT_EQ(now.recipients[i].last_reply, "");
  }
  EXPECT_EQ(now.recipients[1].attempts, 1U);
  Job job = bench.next();
  EXPECT_EQ(job.recipients.size(), 2U);  // due now, bob is not
  bench.settled(std::move(job), Attempt::relayed);
  bench.settled(bench.next(), Attempt::relayed);
  EXPECT_EQ(bench.keys_with("Qd") + bench.keys_with("Qe") + bench.disk.synced().blobs.size(), 0U);
  EXPECT_EQ(bench.trace(made.id),
            (Words{"accepted", "deferred", "deferred", "redirected", "relayed", "relayed", "relayed"}));
}

TEST(Redirect, TheNewOnesAreDueWithoutARestart) {
  Bench bench;
  static_cast<void>(bench.accepted({"ann@away.test"}));
  change(bench, What::hold);
  change(bench, What::redirect, {}, {to("bob@away.test"), to("cat@away.test")});
  EXPECT_EQ(bench.next().recipients.size(), 2U);
}

TEST(Redirect, NobodyGetsASecondCopy) {
  Bench bench;
  NewEntry made = bench.entry({"ann@away.test", "bob@away.test", "cat@here.test"});
  made.recipients[2].account = mail::AccountId{9};
  ASSERT_TRUE(bench.run(bench.accept(&made)));
  change(bench, What::redirect, to_only("ann@away.test"),
         {to("bob@away.test"), to("kitty@here.test", mail::AccountId{9})});
  EXPECT_EQ(addresses(bench, made.id), (Words{"bob@away.test", "cat@here.test"}));
  EXPECT_EQ(shown(bench, made.id).entry.recipients_left, 2U);
  change(bench, What::redirect, {}, {to("dan@away.test")});
  EXPECT_EQ(addresses(bench, made.id), Words{"dan@away.test"});
  change(bench, What::redirect, {}, {to("dan@away.test"), to("eve@away.test")});  // its own place
  EXPECT_EQ(addresses(bench, made.id), (Words{"dan@away.test", "eve@away.test"}));
  EXPECT_EQ(bench.next().recipients.size(), 2U);
}

TEST(Redirect, OfAThousandToAHundredFits) {
  Bench bench;
  const NewEntry made = bench.accepted(many(kRecipientsMax));
  std::vector<Change::Destination> targets;
  for (std::size_t i = 0; i < kRedirectTargetsMax; ++i) targets.push_back(to(fmt::format("t{}@other.test", i)));
  change(bench, What::redirect, {}, targets);
  const Listed now = shown(bench, made.id);
  EXPECT_EQ(now.recipients.size(), kRedirectTargetsMax);
  EXPECT_EQ(now.entry.recipients_left, kRedirectTargetsMax);
  EXPECT_EQ(bench.next().recipients.size(), kRedirectTargetsMax);
}

TEST(Redirect, WithoutRoomNothingChanges) {
  Bench bench;
  const NewEntry made = bench.accepted(many(kRecipientsMax));
  const auto redirect = [&](std::vector<Change::Destination> targets) {
    Change order{.what = What::redirect, .to = std::move(targets)};
    return bench.run(bench.queue->change(std::move(order), to_only("r5@away.test"), std::nullopt, 10));
  };
  EXPECT_EQ(redirect({to("x@other.test"), to("y@other.test")}).error().code, Error::too_long);
  EXPECT_TRUE(redirect({to("x@other.test"), to("r6@away.test")}));
  EXPECT_EQ(redirect({}).error().code, Error::malformed);
  EXPECT_EQ(redirect(std::vector<Change::Destination>(kRedirectTargetsMax + 1, to("x@other.test"))).error().code,
            Error::too_long);
  EXPECT_EQ(shown(bench, made.id).entry.recipients_left, kRecipientsMax);
  EXPECT_EQ(bench.next().recipients.size(), kRecipientsMax);
}

struct Commanded {
  NewEntry first;
  NewEntry second;
};
Commanded make_two(Bench& bench) { return {bench.accepted(many(150)), bench.accepted({"ann@away.test"})}; }

TEST(Change, WhicheverCallFailsNothingIsLostOrHeldFast) {
  for (const What what : {What::hold, What::bounce, What::remove, What::redirect}) {
    int failures = 0;
    for (std::uint64_t k = 1; k <= 7; ++k) {
      SCOPED_TRACE(k);
      Bench bench;
      const Commanded made = make_two(bench);
      std::vector<Change::Destination> targets;
      if (what == What::redirect) targets = {to("x@other.test"), to("y@other.test")};
      const auto all_pages = [&]() -> Result<void> {
        std::optional<QueueId> after;
        do {
          const Result<ChangePage> page = bench.run(bench.queue->change({.what = what, .to = targets}, {}, after, 1));
          if (!page) return fail(page);
          EXPECT_TRUE(page->busy.empty());
          after = page->next;
        } while (after);
        return {};
      };
      bench.store->fail_call(k, Error::exhausted);
      const Result<void> done = all_pages();
      failures += done ? 0 : 1;
      if (!done) EXPECT_EQ(done.error().code, Error::exhausted);
      EXPECT_TRUE(all_pages());  // nothing is in the way of doing it again
      std::size_t left = 0;
      for (const NewEntry* entry : {&made.first, &made.second}) {
        const Result<Listed> now = bench.run(bench.queue->show(entry->id));
        if (!now) continue;
        EXPECT_EQ(now->entry.recipients_left, now->recipients.size());
        left += now->recipients.size();
        for (const Recipient& recipient : now->recipients) {
          EXPECT_EQ(recipient.state, what == What::hold ? RecipientState::held : RecipientState::due);
        }
      }
      const std::size_t want = what == What::remove ? 0 : what == What::redirect ? 4 : 151;
      EXPECT_EQ(left, want);
      EXPECT_EQ(bench.keys_with("Qd"), want);
      if (what == What::hold) change(bench, What::release);
      std::size_t got = 0;
      while (got < want) {
        Job job = bench.next();
        got += job.recipients.size();
        bench.settled(std::move(job), Attempt::delivered);
      }
      EXPECT_EQ(got, want);
      EXPECT_EQ(bench.keys_with("Qe") + bench.keys_with("Qd") + bench.disk.synced().blobs.size(), 0U);
    }
    EXPECT_GE(failures, 5);
  }
}

TEST(Change, WhatWasDoneBeforeAFailureIsTold) {
  Bench bench;
  const NewEntry first = bench.accepted({"ann@away.test"});
  const NewEntry second = bench.accepted({"bob@away.test"});
  bench.store->fail_call(4, Error::exhausted);  // the entries, the freezes, two commits
  const Result<ChangePage> page = bench.run(bench.queue->change({.what = What::hold, .to = {}}, {}, std::nullopt, 10));
  ASSERT_TRUE(page);
  ASSERT_EQ(page->changed.size(), 1U);
  EXPECT_EQ(page->next, first.id);
  const Result<ChangePage> rest = bench.run(bench.queue->change({.what = What::hold, .to = {}}, {}, page->next, 10));
  ASSERT_TRUE(rest);
  EXPECT_EQ(rest->changed.at(0).entry.id, second.id);
}

}  // namespace
}  // namespace postrider::queue::test
