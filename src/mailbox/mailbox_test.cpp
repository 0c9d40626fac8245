#include "mailbox/mailbox.hpp"

#include "core/test_run.hpp"
#include "mailbox/keys.hpp"
#include "mailbox/records.hpp"
#include "store/sim_store.hpp"

#include <gtest/gtest.h>

namespace postrider::mailbox {
namespace {

using postrider::test::run;
using postrider::test::World;

/// A store with one body, and mailboxes over it.
struct Rig {
  World world;
  SeededRandom random{1};
  store::SimDisk disk;
  store::SimStore store{store::SimStoreOptions{.disk = &disk, .random = &random}};
  Mailboxes mailboxes{&store, &world.clock, &random};

  std::shared_ptr<store::SealedBlob> new_body(std::string octets) {
    return run(world, write_body(&store, std::move(octets)));
  }
  static Task<std::shared_ptr<store::SealedBlob>> write_body(store::Store* store, std::string octets) {
    Result<std::unique_ptr<store::BlobWriter>> writer = co_await store->create_blob();
    const Result<void> written = co_await (*writer)->append(octets);
    check(written.has_value(), "the body is written");
    Result<std::shared_ptr<store::SealedBlob>> sealed = co_await (*writer)->seal();
    co_return std::move(*sealed);
  }

  Mailbox inbox(std::uint64_t account = 1) {
    Result<Mailbox> opened = run(world, mailboxes.open_inbox(static_cast<mail::AccountId>(account)));
    check(opened.has_value(), "the inbox opens");
    return std::move(*opened);
  }
  std::vector<Message> list(const Mailbox& mailbox, std::uint32_t first = 0, std::size_t max = 10'000) {
    Result<std::vector<Message>> listed = run(world, mailboxes.list(mailbox, first, max));
    check(listed.has_value(), "the mailbox lists");
    return std::move(*listed);
  }
  Result<store::Version> commit(store::Transaction transaction) {
    return run(world, store.commit(std::move(transaction), store::Durability::durable));
  }
  /// Appends messages with a body each.
  void append(Mailbox& mailbox, std::size_t count, const std::string& octets = "A: b\r\n\r\nbody\r\n") {
    store::Transaction transaction;
    std::vector<NewMessage> messages;
    for (std::size_t i = 0; i < count; ++i) {
      const std::shared_ptr<store::SealedBlob> body = new_body(octets);
      transaction.add_blob(body);
      messages.push_back({.content = {.prefix = "P: q\r\n", .dropped = {}, .body = body->ref()},
                          .internal_date = world.clock.wall(),
                          .flags = kSeen,
                          .keywords = {"$Junk"}});
    }
    check(stage_append(transaction, mailbox, messages).has_value(), "appends are staged");
    stage_state(transaction, mailbox);
    const Result<store::Version> version = commit(std::move(transaction));
    check(version.has_value(), "appends are committed");
    mailbox.version = *version;
  }
  std::size_t keys_under(std::string_view prefix) {
    const Result<store::Page> page = run(world, store.scan(store::range_of_prefix(prefix), 100'000));
    return page->entries.size();
  }
};

TEST(Mailboxes, MakesTheInboxOnce) {
  Rig rig;
  const Mailbox first = rig.inbox();
  EXPECT_EQ(first.name, "INBOX");
  EXPECT_EQ(first.uid_next, 1U);
  EXPECT_EQ(first.messages, 0U);
  EXPECT_EQ(first.uid_validity, to_micros(rig.world.clock.wall()) / 1'000'000);
  const Mailbox again = rig.inbox();
  EXPECT_EQ(again.id, first.id);
  EXPECT_EQ(again.version, first.version);
  EXPECT_EQ(again.uid_validity, first.uid_validity);
  EXPECT_NE(rig.inbox(2).id, first.id);
}

TEST(Mailboxes, OpenedByManyAtOnceIsOneMailbox) {
  Rig rig;
  std::vector<std::uint64_t> ids;
  for (int i = 0; i < 10; ++i) {
    boost::asio::co_spawn(rig.world.shard.context(), rig.mailboxes.open_inbox(mail::AccountId{7}),
                          [&](const std::exception_ptr& /*thrown*/, Result<Mailbox> opened) {
                            ids.push_back(opened ? static_cast<std::uint64_t>(opened->id) : 0);
                          });
  }
  rig.world.run_until_still();
  EXPECT_EQ(ids, std::vector<std::uint64_t>(10, static_cast<std::uint64_t>(rig.inbox(7).id)));
}

TEST(Mailboxes, ListsWhatWasAppendedInOrderOfUid) {
  Rig rig;
  Mailbox mailbox = rig.inbox();
  rig.append(mailbox, 2);
  rig.append(mailbox, 3, "longer body\r\n");
  EXPECT_EQ(mailbox.messages, 5U);
  EXPECT_EQ(mailbox.uid_next, 6U);
  EXPECT_EQ(mailbox.highest_modseq, 3U);
  const std::vector<Message> all = rig.list(rig.inbox());
  ASSERT_EQ(all.size(), 5U);
  std::uint64_t size = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].uid, i + 1);
    EXPECT_EQ(all[i].modseq, i < 2 ? 2U : 3U);
    EXPECT_EQ(all[i].flags, kSeen);
    EXPECT_EQ(all[i].keywords, std::vector<std::string>{"$Junk"});
    size += all[i].content.size_octets();
  }
  EXPECT_EQ(mailbox.size_octets, size);
  const Mailbox read = rig.inbox();
  EXPECT_EQ(read.size_octets, size);
  EXPECT_EQ(read.uid_next, 6U);
  EXPECT_EQ(read.version, mailbox.version);

  const std::vector<Message> some = rig.list(mailbox, 2, 2);
  ASSERT_EQ(some.size(), 2U);
  EXPECT_EQ(some.front().uid, 2U);
  EXPECT_EQ(some.back().uid, 3U);
  EXPECT_TRUE(rig.list(mailbox, 6).empty());
}

TEST(Mailboxes, ExpungesWithVanishedUidsAndGivesUpTheBodies) {
  Rig rig;
  Mailbox mailbox = rig.inbox();
  rig.append(mailbox, 4);
  const std::vector<Message> all = rig.list(mailbox);
  EXPECT_EQ(rig.disk.synced().blobs.size(), 4U);

  store::Transaction transaction;
  ASSERT_TRUE(stage_expunge(transaction, mailbox, {all[3], all[1]}));
  stage_state(transaction, mailbox);
  ASSERT_TRUE(rig.commit(std::move(transaction)));

  const Mailbox after = rig.inbox();
  EXPECT_EQ(after.messages, 2U);
  EXPECT_EQ(after.uid_next, 5U);  // a UID is never given again (9051 §2.3.1.1)
  EXPECT_EQ(after.highest_modseq, 3U);
  EXPECT_EQ(after.size_octets, all[0].content.size_octets() + all[2].content.size_octets());
  const std::vector<Message> left = rig.list(after);
  ASSERT_EQ(left.size(), 2U);
  EXPECT_EQ(left[0].uid, 1U);
  EXPECT_EQ(left[1].uid, 3U);
  EXPECT_EQ(rig.disk.synced().blobs.size(), 2U);
  EXPECT_EQ(rig.keys_under(keys::changes(after.id)), 2U);
  const Result<std::optional<store::Entry>> vanished = run(rig.world, rig.store.get(keys::expunge(after.id, 3)));
  ASSERT_TRUE(vanished && *vanished);
  const Result<std::vector<std::uint32_t>> uids = decode_uids((*vanished)->value);
  ASSERT_TRUE(uids);
  EXPECT_EQ(*uids, (std::vector<std::uint32_t>{2, 4}));
}

TEST(Mailboxes, AMessageThatIsGoneIsNotExpungedAgain) {
  Rig rig;
  Mailbox mailbox = rig.inbox();
  rig.append(mailbox, 2);
  const std::vector<Message> all = rig.list(mailbox);
  store::Transaction first;
  ASSERT_TRUE(stage_expunge(first, mailbox, {all[0]}));
  stage_state(first, mailbox);
  ASSERT_TRUE(rig.commit(std::move(first)));

  Mailbox fresh = rig.inbox();
  store::Transaction again;
  ASSERT_TRUE(stage_expunge(again, fresh, {all[0]}));
  stage_state(again, fresh);
  const auto committed = rig.commit(std::move(again));
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().code, Error::conflict);
  EXPECT_EQ(rig.disk.synced().blobs.size(), 1U);
}

TEST(Mailboxes, SecondStagedOnTheSameVersionConflictsAndChangesNothing) {
  Rig rig;
  const Mailbox start = rig.inbox();
  const std::shared_ptr<store::SealedBlob> body = rig.new_body("x\r\n");
  const NewMessage message{
      .content = {.prefix = {}, .dropped = {}, .body = body->ref()}, .internal_date = {}, .keywords = {}};
  for (int round = 0; round < 2; ++round) {
    Mailbox mailbox = start;
    store::Transaction transaction;
    if (round == 0) {
      transaction.add_blob(body);
    } else {
      transaction.add_ref(body->ref().id);
    }
    ASSERT_TRUE(stage_append(transaction, mailbox, {message}));
    stage_state(transaction, mailbox);
    const Result<store::Version> committed = rig.commit(std::move(transaction));
    EXPECT_EQ(committed.has_value(), round == 0);
    if (!committed) {
      EXPECT_EQ(committed.error().code, Error::conflict);
    }
  }
  EXPECT_EQ(rig.list(start).size(), 1U);
  EXPECT_EQ(rig.inbox().messages, 1U);
}

TEST(Mailboxes, StagesSeveralTimesInOneTransactionThroughOneObject) {
  Rig rig;
  Mailbox mailbox = rig.inbox();
  rig.append(mailbox, 2);
  const std::vector<Message> before = rig.list(mailbox);
  const std::shared_ptr<store::SealedBlob> body = rig.new_body("x\r\n");
  const NewMessage message{
      .content = {.prefix = {}, .dropped = {}, .body = body->ref()}, .internal_date = {}, .keywords = {}};
  store::Transaction transaction;
  transaction.add_blob(body);
  ASSERT_TRUE(stage_append(transaction, mailbox, {message}));
  ASSERT_TRUE(stage_expunge(transaction, mailbox, {before[0]}));
  ASSERT_TRUE(stage_expunge(transaction, mailbox, {before[1]}));
  stage_state(transaction, mailbox);
  ASSERT_TRUE(rig.commit(std::move(transaction)));
  EXPECT_EQ(rig.inbox().highest_modseq, 5U);
  const std::vector<Message> left = rig.list(mailbox);
  ASSERT_EQ(left.size(), 1U);
  EXPECT_EQ(left[0].uid, 3U);
  EXPECT_EQ(rig.keys_under(keys::expunges(mailbox.id)), 2U);
}

TEST(StageAppend, LeavesEverythingAsItWasOnError) {
  struct Row {
    std::string name;
    std::size_t prefix_octets;
    std::uint32_t uid_next;
    Error::Code want;
  };
  const Row rows[] = {
      {"record over the value limit", store::kValueOctetsMax, 1, Error::too_long},
      {"no UIDs left", 10, 0xFFFF'FFFF, Error::exhausted},
      {"not enough UIDs left", 10, 0xFFFF'FFFE, Error::exhausted},
  };
  for (const Row& row : rows) {
    Mailbox mailbox{.id = MailboxId{1}, .name = "INBOX", .uid_next = row.uid_next};
    NewMessage good{.content = {.prefix = "x", .dropped = {}, .body = {}}, .internal_date = {}, .keywords = {}};
    NewMessage bad = good;
    bad.content.prefix.assign(row.prefix_octets, 'x');
    store::Transaction transaction;
    const Result<void> staged = stage_append(transaction, mailbox, {good, bad});
    ASSERT_FALSE(staged) << row.name;
    EXPECT_EQ(staged.error().code, row.want) << row.name;
    EXPECT_TRUE(transaction.empty()) << row.name;
    EXPECT_EQ(mailbox.uid_next, row.uid_next) << row.name;
    EXPECT_EQ(mailbox.messages, 0U) << row.name;
    EXPECT_EQ(mailbox.highest_modseq, 1U) << row.name;
  }
}

TEST(StageExpunge, RefusesMoreThanTheMailboxCounts) {
  Mailbox mailbox{.id = MailboxId{1}, .name = "INBOX"};
  store::Transaction transaction;
  Message message;
  message.uid = 1;
  const Result<void> staged = stage_expunge(transaction, mailbox, {message});
  ASSERT_FALSE(staged);
  EXPECT_EQ(staged.error().code, Error::corrupt);
  EXPECT_TRUE(transaction.empty());
}

TEST(Mailboxes, RemovesAllThatAnAccountHolds) {
  Rig rig;
  Mailbox mailbox = rig.inbox();
  rig.append(mailbox, 30);
  const std::vector<Message> all = rig.list(mailbox);
  store::Transaction transaction;
  ASSERT_TRUE(stage_expunge(transaction, mailbox, {all[3]}));
  stage_state(transaction, mailbox);
  ASSERT_TRUE(rig.commit(std::move(transaction)));
  Mailbox other = rig.inbox(2);
  rig.append(other, 1);

  ASSERT_TRUE(run(rig.world, rig.mailboxes.remove_account(mail::AccountId{1})));
  EXPECT_EQ(rig.disk.synced().blobs.size(), 1U);
  EXPECT_EQ(rig.list(other).size(), 1U);
  for (const store::Key& prefix : {keys::messages(mailbox.id), keys::changes(mailbox.id), keys::expunges(mailbox.id),
                                   keys::mailbox(mailbox.id), keys::names(mail::AccountId{1})}) {
    EXPECT_EQ(rig.keys_under(prefix), 0U);
  }
  ASSERT_TRUE(run(rig.world, rig.mailboxes.remove_account(mail::AccountId{1})));  // again: nothing to do
  // Made again within the same second it must not look like the one before (9051 §2.3.1.1).
  EXPECT_GT(rig.inbox().uid_validity, mailbox.uid_validity);
}

TEST(Mailboxes, RemovalGoesOnAfterAnyFailure) {
  for (std::uint64_t k = 1;; ++k) {
    Rig rig;
    Mailbox mailbox = rig.inbox();
    rig.append(mailbox, 3);
    rig.store.fail_call(k, Error::exhausted);
    const Result<void> first = run(rig.world, rig.mailboxes.remove_account(mail::AccountId{1}));
    if (first) {
      EXPECT_GT(k, 5U);
      break;
    }
    EXPECT_EQ(first.error().code, Error::exhausted);
    ASSERT_TRUE(run(rig.world, rig.mailboxes.remove_account(mail::AccountId{1}))) << k;
    EXPECT_TRUE(rig.disk.synced().blobs.empty()) << k;
    EXPECT_EQ(rig.keys_under("M"), 1U) << k;  // the last UIDVALIDITY
  }
}

TEST(Mailboxes, OneHoldsTheLockAndAllOthersWait) {
  Rig rig;
  std::unique_ptr<ExclusiveLock> lock = rig.mailboxes.try_lock(MailboxId{5});
  ASSERT_TRUE(lock);
  EXPECT_FALSE(rig.mailboxes.try_lock(MailboxId{5}));
  EXPECT_TRUE(rig.mailboxes.try_lock(MailboxId{6}));
  lock.reset();
  lock = rig.mailboxes.try_lock(MailboxId{5});
  EXPECT_TRUE(lock);

  std::optional<Mailboxes> short_lived(std::in_place, &rig.store, &rig.world.clock, &rig.random);
  const std::unique_ptr<ExclusiveLock> outlives = short_lived->try_lock(MailboxId{1});
  short_lived.reset();
  EXPECT_TRUE(outlives);
}

TEST(Records, ReadBackWhatWasWritten) {
  Message message;
  message.modseq = 1ULL << 60U;
  message.flags = kSeen | kDraft;
  message.keywords = {"$Forwarded", ""};
  message.internal_date = from_micros(-5);
  message.content.prefix = "Return-Path: <>\r\n";
  message.content.body = {{std::string(16, '\0')}, 1000};
  message.content.dropped = {{0, 10}, {20, 5}};
  const std::string record = encode_message(message);
  const Result<Message> read = decode_message(9, record);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->uid, 9U);
  EXPECT_EQ(read->modseq, message.modseq);
  EXPECT_EQ(read->flags, message.flags);
  EXPECT_EQ(read->keywords, message.keywords);
  EXPECT_EQ(read->internal_date, message.internal_date);
  EXPECT_EQ(read->content, message.content);
  for (std::size_t i = 0; i < record.size(); ++i) {
    std::string broken = record;
    broken[i] = static_cast<char>(broken[i] ^ 1);
    EXPECT_FALSE(decode_message(9, broken)) << i;
    EXPECT_FALSE(decode_message(9, record.substr(0, i))) << i;
  }
  const std::vector<std::uint32_t> uids = {1, 2, 500, 0xFFFF'FFFF};
  EXPECT_EQ(decode_uids(encode_uids(uids)).value(), uids);
}

}  // namespace
}  // namespace postrider::mailbox
