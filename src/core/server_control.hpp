// What the web room may ask of the running server, so that it need not know it.
#pragma once

#include <string>

namespace postrider::core {

class ServerControl {
 public:
  virtual ~ServerControl() = default;
  /// Serving and able to accept mail.
  [[nodiscard]] virtual bool ready() const = 0;
  /// Starts an orderly end; returns at once.
  virtual void drain() = 0;
  /// The metrics page.
  [[nodiscard]] virtual std::string metrics() const = 0;
};

}  // namespace postrider::core
