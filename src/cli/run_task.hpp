// Runs one task to its end on a shard of this thread: for commands that are no server.
#pragma once

#include "core/await.hpp"
#include "core/check.hpp"

#include <optional>
#include <utility>

namespace postrider::cli {

template <class T>
Task<void> keep_result(Shard* shard, Task<T> task, std::optional<T>* out) {
  out->emplace(co_await std::move(task));
  shard->stop();
}

template <class T>
[[nodiscard]] T run_task(Shard* shard, Task<T> task) {
  std::optional<T> out;
  spawn(shard, "command", keep_result(shard, std::move(task), &out));
  shard->run();
  check(out.has_value(), "the command's task threw: see the log");
  return std::move(*out);
}

}  // namespace postrider::cli
