// The standing orders to hold what matches: on disk, and a copy of them in memory.
#pragma once

#include "core/events.hpp"
#include "core/result.hpp"
#include "core/task.hpp"
#include "queue/queue.hpp"
#include "store/store.hpp"

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace postrider::queue {

inline constexpr std::size_t kFreezeTextOctetsMax = 320;  // of each part: the longest address fits, and all three a key

/// Thread-safe.
class Freezes {
 public:
  using Copy = std::shared_ptr<const std::vector<Freeze>>;  // shared: who looks at it may outlive a change

  Freezes(store::Store* store, Events* events) : store_(store), events_(events) {}

  /// Read at first use and after a change, from memory otherwise. Errors  transient, corrupt from the store.
  [[nodiscard]] Task<Result<Copy>> all();
  /// Whoever asks for `all` after this has returned is told. One that is there already is no error.
  /// Errors  too_long; exhausted: kFreezesMax; from the store.
  [[nodiscard]] Task<Result<void>> add(Freeze what);
  /// Errors  not_found; from the store.
  [[nodiscard]] Task<Result<void>> remove(Freeze what);

 private:
  enum class Turn : std::uint8_t { add, remove };
  [[nodiscard]] Task<Result<std::vector<Freeze>>> read();
  [[nodiscard]] Task<Result<void>> change(Freeze what, Turn turn);
  void forget_copy();

  store::Store* store_;
  Events* events_;
  std::mutex mutex_;
  Copy copy_;                  // null: to be read
  std::uint64_t changes_ = 0;  // a copy that was read while it grew may be old
};

}  // namespace postrider::queue
