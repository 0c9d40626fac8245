// The door to sockets, with real ones.
#pragma once

#include "net/net.hpp"

#include <chrono>
#include <memory>

namespace postrider {
class Events;
}

namespace postrider::net {

inline constexpr std::chrono::milliseconds kAcceptBackoff{50};  // when descriptors or memory run out

/// Sockets on the shards' own contexts. Thread-safe; a stream or listener is used on its shard only.
/// `events` hears of listeners that must back off.
[[nodiscard]] std::unique_ptr<Network> make_asio_network(Events* events);

}  // namespace postrider::net
