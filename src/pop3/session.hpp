// The server side of one POP3 session, without socket, clock or mailbox (1939; CAPA 2449, STLS 2595, AUTH 5034, codes
// of 3206).
//
// Same shape as smtp::ServerSession: take an action, do it, step with the answer where it is a question.
#pragma once

#include "core/secret.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace postrider::pop3 {

// LIMITS.md "IMAP, POP3, ManageSieve".
inline constexpr std::size_t kLineOctetsMaxBeforeLogin = 8192;
inline constexpr std::size_t kLineOctetsMax = 65'536;
inline constexpr std::size_t kReceivedOctetsMax = 64 * 1024;  // of one Received; SECURITY R7
inline constexpr std::size_t kSendOctetsMax = 64 * 1024;      // of one Send
inline constexpr unsigned kErrorsMax = 20;
inline constexpr unsigned kFailedLoginsMax = 5;
inline constexpr unsigned kCommandsBeforeLoginMax = 100;  // of a session, good ones too

enum class Cleartext : std::uint8_t { refused, allowed };  ///< login without TLS (plaintext_auth)

struct Settings {
  std::string hostname;
  Cleartext cleartext = Cleartext::refused;
  bool stls = false;  ///< STLS (2595 §4) is offered while the session is not protected
};

/// As smtp::Secured.
enum class Secured : std::uint8_t { no, from_start, by_stls };

/// One message of the maildrop, as it was when the session began.
struct Message {
  std::string unique_id;  ///< UIDL: 1-70 octets 0x21-0x7E
  std::uint64_t size_octets = 0;
};

// --- Events ---
struct Received {
  std::string_view octets;  ///< valid during the step only; at most kReceivedOctetsMax
};
/// The answer to AskConnect: mechanisms that AUTH is offered with (5034); the order is kept.
struct Offered {
  std::vector<std::string> mechanisms;
};
/// The answer to AskAuth and AskAuthResponse where the mechanism goes on; not in base64.
struct Challenged {
  std::string octets;
};
struct LoggedIn {
  std::vector<Message> messages;
};
/// Refused login. `code`: AUTH, SYS/TEMP, IN-USE (2449 §8, 3206); `text` for people.
struct LoginRefused {
  std::string_view code;
  std::string text;
  bool hang_up = false;  ///< it was one too many: the session ends
};
/// A chunk of the message asked for with Fetch; CRLF line ends.
struct Chunk {
  std::string_view octets;  ///< valid during the step only
  bool last = false;
};
struct FetchFailed {
  std::string text;
  bool hang_up = false;  ///< nothing more is given to this session
};
struct Deleted {
  bool all = true;  ///< false: some or all of them remain (1939 §6)
};
struct Flushed {};   ///< the answer to Flush
struct TimedOut {};  ///< 1939 §3: nothing is deleted and nothing is said
struct PeerClosed {};
struct Draining {};  ///< we are shutting down: an idle session ends at once, another one after its command
using Event = std::variant<Received, LoggedIn, LoginRefused, Chunk, FetchFailed, Deleted, Flushed, TimedOut, PeerClosed,
                           Draining, Offered, Challenged>;

// --- Actions ---
struct Send {
  std::string octets;
};
struct AskLogin {
  std::string login;
  Secret password;
};
/// Question: which mechanisms are offered? Before the greeting, and again in the session that follows STLS.
struct AskConnect {};
/// After the +OK before it is written: the handshake, as a server. Then a new Session(…, Secured::by_stls) goes on.
struct StartTls {};
/// Questions as smtp::AskAuth and smtp::AskAuthResponse; answered with Challenged, or as AskLogin.
struct AskAuth {
  std::string mechanism;
  std::optional<Secret> initial;
};
struct AskAuthResponse {
  Secret response;
};
struct AuthCancelled {};
/// Question: chunks of message `index` (from 0) until `last`. The next chunk is asked for by Continue; none when the
/// engine has enough (TOP): it goes on without.
struct Fetch {
  std::size_t index = 0;
};
struct Continue {};      ///< question: the next chunk
struct StopFetching {};  ///< the engine needs no more of this message
/// Question of QUIT: delete these (maybe none) for good and give the maildrop free, then answer Deleted.
struct DeleteMessages {
  std::vector<std::size_t> indices;
};
/// Question without work: answer Flushed once the Sends before it are written. Bounds what waits to be written when a
/// long listing or many pipelined commands are answered (SECURITY R7).
struct Flush {};
struct HangUp {};
using Action = std::variant<Send, AskLogin, Fetch, Continue, StopFetching, DeleteMessages, Flush, HangUp, AskConnect,
                            StartTls, AskAuth, AskAuthResponse, AuthCancelled>;
using Actions = std::deque<Action>;

enum class Wait : std::uint8_t { before_login, command };  ///< 60 s, 10 min

/// As smtp::Tally.
struct Tally {
  unsigned errors = 0;
  unsigned failed_logins = 0;
  unsigned commands_before_login = 0;
};

class Session {
 public:
  /// `before`: of the session that STLS ended.
  explicit Session(Settings settings, Secured secured = Secured::no, Tally before = {});
  /// Opens with AskConnect, also where no greeting follows it.
  void start(Actions& out);
  void step(const Event& event, Actions& out);
  [[nodiscard]] Wait waits_for() const;
  [[nodiscard]] bool closed() const;
  [[nodiscard]] Tally tally() const;

 private:
  struct State;
  struct StateDeleter {
    void operator()(State* state) const;
  };
  std::unique_ptr<State, StateDeleter> state_;
};

}  // namespace postrider::pop3
