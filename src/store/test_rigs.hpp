// For tests: a store of either kind on a simulated shard, and short words for its calls.
#pragma once

#include "core/test_run.hpp"
#include "store/rocks_store.hpp"
#include "store/sim_store.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

namespace postrider::store::test {

/// A directory that goes with its object.
class TempDirectory {
 public:
  TempDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "postrider-store-XXXXXX").string();
    check(::mkdtemp(name.data()) != nullptr, "mkdtemp");
    path_ = name;
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class Rig {
 public:
  explicit Rig(postrider::test::Threads threads) : threads_(threads) {}
  virtual ~Rig() = default;
  virtual void close() = 0;
  virtual void open() = 0;
  [[nodiscard]] virtual Store& store() = 0;
  virtual void set_full(bool full) = 0;
  virtual void fail_sync() = 0;

  template <class T>
  T run(Task<T> task) {
    return postrider::test::run(world, std::move(task), threads_);
  }
  /// Runs until all spawned tasks have ended.
  void finish_tasks() {
    while (world.shard.tasks() > 0) {
      if (threads_ == postrider::test::Threads::some) {
        world.shard.context().run_one();
      } else {
        check(world.step(), "test: the tasks wait for something that never comes");
      }
    }
  }

  Result<Version> commit(Transaction transaction, Durability durability = Durability::durable) {
    return run(store().commit(std::move(transaction), durability));
  }
  Result<Version> put(Key key, std::string value, Durability durability = Durability::durable) {
    Transaction transaction;
    transaction.put(std::move(key), std::move(value));
    return commit(std::move(transaction), durability);
  }
  /// The value, or "-" for an absent key, or the error's name.
  std::string get(Key key) {
    const auto entry = run(store().get(std::move(key)));
    if (!entry) return std::string(name_of(entry.error().code));
    return *entry ? (*entry)->value : "-";
  }
  Page scan(KeyRange range, std::size_t entries_max = 1000) {
    Result<Page> page = run(store().scan(std::move(range), entries_max));
    EXPECT_TRUE(page);
    return page ? std::move(*page) : Page{};
  }
  std::shared_ptr<SealedBlob> seal(const std::string& octets, std::size_t chunk_octets = 10'000) {
    Result<std::unique_ptr<BlobWriter>> writer = run(store().create_blob());
    if (!writer) return nullptr;
    for (std::size_t at = 0; at < octets.size(); at += chunk_octets) {
      const std::string chunk = octets.substr(at, chunk_octets);
      if (!run((*writer)->append(chunk))) return nullptr;
    }
    Result<std::shared_ptr<SealedBlob>> sealed = run((*writer)->seal());
    return sealed ? std::move(*sealed) : nullptr;
  }
  /// The whole body, or the error's name.
  std::string body(const BlobId& id, std::size_t chunk_octets = 65'536) {
    std::string octets;
    for (;;) {
      const Result<std::string> chunk = run(store().read_blob(id, octets.size(), chunk_octets));
      if (!chunk) return std::string(name_of(chunk.error().code));
      if (chunk->empty()) return octets;
      octets += *chunk;
    }
  }

  postrider::test::World world;

 private:
  postrider::test::Threads threads_;
};

class RocksRig final : public Rig {
 public:
  explicit RocksRig(std::size_t threads = 2)
      : Rig(postrider::test::Threads::some), workers_(make_thread_workers(threads)) {
    open();
  }
  ~RocksRig() override { close(); }
  void close() override { store_.reset(); }
  void open() override {
    Result<std::unique_ptr<Store>> opened = try_open();
    check(opened.has_value(), opened ? "" : describe(opened.error()));
    store_ = std::move(*opened);
  }
  Result<std::unique_ptr<Store>> try_open() { return open_rocks_store(options()); }
  RocksOptions options() {
    return {.directory = directory.path() + "/store",
            .workers = workers_.get(),
            .random = &random_,
            .events = &world.events,
            .min_free_octets = 1000,
            .fail_sync =
                [this] {
                  ++syncs;
                  return fail_sync_.load();
                },
            .free_octets = [this] { return full_.load() ? 0U : 1'000'000U; }};
  }
  Store& store() override { return *store_; }
  void set_full(bool full) override { full_ = full; }
  void fail_sync() override { fail_sync_ = true; }
  [[nodiscard]] std::size_t blob_files() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory.path() + "/store/blobs")) {
      count += entry.is_regular_file() ? 1 : 0;
    }
    return count;
  }
  /// Runs what the workers still have to do.
  void settle_workers(std::size_t threads = 2) { workers_ = make_thread_workers(threads); }

  TempDirectory directory;
  std::atomic<int> syncs = 0;

 private:
  SystemRandom random_;
  std::unique_ptr<Workers> workers_;
  std::atomic<bool> full_ = false;
  std::atomic<bool> fail_sync_ = false;
  std::unique_ptr<Store> store_;
};

class SimRig final : public Rig {
 public:
  explicit SimRig(std::uint64_t seed = 1, Planted planted = Planted::none)
      : Rig(postrider::test::Threads::none), random(seed), planted_(planted) {
    open();
  }
  ~SimRig() override { close(); }
  void close() override { store_.reset(); }
  void open() override {
    store_ = std::make_unique<SimStore>(SimStoreOptions{.disk = &disk, .random = &random, .planted = planted_});
  }
  SimStore& store() override { return *store_; }
  void set_full(bool full) override { disk.set_full(full); }
  void fail_sync() override { store_->fail_sync(); }

  SeededRandom random;
  SimDisk disk;

 private:
  Planted planted_;
  std::unique_ptr<SimStore> store_;
};

}  // namespace postrider::store::test
