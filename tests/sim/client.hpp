// Senders of the simulated world: they write down what was answered with 250.
#pragma once

#include "smtp/client_session.hpp"
#include "world.hpp"

#include <string>
#include <vector>

namespace postrider::sim {

enum class Want : std::uint8_t {
  local,        ///< a mailbox of the host that it was given to
  elsewhere,    ///< a mailbox of another host
  nobody_else,  ///< an address at another host that does not exist: the sender gets a report
};

/// One recipient of one attempt to send. Every attempt has a token of its own, so that copies can be counted.
struct Sent {
  std::string token;
  std::size_t host = 0;  ///< that it was given to
  mail::Path sender;
  std::vector<mail::Address> mailboxes;  ///< that must hold it when it was accepted (an alias has several)
  Want want = Want::local;
  bool acknowledged = false;  ///< 250 after the end of data
};

/// Sends `count` messages to random recipients with random pauses, and counts itself off `running`.
[[nodiscard]] Task<void> send_messages(World* world, std::size_t index, int count, std::vector<Sent>* ledger,
                                       int* running);

}  // namespace postrider::sim
