// The door to names. Implementations: unbound_resolver.hpp, file_resolver.hpp (--dns FILE), sim_resolver.hpp; all pass
// resolver_contract_test.
#pragma once

#include "core/result.hpp"
#include "core/task.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::dns {

// LIMITS.md "DNS".
inline constexpr std::chrono::seconds kQuestionTimeout{5};
inline constexpr std::size_t kCnameChainMax = 8;
inline constexpr std::size_t kTxtOctetsMax = 16 * 1024;

/// A domain name in presentation form: lower case, no final dot, labels of 1-63 octets, at most 253 octets, no escapes.
class Name {
 public:
  /// Takes `Example.COM`, `example.com.`. Errors  malformed, too_long.
  [[nodiscard]] static Result<Name> parse(std::string_view text);
  [[nodiscard]] const std::string& text() const { return text_; }
  friend bool operator==(const Name&, const Name&) = default;
  friend auto operator<=>(const Name&, const Name&) = default;

 private:
  explicit Name(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

/// Whether DNSSEC vouches for an answer. A bogus answer is no answer: it is the error transient.
enum class Security : std::uint8_t { insecure, secure };

struct MxRecord {
  std::uint16_t preference = 0;
  std::string exchange;  ///< lower case, no final dot; empty for "." (null MX, 7505)
  friend bool operator==(const MxRecord&, const MxRecord&) = default;
};
struct MxAnswer {
  std::vector<MxRecord> records;  ///< in the order of the answer
  Security security = Security::insecure;
};
struct AddressAnswer {
  std::vector<std::array<std::uint8_t, 16>> addresses;  ///< IPv4 mapped into IPv6, as net::Address keeps them
  Security security = Security::insecure;
};
struct TxtAnswer {
  std::vector<std::string> records;  ///< the strings of each record joined without blanks
  Security security = Security::insecure;
};

struct SrvRecord {
  std::uint16_t priority = 0;
  std::uint16_t weight = 0;
  std::uint16_t port = 0;
  std::string target;  ///< lower case, no final dot; empty for ".": the service is not there (2782)
  friend bool operator==(const SrvRecord&, const SrvRecord&) = default;
};
struct SrvAnswer {
  std::vector<SrvRecord> records;  ///< in the order of the answer
  Security security = Security::insecure;
};
struct TlsaRecord {
  std::uint8_t usage = 0;
  std::uint8_t selector = 0;
  std::uint8_t matching = 0;
  std::string data;  ///< octets (6698 §2.1)
  friend bool operator==(const TlsaRecord&, const TlsaRecord&) = default;
};
struct TlsaAnswer {
  std::vector<TlsaRecord> records;
  Security security = Security::insecure;
};

/// Each question ends within kQuestionTimeout. CNAMEs are followed. Errors of all:
/// not_found: NXDOMAIN, or no such record (NODATA), said by `detail` "nxdomain" or "nodata"; timeout: no answer in
/// time; transient: SERVFAIL, bogus, loops; too_long: over a limit; cancelled: shutting down.
class Resolver {
 public:
  virtual ~Resolver() = default;
  [[nodiscard]] virtual Task<Result<MxAnswer>> mx(Name name) = 0;
  [[nodiscard]] virtual Task<Result<AddressAnswer>> a(Name name) = 0;
  [[nodiscard]] virtual Task<Result<AddressAnswer>> aaaa(Name name) = 0;
  [[nodiscard]] virtual Task<Result<TxtAnswer>> txt(Name name) = 0;
  [[nodiscard]] virtual Task<Result<SrvAnswer>> srv(Name name) = 0;
  [[nodiscard]] virtual Task<Result<TlsaAnswer>> tlsa(Name name) = 0;
};

}  // namespace postrider::dns
