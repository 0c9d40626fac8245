// Bodies that are sealed and that no committed record names yet. Shared by all stores.
#pragma once

#include "store/blob_files.hpp"
#include "store/store.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace postrider::store {

/// Where the octets of a sealed body are: one of the two.
struct SealedBody {
  std::uint64_t size_octets = 0;
  std::shared_ptr<const std::string> octets;  // shared: a reader may hold it when the handle dies
  std::shared_ptr<BlobFile> file;             // shared: the file goes when the last of them does
};

/// Thread-safe. Handles may outlive it.
class SealedBodies {
 public:
  /// The handle; when it dies before `committed`, the body is gone.
  [[nodiscard]] std::shared_ptr<SealedBlob> add(BlobRef ref, SealedBody body);
  [[nodiscard]] std::optional<SealedBody> find(const BlobId& id) const;
  /// A durable (or visible) record names it: no longer ours. Call after the record can be read.
  void committed(const BlobId& id);
  /// The store failed and nobody knows what was committed: no file is removed any more. The next start tidies up.
  void keep_all();

 private:
  struct State {
    mutable std::mutex mutex;
    std::map<BlobId, SealedBody> by_id;
  };
  class Handle;
  std::shared_ptr<State> state_ = std::make_shared<State>();  // shared with the handles, which end in any order
};

}  // namespace postrider::store
