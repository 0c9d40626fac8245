// The client side of one SMTP or LMTP session, without socket, clock or queue (5321, 2033; 2920, 1870, 6152, 3030,
// 2034, 3461, 6531, 2852, 6710).
//
// One connection carries any number of transactions: after `ready()` the driver calls `begin`, and steps until
// `TransactionDone`. Every recipient of the transaction has exactly one outcome there, whatever the remote did. A
// recipient is accepted only by the remote's 250 to the end of this transaction's content; octets that were there
// before the question was sent are no answer to it.
//
// Where CHUNKING is offered the content goes by BDAT. With PIPELINING a content of up to kFirstChunkOctetsMax goes out
// in one write with MAIL and RCPT, so WantContent may come before anything was said.
#pragma once

#include "mail/address.hpp"
#include "smtp/reply.hpp"
#include "smtp/server_session.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace postrider::smtp {

inline constexpr std::size_t kFirstChunkOctetsMax = 64 * 1024;  ///< of a content that goes out together with MAIL
inline constexpr std::size_t kChunksAheadMax = 8;  ///< sent and not yet answered; 1 without PIPELINING and in LMTP

/// The part of a session in which an outcome came about; for logs, reports and retries by phase.
enum class Phase : std::uint8_t { connect, greeting, hello, mail, rcpt, data, content, end_of_data, quit };
[[nodiscard]] std::string_view name_of(Phase phase);

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
using ClientEvent = std::variant<Received, Content, ContentFailed, TimedOut, PeerClosed>;

struct WantContent {};
struct TransactionDone {
  std::vector<RecipientOutcome> outcomes;  ///< in the order of the recipients
};
/// The session came to an end before a transaction could begin (refused greeting or EHLO, no answer).
struct SessionRefused {
  RecipientOutcome outcome;  ///< stands for every recipient
};
using ClientAction = std::variant<Send, WantContent, TransactionDone, SessionRefused, HangUp>;
using ClientActions = std::deque<ClientAction>;

/// LIMITS.md "client waits", 5321 §4.5.3.2.
enum class ClientWait : std::uint8_t { greeting, hello, mail_rcpt, data, block, end_of_data, quit };

class ClientSession {
 public:
  /// `hello_name`: our hostname, said in EHLO/HELO or LHLO. LMTP (2033): there is no older greeting to fall back to,
  /// and the remote answers for each recipient at the end of the content.
  explicit ClientSession(std::string hello_name, Protocol protocol = Protocol::smtp);

  /// Starts waiting for the greeting.
  void start(ClientActions& out);
  void step(const ClientEvent& event, ClientActions& out);

  /// Greeting and hello are done and no transaction is open: `begin` or `quit` may be called.
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
