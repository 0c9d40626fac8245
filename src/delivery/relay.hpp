// The SMTP and LMTP transport: one entry's recipients to one next hop.
#pragma once

#include "core/clock.hpp"
#include "core/random.hpp"
#include "core/secret.hpp"
#include "delivery/destinations.hpp"
#include "mail/address.hpp"
#include "net/connector.hpp"
#include "net/scratch.hpp"
#include "net/tls.hpp"
#include "route/route.hpp"
#include "smtp/client_session.hpp"
#include "store/content.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace postrider::delivery {

inline constexpr std::size_t kRecipientsATransactionMax = 50;  // LIMITS.md "per destination"
inline constexpr unsigned kSessionsAnAttemptMax = 5;           // LIMITS.md "MX tried"
inline constexpr unsigned kMessagesAConnectionMax = 100;       // transactions; LIMITS.md "per destination"

/// LIMITS.md "client waits", 5321 §4.5.3.2.
struct ClientTimeouts {
  Duration connect = std::chrono::seconds(30);
  Duration greeting = std::chrono::seconds(300);
  Duration hello = std::chrono::seconds(300);  // STARTTLS and AUTH too, as long as they take together
  Duration tls = std::chrono::seconds(60);     // a handshake
  Duration mail_rcpt = std::chrono::seconds(300);
  Duration data = std::chrono::seconds(120);
  Duration block = std::chrono::seconds(180);
  Duration end_of_data = std::chrono::seconds(600);
  Duration quit = std::chrono::seconds(5);  // the message is safe by then: no reason to wait for manners
};

/// Who we are at a next hop.
struct Login {
  std::string name;
  Secret password;
};
using Logins = std::map<std::string, Login, std::less<>>;  ///< by the name of a secret

struct RelaySettings {
  std::string hostname;  ///< said in EHLO
  ClientTimeouts timeouts;
  net::TlsClient* tls = nullptr;                   ///< null: TLS is never begun, and what requires it waits
  Random* random = nullptr;                        ///< thread-safe; of logins
  std::shared_ptr<const Logins> logins = nullptr;  ///< shared by all that relay
};

/// How one session is begun.
struct SessionPlan {
  smtp::BeginTls begin_tls = smtp::BeginTls::never;
  bool tls_from_start = false;
  net::TlsAsk ask = {.name = {}};
  std::optional<Login> login = std::nullopt;
  bool passwords_in_clear = false;  ///< nobody else hears the connection
};

/// Gives a content from front to back, as often as it is asked to.
class ContentSource {
 public:
  virtual ~ContentSource() = default;
  virtual void rewind() = 0;
  /// At most `octets_max` octets (a prefix may be longer); empty at the end. Errors  as store::Store::read_blob.
  [[nodiscard]] virtual Task<Result<std::string>> next(std::size_t octets_max) = 0;
};

struct RelayMessage {
  mail::Path reverse_path;
  std::vector<mail::Address> recipients;  ///< at least one
  std::uint64_t size_octets = 0;
  bool has_eight_bit = false;
  /// As ClientTransaction has it, but `deliver_by` counts from `arrival`, and of `body` only binary_mime counts.
  mail::SenderRequest request = {};
  WallTime arrival = {};
  std::vector<mail::RecipientRequest> recipient_requests = {};  ///< empty, or one for each of `recipients`
};

struct RelayResult {
  std::vector<smtp::RecipientOutcome> outcomes;  ///< in the order of the recipients
  std::string remote;                            ///< host [address] that spoke last; empty when none did
  ConnectionResult result = ConnectionResult::failed;
  std::optional<net::TlsFacts> tls = std::nullopt;  ///< what protected it
  std::unique_ptr<Parked> connection = nullptr;     ///< that may carry more to the same destination; null: none is left
};

/// Tries the hops in order until one takes a session (5321 §5.1): the next one on connect failure and on a refused
/// greeting or hello; at most kSessionsAnAttemptMax sessions. Once a transaction has begun its outcomes stand, whatever
/// they are. A 5yz greeting is its host's word for the message, which stands where no other host takes a session (7504
/// §3). An address that must not be connected to (SECURITY R11) is a permanent failure only where no other hop is left
/// to hope for. Each session has the protection that its hop asks for: where opportunistic TLS does not come about, one
/// more in the clear follows at the same address. What is required and not there is transient (4.7.4, 4.7.5), as is a
/// login that is refused (4.7.8).
[[nodiscard]] Task<RelayResult> relay(net::Connector* connector, RelaySettings settings, route::Relay route,
                                      RelayMessage message, ContentSource* content);

/// The same over `connection`, which `relay` gave for the same destination. nullopt: the peer was gone or sent us away
/// before it answered MAIL, which is nothing of the message: try `relay`.
[[nodiscard]] Task<std::optional<RelayResult>> relay_over(std::unique_ptr<Parked> connection, RelayMessage message,
                                                          ContentSource* content);

/// Asks the hops of `route` whether they would take mail for `recipient`, from `<>`; sends none. The outcome is the
/// reply to RCPT, or what came in its way: one that is neither positive nor permanent says nothing about the recipient.
[[nodiscard]] Task<smtp::RecipientOutcome> probe(net::Connector* connector, RelaySettings settings, route::Relay route,
                                                 mail::Address recipient, SteadyTime until);

/// "TLSv1.3 TLS_AES_256_GCM_SHA384, verified"; empty: nothing protected it.
[[nodiscard]] std::string to_text(const std::optional<net::TlsFacts>& tls);

/// Sees what goes over the wire: '>' what we send (passwords as ***), '<' what the remote says, '*' what protects it
/// from now on.
using Observe = std::function<void(char direction, std::string_view octets)>;

struct SessionResult {
  std::vector<smtp::RecipientOutcome> outcomes;  ///< in the order of the recipients
  bool began = false;  ///< false: the session was refused before a transaction, another host may be tried
  std::optional<net::TlsFacts> tls = std::nullopt;
};

/// One session over a stream that is open: greeting to QUIT. Transactions of at most kRecipientsATransactionMax
/// recipients.
[[nodiscard]] Task<SessionResult> send_over(std::unique_ptr<net::Stream> stream, RelaySettings settings,
                                            SessionPlan plan, RelayMessage message, ContentSource* content,
                                            Observe observe);

}  // namespace postrider::delivery
