// The queue's log events.
#pragma once

#include "core/events.hpp"

#include <string>
#include <string_view>

namespace postrider::queue {

/// A record failed its checksum or format. It lies under `Qx` and its key; the entry's body is kept.
struct QueueCorrupt {
  static constexpr std::string_view kName = "queue.corrupt";
  static constexpr Level kLevel = Level::error;
  std::string_view id;
  std::string key;  ///< in hexadecimal
  void fields(FieldSink& sink) const {
    sink.add("id", id);
    sink.add("key", key);
  }
};

/// A held recipient was kept for its time and nobody released it.
struct HeldExpired {
  static constexpr std::string_view kName = "queue.held_expired";
  static constexpr Level kLevel = Level::warn;
  std::string_view id;
  std::string recipient;
  void fields(FieldSink& sink) const {
    sink.add("id", id);
    sink.add("recipient", recipient);
  }
};

}  // namespace postrider::queue
