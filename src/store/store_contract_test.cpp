// What every store promises; each test runs against each implementation.
#include "store/test_rigs.hpp"

#include <functional>

namespace postrider::store::test {
namespace {

struct Kind {
  const char* name;
  std::unique_ptr<Rig> (*make)();
};

class StoreContract : public testing::TestWithParam<Kind> {
 protected:
  Store& store() { return rig->store(); }
  std::unique_ptr<Rig> rig = GetParam().make();
};

INSTANTIATE_TEST_SUITE_P(All, StoreContract,
                         testing::Values(Kind{"Rocks",
                                              [] { return std::unique_ptr<Rig>(std::make_unique<RocksRig>()); }},
                                         Kind{"Sim", [] { return std::unique_ptr<Rig>(std::make_unique<SimRig>()); }}),
                         [](const testing::TestParamInfo<Kind>& info) { return std::string(info.param.name); });

std::string octets_of(std::size_t size) {
  std::string octets(size, '\0');
  for (std::size_t i = 0; i < size; ++i) octets[i] = static_cast<char>((i * 31 + i / 251) & 0xFF);
  return octets;
}

TEST(KeyRange, OfPrefixEndsBehindIt) {
  const auto to_of = [](std::string_view prefix) { return range_of_prefix(prefix).to; };
  EXPECT_EQ(to_of("ab"), "ac");
  EXPECT_EQ(to_of("a\xff\xff"), "b");
  EXPECT_EQ(to_of("\xff\xff"), "");
  EXPECT_EQ(to_of(""), "");
}

TEST_P(StoreContract, PutsGetsAndDeletes) {
  EXPECT_EQ(rig->get("a"), "-");
  const Result<Version> first = rig->put("a", "1");
  ASSERT_TRUE(first);
  EXPECT_EQ(rig->get("a"), "1");
  const Result<Version> second = rig->put("a", "2");
  ASSERT_TRUE(second);
  EXPECT_GT(*second, *first);
  const auto entry = rig->run(store().get("a"));
  ASSERT_TRUE(entry && *entry);
  EXPECT_EQ((*entry)->version, *second);
  Transaction gone;
  gone.erase("a");
  gone.erase("never there");
  EXPECT_TRUE(rig->commit(std::move(gone)));
  EXPECT_EQ(rig->get("a"), "-");
}

TEST_P(StoreContract, LaterWriteOfAKeyInATransactionWins) {
  Transaction transaction;
  transaction.put("a", "1");
  transaction.put("a", "2");
  transaction.put("b", "1");
  transaction.erase("b");
  transaction.put("empty", "");
  EXPECT_TRUE(rig->commit(std::move(transaction)));
  EXPECT_EQ(rig->get("a"), "2");
  EXPECT_EQ(rig->get("b"), "-");
  EXPECT_EQ(rig->get("empty"), "");
}

TEST_P(StoreContract, ScansInOrderPageByPage) {
  for (const char* key : {"b/3", "b/1", "a", "b/2", "c", "b"}) ASSERT_TRUE(rig->put(key, std::string("v") + key));
  Page page = rig->scan(range_of_prefix("b/"), 2);
  ASSERT_EQ(page.entries.size(), 2U);
  EXPECT_EQ(page.entries[0].key, "b/1");
  EXPECT_EQ(page.entries[0].entry.value, "vb/1");
  EXPECT_EQ(page.entries[1].key, "b/2");
  ASSERT_TRUE(page.next);
  EXPECT_GE(page.keys_visited, 2U);
  page = rig->scan({*page.next, range_of_prefix("b/").to}, 2);
  ASSERT_EQ(page.entries.size(), 1U);
  EXPECT_EQ(page.entries[0].key, "b/3");
  EXPECT_FALSE(page.next);
  EXPECT_EQ(rig->scan({"", ""}).entries.size(), 6U);
  EXPECT_EQ(rig->scan({"b", "b"}).entries.size(), 0U);
  EXPECT_EQ(rig->scan({"c", "b"}).entries.size(), 0U);
  EXPECT_EQ(rig->scan(range_of_prefix("x")).entries.size(), 0U);
}

TEST_P(StoreContract, PagesAreBoundedInOctets) {
  const std::string value(kValueOctetsMax, 'x');
  for (char c = 'a'; c <= 'z'; ++c) ASSERT_TRUE(rig->put(std::string("k") + c, value, Durability::lazy));
  std::size_t pages = 0;
  std::size_t entries = 0;
  std::optional<Key> at = "k";
  while (at) {
    const Page page = rig->scan({*at, "l"});
    std::size_t octets = 0;
    for (const KeyedEntry& entry : page.entries) octets += entry.entry.value.size();
    EXPECT_LE(octets, 1'200'000U);
    entries += page.entries.size();
    ++pages;
    at = page.next;
  }
  EXPECT_EQ(entries, 26U);
  EXPECT_GE(pages, 2U);
}

TEST_P(StoreContract, PreconditionsGuard) {
  Transaction create;
  create.require_absent("a");
  create.put("a", "1");
  const Result<Version> made = rig->commit(create);
  ASSERT_TRUE(made);
  const Result<Version> again = rig->commit(create);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Error::conflict);
  Transaction change;
  change.require_version("a", *made);
  change.put("a", "2");
  change.put("b", "2");
  EXPECT_TRUE(rig->commit(change));
  Transaction stale = change;
  stale.put("b", "3");
  EXPECT_EQ(rig->commit(stale).error().code, Error::conflict);
  EXPECT_EQ(rig->get("b"), "2") << "all or nothing";
  Transaction of_absent;
  of_absent.require_version("nothing", 1);
  of_absent.put("b", "4");
  EXPECT_EQ(rig->commit(of_absent).error().code, Error::conflict);
  Transaction only_asks;
  only_asks.require_absent("nothing");
  EXPECT_TRUE(rig->commit(only_asks));
  only_asks.require_absent("a");
  EXPECT_EQ(rig->commit(only_asks).error().code, Error::conflict);
}

Task<void> create_once(Store* store, std::string value, int* won, int* conflicts) {
  Transaction transaction;
  transaction.require_absent("one");
  transaction.put("one", value);
  transaction.put("mine/" + value, value);
  const Result<Version> done = co_await store->commit(std::move(transaction), Durability::durable);
  if (done) ++*won;
  if (!done && done.error().code == Error::conflict) ++*conflicts;
}

TEST_P(StoreContract, OneOfTwoInABatchWins) {
  int won = 0;
  int conflicts = 0;
  for (int i = 0; i < 10; ++i)
    spawn(&rig->world.shard, "create", create_once(&store(), std::to_string(i), &won, &conflicts));
  rig->finish_tasks();
  EXPECT_EQ(won, 1);
  EXPECT_EQ(conflicts, 9);
  EXPECT_EQ(rig->scan(range_of_prefix("mine/")).entries.size(), 1U);
}

Task<void> keep_result(Store* store, Transaction transaction, Durability durability,
                       std::optional<Result<Version>>* out) {
  Result<Version> done = co_await store->commit(std::move(transaction), durability);
  out->emplace(std::move(done));
}

TEST_P(StoreContract, ATransactionSeesThoseBeforeIt) {
  std::array<std::optional<Result<Version>>, 4> outcomes;
  std::array<Transaction, 4> transactions;
  transactions[0].require_absent("a");
  transactions[0].put("a", "1");
  transactions[1].erase("a");
  transactions[2].require_absent("a");
  transactions[2].put("a", "3");
  transactions[3].require_absent("a");
  transactions[3].put("a", "4");
  for (std::size_t i = 0; i < 4; ++i) {
    spawn(&rig->world.shard, "commit", keep_result(&store(), transactions[i], Durability::durable, &outcomes[i]));
  }
  rig->finish_tasks();
  EXPECT_TRUE(*outcomes[0] && *outcomes[1] && *outcomes[2]);
  EXPECT_EQ(outcomes[3]->error().code, Error::conflict);
  EXPECT_EQ(rig->get("a"), "3");
}

Task<void> increment(Store* store, int times, int* failures) {
  for (int i = 0; i < times; ++i) {
    for (;;) {
      const Result<std::optional<Entry>> before = co_await store->get("counter");
      Transaction transaction;
      int value = 0;
      if (before && *before) {
        value = std::stoi((*before)->value);
        transaction.require_version("counter", (*before)->version);
      } else {
        transaction.require_absent("counter");
      }
      transaction.put("counter", std::to_string(value + 1));
      const Result<Version> done = co_await store->commit(std::move(transaction), Durability::durable);
      if (done) break;
      if (done.error().code != Error::conflict) {
        ++*failures;
        co_return;
      }
    }
  }
}

TEST_P(StoreContract, AStormOfConflictsCountsExactly) {
  int failures = 0;
  for (int i = 0; i < 100; ++i) spawn(&rig->world.shard, "increment", increment(&store(), 3, &failures));
  rig->finish_tasks();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(rig->get("counter"), "300");
}

TEST_P(StoreContract, EachLimitHoldsAndOneOverIsTooLong) {
  const auto code_of = [this](Transaction transaction) {
    const Result<Version> done = rig->commit(std::move(transaction));
    return done ? std::string("ok") : std::string(name_of(done.error().code));
  };
  const auto one = [](std::size_t key, std::size_t value) {
    Transaction transaction;
    transaction.put(std::string(key, 'k'), std::string(value, 'v'));
    return transaction;
  };
  EXPECT_EQ(code_of(one(kKeyOctetsMax, kValueOctetsMax)), "ok");
  EXPECT_EQ(code_of(one(kKeyOctetsMax + 1, 1)), "too_long");
  EXPECT_EQ(code_of(one(0, 1)), "too_long");
  EXPECT_EQ(code_of(one(1, kValueOctetsMax + 1)), "too_long");
  Transaction keys;
  for (std::size_t i = 0; i < kTransactionKeysMax; ++i) keys.put("n" + std::to_string(i), "");
  EXPECT_EQ(code_of(keys), "ok");
  keys.erase("one more");
  EXPECT_EQ(code_of(keys), "too_long");
  Transaction octets;
  for (char c = 'a'; c < 'a' + 15; ++c) octets.put(std::string(1, c), std::string(kValueOctetsMax, c));
  octets.put("p", std::string(kTransactionOctetsMax - octets.size_octets() - 1, 'p'));
  ASSERT_EQ(octets.size_octets(), kTransactionOctetsMax);
  EXPECT_EQ(code_of(octets), "ok");
  octets.put("q", "");
  EXPECT_EQ(code_of(octets), "too_long");
}

TEST_P(StoreContract, LazyIsVisibleAtOnceAndDurableAfterACleanEnd) {
  ASSERT_TRUE(rig->put("a", "1", Durability::lazy));
  EXPECT_EQ(rig->get("a"), "1");
  rig->close();
  rig->open();
  EXPECT_EQ(rig->get("a"), "1");
}

TEST_P(StoreContract, VersionsGrowAcrossRestarts) {
  Version last = 0;
  for (int i = 0; i < 4; ++i) {
    const Result<Version> version = rig->put("a", std::to_string(i));
    ASSERT_TRUE(version);
    EXPECT_GT(*version, last);
    last = *version;
    rig->close();
    rig->open();
    EXPECT_EQ(rig->get("a"), std::to_string(i));
  }
}

TEST_P(StoreContract, WatchesWakeForTheirPrefixOnly) {
  Signal a;
  Signal ab;
  Signal all;
  const std::unique_ptr<Watch> on_a = store().watch("a", &a);
  std::unique_ptr<Watch> on_ab = store().watch("ab", &ab);
  const std::unique_ptr<Watch> on_all = store().watch("", &all);
  ASSERT_TRUE(rig->put("ac", "1"));
  EXPECT_TRUE(a.is_set());
  EXPECT_FALSE(ab.is_set());
  EXPECT_TRUE(all.is_set());
  a.clear();
  ASSERT_TRUE(rig->put("b", "1", Durability::lazy));
  EXPECT_FALSE(a.is_set());
  Transaction gone;
  gone.erase("abc");
  ASSERT_TRUE(rig->commit(gone));
  EXPECT_TRUE(a.is_set());
  EXPECT_TRUE(ab.is_set());
  ab.clear();
  a.clear();
  on_ab.reset();
  Transaction refused;
  refused.require_version("nothing", 9);
  refused.put("ab", "");
  EXPECT_FALSE(rig->commit(refused));
  EXPECT_FALSE(a.is_set()) << "nothing changed";
  ASSERT_TRUE(rig->put("ab", ""));
  EXPECT_TRUE(a.is_set());
  EXPECT_FALSE(ab.is_set()) << "the watch has ended";
}

TEST_P(StoreContract, BodiesOfEachSizeComeBackBeforeAndAfterTheirCommit) {
  for (const std::size_t size : {0UL, 1UL, 65'536UL, 65'537UL, 3UL * 1024 * 1024}) {
    const std::string octets = octets_of(size);
    std::shared_ptr<SealedBlob> blob = rig->seal(octets);
    ASSERT_TRUE(blob);
    const BlobRef ref = blob->ref();
    EXPECT_EQ(ref.size_octets, size);
    EXPECT_EQ(ref.id.octets.size(), 16U);
    EXPECT_EQ(rig->body(ref.id), octets) << size;
    Transaction transaction;
    transaction.add_blob(std::move(blob));
    transaction.put("record", "names it");
    ASSERT_TRUE(rig->commit(std::move(transaction)));
    EXPECT_EQ(rig->body(ref.id), octets) << size;
    EXPECT_EQ(rig->body(ref.id, 7'777'777), octets) << size;
    EXPECT_EQ(rig->run(store().read_blob(ref.id, size / 2, 3)).value_or("?"), octets.substr(size / 2, 3));
    EXPECT_EQ(rig->run(store().read_blob(ref.id, size + 5, 3)).value_or("?"), "");
    rig->close();
    rig->open();
    EXPECT_EQ(rig->body(ref.id), octets) << size;
  }
}

TEST_P(StoreContract, BodiesWithoutACommitAreDiscarded) {
  for (const std::size_t size : {10UL, 100'000UL}) {
    std::shared_ptr<SealedBlob> blob = rig->seal(octets_of(size));
    ASSERT_TRUE(blob);
    const BlobId id = blob->ref().id;
    Transaction refused;
    refused.require_version("nothing", 1);
    refused.add_blob(blob);
    EXPECT_EQ(rig->commit(std::move(refused)).error().code, Error::conflict);
    EXPECT_EQ(rig->body(id).size(), size) << "the handle lives";
    blob.reset();
    EXPECT_EQ(rig->body(id), "not_found");
  }
}

TEST_P(StoreContract, ABodyGoesWithItsLastReference) {
  for (const std::size_t size : {10UL, 100'000UL}) {
    std::shared_ptr<SealedBlob> blob = rig->seal(octets_of(size));
    ASSERT_TRUE(blob);
    const BlobId id = blob->ref().id;
    Transaction add;
    add.add_blob(std::move(blob));
    add.add_ref(id);
    ASSERT_TRUE(rig->commit(std::move(add)));
    Transaction drop;
    drop.drop_ref(id);
    ASSERT_TRUE(rig->commit(drop));
    EXPECT_EQ(rig->body(id).size(), size);
    Transaction swap;
    swap.drop_ref(id);
    swap.add_ref(id);
    ASSERT_TRUE(rig->commit(swap));
    EXPECT_EQ(rig->body(id).size(), size);
    ASSERT_TRUE(rig->commit(drop));
    EXPECT_EQ(rig->body(id), "not_found");
    EXPECT_EQ(rig->commit(drop).error().code, Error::corrupt);
  }
}

TEST_P(StoreContract, AReferenceToNoBodyIsCorrupt) {
  Transaction transaction;
  transaction.add_ref(BlobId{std::string(16, 'x')});
  transaction.put("a", "1");
  EXPECT_EQ(rig->commit(transaction).error().code, Error::corrupt);
  EXPECT_EQ(rig->get("a"), "-");
  const std::shared_ptr<SealedBlob> blob = rig->seal("not added");
  Transaction by_ref;
  by_ref.add_ref(blob->ref().id);
  EXPECT_EQ(rig->commit(by_ref).error().code, Error::corrupt);
}

TEST_P(StoreContract, ReferencesDoNotConflict) {
  std::shared_ptr<SealedBlob> blob = rig->seal(octets_of(70'000));
  const BlobId id = blob->ref().id;
  Transaction add;
  add.add_blob(std::move(blob));
  ASSERT_TRUE(rig->commit(std::move(add)));
  std::vector<std::optional<Result<Version>>> outcomes(100);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    Transaction change;
    if (i % 2 == 0) change.add_ref(id);
    if (i % 2 == 1) change.drop_ref(id);
    spawn(&rig->world.shard, "ref", keep_result(&store(), std::move(change), Durability::durable, &outcomes[i]));
  }
  rig->finish_tasks();
  for (const auto& outcome : outcomes) EXPECT_TRUE(outcome->has_value());
  EXPECT_EQ(rig->body(id).size(), 70'000U);
  Transaction drop;
  drop.drop_ref(id);
  EXPECT_TRUE(rig->commit(drop));
  EXPECT_EQ(rig->body(id), "not_found");
}

TEST_P(StoreContract, AFullDiskRefusesNewBodiesOnlyAndRecoversByItself) {
  const std::shared_ptr<SealedBlob> blob = rig->seal("body");
  ASSERT_TRUE(rig->put("a", "1"));
  rig->set_full(true);
  EXPECT_FALSE(store().has_room());
  EXPECT_EQ(rig->run(store().create_blob()).error().code, Error::exhausted);
  Transaction mail;
  mail.add_blob(blob);
  mail.put("mail", "1");
  EXPECT_EQ(rig->commit(mail).error().code, Error::exhausted);
  EXPECT_EQ(rig->get("mail"), "-");
  Transaction makes_room;
  makes_room.erase("a");
  EXPECT_TRUE(rig->commit(makes_room));
  rig->set_full(false);
  EXPECT_TRUE(store().has_room());
  EXPECT_TRUE(rig->commit(mail));
}

TEST_P(StoreContract, ABodyWithAFailedAppendCannotBeSealed) {
  Result<std::unique_ptr<BlobWriter>> writer = rig->run(store().create_blob());
  ASSERT_TRUE(writer);
  const std::string chunk(60'000, 'c');
  ASSERT_TRUE(rig->run((*writer)->append(chunk)));
  rig->set_full(true);
  EXPECT_EQ(rig->run((*writer)->append(chunk)).error().code, Error::exhausted);
  rig->set_full(false);
  EXPECT_FALSE(rig->run((*writer)->seal()));
}

TEST_P(StoreContract, AFailedSyncIsFinal) {
  ASSERT_TRUE(rig->put("a", "1"));
  const std::shared_ptr<SealedBlob> blob = rig->seal(octets_of(70'000));
  EXPECT_FALSE(store().failed().is_set());
  rig->fail_sync();
  EXPECT_EQ(rig->put("a", "2").error().code, Error::transient);
  EXPECT_TRUE(store().failed().is_set());
  EXPECT_FALSE(store().has_room());
  EXPECT_EQ(rig->put("b", "1").error().code, Error::transient);
  EXPECT_EQ(rig->put("b", "1", Durability::lazy).error().code, Error::transient);
  EXPECT_EQ(rig->run(store().create_blob()).error().code, Error::transient);
}

TEST_P(StoreContract, AQueueThatIsFullIsExhausted) {
  std::vector<std::optional<Result<Version>>> outcomes(kCommitterQueueMax + 3000);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    Transaction put;
    put.put("k" + std::to_string(i), "v");
    spawn(&rig->world.shard, "commit", keep_result(&store(), std::move(put), Durability::lazy, &outcomes[i]));
  }
  rig->finish_tasks();
  std::size_t refused = 0;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    if (outcomes[i]->has_value()) continue;
    EXPECT_EQ((*outcomes[i]).error().code, Error::exhausted);
    EXPECT_EQ(rig->get("k" + std::to_string(i)), "-");
    ++refused;
  }
  if (std::string_view(GetParam().name) == "Sim") EXPECT_EQ(refused, 3000U);  // Rocks' thread takes them meanwhile
}

}  // namespace
}  // namespace postrider::store::test
