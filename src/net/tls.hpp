// TLS over a stream (8446, 5246; 6066 §3 SNI, 7301 ALPN): versions 1.2 and 1.3, by OpenSSL on the stream's non-blocking
// octets. Certificates get their time from the clock door.
#pragma once

#include "core/clock.hpp"
#include "core/random.hpp"
#include "core/result.hpp"
#include "core/task.hpp"
#include "net/net.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::net {

/// One certificate for some names: files in PEM, several where there is one for each kind of key (ECDSA and RSA).
struct CertificateFiles {
  std::vector<std::string> names;         ///< exact or "*.example.test"; empty: the default one
  std::vector<std::string> chains;        ///< the certificate first
  std::vector<std::string> private_keys;  ///< one for each of `chains`
};

/// What a certificate in use says of itself.
struct CertificateFacts {
  std::vector<std::string> names;  ///< as CertificateFiles has it
  std::string file;                ///< of its chain
  std::string subject;
  std::vector<std::string> dns_names;
  std::string serial;  ///< hexadecimal, as `openssl x509 -serial` has it
  WallTime not_before;
  WallTime not_after;
  std::string spki_sha256;  ///< hexadecimal: data of a TLSA 3 1 1 record (6698, 7671)
};

/// The server side: certificates, and the keys of session tickets, which change by themselves. Thread-safe. Opens the
/// directories of the files when it is made, so that they can be read again after a rename, also when confined.
class TlsServer {
 public:
  /// Errors  malformed: a file is not what it should be, key and certificate do not belong together (detail names the
  /// file); not_found, denied: it cannot be read.
  [[nodiscard]] static Result<std::unique_ptr<TlsServer>> open(std::vector<CertificateFiles> certificates, Clock* clock,
                                                               Random* random);
  virtual ~TlsServer() = default;

  /// Reads the files again; sessions that stand go on with what they had. Errors as `open`; the old ones stay then.
  [[nodiscard]] virtual Result<void> reload(std::vector<CertificateFiles> certificates) = 0;
  [[nodiscard]] virtual std::vector<CertificateFacts> certificates() const = 0;

  /// The handshake. `alpn`: the protocol that is spoken ("smtp", "imap", "pop3", "http/1.1"): a client that offers
  /// protocols and not this one is refused. What the client has sent behind its hello stays in order.
  /// Errors  denied: the handshake failed (detail says why); timeout; closed; cancelled: `stop` (may be null) is set.
  [[nodiscard]] virtual Task<Result<std::unique_ptr<Stream>>> accept(std::unique_ptr<Stream> stream, std::string alpn,
                                                                     SteadyTime until, Signal* stop = nullptr) = 0;
};

enum class TlsVerify : std::uint8_t {
  nothing,  ///< opportunistic (7435): any certificate will do
  name,     ///< trusted by the authorities, and for the name
};

struct TlsAsk {
  std::string name;  ///< SNI, and what `name` verifies; empty: no SNI
  TlsVerify verify = TlsVerify::nothing;
  std::string alpn = {};         ///< offered; empty: none
  std::string authorities = {};  ///< a file in PEM; empty: the system's
  std::string certificate = {};  ///< shown when asked for: a chain in PEM; empty: none
  std::string private_key = {};
};

/// The client side. Thread-safe.
class TlsClient {
 public:
  [[nodiscard]] static std::unique_ptr<TlsClient> make(Clock* clock);
  virtual ~TlsClient() = default;
  /// Errors  denied: the handshake failed, or the certificate is not what was asked for (detail says why);
  /// not_found, malformed: a file of `ask`; timeout; closed.
  [[nodiscard]] virtual Task<Result<std::unique_ptr<Stream>>> connect(std::unique_ptr<Stream> stream, TlsAsk ask,
                                                                      SteadyTime until) = 0;
};

/// A new key and a certificate for `names` that it signs itself, ECDSA P-256, in PEM; valid from `now` for ten years.
struct SelfSigned {
  std::string certificate;
  std::string private_key;
};
[[nodiscard]] Result<SelfSigned> make_self_signed(std::vector<std::string> names, WallTime now);

}  // namespace postrider::net
