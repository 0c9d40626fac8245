// The client side of one SMTP or LMTP session, without socket, clock or queue (5321, 2033; 2920, 1870, 6152, 3030,
// 2034, 3461, 6531, 2852, 6710, 3207, 4954).
//
// One connection carries any number of transactions: after `ready()` the driver calls `begin`, and steps until
// `TransactionDone`. Every recipient of the transaction has exactly one outcome there, whatever the remote did. A
// recipient is accepted only by the remote's 250 to the end of this transaction's content; octets that were there
// before the question was sent are no answer to it.
//
// Where CHUNKING is offered the content goes by BDAT. With PIPELINING a content of up to kFirstChunkOctetsMax goes out
// in one write with MAIL and RCPT, so WantContent may come before anything was said.
//
// STARTTLS ends the object: after the handshake a new one goes on, which knows nothing of what was said before it
// (SECURITY R5). With AUTH the session is `ready()` once the remote has let us in; the driver runs the mechanism.
#pragma once

#include "core/secret.hpp"
#include "mail/address.hpp"
#include "smtp/reply.hpp"
#include "smtp/server_session.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace postrider::smtp {

inline constexpr std::size_t kFirstChunkOctetsMax = 64 * 1024;  ///< of a content that goes out together with MAIL
inline constexpr std::size_t kChunksAheadMax = 8;  ///< sent and not yet answered; 1 without PIPELINING and in LMTP
inline constexpr std::size_t kAuthCommandOctetsMax = 512;  ///< with an initial response; a longer one goes by itself
inline constexpr std::size_t kAuthChallengesMax = 8;       ///< of one exchange; mechanisms have two
inline constexpr std::size_t kMechanismsOfferedMax = 32;   ///< the rest is passed over

/// The part of a session in which an outcome came about; for logs, reports and retries by phase.
enum class Phase : std::uint8_t {
  connect,
  greeting,
  hello,
  starttls,
  auth,
  mail,
  rcpt,
  data,
  content,
  end_of_data,
  quit
};
[[nodiscard]] std::string_view name_of(Phase phase);

/// Whether TLS is begun on a connection that is open (3207).
enum class BeginTls : std::uint8_t {
  never,
  if_offered,  ///< where it is refused the session goes on in the clear
  required,    ///< the session is refused, for now: 4.7.4 where it is not offered, 4.7.5 where it is refused
};

struct ClientSettings {
  std::string hello_name;  ///< our hostname, said in EHLO/HELO or LHLO
  /// LMTP (2033): there is no older greeting to fall back to, and the remote answers for each recipient at the end of
  /// the content.
  Protocol protocol = Protocol::smtp;
  Secured secured = Secured::no;  ///< by_starttls: begins with EHLO; no greeting comes after a handshake (3207 §4.2)
  BeginTls begin_tls = BeginTls::never;  ///< of a session that is not secured
  bool authenticate = false;             ///< log in before any transaction (4954); refused for now where it fails
  /// Mechanisms that show the password may be used without TLS: nobody else hears this connection.
  bool passwords_in_clear = false;
};

struct ClientTransaction {
  mail::Path reverse_path;
  std::vector<mail::Address> recipients;  ///< at least one
  std::uint64_t size_octets = 0;          ///< of the content, before transparency
  /// `body` eight_bit_mime: the content has octets over 127; `utf8`: its header section has. `deliver_by` from now on.
  /// What is asked for goes on where the remote offers it. `hold_for` and `hold_until` stay here.
  mail::SenderRequest request;
  std::vector<mail::RecipientRequest> recipient_requests;  ///< empty, or one for each of `recipients`
  /// Ask whether the recipients would be taken, and send nothing: the outcome of each is the reply to its RCPT (2yz, in
  /// phase rcpt: it would), and no content is asked for.
  bool only_ask = false;
};

struct RecipientOutcome {
  Reply reply;  ///< the remote's; 2yz only when the remote took responsibility (but for `only_ask`); made up (4.4.2 …)
                ///< where it said nothing
  Phase phase = Phase::connect;
  bool reports_passed_on =
      false;  ///< accepted, by a remote that offers DSN and heard what the sender wants (3461 §5.2.1)
};

/// A chunk of content, in answer to WantContent. CRLF line ends, but for a binary content; what a chunk is cut at does
/// not matter; an empty one that is not the last is passed over. Where BDAT is used each chunk is one of it, but for
/// those that go out with MAIL.
struct Content {
  std::string_view octets;  ///< valid during the step only
  bool last = false;
};
/// The content could not be read to its end: the transaction is broken off without an end of data (4.3.0). The session
/// goes on if nothing of the transaction was said yet, else it is closed.
struct ContentFailed {};
/// In answer to WantAuth: the exchange begins.
struct StartAuth {
  std::string mechanism;          ///< its name
  std::optional<Secret> initial;  ///< the initial response (4954 §4); nullopt: the mechanism begins with the server
  bool may_succeed = false;       ///< the remote may say 235 to it
};
/// In answer to WantAuthResponse.
struct AuthResponse {
  Secret response;
  bool may_succeed = false;
};
/// In answer to either: there is no mechanism in common, or what the remote says is wrong. The session is refused, for
/// now.
struct AuthGivenUp {
  std::string why;  ///< for people: "no mechanism in common"
};
using ClientEvent =
    std::variant<Received, Content, ContentFailed, StartAuth, AuthResponse, AuthGivenUp, TimedOut, PeerClosed>;

struct WantContent {};
struct TransactionDone {
  std::vector<RecipientOutcome> outcomes;  ///< in the order of the recipients
};
/// What nobody is to see in a log or dialogue.
struct SendSecret {
  Secret octets;
  std::string shown;  ///< in their place: "AUTH PLAIN ***\r\n"
};
/// The remote is ready for the handshake, as a server. This object is closed; after the handshake a new one with
/// Secured::by_starttls goes on. Nothing that was received before may be given to it.
struct Handshake {};
/// Which mechanism, of those? Answered with StartAuth or AuthGivenUp.
struct WantAuth {
  std::vector<std::string> mechanisms;  ///< in upper case, each once
};
/// What is the response to this challenge (not in base64)? Answered with AuthResponse or AuthGivenUp.
struct WantAuthResponse {
  std::string challenge;
};
/// The session came to an end before a transaction could begin (refused greeting or EHLO, no answer, no TLS where it is
/// required, no login).
struct SessionRefused {
  RecipientOutcome outcome;  ///< stands for every recipient
};
using ClientAction = std::variant<Send, SendSecret, WantContent, TransactionDone, Handshake, WantAuth, WantAuthResponse,
                                  SessionRefused, HangUp>;
using ClientActions = std::deque<ClientAction>;

/// LIMITS.md "client waits", 5321 §4.5.3.2.
enum class ClientWait : std::uint8_t { greeting, hello, mail_rcpt, data, block, end_of_data, quit };

class ClientSession {
 public:
  explicit ClientSession(ClientSettings settings);

  /// Starts waiting for the greeting, or says EHLO.
  void start(ClientActions& out);
  void step(const ClientEvent& event, ClientActions& out);

  /// Greeting, hello and login are done and no transaction is open: `begin` or `quit` may be called.
  [[nodiscard]] bool ready() const;
  /// Starts a transaction; only when `ready()`. RSET is sent by itself where a transaction before was broken off.
  void begin(ClientTransaction transaction, ClientActions& out);
  /// QUIT, then HangUp; only when `ready()`.
  void quit(ClientActions& out);
  [[nodiscard]] bool closed() const;
  [[nodiscard]] ClientWait waits_for() const;

 private:
  struct State;
  struct StateDeleter {
    void operator()(State* state) const;
  };
  std::unique_ptr<State, StateDeleter> state_;
};

}  // namespace postrider::smtp
