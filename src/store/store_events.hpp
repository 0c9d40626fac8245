// What the store logs.
#pragma once

#include "core/events.hpp"

#include <string>

namespace postrider::store {

/// A sync or a write failed: nothing will be committed any more, the process must stop.
struct StoreFailed {
  static constexpr std::string_view kName = "store.failed";
  static constexpr Level kLevel = Level::error;
  std::string what;
  void fields(FieldSink& sink) const { sink.add("what", what); }
};

/// Bodies that no record names, left by a crash between their sync and their commit.
struct OrphansRemoved {
  static constexpr std::string_view kName = "store.orphans_removed";
  static constexpr Level kLevel = Level::info;
  std::size_t files = 0;
  void fields(FieldSink& sink) const { sink.add("files", files); }
};

}  // namespace postrider::store
