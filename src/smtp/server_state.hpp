// The inside of ServerSession. Only server_session.cpp, server_login.cpp and server_content.cpp include this.
#pragma once

#include "smtp/command.hpp"
#include "smtp/data_framing.hpp"
#include "smtp/server_session.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace postrider::smtp {

/// What lasts from MAIL to the end of the content.
struct ServerTransaction {
  mail::Utf8 utf8 = mail::Utf8::no;
  bool binary = false;             ///< BODY=BINARYMIME: octets without lines, by BDAT only (3030 §3)
  std::size_t accepted = 0;        ///< recipients
  std::size_t refused = 0;         ///< recipients, while one was accepted
  unsigned refused_as_errors = 0;  ///< recipients, before one was accepted
  bool content_begun = false;
  bool too_big = false;
  std::uint64_t content_octets = 0;
  std::uint64_t wire_octets = 0;  ///< of DATA, as they were sent
  DataFraming framing;
};

/// A chunk of BDAT that is being read.
struct ServerChunk {
  std::uint64_t octets_left = 0;
  std::uint64_t size_octets = 0;
  bool last = false;
  std::unique_ptr<RefusedCommand> refusal;  ///< the chunk is only swallowed; this follows it
  std::size_t answers = 1;                  ///< of them, when this is the last chunk
};

/// PeerRights without the mechanisms: most sessions have none.
struct KeptRights {
  bool trusted = false;
  bool xclient = false;
  bool may_submit = false;
  BareNewline bare_newline = BareNewline::reject;
};

struct ServerSession::State {
  /// `response`: to a challenge of AUTH. `handed_over`: to TLS.
  enum class Phase : std::uint8_t { command, response, data, chunk, handed_over, closed };
  /// The open question.
  enum class Asking : std::uint8_t {
    nothing,
    connect,
    auth,
    xclient,
    hello,
    sender,
    recipient,
    begin_data,
    begin_chunk,
    end_content,
    flushed,
  };

  State(const ServerSettings* s, Secured how, Tally before)
      : settings(s),
        secured(how),
        greets(how != Secured::by_starttls),
        errors(before.errors),
        refused_recipients(before.refused_recipients),
        idle_commands(before.idle_commands) {}

  // server_session.cpp
  void on_received(std::string_view octets, Actions& out);
  void on_answer(const Answered& answer, Actions& out);
  void run_pending(Actions& out);
  void run(std::string_view& rest, Actions& out);
  bool take_command_line(std::string_view& rest, Actions& out);
  /// The most octets of the line that `rest` begins with, and its CRLF.
  [[nodiscard]] std::size_t line_octets_max(std::string_view rest) const;
  /// `behind`: octets that came with the command.
  void run_command(Command command, std::string_view behind, Actions& out);
  void run_hello(HelloCommand command, Actions& out);
  void run_mail(MailCommand command, Actions& out);
  void run_rcpt(RcptCommand command, Actions& out);
  void run_xclient(XclientCommand command, Actions& out);
  void run_bare(BareCommand command, Actions& out);
  void on_recipient_answer(const Reply& reply, Actions& out);
  void say_hello(const Answered& answer, Actions& out);
  void begin_transaction();
  /// After XCLIENT (its extension's README): as if the connection had just come.
  void begin_anew(Actions& out);
  [[nodiscard]] CommandContext context() const;
  void ask(Asking question, Action action, Actions& out);
  void drop(Actions& out);
  void hang_up(const Reply& reply, Actions& out);
  void send(const Reply& reply, Actions& out);
  /// Sends a refusal that is an error of the peer (LIMITS.md "errors a session").
  void refuse(const Reply& reply, Actions& out);
  void refuse(const RefusedCommand& refusal, Actions& out);
  void note(std::optional<Limit> limit, Actions& out);
  /// Counts a command that moves no transaction on. False when it was one too many and the session is over.
  bool count_idle_command(Actions& out);

  // server_login.cpp
  void run_starttls(std::string_view behind, Actions& out);
  void run_auth(AuthCommand command, Actions& out);
  /// Why AUTH cannot be now, if it cannot.
  [[nodiscard]] std::optional<Reply> auth_refusal(std::string_view mechanism) const;
  void take_response(std::string_view line, Actions& out);
  /// The exchange is over without an answer.
  void cancel_auth(const Reply& reply, Actions& out);
  void on_challenge(const Challenged& challenge, Actions& out);
  void on_auth_answer(const Answered& answer, Actions& out);
  void take_rights(const PeerRights& given);
  /// STARTTLS is offered.
  [[nodiscard]] bool may_start_tls() const { return settings->starttls && secured == Secured::no; }
  /// Why no transaction can be had here, if there is a reason (6409 §4.3).
  [[nodiscard]] std::optional<Reply> submission_refusal() const;

  // server_content.cpp
  void run_data(Actions& out);
  void run_bdat(const BdatCommand& command, Actions& out);
  bool take_data(std::string_view& rest, Actions& out);
  bool take_chunk(std::string_view& rest, Actions& out);
  void append(std::string octets, Actions& out);
  void end_of_content(Actions& out);
  void end_of_chunk(Actions& out);
  void on_begin_answer(const Reply& reply, Actions& out);
  void on_end_answer(const Answered& answer, Actions& out);
  /// How many replies the end of the content has: one, in LMTP one for each accepted recipient (2033 §4.2).
  [[nodiscard]] std::size_t end_answers() const;
  /// Refuses the whole content, `answers` times over; it is one error.
  void refuse_content(const RefusedCommand& refusal, std::size_t answers, Actions& out);
  [[nodiscard]] RefusedCommand no_recipients() const;
  /// What is wrong with the content so far, if anything is.
  [[nodiscard]] std::optional<RefusedCommand> content_refusal() const;
  /// The most octets that are read to reach the end of a content that is refused already.
  [[nodiscard]] std::uint64_t swallow_octets_max() const;

  const ServerSettings* settings;
  KeptRights rights;
  std::unique_ptr<std::string> mechanisms;  ///< that AUTH is offered with, by blanks; null: it is not
  Secured secured;
  bool greets;  ///< an accepted connection is told so
  bool authenticated = false;
  Phase phase = Phase::command;
  Asking asking = Asking::nothing;
  std::optional<HelloKind> hello;  ///< accepted
  HelloKind hello_asked = HelloKind::helo;
  std::optional<WallTime> hold_until_max;  ///< as FUTURERELEASE was offered
  mail::Utf8 utf8_asked = mail::Utf8::no;  ///< in MAIL, while AskSender is open
  bool binary_asked = false;
  bool draining = false;
  unsigned errors;
  unsigned refused_recipients;  ///< of the session
  unsigned idle_commands;
  std::unique_ptr<ServerTransaction> transaction;  // on the heap, as the chunk's refusal: idle sessions have neither
  ServerChunk chunk;
  std::size_t swallowed = 0;   ///< octets of a command line over its limit that are gone already
  bool swallows_auth = false;  ///< that line goes with AUTH
  std::string pending;         ///< received and not used up; empty, without capacity, where possible
  std::size_t pending_used = 0;
};

}  // namespace postrider::smtp
