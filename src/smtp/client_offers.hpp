// What a remote offers in its EHLO or LHLO reply, and what of a transaction may be said to it (5321 §4.1.1.1; 1870,
// 2852, 2920, 3030, 3207, 3461, 4954, 6152, 6531, 6710). Pure functions for the client engine.
#pragma once

#include "smtp/client_session.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::smtp {

struct Offers {
  bool pipelining = false;              // 2920
  bool eight_bit_mime = false;          // 6152
  bool chunking = false;                // 3030
  bool binary_mime = false;             // 3030
  bool smtputf8 = false;                // 6531
  bool dsn = false;                     // 3461
  bool deliver_by = false;              // 2852
  bool priority = false;                // 6710
  bool starttls = false;                // 3207
  std::optional<std::uint64_t> size;    // 1870; 0: no fixed limit
  std::vector<std::string> mechanisms;  // 4954: of AUTH, in upper case, each once, at most kMechanismsOfferedMax
};

/// `text`: of the reply to EHLO or LHLO, its lines separated by '\n'. Keywords in any case; what is not known is passed
/// over; of two limits the lower one counts.
[[nodiscard]] Offers parse_offers(std::string_view text);

/// Why the remote cannot be given a transaction, whoever its recipients are (1870 §5, 6152 §3, 3030 §3, 6531 §3.5,
/// 2852 §4.1.4); nullopt: it can.
[[nodiscard]] std::optional<Reply> refusal_of(const ClientTransaction& transaction, const Offers& offers);

/// The MAIL command with CRLF. `asked`: the recipients that RCPT will be said for, by their index.
[[nodiscard]] std::string mail_line(const ClientTransaction& transaction, const Offers& offers,
                                    const std::vector<std::size_t>& asked);
/// The RCPT command of one recipient with CRLF.
[[nodiscard]] std::string rcpt_line(const ClientTransaction& transaction, const Offers& offers, std::size_t recipient);

}  // namespace postrider::smtp
