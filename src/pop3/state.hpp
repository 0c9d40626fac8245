// The inside of pop3::Session: what it knows, and one function for each command.
#pragma once

#include "pop3/line_buffer.hpp"
#include "pop3/session.hpp"
#include "pop3/transparency.hpp"

#include <optional>

namespace postrider::pop3 {

struct Session::State {
  /// `handed_over`: to TLS.
  enum class Phase : std::uint8_t { authorization, transaction, handed_over, closed };
  enum class Question : std::uint8_t { none, connect, login, auth, chunk, deletion, flush };
  enum class Column : std::uint8_t { size, unique_id };
  struct Listing {
    Column column{};
    std::size_t next = 0;  // index of the message whose line is next
  };
  struct Retrieval {
    Transparency lines;
    std::size_t index = 0;
    bool begun = false;  // the +OK is said
  };

  State(Settings given, Secured how, Tally before)
      : settings(std::move(given)),
        secured(how),
        errors(before.errors),
        failed_logins(before.failed_logins),
        commands_before_login(before.commands_before_login) {}

  // Events.
  void on_offered(const Offered& event);
  void on_challenged(const Challenged& event);
  void on_logged_in(const LoggedIn& event, Actions& out);
  void on_login_refused(const LoginRefused& event, Actions& out);
  void on_chunk(const Chunk& event, Actions& out);
  void on_fetch_failed(const FetchFailed& event, Actions& out);
  void on_deleted(const Deleted& event, Actions& out);
  void expect(Question wanted);
  /// Runs what can be run: listings, then lines, until something must be waited for.
  void go_on(Actions& out);

  // Lines.
  void run_line(std::string_view line, Actions& out);
  void run_command(std::string_view verb, std::string_view arguments, Actions& out);
  void take_response(std::string_view line, Actions& out);

  // Commands, each with what follows its keyword and one blank.
  void auth(std::string_view arguments, Actions& out);
  void capa(std::string_view arguments, Actions& out);
  void dele(std::string_view arguments, Actions& out);
  void list(std::string_view arguments, Actions& out);
  void noop(std::string_view arguments, Actions& out);
  void pass(std::string_view arguments, Actions& out);
  void quit(std::string_view arguments, Actions& out);
  void retr(std::string_view arguments, Actions& out);
  void rset(std::string_view arguments, Actions& out);
  void stls(std::string_view arguments, Actions& out);
  void stat(std::string_view arguments, Actions& out);
  void top(std::string_view arguments, Actions& out);
  void uidl(std::string_view arguments, Actions& out);
  void user(std::string_view arguments, Actions& out);

  // Their parts.
  [[nodiscard]] std::optional<std::size_t> message_index(std::string_view number, Actions& out);
  void scan_listing(Column column, std::string_view arguments, Actions& out);
  void fetch(std::size_t index, std::optional<std::uint64_t> body_lines_max, Actions& out);
  void continue_listing();
  [[nodiscard]] std::string listing_line(Column column, std::size_t index) const;
  /// A password may be sent here.
  [[nodiscard]] bool is_safe() const { return secured != Secured::no || settings.cleartext == Cleartext::allowed; }
  [[nodiscard]] bool may_log_in(Actions& out);
  [[nodiscard]] bool offers(std::string_view mechanism) const;
  [[nodiscard]] bool is_over() const { return phase == Phase::closed || phase == Phase::handed_over; }

  // Output.
  void say(std::string_view text);
  void refuse(std::string_view text, Actions& out);
  void emit(Actions& out);
  void ask(Question kind, Action action, Actions& out);
  void hang_up(Actions& out);

  Settings settings;
  Secured secured;
  Phase phase = Phase::authorization;
  Question question = Question::none;
  bool draining = false;
  bool wants_response = false;  // the next line is one to a challenge of AUTH
  unsigned errors;
  unsigned failed_logins;
  unsigned commands_before_login;
  std::string mechanisms;  // that AUTH is offered with, by blanks
  LineBuffer input;
  std::string output;                // of this step, not yet an action
  std::size_t unflushed = 0;         // octets of this step that are an action already
  std::optional<std::string> login;  // of USER
  std::vector<Message> messages;
  std::vector<bool> deleted;  // as long as messages
  std::uint64_t kept_messages = 0;
  std::uint64_t kept_octets = 0;
  std::optional<Listing> listing;
  std::optional<Retrieval> retrieval;
};

}  // namespace postrider::pop3
