// The client engine's state; of client_session.cpp (session and hello), client_login.cpp (STARTTLS
// and AUTH) and client_transaction.cpp only.
#pragma once

#include "smtp/client_offers.hpp"
#include "smtp/client_session.hpp"
#include "smtp/content_writer.hpp"
#include "smtp/reply_reader.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postrider::smtp {

/// What the next reply answers, or what else is waited for.
enum class Stage : std::uint8_t {
  greeting,
  hello,  ///< EHLO or LHLO
  helo,
  starttls,
  auth_begin,     ///< the driver is asked for a mechanism
  auth,           ///< AUTH or a response was sent
  auth_response,  ///< the driver is asked for a response
  ready,
  rset,
  gather,  ///< the content that goes out with MAIL is asked for
  mail,
  rcpt,
  data,
  content,
  chunk,     ///< as many chunks are ahead as may be
  dropping,  ///< all outcomes are there; replies to chunks are to come still
  end_of_data,
  no_content,
  quit,
  closed
};
[[nodiscard]] Phase phase_of(Stage stage);

/// Success of a command. 221 and the like answer other questions than ours; any other 2yz counts (5321 §4.2.1).
[[nodiscard]] inline bool is_accepted(const Reply& reply) {
  return reply.code / 100 == 2 && (reply.code / 10 % 10 == 5 || reply.code / 10 % 10 == 0);
}
[[nodiscard]] inline bool is_refused(const Reply& reply) { return reply.code >= 400; }

/// Replies that are there and that nothing was sent for. `accepts`: all of them are 2yz.
enum class Surplus : std::uint8_t { none, accepts, refuses };

struct ClientSession::State {
  explicit State(ClientSettings s) : settings(std::move(s)), protocol(settings.protocol) {}

  // Of the session.
  void on_received(std::string_view octets, ClientActions& out);
  void on_reply(Reply reply, ClientActions& out);
  void on_early_reply(const Reply& reply, ClientActions& out);
  void on_hello_reply(Reply reply, ClientActions& out);
  void say_hello(ClientActions& out);
  void on_lost(std::string text, ClientActions& out);
  /// Sends what `replies` replies are due to.
  void send(std::string octets, std::size_t replies, ClientActions& out);
  /// The session cannot go on: `reply` stands for what has no outcome.
  void break_off(const Reply& reply, ClientActions& out);
  void break_protocol(ClientActions& out);
  void hang_up(ClientActions& out);
  /// No transaction: `reply` stands for all recipients. Takes leave.
  void refuse(Reply reply, ClientActions& out);

  // Of TLS and login.
  void after_hello(ClientActions& out);
  void on_starttls_reply(Reply reply, ClientActions& out);
  void begin_auth(ClientActions& out);
  void on_start_auth(const StartAuth& event, ClientActions& out);
  void on_auth_response(const AuthResponse& event, ClientActions& out);
  void on_auth_given_up(const AuthGivenUp& event, ClientActions& out);
  void on_auth_reply(Reply reply, ClientActions& out);
  void on_challenge(const Reply& reply, ClientActions& out);
  void send_response(const Secret& response, ClientActions& out);
  void cancel_auth(std::string why, ClientActions& out);
  [[nodiscard]] bool logs_in() const {
    return stage == Stage::auth_begin || stage == Stage::auth || stage == Stage::auth_response;
  }

  // Of the transaction.
  void begin(ClientTransaction t, ClientActions& out);
  void start_transaction(ClientActions& out);
  void send_group(std::string_view chunk, bool last, ClientActions& out);
  void on_transaction_reply(Reply reply, ClientActions& out);
  void on_mail_reply(const Reply& reply, ClientActions& out);
  void on_rcpt_reply(Reply reply, ClientActions& out);
  void on_recipients_answered(ClientActions& out);
  void on_data_reply(const Reply& reply, ClientActions& out);
  void on_chunk_reply(const Reply& reply, ClientActions& out);
  void on_end_reply(const Reply& reply, ClientActions& out);
  void on_content(const Content& content, ClientActions& out);
  void on_content_failed(const Reply& reply, ClientActions& out);
  void on_gathered(const Content& content, ClientActions& out);
  void on_dropped(ClientActions& out);
  void send_lines(const Content& content, ClientActions& out);
  void send_chunk(const Content& content, ClientActions& out);
  void want_content(ClientActions& out);
  void send_bdat(std::string_view chunk, bool last, ClientActions& out);
  void await_end();
  /// `reply` becomes the outcome of all recipients that have none yet.
  void settle(const Reply& reply, Phase phase);
  void forget(const std::vector<std::size_t>& recipients);
  void end_transaction(ClientActions& out);
  [[nodiscard]] bool is_binary() const { return transaction.request.body == BodyType::binary_mime; }
  /// All went out in one write, and a reply too many to MAIL or RCPT would stand where that to the content is due.
  /// Which is which makes no difference only where all of them are 2yz.
  [[nodiscard]] bool is_out_of_step(const Reply& last) const;
  /// LMTP: the same of the replies at the end, where there is one too many.
  [[nodiscard]] bool are_ends_out_of_step() const;
  [[nodiscard]] bool is_ahead() const { return chunks_ahead > 0; }

  ClientSettings settings;
  Protocol protocol;
  Stage stage = Stage::greeting;
  Offers offers;
  ReplyReader reader;
  std::size_t replies_owed = 1;     ///< to what was sent; the greeting is owed unasked
  std::size_t replies_due = 0;      ///< of these, those owed when the octets at hand came
  Surplus surplus = Surplus::none;  ///< after the reply at hand, where that is the last one due
  bool more_behind = false;         ///< octets follow the reply at hand
  bool needs_rset = false;          ///< the remote may have a transaction open

  std::optional<Secret> initial;  ///< of AUTH, to be sent when the remote asks for it
  std::size_t challenges = 0;
  bool may_succeed = false;  ///< what was sent last may be answered with 235

  ClientTransaction transaction;
  std::vector<RecipientOutcome> outcomes;  ///< code 0: none yet. Empty: no transaction is open
  std::vector<std::size_t> asked;          ///< recipients that RCPT is said for: those that the remote can be told of
  std::vector<std::size_t> accepted;       ///< of `asked`, those that the remote answered with 2yz
  std::size_t recipients_answered = 0;     ///< of `asked`
  std::size_t ends_answered = 0;           ///< LMTP: of `accepted`, at the end of the content
  bool mail_refused = false;
  bool in_step = false;          ///< a reply came that only the end of MAIL and RCPT can have brought about
  bool content_wanted = false;   ///< WantContent is not answered yet
  bool end_sent = false;         ///< the end of the content went out with MAIL
  bool end_held = false;         ///< the last chunk, in `gathered`, waits for replies to those ahead
  std::size_t chunks_ahead = 0;  ///< BDAT: sent and not answered
  std::string gathered;          ///< Stage::gather; of `end_held`
  ContentWriter writer;
  LineEnds line_ends;
};

}  // namespace postrider::smtp
