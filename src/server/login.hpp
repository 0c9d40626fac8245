// One session's logins: the mechanism, the directory's word, and the guard against guessing (4422, SECURITY R10).
#pragma once

#include "core/events.hpp"
#include "core/metrics.hpp"
#include "core/random.hpp"
#include "core/secret.hpp"
#include "core/signal.hpp"
#include "core/task.hpp"
#include "directory/directory.hpp"
#include "gate/login_guard.hpp"
#include "net/net.hpp"
#include "sasl/mechanism.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace postrider::server {

inline constexpr unsigned kFailedLoginsMax = 5;  // LIMITS.md "Accounts": of a session

/// `postrider_logins_total` of a service: how logins ended.
struct LoginMetrics {
  LoginMetrics(Metrics* metrics, std::string_view service);
  Metric* succeeded;
  Metric* wrong;
  Metric* malformed;  ///< not what the mechanism has
  Metric* unknown;    ///< no such mechanism here
  Metric* later;      ///< the directory could not be asked
  Metric* banned;
};

/// What the logins of a listener share. Outlives them.
struct LoginService {
  directory::Directory* directory;
  gate::LoginGuard* guard;
  Events* events;
  Clock* clock;
  Random* random;
  std::string_view service;  ///< "submission", "pop3", …: in events
  directory::Scope scope;
  bool plaintext_auth = false;  ///< also without TLS
  bool scram_sha_1 = false;     ///< SCRAM-SHA-1 is offered
  bool scram_plus = false;      ///< over TLS the -PLUS mechanisms are offered
  LoginMetrics metrics;
  Signal* drain = nullptr;  ///< ends the waits of slowed answers: the server stops
};

/// What a login waits for is waited in the session's own coroutine, once the password was looked at: so no more answers
/// wait than there are sessions, and right and wrong ones alike. `postrider_logins_total`, `auth.failed`,
/// `auth.succeeded`, `auth.banned` say what became of it.
class Login {
 public:
  struct Challenged {
    std::string octets;
  };
  struct Granted {
    std::shared_ptr<const directory::Grant> grant;
  };
  struct Refused {
    enum class Why : std::uint8_t {
      wrong,      ///< 535 5.7.8, whatever was wrong
      malformed,  ///< 501 5.5.2: not what the mechanism has
      unknown,    ///< 504 5.5.4: no such mechanism here
      later,      ///< 454 4.7.0: the directory cannot be read, or the peer is banned
    };
    Why why = Why::wrong;
    bool hang_up = false;  ///< it was the fifth, or the server stops: 421 4.7.0
  };
  using Step = std::variant<Challenged, Granted, Refused>;

  /// `peer`: who is counted.
  Login(const LoginService* service, net::Endpoint peer);
  ~Login();
  /// TLS protects the session from now on. `stream` outlives this.
  void secured(const net::Stream* stream);

  /// Offered now: none before TLS unless plaintext_auth; SCRAM only when every account that could log in has its keys.
  [[nodiscard]] Task<std::vector<std::string>> mechanisms();
  [[nodiscard]] Task<Step> begin(std::string mechanism, std::optional<Secret> initial);
  [[nodiscard]] Task<Step> respond(Secret response);
  void cancel();
  /// USER and PASS of POP3: as PLAIN.
  [[nodiscard]] Task<Step> with_password(std::string login, Secret password);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace postrider::server
