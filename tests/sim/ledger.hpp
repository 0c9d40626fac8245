// What is in the mailboxes in the end, against what was answered with 250.
#pragma once

#include "client.hpp"

#include <string>
#include <vector>

namespace postrider::sim {

/// Every mistake found, as a sentence; empty when all is well.
[[nodiscard]] std::vector<std::string> check_ledger(World* world, const std::vector<Sent>& ledger);

/// Recipients that are due in any queue; held ones do not count.
[[nodiscard]] std::size_t due_recipients(World* world);

}  // namespace postrider::sim
