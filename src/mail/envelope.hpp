// What a client asks for beside the addresses of an envelope: the parameters of MAIL and RCPT as values. They travel
// with the message through the queue to the next hop.
#pragma once

#include "core/clock.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace postrider::mail {

enum class BodyType : std::uint8_t { seven_bit, eight_bit_mime, binary_mime };  // 6152 §2, 3030 §3

/// Whether UTF-8 may stand where ASCII was: SMTPUTF8 (6531) was asked for, or offered.
enum class Utf8 : std::uint8_t { no, yes };

enum class ReturnContent : std::uint8_t { unsaid, headers, full };  // RET, 3461 §4.3

struct DeliverBy {  // BY, 2852 §4
  std::chrono::seconds
      within{};  ///< from the MAIL command; may be negative in mode notify (the time has passed already)
  enum class Mode : std::uint8_t { return_it, notify } mode = Mode::return_it;
  bool trace = false;
  friend bool operator==(const DeliverBy&, const DeliverBy&) = default;
};

inline constexpr std::size_t kEnvelopeIdOctetsMax = 100;         // 3461 §4.4, as xtext
inline constexpr std::size_t kOriginalRecipientOctetsMax = 500;  // 3461 §4.2, as xtext with its type
inline constexpr int kPriorityMax = 9;                           // MT-PRIORITY, 6710 §4: -9 to 9

/// Of MAIL. What is not said stays as it is here.
struct SenderRequest {
  Utf8 utf8 = Utf8::no;
  BodyType body = BodyType::seven_bit;
  ReturnContent returned = ReturnContent::unsaid;
  std::string envelope_id;  ///< ENVID, decoded: printable ASCII; empty: not said
  std::optional<DeliverBy> deliver_by;
  std::optional<std::chrono::seconds> hold_for;  ///< HOLDFOR, 4865 §4; at most one of the two
  std::optional<WallTime> hold_until;            ///< HOLDUNTIL
  std::optional<int> priority;
  friend bool operator==(const SenderRequest&, const SenderRequest&) = default;
};

/// NOTIFY (3461 §4.1). All false is NEVER.
struct NotifyOn {
  bool success = false;
  bool failure = false;
  bool delay = false;
  friend bool operator==(const NotifyOn&, const NotifyOn&) = default;
};

/// What two askings for one mailbox come to: all that either wants. Who said nothing wants failures (3461 §4.1).
[[nodiscard]] constexpr std::optional<NotifyOn> either(const std::optional<NotifyOn>& a,
                                                       const std::optional<NotifyOn>& b) {
  if (!a && !b) return std::nullopt;
  constexpr NotifyOn kUnsaid{.success = false, .failure = true, .delay = false};
  const NotifyOn one = a.value_or(kUnsaid);
  const NotifyOn other = b.value_or(kUnsaid);
  return NotifyOn{.success = one.success || other.success,
                  .failure = one.failure || other.failure,
                  .delay = one.delay || other.delay};
}

/// Of RCPT.
struct RecipientRequest {
  std::optional<NotifyOn> notify;
  std::string original_type;  ///< ORCPT, its addr-type in lower case, `rfc822` or `utf-8`; empty: not said
  std::string original;  ///< decoded: printable ASCII, or UTF-8 without controls where the type is `utf-8` (6533 §3)
  friend bool operator==(const RecipientRequest&, const RecipientRequest&) = default;
};

}  // namespace postrider::mail
