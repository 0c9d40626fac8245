#include "gate/gate.hpp"

namespace postrider::gate {

RelayDecision decide_relay(DomainIs domain_is, const mail::Domain& domain, const SessionIdentity& identity,
                           ListenerRole role) {
  if (domain_is == DomainIs::local) return RelayDecision::local;
  if (domain.is_literal()) return RelayDecision::denied;  // SECURITY R4: a literal never relays, whoever asks
  switch (role) {
    case ListenerRole::relay_in:  // no AUTH there, so only the network says who it is
      if (domain_is == DomainIs::relay) return RelayDecision::relay;
      return identity.in_relay_network ? RelayDecision::relay : RelayDecision::denied;
    case ListenerRole::lmtp: return RelayDecision::denied;  // 2033 §1: a mailbox is what is behind it, or nothing
    case ListenerRole::submission:
      return identity.account || identity.local_user ? RelayDecision::relay : RelayDecision::denied;
  }
  return RelayDecision::denied;
}

bool is_routed(std::string_view local_part) { return local_part.find_first_of("%!@") != std::string_view::npos; }

}  // namespace postrider::gate
