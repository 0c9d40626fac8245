// The store of one node: RocksDB for keys and small bodies, a file each for large ones.
#pragma once

#include "core/events.hpp"
#include "core/random.hpp"
#include "core/workers.hpp"
#include "store/store.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace postrider::store {

/// The doors outlive the store.
struct RocksOptions {
  std::string directory;  ///< its own; made where missing, its parent must exist
  Workers* workers = nullptr;
  Random* random = nullptr;  ///< thread-safe
  Events* events = nullptr;
  std::uint64_t min_free_octets = 0;  ///< 0: the larger of 64 MiB and 1 % of the disk, but at most 1 GiB

  // Faults, for tests.
  std::function<bool()> fail_sync = {};  ///< asked before each sync, on the committer's thread; true makes it fail
  std::function<std::uint64_t()> free_octets = {};  ///< asked instead of the file system; from any thread
};

/// Opens or makes the store in `directory`, and removes the bodies that no record names. Blocks.
///
/// Below `min_free` a transaction is refused (exhausted) only when it brings a body: new mail waits while deliveries
/// and deletions make room. A page of a scan ends after about 1 MiB, a read of a body gives at most 1 MiB. The
/// destructor commits what waits and joins its thread. No coroutine may wait for the store then, and no BlobWriter may
/// be left; sealed bodies may.
///
/// Errors  conflict, place "store.locked": another process (or store) has the directory; transient; corrupt.
[[nodiscard]] Result<std::unique_ptr<Store>> open_rocks_store(RocksOptions options);

}  // namespace postrider::store
