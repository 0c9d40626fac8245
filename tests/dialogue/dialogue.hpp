// The transcripts in tests/dialogue/*/*.txt (STYLE 5.6): read into a Script, and compared with what a server said.
//
// A file begins with a comment line that says which rule it shows. Then, one a line:
//   given QUESTION [SUBJECT]: CODE [ENHANCED] TEXT   the answer to a question of the engine; all others are accepted.
//                             QUESTION: connect, xclient, hello, sender, recipient, begin_content, end_content, auth.
//                             SUBJECT: the name or address asked about (of end_content in LMTP: the recipient that it
//                             is for; of auth: whose right password was given); without one the answer is for every
//                             subject.
//   set max_message_size: N   a setting of the server; also max_recipients, protocol: lmtp, binarymime: on. Or what the
//                             peer may: trusted: on, xclient: on, bare_newline: normalize, may_submit: on
//   set tls: offered          STARTTLS (STLS) is offered; `from_start`: the session is protected before its greeting
//   set mechanisms: PLAIN …   what AUTH is offered with (scripted_login.hpp) in a protected session;
//                             plaintext_auth: on: in any
//   set submission: on        no transaction before AUTH
//   early                     the client talks before the greeting; stands before all steps
//   C: text                   the client sends text and CRLF
//   C+ text                   the same, in one segment with the next C line
//   C~ octets                 the client sends octets as they are, no CRLF added; escapes: \r \n \t \0 \\ \xNN, and
//                             \*N{octets} for octets N times over (not nested)
//   S: text                   the server says this line
//   S~ pattern                the server gives one reply, of one line or more, and each line of it matches
//                             (ECMAScript, the whole line)
//   D: text, D~ octets        the next content that was taken has this line; all D lines in a row are the whole content
//   D-                        no content was taken that no D line spoke of
//   T+ 5m                     nobody says anything for so long (s, m, h)
//   handshake                 the handshake of TLS, which the server waits for; what follows is said inside
//   drain                     the server shuts down
//   slow                      the content comes below the minimum rate
//   hangup                    the client closes the connection
//   closed                    the server has closed it
// What the server says beside the S lines fails the dialogue. Blank lines and lines that begin with # mean nothing.
#pragma once

#include "core/result.hpp"
#include "smtp/reply.hpp"
#include "smtp/server_session.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::dialogue {

/// One step. What `octets` holds is said at the kinds that use it.
struct Step {
  enum class Kind : std::uint8_t {
    client_sends,   ///< octets: one segment, as it goes over the wire
    server_line,    ///< octets: the line, without CRLF
    server_reply,   ///< octets: the pattern
    content_taken,  ///< octets: the whole content
    no_content,
    handshake,
    time_passes,  ///< duration
    drain,
    too_slow,
    client_closes,
    server_closed,
  };
  Kind kind;
  std::string octets;
  std::chrono::seconds duration{0};
  int line = 0;  ///< in the file, from 1
};

enum class Question : std::uint8_t { connect, xclient, hello, sender, recipient, begin_content, end_content, auth };

enum class Cleartext : std::uint8_t { refused, allowed };  ///< AUTH without TLS

struct Given {
  Question question;
  std::optional<std::string> subject;
  smtp::Reply reply;
};

struct Script {
  std::string rule;  ///< the first line, without '#'
  std::optional<std::uint64_t> max_message_size;
  std::optional<std::size_t> max_recipients;
  smtp::Protocol protocol = smtp::Protocol::smtp;
  bool binarymime = false;
  enum class Tls : std::uint8_t { none, offered, from_start };
  Tls tls = Tls::none;
  bool submission = false;
  Cleartext cleartext = Cleartext::refused;  ///< of the mechanisms of `rights`
  smtp::PeerRights rights;
  bool early = false;
  std::vector<Given> given;
  std::vector<Step> steps;

  /// The answer that the file gives, or the one that accepts. `subject` is empty where the question has none.
  [[nodiscard]] smtp::Reply answer(Question question, std::string_view subject) const;
  /// hostname mx.example.test, and what the file sets.
  [[nodiscard]] smtp::ServerSettings settings() const;
  [[nodiscard]] smtp::Secured secured_at_start() const {
    return tls == Tls::from_start ? smtp::Secured::from_start : smtp::Secured::no;
  }
};

/// The time at which every dialogue begins, where a question wants to know it: 2026-01-01T00:00:00Z.
inline constexpr WallTime kDialogueTime{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};

/// What holds at the beginning of a session of a server that gives `rights`.
[[nodiscard]] inline smtp::PeerRights rights_when(smtp::PeerRights rights, smtp::Secured secured, Cleartext cleartext) {
  if (secured == smtp::Secured::no && cleartext == Cleartext::refused) rights.mechanisms.clear();
  return rights;
}

/// Errors  malformed: `detail` has the line.
[[nodiscard]] Result<Script> parse_script(std::string_view text);
/// Reads a file. Errors  not_found; malformed.
[[nodiscard]] Result<Script> read_script(const std::string& path);
/// The files `*.txt` of a folder, sorted.
[[nodiscard]] std::vector<std::string> script_files(const std::string& folder);

/// What a server says, compared line by line with S steps. The runner puts octets in as they come.
class Transcript {
 public:
  void server_said(std::string_view octets) { said_ += octets; }
  /// True when the whole line or reply that `step` (server_line, server_reply) speaks of is there to be compared.
  [[nodiscard]] bool has(const Step& step) const;
  /// Takes it. Gives what is wrong, or an empty text.
  [[nodiscard]] std::string compare(const Step& step);
  /// What was said and not taken yet.
  [[nodiscard]] const std::string& rest() const { return said_; }

 private:
  std::string said_;
};

}  // namespace postrider::dialogue
