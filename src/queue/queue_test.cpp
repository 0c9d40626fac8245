#include "queue/queue.hpp"

#include "core/record.hpp"
#include "core/text.hpp"
#include "queue/keys.hpp"
#include "queue/records.hpp"
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
      const Duration delay = retry_delay(settings.retry, attempts, random);
      EXPECT_GE(delay, want[attempts - 1] * 8 / 10);
      EXPECT_LE(delay, want[attempts - 1] * 12 / 10);
      seen.insert(delay);
    }
    EXPECT_GT(seen.size(), 50U);
  }
}

TEST(Queue, RecipientsThatFailedTogetherComeBackTogether) {
  Bench bench;
  const NewEntry made = bench.accepted({"a@away.test", "b@away.test", "c@away.test"});
  Job whole = bench.next();
  ASSERT_EQ(whole.recipients.size(), 3U);
  for (int i = 0; i < 3; ++i) {  // each by its own commit, as destinations end
    Job one{.entry = bench.run(bench.queue->show(made.id))->entry,
            .recipients = {whole.recipients[static_cast<std::size_t>(i)]}};
    EXPECT_EQ(bench.settled(std::move(one), Attempt::deferred), Fate::retried);
    bench.world.clock.advance_to(bench.world.clock.steady() + std::chrono::milliseconds(100));
  }
  EXPECT_EQ(bench.next().recipients.size(), 3U);
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

mail::SenderRequest full_request() {
  return {.utf8 = mail::Utf8::yes,
          .body = mail::BodyType::binary_mime,
          .returned = mail::ReturnContent::full,
          .envelope_id = "QQ+314159=",
          .deliver_by = mail::DeliverBy{.within = seconds(-3), .mode = mail::DeliverBy::Mode::notify, .trace = true},
          .hold_for = seconds(60),
          .hold_until = WallTime(seconds(1'780'000'060)),
          .priority = -9};
}

TEST(Queue, WhatWasAskedForIsKept) {
  Bench bench;
  NewEntry made = bench.entry({"ann@here.test", "bob@here.test", "cat@here.test"});
  made.request = full_request();
  made.recipients[0].request = {.notify = mail::NotifyOn{.success = true, .failure = false, .delay = true},
                                .original_type = "rfc822",
                                .original = "Ann+x@old.test"};
  made.recipients[1].request = {.notify = mail::NotifyOn{}, .original_type = "utf-8", .original = "j\xc3\xb6rg@x.test"};
  ASSERT_TRUE(bench.run(bench.accept(&made)));
  bench.crash();
  const Listed listed = bench.run(bench.queue->show(made.id)).value();
  EXPECT_EQ(listed.entry.request, made.request);
  ASSERT_EQ(listed.recipients.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(listed.recipients[i].request, made.recipients[i].request);
}

store::Entry stored(std::string value) { return {.value = std::move(value), .version = 3}; }

TEST(QueueRecord, TheFormatBeforeRequestsIsRead) {
  SimClock clock{WallTime(seconds(1'780'000'000))};
  SeededRandom random(1);
  const QueueId id = QueueIds(&clock, &random).next();
  RecordWriter entry(1);
  entry.flag(false).text("sender").text("away.test");
  store::write_content(entry, {});
  entry.number(0).flag(true).number(0).signed_number(1'000'000).text("192.0.2.1 away.test").number(2);
  const Result<Entry> got = read_entry(id, stored(std::move(entry).finish()));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->reverse_path.text(), "sender@away.test");
  EXPECT_EQ(got->recipients_left, 2U);
  EXPECT_EQ(got->request, mail::SenderRequest{});
  RecordWriter recipient(1);
  recipient.text("ann").text("here.test").flag(false).flag(true).number(7).number(1).number(4).signed_number(2'000'000);
  recipient.text("550 no");
  const Result<Recipient> one = read_recipient(5, stored(std::move(recipient).finish()));
  ASSERT_TRUE(one);
  EXPECT_EQ(one->attempts, 4U);
  EXPECT_EQ(one->last_reply, "550 no");
  EXPECT_EQ(one->request, mail::RecipientRequest{});
  // What is written now is one octet longer, where nothing was asked for.
  EXPECT_EQ(to_record(*got).substr(0, 1), std::string("\x03"));
  EXPECT_TRUE(got->login.empty());
  RecordWriter again(1);
  again.text("ann").text("here.test").flag(false).flag(true).number(7).number(1).number(4).signed_number(2'000'000);
  again.text("550 no");
  EXPECT_EQ(to_record(*one).size(), std::move(again).finish().size() + 2);
}

Recipient full_recipient() {
  return {.number = 5,
          .address = address("ann@away.test"),
          .original = address("list@here.test"),
          .account = std::nullopt,
          .request = {},
          .reverse_path = mail::Path(address("owner-list@here.test")),
          .ordered = Ordered::expand,
          .state = RecipientState::held,
          .held_why = HeldWhy::frozen,
          .delay_reported = true,
          .attempts = 3,
          .due = kNever,
          .last_reply = "451 later",
          .last_remote = "mx.away.test [192.0.2.9]",
          .version = 3};
}

void expect_same(const Recipient& got, const Recipient& want) {
  EXPECT_EQ(got.reverse_path, want.reverse_path);
  EXPECT_EQ(got.ordered, want.ordered);
  EXPECT_EQ(got.state, want.state);
  EXPECT_EQ(got.held_why, want.held_why);
  EXPECT_EQ(got.delay_reported, want.delay_reported);
  EXPECT_EQ(got.attempts, want.attempts);
  EXPECT_EQ(got.due, want.due);
  EXPECT_EQ(got.last_reply, want.last_reply);
  EXPECT_EQ(got.last_remote, want.last_remote);
}

TEST(QueueRecord, ListHoldDelayAndRemoteAreKept) {
  Recipient want = full_recipient();
  for (const bool null_path : {false, true}) {
    if (null_path) want.reverse_path = mail::Path::null();
    const Result<Recipient> got = read_recipient(5, stored(to_record(want)));
    ASSERT_TRUE(got);
    expect_same(*got, want);
  }
}

TEST(QueueRecord, ABurstIsAReasonOfItsOwn) {
  Recipient want = full_recipient();
  want.held_why = HeldWhy::burst;
  const Result<Recipient> got = read_recipient(5, stored(to_record(want)));
  ASSERT_TRUE(got);
  expect_same(*got, want);
}

TEST(QueueRecord, TheFormatBeforeLoginsIsRead) {
  SimClock clock{WallTime(seconds(1'780'000'000))};
  SeededRandom random(1);
  const QueueId id = QueueIds(&clock, &random).next();
  RecordWriter out(2);
  out.flag(true);
  store::write_content(out, {});
  out.number(0).flag(true).number(0).signed_number(1'000'000).text("192.0.2.1 away.test").number(2).number(0);
  const Result<Entry> got = read_entry(id, stored(std::move(out).finish()));
  ASSERT_TRUE(got);
  EXPECT_TRUE(got->login.empty());
  Entry now = *got;
  now.login = "ann@here.test";
  const Result<Entry> again = read_entry(id, stored(to_record(now)));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->login, "ann@here.test");
}

TEST(Queue, WhatIsHeldFromTheStartIsDueWhenItIsReleased) {
  Bench bench;
  NewEntry made = bench.entry({"a@away.test", "b@away.test"});
  made.login = "ann@here.test";
  made.held = HeldWhy::burst;
  ASSERT_TRUE(bench.run(bench.accept(&made)));
  bench.accepted({"other@away.test"});
  bench.crash();
  Job other = bench.next();
  EXPECT_EQ(other.recipients.front().address.text(), "other@away.test");
  bench.settled(std::move(other), Attempt::delivered);
  EXPECT_FALSE(bench.has_job(hours(24 * 30)));
  const auto release = [&](std::string login) {
    Selection selection;
    selection.login = std::move(login);
    return bench.run(bench.queue->change({.what = Change::What::release, .to = {}}, selection, std::nullopt, 10))
        ->changed.size();
  };
  EXPECT_EQ(release("bob@here.test"), 0U);
  EXPECT_EQ(release("nn@here.test"), 0U);
  EXPECT_EQ(release("@ere.test"), 0U);
  EXPECT_EQ(release("ANN@here.test"), 1U);
  Job job = bench.next();
  EXPECT_EQ(job.entry.login, "ann@here.test");
  EXPECT_EQ(job.recipients.size(), 2U);
  bench.settled(std::move(job), Attempt::delivered);
}

TEST(QueueRecord, TheFormatBeforeTheseIsRead) {
  RecordWriter out(2);
  out.text("ann").text("here.test").flag(false).flag(false).number(1).number(4).signed_number(2'000'000);
  out.text("550 no").number(0);
  const Result<Recipient> got = read_recipient(5, stored(std::move(out).finish()));
  ASSERT_TRUE(got);
  const Recipient want{.number = 5,
                       .address = address("ann@here.test"),
                       .original = std::nullopt,
                       .account = std::nullopt,
                       .request = {},
                       .state = RecipientState::held,
                       .attempts = 4,
                       .due = WallTime(seconds(2)),
                       .last_reply = "550 no"};
  expect_same(*got, want);
  EXPECT_EQ(to_record(*got).substr(0, 1), std::string("\x03"));
}

TEST(QueueRecord, ARecipientOfNoMeaningIsCorrupt) {
  Recipient bad = full_recipient();
  bad.ordered = Ordered{3};
  EXPECT_FALSE(read_recipient(5, stored(to_record(bad))));
  bad = full_recipient();
  bad.last_remote = "mx\r\n";
  EXPECT_FALSE(read_recipient(5, stored(to_record(bad))));
}

TEST(QueueRecord, RequestsThatNobodyCanHaveMadeAreCorrupt) {
  SimClock clock{WallTime(seconds(1'780'000'000))};
  SeededRandom random(1);
  const QueueId id = QueueIds(&clock, &random).next();
  Entry entry{.id = id,
              .reverse_path = mail::Path::null(),
              .content = {},
              .return_paths = {},
              .request = full_request(),
              .arrival = {},
              .client = {}};
  ASSERT_TRUE(read_entry(id, stored(to_record(entry))));
  const auto spoil = [&](auto change) {
    Entry bad = entry;
    change(bad.request);
    return !read_entry(id, stored(to_record(bad)));
  };
  EXPECT_TRUE(spoil([](mail::SenderRequest& r) { r.envelope_id = "a\r\nb"; }));
  EXPECT_TRUE(spoil([](mail::SenderRequest& r) { r.envelope_id = std::string(101, 'x'); }));
  EXPECT_TRUE(spoil([](mail::SenderRequest& r) { r.priority = 10; }));
  EXPECT_TRUE(spoil([](mail::SenderRequest& r) { r.hold_for = seconds(kDelaySecondsMax + 1); }));
  EXPECT_TRUE(spoil([](mail::SenderRequest& r) { r.body = mail::BodyType{3}; }));
  Recipient recipient{.address = address("ann@here.test"),
                      .original = std::nullopt,
                      .account = std::nullopt,
                      .request = {.notify = {}, .original_type = "rfc822", .original = "x"},
                      .due = {},
                      .last_reply = {}};
  ASSERT_TRUE(read_recipient(0, stored(to_record(recipient))));
  for (const std::string bad : {"a\nb", "\xc3\xb6", "\x7f"}) {
    recipient.request.original = bad;
    EXPECT_FALSE(read_recipient(0, stored(to_record(recipient)))) << bad;
  }
  recipient.request = {.notify = {}, .original_type = "utf-8", .original = "\xc2\x85"};
  EXPECT_FALSE(read_recipient(0, stored(to_record(recipient))));
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
  EXPECT_EQ(bench.change(Change::What::remove, made.id)->busy.size(), 1U);  // in delivery
  for (const Recipient& recipient : job.recipients) bench.queue->give_back(made.id, recipient.number);
  const Result<ChangePage> retried = bench.change(Change::What::retry, made.id);
  EXPECT_TRUE(retried) << describe(retried.error());
  const Result<ChangePage> removed = bench.change(Change::What::remove, made.id);
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
    while (stays_due(fate) && attempts < 200) {
      Job job = bench.next();
      last = bench.queue->judged(job.entry, job.recipients[0],
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
  EXPECT_EQ(bench.change(Change::What::remove, made.id)->changed.size(), 1U);
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
