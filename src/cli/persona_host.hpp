// The remote of every temper beside a sandbox: a listener on loopback for each profile, on a thread of its own.
#pragma once

#include "core/result.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace postrider::cli {

class PersonaHost {
 public:
  struct Listening {
    std::string profile;  ///< a name of smtp::persona_behaviours()
    std::uint16_t port = 0;
    bool lmtp = false;
  };

  /// Listens on free ports of 127.0.0.1 and serves until it dies. Errors  as net::Network::listen.
  [[nodiscard]] static Result<std::unique_ptr<PersonaHost>> start();
  ~PersonaHost();
  PersonaHost(const PersonaHost&) = delete;
  PersonaHost& operator=(const PersonaHost&) = delete;

  [[nodiscard]] const std::vector<Listening>& listening() const;

 private:
  PersonaHost();
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace postrider::cli
