// The messages of SCRAM (5802 §5, §7), read strictly: what the grammar does not have is malformed.
#pragma once

#include "core/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace postrider::sasl {

enum class Binding : std::uint8_t { no, not_offered, bound };  // the flags n, y, p of gs2-cbind-flag

/// gs2-header client-first-message-bare
struct ClientFirst {
  Binding binding = Binding::no;
  std::string binding_type;  ///< of p: "tls-exporter"
  std::string authzid;       ///< empty: none
  std::string login;         ///< unescaped
  std::string nonce;
  std::string gs2_header;  ///< with its last comma, as the channel-binding data begin
  std::string bare;        ///< as AuthMessage begins
};
/// Errors  malformed; too_long: a name over kNameOctetsMax; unsupported: the extension `m`, or what is no UTF-8.
[[nodiscard]] Result<ClientFirst> parse_client_first(std::string_view message);

struct ServerFirst {
  std::string nonce;
  std::string salt;
  std::uint32_t iterations = 0;
};
/// Errors  malformed: also the extension `m`; salt and iterations over their limits.
[[nodiscard]] Result<ServerFirst> parse_server_first(std::string_view message);
[[nodiscard]] std::string to_wire(const ServerFirst& message);

struct ClientFinal {
  std::string channel_binding;  ///< decoded
  std::string nonce;
  std::string proof;          ///< decoded
  std::string without_proof;  ///< as AuthMessage ends
};
/// Errors  malformed.
[[nodiscard]] Result<ClientFinal> parse_client_final(std::string_view message);

/// The signature, decoded. Errors  malformed; denied: `e=…`.
[[nodiscard]] Result<std::string> parse_server_final(std::string_view message);

/// saslname: `,` and `=` escaped. Takes UTF-8 without NUL.
[[nodiscard]] std::string to_saslname(std::string_view name);
/// Errors  malformed; too_long.
[[nodiscard]] Result<std::string> from_saslname(std::string_view text);

/// UTF-8 of 1 to kNameOctetsMax octets without control characters. Errors  malformed, too_long.
[[nodiscard]] Result<void> check_name(std::string_view name);

}  // namespace postrider::sasl
