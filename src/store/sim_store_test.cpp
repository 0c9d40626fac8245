// The faults that SimStore can play, and that what it plays is what a disk would do.
#include "store/test_rigs.hpp"

#include <set>

namespace postrider::store::test {
namespace {

constexpr int kClients = 4;
constexpr int kCommitsEach = 8;

/// What the clients were told.
struct Ledger {
  std::array<int, kClients> acknowledged{};
  std::array<int, kClients> attempted{};
  std::vector<int> order;  ///< of the answers
};

std::string key_of(int client, int number) { return fmt::format("{}/{:03}", client, number); }

Task<void> commit_in_turn(Store* store, int client, Durability durability, Ledger* ledger) {
  for (int number = 1; number <= kCommitsEach; ++number) {
    Transaction transaction;
    transaction.put(key_of(client, number), "a");
    transaction.put(key_of(client, number) + "/twin", "b");
    const auto place = static_cast<std::size_t>(client);
    ledger->attempted[place] = number;
    const Result<Version> done = co_await store->commit(std::move(transaction), durability);
    if (!done) co_return;
    ledger->acknowledged[place] = number;
    ledger->order.push_back(client);
  }
}

Ledger run_clients(SimRig& rig, Durability durability = Durability::durable) {
  Ledger ledger;
  for (int client = 0; client < kClients; ++client) {
    spawn(&rig.world.shard, "client", commit_in_turn(&rig.store(), client, durability, &ledger));
  }
  rig.finish_tasks();
  return ledger;
}

/// How many of a client's commits are there: a prefix, each whole. -1: not a prefix or torn.
int durable_of(const SimDisk& disk, int client) {
  int last = 0;
  for (int number = 1; number <= kCommitsEach; ++number) {
    const bool is_there = disk.synced().keys.contains(key_of(client, number));
    if (is_there != disk.synced().keys.contains(key_of(client, number) + "/twin")) return -1;
    if (is_there && last != number - 1) return -1;
    if (is_there) last = number;
  }
  return last;
}

TEST(SimStore, ACrashAtAnyCommitKeepsExactlyWhatWasAnswered) {
  for (const auto when : {SimStore::When::before_sync, SimStore::When::after_sync}) {
    for (std::uint64_t n = 1;; ++n) {
      SimRig rig(n);
      rig.store().crash_at_commit(n, when);
      const Ledger ledger = run_clients(rig);
      if (!rig.store().crashed()) {
        EXPECT_EQ(n, kClients * kCommitsEach + 1U);
        break;
      }
      EXPECT_TRUE(rig.store().crash_signal().is_set());
      EXPECT_EQ(rig.put("more", "").error().code, Error::cancelled);
      EXPECT_EQ(rig.get("more"), "cancelled");
      rig.close();
      rig.open();
      for (int client = 0; client < kClients; ++client) {
        const auto place = static_cast<std::size_t>(client);
        const int durable = durable_of(rig.disk, client);
        EXPECT_GE(durable, ledger.acknowledged[place]) << "crash at " << n;
        EXPECT_LE(durable, ledger.attempted[place]) << "crash at " << n;
        if (when == SimStore::When::before_sync) EXPECT_EQ(durable, ledger.acknowledged[place]);
      }
      EXPECT_TRUE(rig.put("more", "")) << "the next process goes on";
    }
  }
}

TEST(SimStore, AnAnswerBeforeTheSyncIsFound) {
  int lost = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SimRig rig(seed, Planted::ack_before_sync);
    rig.store().crash_at_commit(10 + seed % 7, SimStore::When::before_sync);
    const Ledger ledger = run_clients(rig);
    rig.close();
    rig.open();
    for (int client = 0; client < kClients; ++client) {
      if (durable_of(rig.disk, client) < ledger.acknowledged[static_cast<std::size_t>(client)]) ++lost;
    }
  }
  EXPECT_GT(lost, 10);
}

TEST(SimStore, ACrashKeepsTheFirstFewOfTheLazyCommits) {
  std::set<int> kept;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SimRig rig(seed);
    for (int number = 1; number <= kCommitsEach; ++number) {
      ASSERT_TRUE(rig.put(key_of(0, number), "a", Durability::lazy));
      ASSERT_TRUE(rig.put(key_of(0, number) + "/twin", "b", Durability::lazy));
    }
    rig.store().crash();
    rig.close();
    rig.open();
    kept.insert(static_cast<int>(rig.disk.synced().keys.size()));
    std::optional<Key> last;
    for (int i = 0; i < 2 * kCommitsEach; ++i) {
      const Key key = key_of(0, i / 2 + 1) + (i % 2 == 1 ? "/twin" : "");
      EXPECT_EQ(rig.disk.synced().keys.contains(key), i < static_cast<int>(rig.disk.synced().keys.size()));
    }
  }
  EXPECT_GT(kept.size(), 5U);
}

TEST(SimStore, LazyCommitsAreDurableAfterASecondOrTheNextSync) {
  SimRig rig;
  ASSERT_TRUE(rig.put("a", "1", Durability::lazy));
  EXPECT_FALSE(rig.disk.synced().keys.contains("a"));
  rig.world.run_until_still();
  EXPECT_TRUE(rig.disk.synced().keys.contains("a"));
  ASSERT_TRUE(rig.put("b", "1", Durability::lazy));
  ASSERT_TRUE(rig.put("c", "1"));
  EXPECT_TRUE(rig.disk.synced().keys.contains("b"));
}

TEST(SimStore, BodiesThatWereNotCommittedDoNotSurviveACrash) {
  SimRig rig;
  const std::shared_ptr<SealedBlob> committed = rig.seal("committed");
  const std::shared_ptr<SealedBlob> sealed = rig.seal(std::string(100'000, 's'));
  Transaction add;
  add.add_blob(committed);
  ASSERT_TRUE(rig.commit(add));
  rig.store().crash();
  rig.close();
  rig.open();
  EXPECT_EQ(rig.body(committed->ref().id), "committed");
  EXPECT_EQ(rig.body(sealed->ref().id), "not_found");
}

TEST(SimStore, TheSameSeedGivesTheSameOrderAndOthersOtherOrders) {
  std::set<std::vector<int>> orders;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SimRig first(seed);
    SimRig second(seed);
    const Ledger one = run_clients(first);
    EXPECT_EQ(one.order, run_clients(second).order);
    EXPECT_EQ(first.world.clock.steady(), second.world.clock.steady());
    orders.insert(one.order);
  }
  EXPECT_GT(orders.size(), 5U);
}

/// Stores a body and a record that names it; gives back the body. Uses every call of the door.
Task<Result<std::string>> store_and_read(Store* store) {
  Result<std::unique_ptr<BlobWriter>> writer = co_await store->create_blob();
  if (!writer) co_return fail(writer);
  const Result<void> appended = co_await (*writer)->append("body");
  if (!appended) co_return fail(appended);
  Result<std::shared_ptr<SealedBlob>> sealed = co_await (*writer)->seal();
  if (!sealed) co_return fail(sealed);
  Transaction transaction;
  Key key = "record";
  transaction.require_absent(key);
  transaction.put(key, (*sealed)->ref().id.octets);
  transaction.add_blob(std::move(*sealed));
  const Result<Version> done = co_await store->commit(std::move(transaction), Durability::durable);
  if (!done) co_return fail(done);
  const Result<std::optional<Entry>> entry = co_await store->get(std::move(key));
  if (!entry) co_return fail(entry);
  KeyRange all;
  const Result<Page> page = co_await store->scan(std::move(all), 10);
  if (!page) co_return fail(page);
  BlobId id{(*entry)->value};
  co_return co_await store->read_blob(std::move(id), 0, 100);
}

TEST(SimStore, EachCallCanFailAndNothingIsHalfDone) {
  for (const auto code : {Error::exhausted, Error::transient, Error::corrupt}) {
    for (std::uint64_t k = 1;; ++k) {
      SimRig rig;
      rig.store().fail_call(k, code);
      const Result<std::string> got = rig.run(store_and_read(&rig.store()));
      if (got) {
        EXPECT_EQ(*got, "body");
        EXPECT_EQ(k, 8U) << "seven calls";
        break;
      }
      EXPECT_EQ(got.error().code, code);
      EXPECT_EQ(rig.disk.synced().keys.size(), rig.disk.synced().blobs.size()) << "both or none, failing call " << k;
      EXPECT_EQ(rig.store().failed().is_set(), code == Error::transient && k == 4) << k;
    }
  }
}

}  // namespace
}  // namespace postrider::store::test
