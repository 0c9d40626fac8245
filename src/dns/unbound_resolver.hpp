// The door to names, with libunbound: validating, caching, one context a process.
#pragma once

#include "core/clock.hpp"
#include "dns/resolver.hpp"

#include <memory>
#include <string>
#include <vector>

namespace postrider::dns {

inline constexpr std::size_t kQuestionsMax = 10'000;  // under way at once; over it the answer is transient

struct UnboundOptions {
  std::vector<std::string> servers;     ///< `host:port`, addresses only; empty: those of /etc/resolv.conf
  std::string trust_anchor;             ///< a file of DS or DNSKEY records; empty: nothing is secure
  Duration timeout = kQuestionTimeout;  ///< a question's; shorter in tests
};

/// Thread-safe; answers on the shard that asked. Has one thread of its own. To be destroyed after the last question's
/// shard stopped running and before that shard is; what is still under way then is answered `cancelled`.
/// Errors  malformed: a server or the anchor's file; exhausted: no memory or descriptors.
[[nodiscard]] Result<std::unique_ptr<Resolver>> make_unbound_resolver(UnboundOptions options);

}  // namespace postrider::dns
