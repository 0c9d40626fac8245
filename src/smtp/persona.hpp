// A remote of every temper: the server side of a session that misbehaves on purpose, without socket or clock, to try
// senders against. What it does is in persona_behaviours.hpp: chosen by the profile of the listener, by the local part
// of the sender and by that of each recipient. Everybody else's mail is taken.
//
// It is a test server: it keeps what it is given within its limits, and promises nothing.
#pragma once

#include "core/clock.hpp"
#include "smtp/data_framing.hpp"
#include "smtp/persona_behaviours.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace postrider::smtp {

inline constexpr std::size_t kPersonaLineOctetsMax = 8192;        ///< of a command; beyond it the connection ends
inline constexpr std::size_t kPersonaContentOctetsMax = 1 << 20;  ///< kept of a content; the rest is read and let go
inline constexpr std::size_t kPersonaSeenMax = 100'000;           ///< attempts remembered; then all are forgotten

/// What the sessions of a remote have in common: who came before (greylist and all that happens once). It outlives
/// them.
class PersonaMemory {
 public:
  /// Whether it is the first time for this behaviour, sender and recipient; it is not from then on.
  [[nodiscard]] bool is_first(std::string_view behaviour, std::string_view sender, std::string_view recipient);

 private:
  std::set<std::string, std::less<>> seen_;
};

/// A message that was taken. The sender may not know it (`take_and_drop`, a reply that is none): it comes again then.
struct PersonaMessage {
  std::string profile;
  std::string sender;                   ///< reverse-path without its brackets
  std::vector<std::string> recipients;  ///< forward-paths without brackets, of those whose message was taken
  std::string content;                  ///< transparency undone; at most kPersonaContentOctetsMax
  std::uint64_t content_octets = 0;     ///< all of it
};

// --- Actions, in order. ---
struct PersonaSay {
  std::string octets;
  bool one_by_one = false;  ///< each octet in a write of its own
};
struct PersonaPause {
  Duration length;  ///< nothing is said or read meanwhile
};
struct PersonaSayForEver {
  std::string octets;  ///< again and again, until the connection ends
};
struct PersonaStopReading {};  ///< and say nothing, until the connection ends
struct PersonaTaken {
  PersonaMessage message;
};
struct PersonaDrop {};  ///< close the connection; the last action
using PersonaAction =
    std::variant<PersonaSay, PersonaPause, PersonaSayForEver, PersonaStopReading, PersonaTaken, PersonaDrop>;
using PersonaActions = std::deque<PersonaAction>;

class Persona {
 public:
  /// `profile`: a name of the table; an unknown one is plain. `memory` outlives it.
  Persona(std::string_view profile, PersonaMemory* memory);

  /// Greets.
  void start(PersonaActions& out);
  /// Octets that came. After `closed()` they are let go.
  void receive(std::string_view octets, PersonaActions& out);
  /// PersonaDrop was given.
  [[nodiscard]] bool closed() const { return at_ == State::closed; }

 private:
  enum class State : std::uint8_t { command, response, handshake, content, chunk, mute, closed };
  struct Recipient {
    std::string path;
    const PersonaBehaviour* behaviour;  // nullptr: plain, or once and that was before
  };

  void on_line(std::string_view line, PersonaActions& out);
  void on_hello(std::string_view verb, PersonaActions& out);
  void on_starttls(PersonaActions& out);
  void on_auth(PersonaActions& out);
  void on_response(std::string_view line, PersonaActions& out);
  void on_mail(std::string_view argument, PersonaActions& out);
  void on_rcpt(std::string_view argument, PersonaActions& out);
  void on_data(PersonaActions& out);
  void on_bdat(std::string_view argument, PersonaActions& out);
  void on_quit(PersonaActions& out);
  void on_chunk_end(PersonaActions& out);
  void on_end(PersonaActions& out);
  void on_lmtp_end(PersonaActions& out);
  void take_line(std::string_view& octets, PersonaActions& out);
  void take_content(std::string_view& octets, PersonaActions& out);
  void take_chunk(std::string_view& octets, PersonaActions& out);
  void keep(std::string_view octets);
  /// Does what `behaviour` has for this moment; without one says what is plain. Gives what was said.
  std::string_view behave(const PersonaBehaviour* behaviour, PersonaMoment moment, std::string_view plain,
                          PersonaActions& out);
  /// The first recipient that has something for this moment; nullptr: there is none.
  [[nodiscard]] const PersonaBehaviour* behaviour_at(PersonaMoment moment) const;
  void say(std::string_view octets, PersonaActions& out);
  void drop(PersonaActions& out);
  void take_message(std::vector<std::string> recipients, PersonaActions& out);
  void reset();

  PersonaProfile profile_;
  const PersonaBehaviour* temper_;  // of the profile; nullptr: none of its own
  PersonaMemory* memory_;
  State at_ = State::command;
  std::string line_;  // begun
  std::size_t messages_ = 0;
  bool in_transaction_ = false;
  bool failed_ = false;  // a chunk was refused: 503 until RSET
  std::string sender_;
  std::vector<Recipient> recipients_;
  DataFraming framing_;
  std::string content_;
  std::uint64_t content_octets_ = 0;
  std::size_t chunk_left_ = 0;
  bool last_chunk_ = false;
};

}  // namespace postrider::smtp
