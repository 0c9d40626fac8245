// The behaviours of the remote of every temper (persona.hpp): one table, and what a right sender makes of each.
#pragma once

#include "core/clock.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace postrider::smtp {

/// What a behaviour is chosen by: the listener's profile, or the local part of an address (after it `+anything` is
/// passed over).
enum class PersonaBy : std::uint8_t { profile, sender, recipient };

/// Where in the session a behaviour shows. `helo`: at HELO, and at EHLO too. `starttls`: where it says 220 no handshake
/// comes of it. `auth`: where it says 334 each response hears the same.
enum class PersonaMoment : std::uint8_t {
  never,
  greeting,
  ehlo,
  helo,
  starttls,
  auth,
  mail,
  rcpt,
  data,
  chunk,
  end,
  rset,
  quit
};

enum class PersonaHow : std::uint8_t {
  say,           ///< `says`, or what a plain remote says where that is empty
  say_and_drop,  ///< the same, then the connection is closed
  drop,          ///< the connection is closed without a word
  mute,          ///< reads on and says nothing any more
  deaf,          ///< says `says`, then neither reads nor says anything
  endless,       ///< says `says` again and again
  split,         ///< says what `say` would, octet by octet
  take_and_drop  ///< takes the message, then closes the connection without a word
};

/// What a message (or the session, for `login`) must have for the behaviour to show.
enum class PersonaNeeds : std::uint8_t { nothing, eight_bit, utf8_header, two_thousand_octets, login };

struct PersonaBehaviour {
  std::string_view name;  ///< also the profile, or the local part that asks for it
  PersonaBy by = PersonaBy::recipient;
  PersonaMoment moment = PersonaMoment::never;
  PersonaHow how = PersonaHow::say;
  std::string_view says = {};          ///< octets as they are sent
  std::string_view to_handshake = {};  ///< what is said to the first octets of a handshake; empty: nothing any more
  std::string_view does;               ///< for people
  /// What a right sender makes of it, as `CODE STATUS@PHASE`: of a transaction with this recipient (with a profile or
  /// sender: any), and of two others in it. 4yz: deferred, 5yz: failed, 2yz: relayed.
  std::string_view outcome;
  std::string_view others;        ///< of the other recipients
  std::string_view last = {};     ///< of the last of them, where that differs
  std::string_view again = {};    ///< of the next attempt for what was deferred, where it differs
  std::string_view profile = {};  ///< the profile that it shows with; empty: any, plain say
  Duration pause = {};            ///< before it says anything
  bool once = false;              ///< only the first time for this sender and recipient
  PersonaNeeds needs = PersonaNeeds::nothing;
};

/// What a profile offers and how much it takes, beside its behaviour of the same name.
struct PersonaProfile {
  std::string_view name;
  std::string_view offers;       ///< lines of the reply to EHLO after the first, separated by '\n'
  bool lmtp = false;             ///< LHLO instead of EHLO
  std::size_t recipients = 100;  ///< a transaction; 452 beyond
  std::size_t messages = 1000;   ///< a connection; 421 beyond
  std::uint64_t octets = 52'428'800;
};

[[nodiscard]] std::span<const PersonaBehaviour> persona_behaviours();
/// nullptr: there is none.
[[nodiscard]] const PersonaBehaviour* find_persona_behaviour(PersonaBy by, std::string_view name);
/// Every profile has a row; those that only offer something else than plain behave as it does. Unknown: plain.
[[nodiscard]] PersonaProfile persona_profile(std::string_view name);

}  // namespace postrider::smtp
