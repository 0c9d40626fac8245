// Asks the next hop of a relay domain whether it takes a recipient, for the gate.
#pragma once

#include "core/clock.hpp"
#include "delivery/relay.hpp"
#include "gate/gate.hpp"
#include "net/connector.hpp"
#include "route/route.hpp"

#include <atomic>
#include <cstddef>
#include <memory>

namespace postrider::server {

inline constexpr std::size_t kProbesMax = 50;  // at once; who comes then hears that it is not known now

/// By the route that mail from `<>` to the recipient would take. A 5yz to RCPT refuses (but 552 and what says no more
/// than "too many", 5321 §4.5.3.1.10); every other trouble is `unknown`. A route that holds or discards takes all.
class NextHopProbe final : public gate::RecipientProbe {
 public:
  NextHopProbe(net::Connector* connector, route::Router* router, delivery::RelaySettings settings)
      : connector_(connector), router_(router), settings_(std::move(settings)) {}

  [[nodiscard]] Task<Answer> ask(mail::Address recipient, SteadyTime until) override;

 private:
  net::Connector* connector_;
  route::Router* router_;
  delivery::RelaySettings settings_;
  // Shared: a search that goes on after who asked has gone may outlive us too.
  std::shared_ptr<std::atomic<std::size_t>> asking_ = std::make_shared<std::atomic<std::size_t>>(0);
};

}  // namespace postrider::server
