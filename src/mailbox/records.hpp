// The stored values of this room.
#pragma once

#include "core/result.hpp"
#include "mailbox/mailbox.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::mailbox {

/// Errors of all decoders  corrupt.
[[nodiscard]] std::string encode_mailbox(const Mailbox& mailbox);
[[nodiscard]] Result<Mailbox> decode_mailbox(MailboxId id, const store::Entry& entry);

[[nodiscard]] std::string encode_message(const Message& message);
[[nodiscard]] Result<Message> decode_message(std::uint32_t uid, std::string_view value);

/// Of a name: the mailbox's id; of the last UIDVALIDITY: that.
[[nodiscard]] std::string encode_number(std::uint64_t number);
[[nodiscard]] Result<std::uint64_t> decode_number(std::string_view value);

/// UIDs, ascending, as the distances between them.
[[nodiscard]] std::string encode_uids(const std::vector<std::uint32_t>& uids);
[[nodiscard]] Result<std::vector<std::uint32_t>> decode_uids(std::string_view value);

/// A key whose presence is all there is to know.
[[nodiscard]] std::string encode_mark();

}  // namespace postrider::mailbox
