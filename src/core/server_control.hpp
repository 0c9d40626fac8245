// What the web room may ask of the running server, so that it need not know it.
#pragma once

#include <string>
#include <vector>

namespace postrider::core {

/// How a reload ended. All of it was done, or nothing.
struct ReloadReport {
  bool done = false;
  std::vector<std::string> lines;  ///< done: what is in force now; else: each thing that stands in the way
};

class ServerControl {
 public:
  virtual ~ServerControl() = default;
  /// Serving and able to accept mail.
  [[nodiscard]] virtual bool ready() const = 0;
  /// Starts an orderly end; returns at once.
  virtual void drain() = 0;
  /// Reads configuration and certificates again. Blocks for as long as the files take.
  [[nodiscard]] virtual ReloadReport reload() = 0;
  /// The metrics page.
  [[nodiscard]] virtual std::string metrics() const = 0;
};

}  // namespace postrider::core
