// Who wants to know of changed keys: prefix → signals. Shared by all stores.
#pragma once

#include "core/signal.hpp"
#include "store/store.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace postrider::store {

/// Thread-safe. A changed key costs one look-up for each distinct length of a watched prefix, however many watches.
class Watches {
 public:
  /// Watches may outlive this object.
  [[nodiscard]] std::unique_ptr<Watch> add(std::string_view prefix, Signal* signal);
  /// Sets the signals of all prefixes of `key`.
  void changed(std::string_view key);
  /// No watch at all: `changed` need not be called.
  [[nodiscard]] bool empty() const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  struct State {
    std::mutex mutex;
    std::unordered_map<std::string, std::vector<Signal*>, Hash, std::equal_to<>> by_prefix;
    std::map<std::size_t, std::size_t> count_by_length;
  };
  class Held;
  std::shared_ptr<State> state_ = std::make_shared<State>();  // shared with the watches, which end in any order
};

}  // namespace postrider::store
