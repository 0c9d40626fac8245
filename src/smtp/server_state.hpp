// The inside of ServerSession. Only server_session.cpp and server_content.cpp include this.
#pragma once

#include "smtp/command.hpp"
#include "smtp/data_framing.hpp"
#include "smtp/server_session.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postrider::smtp {

/// What lasts from MAIL to the end of the content.
struct ServerTransaction {
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
  std::optional<Reply> refusal;  ///< the chunk is only swallowed; this follows it
};

struct ServerSession::State {
  enum class Phase : std::uint8_t { command, data, chunk, closed };
  /// The open question.
  enum class Asking : std::uint8_t { nothing, connect, hello, sender, recipient, begin_data, begin_chunk, end_content };

  explicit State(const ServerSettings* s) : settings(s) {}

  // server_session.cpp
  void on_received(std::string_view octets, Actions& out);
  void on_answer(const Answered& answer, Actions& out);
  void run_pending(Actions& out);
  void run(std::string_view& rest, Actions& out);
  bool take_command_line(std::string_view& rest, Actions& out);
  void run_command(Command command, Actions& out);
  void run_hello(HelloCommand command, Actions& out);
  void run_mail(MailCommand command, Actions& out);
  void run_rcpt(RcptCommand command, Actions& out);
  void run_bare(BareCommand command, Actions& out);
  void on_recipient_answer(const Reply& reply, Actions& out);
  void say_hello(const Reply& answer, Actions& out);
  void ask(Asking question, Action action, Actions& out);
  void drop(Actions& out);
  void hang_up(const Reply& reply, Actions& out);
  void send(const Reply& reply, Actions& out);
  /// Sends a refusal that is an error of the peer (LIMITS.md "errors a session").
  void refuse(const Reply& reply, Actions& out);
  /// Counts a command that moves no transaction on. False when it was one too many and the session is over.
  bool count_idle_command(Actions& out);

  // server_content.cpp
  void run_data(Actions& out);
  void run_bdat(const BdatCommand& command, Actions& out);
  bool take_data(std::string_view& rest, Actions& out);
  bool take_chunk(std::string_view& rest, Actions& out);
  void append(std::string octets, Actions& out);
  void end_of_content(Actions& out);
  void end_of_chunk(Actions& out);
  void on_begin_answer(const Reply& reply, Actions& out);
  void on_end_answer(const Reply& reply, Actions& out);
  /// What is wrong with the content so far, if anything is.
  [[nodiscard]] std::optional<Reply> content_refusal() const;
  /// The most octets that are read to reach the end of a content that is refused already.
  [[nodiscard]] std::uint64_t swallow_octets_max() const;

  const ServerSettings* settings;
  PeerRights rights;
  Phase phase = Phase::command;
  Asking asking = Asking::nothing;
  std::optional<HelloKind> hello;  ///< accepted
  HelloKind hello_asked = HelloKind::helo;
  bool draining = false;
  unsigned errors = 0;
  unsigned refused_recipients = 0;  ///< of the session
  unsigned idle_commands = 0;
  std::optional<ServerTransaction> transaction;
  ServerChunk chunk;
  std::size_t swallowed = 0;  ///< octets of a command line over its limit that are gone already
  std::string pending;        ///< received and not used up; empty, without capacity, where possible
  std::size_t pending_used = 0;
};

}  // namespace postrider::smtp
