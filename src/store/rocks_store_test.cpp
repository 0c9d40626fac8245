// What RocksStore promises beside the contract: the disk, the threads, the lock.
#include "store/test_rigs.hpp"

#include <fstream>
#include <thread>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
// Debian's librocksdb is not instrumented: its atomics are not seen, so its own accesses look like races.
extern "C" const char* __tsan_default_suppressions();  // NOLINT: the sanitizer's name
extern "C" const char* __tsan_default_suppressions() { return "race:librocksdb.so\n"; }
#endif
#endif

namespace postrider::store::test {
namespace {

namespace fs = std::filesystem;

Transaction put_of(Key key, std::string value) {
  Transaction transaction;
  transaction.put(std::move(key), std::move(value));
  return transaction;
}

Task<void> put_then_count(Store* store, Key key, std::size_t* left) {
  Transaction transaction = put_of(std::move(key), "v");
  const Result<Version> done = co_await store->commit(std::move(transaction), Durability::durable);
  if (done) --*left;
}

TEST(RocksStore, ASecondOpenIsLockedOut) {
  RocksRig rig;
  const Result<std::unique_ptr<Store>> second = rig.try_open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Error::conflict);
  EXPECT_EQ(second.error().place, "store.locked");
  rig.close();
  EXPECT_TRUE(rig.try_open());
}

TEST(RocksStore, ADirectoryWithoutParentIsAnError) {
  RocksRig rig;
  RocksOptions options = rig.options();
  options.directory = rig.directory.path() + "/no/such";
  const Result<std::unique_ptr<Store>> opened = open_rocks_store(std::move(options));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Error::transient);
}

TEST(RocksStore, OpeningRemovesBodiesThatNoRecordNames) {
  RocksRig rig;
  std::shared_ptr<SealedBlob> blob = rig.seal(std::string(100'000, 'b'));
  ASSERT_TRUE(blob);
  const BlobId id = blob->ref().id;
  Transaction add;
  add.add_blob(std::move(blob));
  ASSERT_TRUE(rig.commit(std::move(add)));
  rig.close();
  const std::string blobs = rig.directory.path() + "/store/blobs/";
  std::ofstream(blobs + std::string(32, 'a')) << "an orphan";
  std::ofstream(blobs + "README") << "not ours";
  ASSERT_EQ(rig.blob_files(), 3U);
  rig.open();
  EXPECT_EQ(rig.blob_files(), 2U);
  EXPECT_TRUE(fs::exists(blobs + "README"));
  EXPECT_EQ(rig.body(id).size(), 100'000U);
}

TEST(RocksStore, FilesGoWithTheirWritersHandlesAndLastReferences) {
  RocksRig rig;
  {
    Result<std::unique_ptr<BlobWriter>> unsealed = rig.run(rig.store().create_blob());
    ASSERT_TRUE(unsealed);
    const std::string chunk(200'000, 'u');
    ASSERT_TRUE(rig.run((*unsealed)->append(chunk)));
    EXPECT_EQ(rig.blob_files(), 1U);
    const std::shared_ptr<SealedBlob> dropped = rig.seal(std::string(100'000, 'd'));
    ASSERT_TRUE(dropped);
    std::shared_ptr<SealedBlob> committed = rig.seal(std::string(100'000, 'c'));
    ASSERT_TRUE(committed);
    Transaction drop;
    drop.drop_ref(committed->ref().id);
    Transaction add;
    add.add_blob(std::move(committed));
    ASSERT_TRUE(rig.commit(std::move(add)));
    EXPECT_EQ(rig.blob_files(), 3U);
    ASSERT_TRUE(rig.commit(std::move(drop), Durability::lazy));
  }
  rig.close();
  rig.settle_workers();
  EXPECT_EQ(rig.blob_files(), 0U);
}

TEST(RocksStore, AFileThatIsGoneOrTooShortIsSeen) {
  RocksRig rig;
  std::shared_ptr<SealedBlob> blob = rig.seal(std::string(100'000, 'b'));
  ASSERT_TRUE(blob);
  const BlobId id = blob->ref().id;
  Transaction add;
  add.add_blob(std::move(blob));
  ASSERT_TRUE(rig.commit(std::move(add)));
  const fs::path file = fs::directory_iterator(rig.directory.path() + "/store/blobs")->path();
  fs::resize_file(file, 99'999);
  EXPECT_EQ(rig.body(id), "corrupt");
  fs::remove(file);
  EXPECT_EQ(rig.body(id), "corrupt");
}

// A copy of the directory after each answer is what a process killed right then leaves behind.
TEST(RocksStore, AKillAfterAnyAnswerLeavesExactlyWhatWasAnswered) {
  RocksRig rig;
  std::vector<BlobId> bodies;
  for (int n = 1; n <= 12; ++n) {
    Transaction transaction = put_of("k" + std::to_string(100 + n), std::to_string(n));
    if (n > 1) transaction.erase("k" + std::to_string(100 + n / 2));
    transaction.put("k" + std::to_string(100 + n), std::to_string(n));
    std::shared_ptr<SealedBlob> blob = rig.seal(std::string(n % 2 == 0 ? 70'000U : 70U, 'b'));
    ASSERT_TRUE(blob);
    bodies.push_back(blob->ref().id);
    transaction.add_blob(std::move(blob));
    if (n > 2) transaction.drop_ref(bodies.at(static_cast<std::size_t>(n) - 3));
    ASSERT_TRUE(rig.commit(std::move(transaction), n % 3 == 0 ? Durability::lazy : Durability::durable));
    const Page want = rig.scan({"", ""});

    const TempDirectory copy;
    fs::copy(rig.directory.path() + "/store", copy.path() + "/store", fs::copy_options::recursive);
    RocksOptions options = rig.options();
    options.directory = copy.path() + "/store";
    Result<std::unique_ptr<Store>> after = open_rocks_store(std::move(options));
    ASSERT_TRUE(after) << describe(after.error());
    const Result<Page> got = rig.run((*after)->scan({"", ""}, 1000));
    ASSERT_TRUE(got);
    ASSERT_EQ(got->entries.size(), want.entries.size());
    for (std::size_t i = 0; i < want.entries.size(); ++i) {
      EXPECT_EQ(got->entries[i].key, want.entries[i].key);
      EXPECT_EQ(got->entries[i].entry.value, want.entries[i].entry.value);
      EXPECT_EQ(got->entries[i].entry.version, want.entries[i].entry.version);
    }
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      EXPECT_EQ(rig.run((*after)->read_blob(bodies[i], 0, 1)).has_value(), i + 2 >= bodies.size()) << i << " of " << n;
    }
    const Result<Version> next = rig.run((*after)->commit(put_of("next", ""), Durability::durable));
    ASSERT_TRUE(next);
    EXPECT_GT(*next, want.entries.back().entry.version);
  }
}

TEST(RocksStore, ADurableCommitSyncsAndALazyOneRidesAlong) {
  RocksRig rig;
  ASSERT_TRUE(rig.put("a", "1", Durability::lazy));
  EXPECT_EQ(rig.syncs, 0);
  ASSERT_TRUE(rig.put("b", "1"));
  EXPECT_EQ(rig.syncs, 1);
  ASSERT_TRUE(rig.put("c", "1", Durability::lazy));
  EXPECT_EQ(rig.syncs, 1);
  rig.close();
  EXPECT_EQ(rig.syncs, 2) << "what was lazy is synced at the end";
}

TEST(RocksStore, OneSyncServesAllWhoWait) {
  RocksRig rig;
  std::size_t left = 500;
  for (std::size_t i = left; i > 0; --i) {
    spawn(&rig.world.shard, "put", put_then_count(&rig.store(), "k" + std::to_string(i), &left));
  }
  rig.finish_tasks();
  EXPECT_EQ(left, 0U);
  EXPECT_LT(rig.syncs, 250);
}

TEST(RocksStore, ADestructorCommitsWhatWaits) {
  RocksRig rig;
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(rig.put("k" + std::to_string(i), "v", Durability::lazy));
  rig.close();
  rig.open();
  EXPECT_EQ(rig.scan({"", ""}).entries.size(), 500U);
}

TEST(RocksStore, AfterAFailedSyncTheFilesStayForTheNextStart) {
  RocksRig rig;
  std::shared_ptr<SealedBlob> blob = rig.seal(std::string(100'000, 'b'));
  ASSERT_TRUE(blob);
  const BlobId id = blob->ref().id;
  Transaction add;
  add.add_blob(std::move(blob));
  rig.fail_sync();
  EXPECT_EQ(rig.commit(std::move(add)).error().code, Error::transient);
  rig.close();
  rig.settle_workers();
  EXPECT_EQ(rig.blob_files(), 1U) << "nobody knows whether a record names it";
  rig.open();
  const std::string body = rig.body(id);
  EXPECT_TRUE(body == "not_found" || body.size() == 100'000U) << body;
  EXPECT_EQ(rig.blob_files(), body == "not_found" ? 0U : 1U);
}

TEST(RocksStore, ReadsFromADiskThatIsNotInMemory) {
  RocksRig rig;
  for (int i = 0; i < 200; ++i)
    ASSERT_TRUE(rig.put("k" + std::to_string(i), std::string(10'000, 'v'), Durability::lazy));
  rig.close();
  rig.open();
  for (int i = 0; i < 200; ++i) EXPECT_EQ(rig.get("k" + std::to_string(i)).size(), 10'000U);
  EXPECT_EQ(rig.get("k200"), "-");
}

TEST(RocksStore, AMillionDeletesDoNotSlowTheNextScan) {
  constexpr int kEntries = 1'000'000;
  RocksRig rig(1);  // one worker: what `consumed` starts ends before the next scan
  const auto key_of = [](int i) { return fmt::format("due/{:08}", i); };
  for (const bool put : {true, false}) {
    for (int i = 0; i < kEntries;) {
      Transaction transaction;
      for (std::size_t n = 0; n < kTransactionKeysMax; ++n, ++i) {
        if (put) transaction.put(key_of(i), "entry");
        if (!put) transaction.erase(key_of(i));
      }
      ASSERT_TRUE(rig.commit(std::move(transaction), Durability::lazy));
    }
  }
  ASSERT_TRUE(rig.put(key_of(kEntries), "the next one"));
  const std::size_t before = rig.scan(range_of_prefix("due/"), 10).keys_visited;
  rig.store().consumed({key_of(0), key_of(kEntries)});
  const Page page = rig.scan(range_of_prefix("due/"), 10);
  ASSERT_EQ(page.entries.size(), 1U);
  EXPECT_LT(page.keys_visited, 5'000U);
  RecordProperty("visited_before", static_cast<int>(before));
  RecordProperty("visited_after", static_cast<int>(page.keys_visited));
  fmt::print("keys visited: {} before the hint, {} after\n", before, page.keys_visited);
}

struct Load {
  Store* store;
  Shard* shard;
  int number;
  int left;
  int failures = 0;
};

Task<void> use_everything(Load* load) {
  const std::string prefix = "shard/" + std::to_string(load->number) + "/";
  Signal changed;
  const std::unique_ptr<Watch> watch = load->store->watch(prefix, &changed);
  for (; load->left > 0; --load->left) {
    Result<std::unique_ptr<BlobWriter>> writer = co_await load->store->create_blob();
    const std::string octets(load->left % 5 == 0 ? 150'000U : 1'500U, 'o');
    const Result<void> appended = co_await (*writer)->append(octets);
    Result<std::shared_ptr<SealedBlob>> sealed = co_await (*writer)->seal();
    const BlobId id = (*sealed)->ref().id;
    Transaction add;
    add.add_blob(std::move(*sealed));
    add.put(prefix + std::to_string(load->left), "value");
    const Result<Version> added = co_await load->store->commit(std::move(add), Durability::durable);
    const Result<std::optional<Entry>> entry = co_await load->store->get(prefix + std::to_string(load->left));
    const Result<std::string> body = co_await load->store->read_blob(id, 0, octets.size());
    const Result<Page> page = co_await load->store->scan(range_of_prefix(prefix), 100);
    Transaction drop;
    drop.drop_ref(id);
    drop.erase(prefix + std::to_string(load->left));
    const Result<Version> dropped = co_await load->store->commit(std::move(drop), Durability::lazy);
    load->store->consumed(range_of_prefix(prefix));
    const bool good = appended && added && entry && *entry && body && *body == octets && page &&
                      page->entries.size() == 1 && dropped && changed.is_set();
    if (!good) ++load->failures;
    changed.clear();
  }
  load->shard->stop();
}

TEST(RocksStore, ServesSeveralShardsAtOnce) {
  RocksRig rig;
  SystemClock clock;
  Events events(&clock, LogFormat::text, Level::error, nullptr);
  std::vector<std::unique_ptr<Load>> loads;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 3; ++i) {
      loads.push_back(std::make_unique<Load>(Load{&rig.store(), nullptr, i, 60}));
      threads.emplace_back([load = loads.back().get(), &clock, &events] {
        Shard shard(&clock, &events, Shard::Mode::real);
        load->shard = &shard;
        spawn(&shard, "use", use_everything(load));
        shard.run();
      });
    }
  }
  for (const auto& load : loads) EXPECT_EQ(load->failures, 0);
  EXPECT_EQ(rig.scan({"", ""}).entries.size(), 0U);
}

}  // namespace
}  // namespace postrider::store::test
