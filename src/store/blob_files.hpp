// Bodies that are files of their own, in one flat directory; named by the hex of their id.
#pragma once

#include "core/result.hpp"
#include "core/workers.hpp"
#include "store/store.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace postrider::store {

/// A file that is being written, or is sealed and not committed yet. Removed (on the workers) when it dies, unless
/// kept. One thread at a time; `keep` from any.
class BlobFile {
 public:
  /// `descriptor` is owned.
  BlobFile(int descriptor, std::string path, Workers* workers);
  BlobFile(const BlobFile&) = delete;
  BlobFile& operator=(const BlobFile&) = delete;
  ~BlobFile();

  /// Blocks. Errors  exhausted: disk full; transient.
  [[nodiscard]] Result<void> append(std::string_view octets);
  /// Syncs the octets and closes. Blocks. Errors  as append. The directory is the caller's.
  [[nodiscard]] Result<void> finish();
  /// A record names the file now, or may after the next start: it stays.
  void keep() { kept_.store(true); }

 private:
  int descriptor_;
  std::string path_;
  Workers* workers_;
  std::atomic<bool> kept_ = false;
};

/// The directory of the files. All methods block and are thread-safe.
class BlobFiles {
 public:
  BlobFiles(std::string directory, Workers* workers) : directory_(std::move(directory)), workers_(workers) {}

  /// Makes the directory where it is missing. Errors  transient.
  [[nodiscard]] Result<void> prepare() const;
  /// Errors  exhausted: disk full; transient.
  [[nodiscard]] Result<std::shared_ptr<BlobFile>> create(const BlobId& id) const;
  /// Makes names durable. Errors  transient.
  [[nodiscard]] Result<void> sync_directory() const;
  /// Errors  not_found: no such file; transient.
  [[nodiscard]] Result<std::string> read(const BlobId& id, std::uint64_t offset, std::size_t octets_max) const;
  /// Best effort: what stays is removed at the next start.
  void remove(const BlobId& id) const;
  /// Removes each file of ours that `is_named` denies; gives how many. Errors  transient; those of `is_named`.
  [[nodiscard]] Result<std::size_t> remove_orphans(const std::function<Result<bool>(const BlobId&)>& is_named) const;

 private:
  [[nodiscard]] std::string path_of(const BlobId& id) const;
  std::string directory_;
  Workers* workers_;
};

}  // namespace postrider::store
