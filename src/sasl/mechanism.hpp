// SASL (4422) as pure engines: the server's side and the client's side of one exchange.
#pragma once

#include "core/result.hpp"
#include "core/secret.hpp"
#include "sasl/scram_keys.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace postrider::sasl {

enum class Mechanism : std::uint8_t {
  plain,        // 4616
  login,        // draft-murchison-sasl-login
  scram_sha_1,  // 5802
  scram_sha_1_plus,
  scram_sha_256,  // 7677
  scram_sha_256_plus,
  external,  // 4422 App. A
};
[[nodiscard]] std::string_view name_of(Mechanism mechanism);
/// In any case of letters. Errors  unsupported.
[[nodiscard]] Result<Mechanism> parse_mechanism(std::string_view name);

inline constexpr std::size_t kMessageOctetsMax = 12'288;  // LIMITS.md: an AUTH line
inline constexpr std::size_t kNameOctetsMax = 255;        // authcid, authzid

/// What binds the exchange to its TLS connection (5929, 9266); empty data: there is none of that kind.
struct Bindings {
  std::string tls_exporter;
  std::string tls_server_end_point;
};

struct ServerParameters {
  Bindings bindings;
  bool plus_offered = false;  ///< a client that says it would have used channel binding was robbed of it (5802 §6)
  std::string nonce;          ///< of SCRAM: printable, fresh, 18 octets of entropy or more
};

// --- What the server's side asks for, or how it ends. ---
struct Challenge {
  std::string octets;
};
/// Question: is this the password of that login? Answered with Verified.
struct AskPassword {
  std::string login;
  Secret password;
};
/// Question: the keys of that login. Answered with Keys: unknown logins get a steady fake (SECURITY R10).
struct AskKeys {
  std::string login;
  ScramHash hash = ScramHash::sha256;
};
/// Question: may whom TLS knows by its certificate act as `authzid` (empty: as itself)? Answered with Verified.
struct AskExternal {
  std::string authzid;
};
/// The peer is `login`, as it wrote the name. EXTERNAL: the authzid; empty where it named none.
struct Done {
  std::string login;
};
/// malformed: not what the mechanism has; denied: wrong, or an authzid that is not the authcid; too_long; unsupported:
/// channel binding that does not hold or is not there.
struct Failed {
  Error why;
};
using Step = std::variant<Challenge, AskPassword, AskKeys, AskExternal, Done, Failed>;

struct Verified {
  bool right = false;
};
struct Keys {
  ScramKeys keys;
  bool known = true;  ///< false: a fake; the exchange fails at its end as with a wrong password
};

class ServerExchange {
 public:
  ServerExchange(Mechanism mechanism, ServerParameters parameters);
  ServerExchange(ServerExchange&& other) noexcept;
  ServerExchange& operator=(ServerExchange&& other) noexcept;
  ~ServerExchange();
  /// `initial`: the client's first message where it came with the command.
  [[nodiscard]] Step start(std::optional<std::string_view> initial);
  /// The response to a Challenge.
  [[nodiscard]] Step respond(std::string_view response);
  [[nodiscard]] Step answer(Verified verified);
  [[nodiscard]] Step answer(Keys keys);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct ClientCredentials {
  std::string login;
  Secret password;
};

class ClientExchange {
 public:
  /// `nonce` as ServerParameters has it. `bindings`: what the connection has; tls-exporter is taken before
  /// tls-server-end-point. Those of a mechanism that is not a -PLUS tell the server that we saw none offered (the flag
  /// `y` of 5802 §6), which fails where it offered one: give what choose_mechanism was given, or none.
  ClientExchange(Mechanism mechanism, ClientCredentials credentials, Bindings bindings, std::string nonce);
  ClientExchange(ClientExchange&& other) noexcept;
  ClientExchange& operator=(ClientExchange&& other) noexcept;
  ~ClientExchange();
  /// The initial response; nullopt: the mechanism begins with the server.
  [[nodiscard]] std::optional<Secret> initial();
  /// The response to a challenge. Errors  malformed: not what the mechanism has; denied: the server does not know the
  /// password either (SCRAM's signature).
  [[nodiscard]] Result<Secret> respond(std::string_view challenge);
  /// The server said that it has succeeded: whether it may. SCRAM: only after its signature was right.
  [[nodiscard]] bool may_succeed() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The strongest of `offered` that needs no certificate. `secured`: also those that show the password, which are left
/// out without. nullopt: none.
[[nodiscard]] std::optional<Mechanism> choose_mechanism(const std::vector<std::string>& offered, bool secured,
                                                        const Bindings& bindings);

}  // namespace postrider::sasl
