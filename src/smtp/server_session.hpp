// The server side of one SMTP or LMTP session, without socket, clock or store (5321, 2033; 2920, 1870, 6152, 6531,
// 3030, 2034, 3461, 9422, 2852, 4865, 6710; STARTTLS 3207, AUTH 4954).
//
// The driver takes the next action, does it, and steps the engine with the answer where the action is a question
// (names that begin with Ask, and Begin/EndContent). At most one question is open; pipelined input waits for its
// answer. When no action is left the driver waits for octets, as `waits_for()` says, and steps with what came.
#pragma once

#include "core/secret.hpp"
#include "mail/address.hpp"
#include "mail/envelope.hpp"
#include "smtp/reply.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace postrider::smtp {

// LIMITS.md "SMTP".
inline constexpr std::size_t kCommandLineOctetsMax = 2048;
inline constexpr std::size_t kAuthLineOctetsMax = 12'288;  // AUTH and the lines that go on with it (4954 §4)
inline constexpr std::size_t kDataLineOctetsMax = 65'536;
inline constexpr unsigned kErrorsMax = 20;
inline constexpr unsigned kErrorsBeforeSlow = 10;
inline constexpr unsigned kRefusedRecipientsBeforeSlow = 100;  // of a session; each one more waits a second
inline constexpr unsigned kIdleCommandsMax = 100;              // commands without a transaction making progress
inline constexpr std::size_t kContentChunkOctetsMax = 64 * 1024;

enum class Protocol : std::uint8_t { smtp, lmtp };  // 2033: LHLO, and a reply for each recipient at the end

/// What a listener's sessions share. It outlives them.
struct ServerSettings {
  std::string hostname;
  mail::Domain own_domain;  ///< of `RCPT TO:<Postmaster>`
  std::uint64_t max_message_size = 50ULL * 1024 * 1024;
  std::size_t max_recipients = 1000;
  Protocol protocol = Protocol::smtp;
  bool binarymime = false;  ///< BINARYMIME (3030 §3) is offered
  bool starttls = false;    ///< STARTTLS (3207) is offered while the session is not protected
  bool submission = false;  ///< 6409: no transaction before AUTH (530 5.7.0), but for who `may_submit`
};

/// Whether TLS protects the session (SECURITY R5: what was said before a handshake is forgotten).
enum class Secured : std::uint8_t {
  no,
  from_start,   ///< 8314: before the greeting
  by_starttls,  ///< 3207 §4.2: begins without a greeting, as if nothing had been said yet
};

/// Bare CR or LF in DATA (SECURITY R1).
enum class BareNewline : std::uint8_t {
  reject,     ///< read on to the true end, then 550 5.5.2
  normalize,  ///< each becomes CRLF; only CRLF.CRLF ends the content all the same. A NUL is refused still
};

/// What this peer may do beyond the rest. The driver judges it; given with the answer to AskConnect.
struct PeerRights {
  bool trusted = false;  ///< authenticated, or in a relay network: DELIVERBY, FUTURERELEASE, MT-PRIORITY are offered
  bool xclient = false;  ///< XCLIENT is offered
  BareNewline bare_newline = BareNewline::reject;
  std::vector<std::string> mechanisms = {};  ///< AUTH (4954) is offered with these; empty: not at all
  bool may_submit = false;  ///< has no need to log in where `submission` asks for it; a 235 needs no such word
};

enum class HelloKind : std::uint8_t { helo, ehlo, lhlo };
using mail::BodyType;

struct MailParameters {
  std::uint64_t size_octets = 0;  ///< SIZE=; 0: not said
  mail::SenderRequest request;
};

/// XCLIENT's attributes (the extension as Postfix defined it), xtext decoded. nullopt: not said; empty: said to be
/// unavailable. LOGIN is read and dropped: nobody is identified by XCLIENT (SECURITY R4).
struct XclientAttributes {
  std::optional<std::string> name;
  std::optional<std::string> address;  ///< as text, `IPV6:` cut off
  std::optional<std::string> port;
  std::optional<std::string> hello;
  std::optional<std::string> protocol;  ///< SMTP or ESMTP
  std::optional<std::string> own_address;
  std::optional<std::string> own_port;
};

/// What a session ran into, for the metrics; each is a row of LIMITS.md or a rule of SECURITY.
enum class Limit : std::uint8_t {
  command_line,
  address,
  data_line,
  message_size,
  recipients,
  errors,
  idle_commands,
  refused_recipients,  ///< slowed
  swallowed,           ///< more than is read of what is refused already
  bare_newline,
  early_talker,
  other_protocol,
  behind_starttls,  ///< octets in the clear behind STARTTLS (SECURITY R5)
  wait,
  rate,
};
inline constexpr std::array kLimits = {
    Limit::command_line, Limit::address,        Limit::data_line,          Limit::message_size, Limit::recipients,
    Limit::errors,       Limit::idle_commands,  Limit::refused_recipients, Limit::swallowed,    Limit::bare_newline,
    Limit::early_talker, Limit::other_protocol, Limit::behind_starttls,    Limit::wait,         Limit::rate,
};
[[nodiscard]] std::string_view name_of(Limit limit);

// --- Events: what the driver tells. ---
struct Received {
  std::string_view octets;  ///< valid during the step only; at most kContentChunkOctetsMax
};
/// The answer to the open question. 2yz and 3yz accept; 4yz and 5yz refuse; 421 also ends the session.
struct Answered {
  Reply reply;
  PeerRights rights = {};            ///< of AskConnect, and of AskAuth(Response) with a 235: what holds from now on
  std::optional<WallTime> now = {};  ///< of AskHello: dates what FUTURERELEASE offers; without it that is not offered
  std::vector<Reply> each =
      {};  ///< of EndContent in LMTP: one for each accepted RCPT, in order; empty: `reply` for all
};
/// The answer to AskAuth and AskAuthResponse where the mechanism goes on; not in base64.
struct Challenged {
  std::string octets;
};
struct TalkedEarly {};  ///< octets came before the greeting (5321 §4.3.1); instead of the answer to AskConnect
struct TimedOut {};
struct PeerClosed {};
struct Draining {};  ///< we are shutting down: say 421 at the next safe point (between transactions), at once when idle
struct TooSlow {};   ///< below the minimum rate in DATA
using Event = std::variant<Received, Answered, Challenged, TalkedEarly, TimedOut, PeerClosed, Draining, TooSlow>;

// --- Actions: what the driver does, in order. ---
struct Send {
  std::string octets;
};
struct Pause {};       ///< the peer makes errors: wait a second before going on
struct AskConnect {};  ///< question: may this peer talk? Accept with any 220; its text is the greeting's. Again after
                       ///< each XCLIENT
struct AskXclient {    ///< question: take these for the peer's? A 220 accepts and begins the session anew
  XclientAttributes attributes;
};
/// After the 220 before it is written: the handshake, as a server. Then a new ServerSession(…, Secured::by_starttls)
/// goes on; this one is closed. A handshake that fails ends the connection.
struct StartTls {};
/// Question: may this peer log in? Accept with 235, refuse with 4yz or 5yz, or Challenged. Only for a mechanism that
/// was offered; both are what was in the base64.
struct AskAuth {
  std::string mechanism;          ///< in upper case
  std::optional<Secret> initial;  ///< the initial response (4954 §4); empty where it was `=`
};
/// Question: the response to the challenge before.
struct AskAuthResponse {
  Secret response;
};
struct AuthCancelled {};  ///< `*`, or what was no response: the exchange is over
struct AskHello {
  HelloKind kind;
  std::string name;  ///< a domain, an address literal, or what else was said, printable ASCII, at most 255 octets
};
struct AskSender {
  mail::Path reverse_path;
  MailParameters parameters;
};
struct AskRecipient {
  mail::Address address;
  mail::RecipientRequest request;
};
struct BeginContent {};  ///< question: is there room for the content? Accept with 354; asked once a transaction
struct AppendContent {
  std::string octets;  ///< transparency removed; at most kContentChunkOctetsMax
};
struct EndContent {
};  ///< question: the content is complete, take it or refuse it; a 250 is sent only after it is durable
struct LimitReached {
  Limit limit;
};
struct DropTransaction {};  ///< forget envelope and content (RSET, new EHLO, refused content, end of session)
struct AskFlushed {};       ///< question: is all before it done? Accept with 250. Asked where one read has much to be
                            ///< done, so that a session's memory stays within its limit (SECURITY R7)
struct HangUp {};
using Action = std::variant<Send, Pause, LimitReached, AskConnect, AskXclient, AskHello, AskSender, AskRecipient,
                            BeginContent, AppendContent, EndContent, DropTransaction, AskFlushed, HangUp, StartTls,
                            AskAuth, AskAuthResponse, AuthCancelled>;
using Actions = std::deque<Action>;

/// The kinds of wait a server session has. The driver maps each to a duration (LIMITS.md); the engine knows no
/// durations.
enum class Wait : std::uint8_t { command, data };

/// What counts against the peer. It is the one thing that outlives a handshake: who may make twenty errors may not make
/// them twice.
struct Tally {
  unsigned errors = 0;
  unsigned refused_recipients = 0;
  unsigned idle_commands = 0;
};

class ServerSession {
 public:
  /// `settings` outlives it. `before`: of the session that STARTTLS ended.
  explicit ServerSession(const ServerSettings* settings, Secured secured = Secured::no, Tally before = {});

  /// Opens with AskConnect, also where no greeting follows it.
  void start(Actions& out);
  void step(const Event& event, Actions& out);

  [[nodiscard]] Wait waits_for() const;
  [[nodiscard]] bool closed() const;
  /// True while a transaction has begun and is not ended: for the deadline of a whole DATA and the draining.
  [[nodiscard]] bool in_content() const;
  /// The reverse-path etc. of the transaction are the driver's to keep from the Ask actions; what the engine knows:
  [[nodiscard]] HelloKind hello_kind() const;
  [[nodiscard]] Tally tally() const;

  // Private state is the room's own.
 private:
  struct State;
  struct StateDeleter {
    void operator()(State* state) const;
  };
  std::unique_ptr<State, StateDeleter> state_;
};

}  // namespace postrider::smtp
