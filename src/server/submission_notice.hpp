// Tells people here of what a login sends: a short message from us, by the queue.
#pragma once

#include "server/submission.hpp"

#include <string>
#include <vector>

namespace postrider::server {

struct Notice {
  std::vector<mail::Address> to;  ///< who is not here is left out, but for the configured postmaster
  std::string subject;
  std::string text;  ///< lines end in LF
};

/// Stages it as an entry of its own from `<>`; nullopt: nobody is there. The caller commits, and tells the queue.
/// Errors  from the store.
[[nodiscard]] Task<Result<std::optional<queue::NewEntry>>> stage_notice(const SubmissionService* service,
                                                                        store::Transaction* transaction, Notice notice);

}  // namespace postrider::server
