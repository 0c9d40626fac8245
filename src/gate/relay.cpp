#include "gate/gate.hpp"

namespace postrider::gate {

RelayDecision decide_relay(bool domain_is_local, const mail::Domain& domain, const SessionIdentity& identity,
                           ListenerRole role) {
  if (domain_is_local) return RelayDecision::local;
  if (domain.is_literal()) return RelayDecision::denied;  // SECURITY R4: a literal never relays, whoever asks
  switch (role) {
    case ListenerRole::relay_in:  // no AUTH there, so only the network says who it is
      return identity.in_relay_network ? RelayDecision::relay : RelayDecision::denied;
    case ListenerRole::lmtp: return RelayDecision::denied;  // 2033 §1: a mailbox is what is behind it, or nothing
    case ListenerRole::submission: return identity.account ? RelayDecision::relay : RelayDecision::denied;
  }
  return RelayDecision::denied;
}

}  // namespace postrider::gate
