// The server side of one SMTP session, without socket, clock or store (5321; 2920, 1870, 6152, 3030, 2034, 9422).
//
// The driver takes the next action, does it, and steps the engine with the answer where the action is a question
// (names that begin with Ask, and Begin/EndContent). At most one question is open; pipelined input waits for its
// answer. When no action is left the driver waits for octets, as `waits_for()` says, and steps with what came.
#pragma once

#include "mail/address.hpp"
#include "smtp/reply.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

namespace postrider::smtp {

// LIMITS.md "SMTP".
inline constexpr std::size_t kCommandLineOctetsMax = 2048;
inline constexpr std::size_t kDataLineOctetsMax = 65'536;
inline constexpr unsigned kErrorsMax = 20;
inline constexpr unsigned kErrorsBeforeSlow = 10;
inline constexpr unsigned kRefusedRecipientsBeforeSlow = 100;  // of a session; each one more waits a second
inline constexpr unsigned kIdleCommandsMax = 100;              // commands without a transaction making progress
inline constexpr std::size_t kContentChunkOctetsMax = 64 * 1024;

struct ServerSettings {
  std::string hostname;
  mail::Domain own_domain;  ///< of `RCPT TO:<Postmaster>`
  std::uint64_t max_message_size = 50ULL * 1024 * 1024;
  std::size_t max_recipients = 1000;
};

enum class HelloKind : std::uint8_t { helo, ehlo };
using mail::BodyType;  // 6152, 3030

struct MailParameters {
  std::uint64_t size_octets = 0;  ///< SIZE=; 0: not said
  BodyType body = BodyType::seven_bit;
};

// --- Events: what the driver tells. ---
struct Received {
  std::string_view octets;  ///< valid during the step only; at most kContentChunkOctetsMax
};
/// The answer to the open question. 2yz and 3yz accept; 4yz and 5yz refuse; 421 also ends the session.
struct Answered {
  Reply reply;
};
struct TimedOut {};
struct PeerClosed {};
struct Draining {};  ///< we are shutting down: say 421 at the next safe point (between transactions), at once when idle
struct TooSlow {};   ///< below the minimum rate in DATA
using Event = std::variant<Received, Answered, TimedOut, PeerClosed, Draining, TooSlow>;

// --- Actions: what the driver does, in order. ---
struct Send {
  std::string octets;
};
struct Pause {};       ///< the peer makes errors: wait a second before going on
struct AskConnect {};  ///< question: may this peer talk? Accept with any 220; its text is the greeting's
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
};
struct BeginContent {};  ///< question: is there room for the content? Accept with 354; asked once a transaction
struct AppendContent {
  std::string octets;  ///< transparency removed; at most kContentChunkOctetsMax
};
struct EndContent {
};  ///< question: the content is complete, take it or refuse it; a 250 is sent only after it is durable
struct DropTransaction {};  ///< forget envelope and content (RSET, new EHLO, refused content, end of session)
struct HangUp {};
using Action = std::variant<Send, Pause, AskConnect, AskHello, AskSender, AskRecipient, BeginContent, AppendContent,
                            EndContent, DropTransaction, HangUp>;
using Actions = std::deque<Action>;

/// The kinds of wait a server session has. The driver maps each to a duration (LIMITS.md); the engine knows no
/// durations.
enum class Wait : std::uint8_t { command, data };

class ServerSession {
 public:
  explicit ServerSession(ServerSettings settings);

  /// Opens with AskConnect.
  void start(Actions& out);
  void step(const Event& event, Actions& out);

  [[nodiscard]] Wait waits_for() const;
  [[nodiscard]] bool closed() const;
  /// True while a transaction has begun and is not ended: for the deadline of a whole DATA and the draining.
  [[nodiscard]] bool in_content() const;
  /// The reverse-path etc. of the transaction are the driver's to keep from the Ask actions; what the engine knows:
  [[nodiscard]] HelloKind hello_kind() const;

  // Private state is the room's own.
 private:
  struct State;
  struct StateDeleter {
    void operator()(State* state) const;
  };
  std::unique_ptr<State, StateDeleter> state_;
};

}  // namespace postrider::smtp
