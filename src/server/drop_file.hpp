// What `sendmail` leaves in the drop directory while no server runs: one message with its envelope.
#pragma once

#include "core/result.hpp"
#include "mail/address.hpp"
#include "mail/envelope.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::server {

inline constexpr std::size_t kDropRecipientsMax = 1000;
inline constexpr std::size_t kDropEnvelopeOctetsMax = 1024 * 1024;

struct DropEnvelope {
  mail::Path reverse_path;
  std::vector<mail::Address> recipients;  ///< 1 to kDropRecipientsMax
  mail::SenderRequest request;            ///< utf8, body, RET and ENVID of it
  std::optional<mail::NotifyOn> notify;   ///< of every recipient
};

struct DropFile {
  DropEnvelope envelope;
  std::string content;  ///< lines end in CRLF
};

/// The length of the envelope's record (4 octets, big-endian), the record, the content.
[[nodiscard]] std::string encode_drop(const DropEnvelope& envelope, std::string_view content);
/// Anybody on the host may have written it. Errors  corrupt: it is not whole, or not what a drop file is; too_long;
/// malformed: a content that no session could have brought (SECURITY R1).
[[nodiscard]] Result<DropFile> decode_drop(std::string_view octets);

}  // namespace postrider::server
