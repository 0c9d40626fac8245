#include "delivery/mailbox_turns.hpp"

#include "core/test_run.hpp"
#include "store/sim_store.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace postrider::delivery {
namespace {

constexpr mail::AccountId kAccount{7};

struct Rig {
  test::World world;
  SeededRandom random{11};
  store::SimDisk disk;
  store::SimStore store{{.disk = &disk, .random = &random}};
  mailbox::Mailboxes mailboxes{&store, &world.clock, &random};
  MailboxTurns turns{&store, &mailboxes};
  int appended = 0;
  int conflicts = 0;
};

/// One message with an inline body, appended together with the removal of a key that must have `version`.
Task<void> append(Rig* rig, std::string name, std::optional<store::Version> version) {
  const Result<std::unique_ptr<store::BlobWriter>> writer = co_await rig->store.create_blob();
  check(writer.has_value(), "test: blob");
  const Result<void> put = co_await (*writer)->append(name);
  check(put.has_value(), "test: append");
  const Result<std::shared_ptr<store::SealedBlob>> sealed = co_await (*writer)->seal();
  check(sealed.has_value(), "test: seal");
  mailbox::NewMessage message;
  message.content.body = (*sealed)->ref();
  store::Transaction together;
  together.add_blob(*sealed);
  if (version) together.require_version("T" + name, *version);
  together.put("T" + name, "done");
  const Result<store::Version> done = co_await rig->turns.append(kAccount, std::move(message), std::move(together));
  if (done) ++rig->appended;
  if (!done && done.error().code == Error::conflict) ++rig->conflicts;
}

std::vector<mailbox::Message> inbox(Rig& rig) {
  const Result<mailbox::Mailbox> mailbox = test::run(rig.world, rig.mailboxes.open_inbox(kAccount));
  check(mailbox.has_value(), "test: inbox");
  const Result<std::vector<mailbox::Message>> all = test::run(rig.world, rig.mailboxes.list(*mailbox, 1, 100'000));
  check(all.has_value(), "test: list");
  return *all;
}

TEST(MailboxTurns, ManyAppendsAtOnceShareCommitsAndAllArriveOnce) {
  Rig rig;
  for (int i = 0; i < 1000; ++i) spawn(&rig.world.shard, "append", append(&rig, std::to_string(i), std::nullopt));
  rig.world.run_until_still();
  EXPECT_EQ(rig.appended, 1000);
  const std::vector<mailbox::Message> all = inbox(rig);
  ASSERT_EQ(all.size(), 1000U);
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].uid, i + 1);
  // One new mod-sequence a commit: far fewer commits than messages, none with more than kAppendsATurnMax.
  EXPECT_LT(all.back().modseq, 100U);
  EXPECT_GE(all.back().modseq, 1000 / kAppendsATurnMax);
}

TEST(MailboxTurns, OneThatCannotGoInDoesNotHoldUpTheOthers) {
  Rig rig;
  for (int i = 0; i < 20; ++i) {
    const std::optional<store::Version> never = i % 5 == 0 ? std::optional<store::Version>(999'999) : std::nullopt;
    spawn(&rig.world.shard, "append", append(&rig, std::to_string(i), never));
  }
  rig.world.run_until_still();
  EXPECT_EQ(rig.appended, 16);
  EXPECT_EQ(rig.conflicts, 4);
  EXPECT_EQ(inbox(rig).size(), 16U);
}

TEST(MailboxTurns, AFailedStoreAnswersEveryone) {
  Rig rig;
  rig.store.fail_sync();
  for (int i = 0; i < 20; ++i) spawn(&rig.world.shard, "append", append(&rig, std::to_string(i), std::nullopt));
  rig.world.run_until_still();
  EXPECT_EQ(rig.appended, 0);
  EXPECT_EQ(rig.world.shard.tasks(), 0U);
}

}  // namespace
}  // namespace postrider::delivery
