// Takes what is in the drop directory into the queue.
#pragma once

#include "core/signal.hpp"
#include "core/task.hpp"
#include "core/workers.hpp"
#include "server/drop_directory.hpp"
#include "server/reception.hpp"

namespace postrider::server {

inline constexpr Duration kDropLook = std::chrono::seconds(15);  // between looks into the directory

/// Until `drain` is set. Each file becomes one message of its owner's, judged as if it had come by submit.sock,
/// accepted once and then removed. What cannot be accepted now stays for the next look; what never can is put aside
/// with an event.
[[nodiscard]] Task<void> pick_up_drops(const SmtpService* service, DropDirectory* directory, Workers* workers,
                                       Signal* drain);

}  // namespace postrider::server
