// Signs what our own people send (DKIM: 6376, 8463).
#pragma once

#include "core/clock.hpp"
#include "core/result.hpp"
#include "core/task.hpp"
#include "core/workers.hpp"
#include "directory/dkim_keys.hpp"
#include "mail/address.hpp"

#include <memory>
#include <string>

namespace postrider::server {

class Signing {
 public:
  Signing(directory::DkimKeys* keys, Workers* workers, Clock* clock);
  ~Signing();
  /// The DKIM-Signature fields, each with its CRLF, to stand above the message: one by every key of `domain` that is in
  /// use that has not signed it before; empty where there is none. `header_section`: the fields as they go out, each
  /// with its CRLF, without the empty line; fields that are added later (trace fields) are not signed. `body_hash`: of
  /// trust::DkimBodyHash. Errors  transient, corrupt: from the store; exhausted: too much to do; malformed: there is
  /// not exactly one From; too_long: over a limit of mail/header_section.hpp.
  [[nodiscard]] Task<Result<std::string>> sign(mail::Domain domain, std::string header_section, std::string body_hash);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace postrider::server
