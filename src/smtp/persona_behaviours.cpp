#include "smtp/persona_behaviours.hpp"

#include <algorithm>
#include <array>

namespace postrider::smtp {

namespace {

using At = PersonaMoment;
using How = PersonaHow;

constexpr std::string_view kOk = "250 2.0.0@end_of_data";

constexpr PersonaBehaviour row(PersonaBy by, std::string_view name, At at, How how, std::string_view says,
                               std::string_view does, std::string_view outcome, std::string_view others) {
  return {.name = name,
          .by = by,
          .moment = at,
          .how = how,
          .says = says,
          .does = does,
          .outcome = outcome,
          .others = others.empty() ? outcome : others};
}
constexpr PersonaBehaviour profile(std::string_view name, At at, How how, std::string_view says, std::string_view does,
                                   std::string_view outcome, std::string_view others = {}) {
  return row(PersonaBy::profile, name, at, how, says, does, outcome, others);
}
constexpr PersonaBehaviour sender(std::string_view name, At at, How how, std::string_view says, std::string_view does,
                                  std::string_view outcome) {
  return row(PersonaBy::sender, name, at, how, says, does, outcome, {});
}
constexpr PersonaBehaviour recipient(std::string_view name, At at, How how, std::string_view says,
                                     std::string_view does, std::string_view outcome, std::string_view others = {}) {
  return row(PersonaBy::recipient, name, at, how, says, does, outcome, others);
}
constexpr PersonaBehaviour again(PersonaBehaviour b, std::string_view outcome) {
  b.again = outcome;
  return b;
}
constexpr PersonaBehaviour once(PersonaBehaviour b, std::string_view then) {
  b.once = true;
  return again(b, then);
}
constexpr PersonaBehaviour last(PersonaBehaviour b, std::string_view outcome) {
  b.last = outcome;
  return b;
}
constexpr PersonaBehaviour on(std::string_view profile, PersonaBehaviour b) {
  b.profile = profile;
  return b;
}
constexpr PersonaBehaviour after(Duration pause, PersonaBehaviour b) {
  b.pause = pause;
  return b;
}
constexpr PersonaBehaviour needs(PersonaNeeds needed, PersonaBehaviour b) {
  b.needs = needed;
  return b;
}
constexpr PersonaBehaviour then(std::string_view to_handshake, PersonaBehaviour b) {
  b.to_handshake = to_handshake;
  return b;
}
constexpr PersonaBehaviour login(PersonaBehaviour b) { return needs(PersonaNeeds::login, b); }

/// Name, moment, how, what is said, in words, outcome of this recipient, of the others where it differs.
constexpr auto kBehaviours = std::to_array<PersonaBehaviour>({
    profile("plain", At::never, How::say, "",
            "takes everything; offers PIPELINING, SIZE, 8BITMIME, SMTPUTF8, DSN and ENHANCEDSTATUSCODES", kOk),
    profile("greet-421", At::greeting, How::say_and_drop, "421 4.3.2 too busy\r\n", "421 as its greeting",
            "421 4.3.2@greeting"),
    profile("greet-450", At::greeting, How::say, "450 4.7.1 not now\r\n", "450 as its greeting", "450 4.7.1@greeting"),
    profile("greet-554", At::greeting, How::say, "554 5.7.1 no mail from you\r\n", "554 as its greeting",
            "554 5.7.1@greeting"),
    profile("greet-250", At::greeting, How::say, "250 hello\r\n", "250 where 220 is due", "451 4.5.0@greeting"),
    profile("greet-silent", At::greeting, How::mute, "", "accepts the connection and says nothing",
            "451 4.4.2@greeting"),
    after(std::chrono::seconds(3),
          profile("greet-slow-3s", At::greeting, How::say, "", "greets after three seconds", kOk)),
    profile("greet-drop", At::greeting, How::drop, "", "closes the connection at once", "451 4.4.2@greeting"),
    profile("greet-junk", At::greeting, How::say, "SSH-2.0-OpenSSH_9.2p1\r\n", "speaks another protocol",
            "451 4.5.0@greeting"),
    profile("greet-http", At::greeting, How::say_and_drop, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
            "is a web server", "451 4.5.0@greeting"),
    profile("greet-multiline", At::greeting, How::say, "220-persona.test\r\n220-says a lot\r\n220 ESMTP\r\n",
            "greets in several lines", kOk),
    profile("greet-split", At::greeting, How::split, "", "greets octet by octet", kOk),
    profile("greet-endless", At::greeting, How::endless, "220-and more\r\n", "a greeting without end",
            "451 4.5.0@greeting"),
    profile("greet-long", At::greeting, How::endless, "220 more", "a line without end", "451 4.5.0@greeting"),
    profile("greet-lf", At::greeting, How::say, "220 persona.test ESMTP\n", "ends its lines in LF only",
            "451 4.5.0@greeting"),
    profile("greet-early", At::greeting, How::say, "220 persona.test\r\n250 persona.test\r\n",
            "answers EHLO before it was said", "451 4.5.0@hello"),
    profile("ehlo-500", At::ehlo, How::say, "500 5.5.2 what\r\n", "knows no EHLO, only HELO", kOk),
    profile("ehlo-502", At::ehlo, How::say, "502 5.5.1 not here\r\n", "has no EHLO, only HELO", kOk),
    profile("ehlo-550", At::ehlo, How::say, "550 5.7.1 EHLO is refused\r\n", "refuses EHLO by policy, takes HELO", kOk),
    profile("ehlo-421", At::ehlo, How::say_and_drop, "421 4.3.2 too busy\r\n", "421 to EHLO", "421 4.3.2@hello"),
    profile("ehlo-451", At::ehlo, How::say, "451 4.7.1 not now\r\n", "451 to EHLO", "451 4.7.1@hello"),
    profile("ehlo-354", At::ehlo, How::say, "354 go ahead\r\n", "354 to EHLO", "451 4.5.0@hello"),
    profile("ehlo-drop", At::ehlo, How::drop, "", "closes the connection at EHLO", "451 4.4.2@hello"),
    profile("ehlo-silent", At::ehlo, How::mute, "", "never answers EHLO", "451 4.4.2@hello"),
    profile("ehlo-junk", At::ehlo, How::say, "\1\2\3\r\n", "answers EHLO with control octets", "451 4.5.0@hello"),
    profile("ehlo-endless", At::ehlo, How::endless, "250-X-MORE\r\n", "offers without end", "451 4.5.0@hello"),
    profile("ehlo-codes", At::ehlo, How::say, "250-persona.test\r\n550 PIPELINING\r\n",
            "changes its code within the reply", "451 4.5.0@hello"),
    profile("ehlo-odd", At::never, How::say, "", "offers in odd case, twice, unknown things and one of 400 octets",
            kOk),
    profile("helo-550", At::helo, How::say, "550 5.7.1 no\r\n", "refuses EHLO, and HELO after it", "550 5.7.1@hello"),
    profile("no-pipelining", At::never, How::say, "", "does not offer PIPELINING", kOk),
    profile("no-size", At::never, How::say, "", "does not offer SIZE", kOk),
    needs(PersonaNeeds::eight_bit,
          profile("no-8bitmime", At::never, How::say, "", "does not offer 8BITMIME", "554 5.6.3@mail")),
    needs(PersonaNeeds::utf8_header,
          profile("no-smtputf8", At::never, How::say, "", "does not offer SMTPUTF8", "554 5.6.9@mail")),
    profile("no-dsn", At::never, How::say, "", "does not offer DSN", kOk),
    profile("no-extensions", At::never, How::say, "", "answers EHLO, and offers nothing", kOk),
    profile("size-0", At::never, How::say, "", "offers SIZE without a limit", kOk),
    needs(PersonaNeeds::two_thousand_octets,
          profile("size-1000", At::never, How::say, "", "takes 1,000 octets", "552 5.3.4@mail")),
    profile("chunking", At::never, How::say, "", "offers CHUNKING", kOk),
    profile("chunking-only", At::never, How::say, "", "offers CHUNKING without PIPELINING", kOk),
    profile("binarymime", At::never, How::say, "", "offers CHUNKING and BINARYMIME", kOk),
    profile("lmtp", At::never, How::say, "", "speaks LMTP", kOk),
    profile("lmtp-chunking", At::never, How::say, "", "speaks LMTP and offers CHUNKING", kOk),
    profile("starttls-broken", At::never, How::say, "", "offers STARTTLS and answers it with 454", kOk),
    profile("starttls-502", At::starttls, How::say, "502 5.5.1 not here\r\n", "offers STARTTLS and does not have it",
            kOk),
    profile("starttls-421", At::starttls, How::say_and_drop, "421 4.3.2 bye\r\n", "421 to STARTTLS",
            "421 4.3.2@starttls"),
    profile("starttls-250", At::starttls, How::say, "250 2.0.0 ok\r\n", "250 to STARTTLS, where 220 is due", kOk),
    profile("starttls-drop", At::starttls, How::drop, "", "closes the connection at STARTTLS", kOk),
    profile("starttls-silent", At::starttls, How::mute, "", "never answers STARTTLS", kOk),
    profile("starttls-junk", At::starttls, How::say, "\x15\x03\x01\x02\x02\x28\r\n",
            "answers STARTTLS with octets of TLS", kOk),
    profile("starttls-220-drop", At::starttls, How::say_and_drop, "220 go ahead\r\n",
            "closes the connection in the handshake", kOk),
    profile("starttls-220-silent", At::starttls, How::deaf, "220 go ahead\r\n", "never answers the handshake", kOk),
    then("\x16\x03\x03\xFF\xFFnonsense nonsense nonsense nonsense",
         profile("starttls-220-junk", At::starttls, How::say, "220 go ahead\r\n", "answers the handshake with nonsense",
                 kOk)),
    then("250-persona.test\r\n250 PIPELINING\r\n",
         profile("starttls-220-plain", At::starttls, How::say, "220 go ahead\r\n",
                 "goes on in the clear where the handshake is due", kOk)),
    profile("starttls-injection", At::starttls, How::say,
            "220 go ahead\r\n250-persona.test\r\n250 AUTH PLAIN LOGIN\r\n",
            "says more in the clear behind its 220 to STARTTLS, as if TLS protected it", kOk),
    login(profile("auth-plain", At::never, How::say, "", "offers AUTH and lets everybody in", kOk)),
    login(profile("auth-unknown", At::never, How::say, "", "offers mechanisms that nobody has", "454 4.7.4@auth")),
    login(profile("auth-535", At::auth, How::say, "535 5.7.8 wrong\r\n", "535 to AUTH", "454 4.7.8@auth")),
    login(profile("auth-534", At::auth, How::say, "534 5.7.9 too weak\r\n", "534 to AUTH", "454 4.7.9@auth")),
    login(profile("auth-454", At::auth, How::say, "454 4.7.0 not now\r\n", "454 to AUTH", "454 4.7.0@auth")),
    login(profile("auth-421", At::auth, How::say_and_drop, "421 4.3.2 bye\r\n", "421 to AUTH", "421 4.3.2@auth")),
    login(
        profile("auth-250", At::auth, How::say, "250 2.0.0 ok\r\n", "250 to AUTH, where 235 is due", "451 4.5.0@auth")),
    login(profile("auth-drop", At::auth, How::drop, "", "closes the connection at AUTH", "451 4.4.2@auth")),
    login(profile("auth-silent", At::auth, How::mute, "", "never answers AUTH", "451 4.4.2@auth")),
    login(profile("auth-junk", At::auth, How::say, "334 what is it?\r\n", "a challenge that is no base64",
                  "454 4.7.0@auth")),
    login(profile("auth-endless", At::auth, How::say, "334 \r\n", "challenges without end", "454 4.7.0@auth")),
    login(profile("auth-early", At::auth, How::say, "235 2.7.0 let in\r\n",
                  "offers SCRAM-SHA-256, and lets in without having shown that it knows the password",
                  "454 4.7.0@auth")),
    again(profile("throttle-1", At::never, How::say, "", "452 after one recipient", kOk, "452 4.5.3@rcpt"), kOk),
    last(again(profile("throttle-2", At::never, How::say, "", "452 after two recipients", kOk), kOk), "452 4.5.3@rcpt"),
    profile("one-message", At::never, How::say, "", "421 to the second MAIL of a connection", kOk),
    profile("rset-drop", At::rset, How::drop, "", "closes the connection at RSET", kOk),
    profile("rset-500", At::rset, How::say, "500 5.5.1 what\r\n", "refuses RSET", kOk),
    profile("quit-drop", At::quit, How::drop, "", "closes the connection at QUIT", kOk),
    profile("quit-silent", At::quit, How::mute, "", "never answers QUIT", kOk),
    profile("quit-500", At::quit, How::say, "500 5.5.1 what\r\n", "refuses QUIT", kOk),
    sender("mail-421", At::mail, How::say_and_drop, "421 4.3.2 bye\r\n", "421 to MAIL", "421 4.3.2@mail"),
    sender("mail-450", At::mail, How::say, "450 4.7.1 not now\r\n", "450 to MAIL", "450 4.7.1@mail"),
    sender("mail-451", At::mail, How::say, "451 4.3.0 broken\r\n", "451 to MAIL", "451 4.3.0@mail"),
    sender("mail-452", At::mail, How::say, "452 4.3.1 no room\r\n", "452 to MAIL", "452 4.3.1@mail"),
    sender("mail-550", At::mail, How::say, "550 5.7.1 no mail from this sender\r\n", "550 to MAIL", "550 5.7.1@mail"),
    sender("mail-552", At::mail, How::say, "552 5.3.4 too big\r\n", "552 to MAIL", "552 5.3.4@mail"),
    sender("mail-354", At::mail, How::say, "354 go ahead\r\n", "354 to MAIL", "451 4.5.0@mail"),
    sender("mail-drop", At::mail, How::drop, "", "closes the connection at MAIL", "451 4.4.2@mail"),
    sender("mail-silent", At::mail, How::mute, "", "never answers MAIL", "451 4.4.2@mail"),
    after(std::chrono::seconds(5),
          sender("mail-slow-5s", At::mail, How::say, "", "answers MAIL after five seconds", kOk)),
    recipient("rcpt-251", At::rcpt, How::say, "251 2.1.5 will forward\r\n", "251 to RCPT", kOk),
    recipient("rcpt-252", At::rcpt, How::say, "252 2.1.5 who knows\r\n", "252 to RCPT", kOk),
    recipient("rcpt-450", At::rcpt, How::say, "450 4.2.1 mailbox busy\r\n", "450 to RCPT", "450 4.2.1@rcpt", kOk),
    recipient("rcpt-451", At::rcpt, How::say, "451 4.3.0 broken\r\n", "451 to RCPT", "451 4.3.0@rcpt", kOk),
    recipient("rcpt-452", At::rcpt, How::say, "452 4.2.2 mailbox full\r\n", "452 to RCPT", "452 4.2.2@rcpt", kOk),
    recipient("rcpt-550", At::rcpt, How::say, "550 5.1.1 no such user\r\n", "550 to RCPT", "550 5.1.1@rcpt", kOk),
    recipient("rcpt-551", At::rcpt, How::say, "551 5.1.6 moved\r\n", "551 to RCPT", "551 5.1.6@rcpt", kOk),
    recipient("rcpt-553", At::rcpt, How::say, "553 5.1.3 bad name\r\n", "553 to RCPT", "553 5.1.3@rcpt", kOk),
    recipient("rcpt-554", At::rcpt, How::say, "554 5.7.1 refused\r\n", "554 to RCPT", "554 5.7.1@rcpt", kOk),
    recipient("rcpt-552", At::rcpt, How::say, "552 5.5.3 too many recipients\r\n",
              "552 to RCPT, which means too many (5321 §4.5.3.1.10)", "452 4.5.3@rcpt", kOk),
    recipient("rcpt-550-bare", At::rcpt, How::say, "550\r\n", "550 to RCPT, without a text or status", "550 @rcpt",
              kOk),
    recipient("rcpt-550-8bit", At::rcpt, How::say,
              "550 5.1.1 unbekannter Empf\xE4"
              "nger\r\n",
              "550 to RCPT with octets over 127 in its text", "550 5.1.1@rcpt", kOk),
    recipient("rcpt-550-nul", At::rcpt, How::say,
              std::string_view("550 5.1.1 no\0"
                               "such user\r\n",
                               24),
              "550 to RCPT with a NUL in its text", "550 5.1.1@rcpt", kOk),
    recipient("rcpt-550-multiline", At::rcpt, How::say,
              "550-5.1.1 no such user\r\n550-5.1.1 really\r\n550 5.1.1 not at all\r\n", "550 to RCPT in several lines",
              "550 5.1.1@rcpt", kOk),
    recipient("rcpt-550-class", At::rcpt, How::say, "550 2.1.5 fine\r\n", "550 to RCPT with a status of another class",
              "550 @rcpt", kOk),
    once(recipient("greylist", At::rcpt, How::say, "450 4.7.1 greylisted, come again\r\n",
                   "450 the first time for this sender and recipient, then taken", "450 4.7.1@rcpt", kOk),
         kOk),
    recipient("rcpt-421", At::rcpt, How::say_and_drop, "421 4.3.2 bye\r\n", "421 to RCPT", "421 4.3.2@rcpt"),
    once(recipient("rcpt-421-once", At::rcpt, How::say_and_drop, "421 4.7.0 too many, come again\r\n",
                   "421 to RCPT the first time", "421 4.7.0@rcpt"),
         kOk),
    recipient("rcpt-drop", At::rcpt, How::drop, "", "closes the connection at RCPT", "451 4.4.2@rcpt"),
    recipient("rcpt-silent", At::rcpt, How::mute, "", "never answers RCPT", "451 4.4.2@rcpt"),
    after(std::chrono::seconds(5),
          recipient("rcpt-slow-5s", At::rcpt, How::say, "", "answers RCPT after five seconds", kOk)),
    recipient("rcpt-150", At::rcpt, How::say, "150 working\r\n", "1yz to RCPT", "451 4.5.0@rcpt"),
    recipient("rcpt-354", At::rcpt, How::say, "354 go ahead\r\n", "3yz to RCPT", "451 4.5.0@rcpt"),
    recipient("rcpt-650", At::rcpt, How::say, "650 what\r\n", "6yz to RCPT", "451 4.5.0@rcpt"),
    recipient("rcpt-junk", At::rcpt, How::say, "lorem ipsum\r\n", "no code in its reply to RCPT", "451 4.5.0@rcpt"),
    recipient("rcpt-codes", At::rcpt, How::say, "250-fine\r\n550 not fine\r\n",
              "changes its code within the reply to RCPT", "451 4.5.0@rcpt"),
    recipient("rcpt-lf", At::rcpt, How::say, "250 2.1.5 fine\n", "ends its reply to RCPT in LF only", "451 4.5.0@rcpt"),
    recipient("rcpt-endless", At::rcpt, How::endless, "250-and more\r\n", "a reply to RCPT without end",
              "451 4.5.0@rcpt"),
    recipient("extra-reply", At::rcpt, How::say, "250 2.1.5 fine\r\n250 2.1.5 fine\r\n", "two replies to RCPT",
              "451 4.5.0@data"),
    recipient("data-250", At::data, How::say, "250 2.0.0 fine\r\n", "250 to DATA", "451 4.5.0@data"),
    recipient("data-421", At::data, How::say_and_drop, "421 4.3.2 bye\r\n", "421 to DATA", "421 4.3.2@data"),
    recipient("data-451", At::data, How::say, "451 4.3.0 broken\r\n", "451 to DATA", "451 4.3.0@data"),
    recipient("data-452", At::data, How::say, "452 4.3.1 no room\r\n", "452 to DATA", "452 4.3.1@data"),
    recipient("data-550", At::data, How::say, "550 5.7.1 refused\r\n", "550 to DATA", "550 5.7.1@data"),
    recipient("data-554", At::data, How::say, "554 5.5.1 no valid recipients\r\n", "554 to DATA", "554 5.5.1@data"),
    recipient("data-drop", At::data, How::drop, "", "closes the connection at DATA", "451 4.4.2@data"),
    recipient("data-silent", At::data, How::mute, "", "never answers DATA", "451 4.4.2@data"),
    recipient("data-354-drop", At::data, How::say_and_drop, "354 go ahead\r\n", "closes the connection after 354",
              "451 4.4.2@end_of_data"),
    recipient("data-354-deaf", At::data, How::deaf, "354 go ahead\r\n", "stops reading after 354",
              "451 4.4.2@end_of_data"),
    recipient("dot-451", At::end, How::say, "451 4.3.0 broken\r\n", "451 to the content", "451 4.3.0@end_of_data"),
    recipient("dot-452", At::end, How::say, "452 4.3.1 no room\r\n", "452 to the content", "452 4.3.1@end_of_data"),
    recipient("dot-550", At::end, How::say, "550 5.7.1 spam\r\n", "550 to the content", "550 5.7.1@end_of_data"),
    recipient("dot-552", At::end, How::say, "552 5.2.2 mailbox full\r\n", "552 to the content",
              "552 5.2.2@end_of_data"),
    recipient("dot-554", At::end, How::say, "554 5.6.0 bad content\r\n", "554 to the content", "554 5.6.0@end_of_data"),
    once(recipient("dot-451-once", At::end, How::say, "451 4.3.0 come again\r\n", "451 to the content the first time",
                   "451 4.3.0@end_of_data"),
         kOk),
    recipient("dot-251", At::end, How::say, "251 2.0.0 taken\r\n", "251 to the content", "251 2.0.0@end_of_data"),
    recipient("dot-421", At::end, How::say_and_drop, "421 4.3.2 bye\r\n", "421 to the content",
              "421 4.3.2@end_of_data"),
    recipient("dot-221", At::end, How::say_and_drop, "221 2.0.0 bye\r\n", "221 to the content, which is no acceptance",
              "451 4.5.0@end_of_data"),
    recipient("dot-354", At::end, How::say, "354 go ahead\r\n", "354 to the content", "451 4.5.0@end_of_data"),
    recipient("dot-drop", At::end, How::take_and_drop, "",
              "takes the message, and closes the connection without a reply: it comes twice", "451 4.4.2@end_of_data"),
    once(recipient("dot-drop-once", At::end, How::take_and_drop, "", "the same, the first time only",
                   "451 4.4.2@end_of_data"),
         kOk),
    recipient("dot-silent", At::end, How::mute, "", "never answers the content", "451 4.4.2@end_of_data"),
    after(std::chrono::seconds(5),
          recipient("dot-slow-5s", At::end, How::say, "", "answers the content after five seconds", kOk)),
    recipient("dot-junk", At::end, How::say, "thanks\r\n", "no code in its reply to the content",
              "451 4.5.0@end_of_data"),
    recipient("dot-codes", At::end, How::say, "250-fine\r\n451 not fine\r\n",
              "changes its code within the reply to the content", "451 4.5.0@end_of_data"),
    recipient("dot-lf", At::end, How::say, "250 2.0.0 taken\n", "ends its reply to the content in LF only",
              "451 4.5.0@end_of_data"),
    recipient("dot-multiline", At::end, How::say, "250-2.0.0 taken\r\n250-2.0.0 with\r\n250 2.0.0 joy\r\n",
              "takes the content, in several lines", kOk),
    recipient("dot-8bit", At::end, How::say,
              "250 2.0.0 gepr\xFC"
              "ft\r\n",
              "takes the content, with octets over 127 in its text", kOk),
    recipient("dot-nul", At::end, How::say,
              std::string_view("250 2.0.0 ta\0"
                               "ken\r\n",
                               18),
              "takes the content, with a NUL in its text", kOk),
    recipient("dot-split", At::end, How::split, "", "takes the content, octet by octet", kOk),
    recipient("dot-endless", At::end, How::endless, "250-and more\r\n", "a reply to the content without end",
              "451 4.5.0@end_of_data"),
    recipient("dot-long", At::end, How::endless, "250 more", "a line without end to the content",
              "451 4.5.0@end_of_data"),
    recipient("dot-250-drop", At::end, How::say_and_drop, "250 2.0.0 taken\r\n",
              "takes the content and closes the connection", kOk),
    recipient("dot-250-421", At::end, How::say_and_drop, "250 2.0.0 taken\r\n421 4.3.2 bye\r\n",
              "takes the content and says 421 as well", kOk),
    recipient("dot-250-250", At::end, How::say, "250 2.0.0 taken\r\n250 2.0.0 taken\r\n",
              "takes the content and says so twice", kOk),
    on("chunking",
       recipient("chunk-451", At::chunk, How::say, "451 4.3.0 broken\r\n", "451 to BDAT", "451 4.3.0@end_of_data")),
    on("chunking",
       recipient("chunk-503", At::chunk, How::say, "503 5.5.1 not now\r\n", "503 to BDAT", "503 5.5.1@end_of_data")),
    on("chunking",
       recipient("chunk-552", At::chunk, How::say, "552 5.3.4 too big\r\n", "552 to BDAT", "552 5.3.4@end_of_data")),
    on("chunking", recipient("chunk-421", At::chunk, How::say_and_drop, "421 4.3.2 bye\r\n", "421 to BDAT",
                             "421 4.3.2@end_of_data")),
    on("chunking",
       recipient("chunk-drop", At::chunk, How::drop, "", "closes the connection at BDAT", "451 4.4.2@end_of_data")),
    on("chunking", recipient("chunk-silent", At::chunk, How::mute, "", "never answers BDAT", "451 4.4.2@end_of_data")),
    on("lmtp", recipient("each-450", At::end, How::say, "450 4.2.1 mailbox busy\r\n",
                         "LMTP: 450 to the content for this recipient", "450 4.2.1@end_of_data", kOk)),
    on("lmtp", recipient("each-552", At::end, How::say, "552 5.2.2 mailbox full\r\n",
                         "LMTP: 552 to the content for this recipient", "552 5.2.2@end_of_data", kOk)),
    on("lmtp", recipient("each-421", At::end, How::say_and_drop, "421 4.3.2 bye\r\n",
                         "LMTP: 421 to the content for this recipient, and nothing for those after it",
                         "421 4.3.2@end_of_data")),
    on("lmtp",
       recipient("each-drop", At::end, How::drop, "",
                 "LMTP: closes the connection where the reply for this recipient is due", "451 4.4.2@end_of_data")),
});

constexpr std::string_view kPlainOffers = "PIPELINING\nSIZE 52428800\n8BITMIME\nSMTPUTF8\nDSN\nENHANCEDSTATUSCODES";

constexpr std::string_view kTlsOffers = "PIPELINING\nSIZE 52428800\n8BITMIME\nSTARTTLS\nSMTPUTF8\nDSN";
constexpr std::string_view kAuthOffers = "PIPELINING\nSIZE 52428800\n8BITMIME\nSMTPUTF8\nDSN\nAUTH PLAIN LOGIN";

/// Profiles that differ from plain in what they offer or how much they take.
constexpr auto kProfiles = std::to_array<PersonaProfile>({
    {.name = "ehlo-odd",
     .offers =
         "pipelining\nPiPeLiNiNg\nSize 52428800\nSIZE 99999999999999999999999\n8bitMime\nX-NOBODY-KNOWS IT=1\nDSN\n"
         "X-LONG-0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
         "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
         "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
         "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
         "\nsmtputf8"},
    {.name = "no-pipelining", .offers = "SIZE 52428800\n8BITMIME\nSMTPUTF8\nDSN\nENHANCEDSTATUSCODES"},
    {.name = "no-size", .offers = "PIPELINING\n8BITMIME\nSMTPUTF8\nDSN\nENHANCEDSTATUSCODES"},
    {.name = "no-8bitmime", .offers = "PIPELINING\nSIZE 52428800\nDSN\nENHANCEDSTATUSCODES"},
    {.name = "no-smtputf8", .offers = "PIPELINING\nSIZE 52428800\n8BITMIME\nDSN\nENHANCEDSTATUSCODES"},
    {.name = "no-dsn", .offers = "PIPELINING\nSIZE 52428800\n8BITMIME\nSMTPUTF8\nENHANCEDSTATUSCODES"},
    {.name = "no-extensions", .offers = ""},
    {.name = "size-0", .offers = "PIPELINING\nSIZE 0\n8BITMIME\nSMTPUTF8\nDSN\nENHANCEDSTATUSCODES"},
    {.name = "size-1000",
     .offers = "PIPELINING\nSIZE 1000\n8BITMIME\nSMTPUTF8\nDSN\nENHANCEDSTATUSCODES",
     .octets = 1000},
    {.name = "chunking", .offers = "PIPELINING\nSIZE 52428800\n8BITMIME\nSMTPUTF8\nDSN\nENHANCEDSTATUSCODES\nCHUNKING"},
    {.name = "chunking-only", .offers = "SIZE 52428800\n8BITMIME\nSMTPUTF8\nDSN\nENHANCEDSTATUSCODES\nCHUNKING"},
    {.name = "binarymime",
     .offers = "PIPELINING\nSIZE 52428800\n8BITMIME\nSMTPUTF8\nDSN\nENHANCEDSTATUSCODES\nCHUNKING\nBINARYMIME"},
    {.name = "lmtp", .offers = kPlainOffers, .lmtp = true},
    {.name = "lmtp-chunking",
     .offers = "PIPELINING\nSIZE 52428800\n8BITMIME\nSMTPUTF8\nDSN\nENHANCEDSTATUSCODES\nCHUNKING",
     .lmtp = true},
    {.name = "starttls-broken", .offers = kTlsOffers},
    {.name = "starttls-502", .offers = kTlsOffers},
    {.name = "starttls-421", .offers = kTlsOffers},
    {.name = "starttls-250", .offers = kTlsOffers},
    {.name = "starttls-drop", .offers = kTlsOffers},
    {.name = "starttls-silent", .offers = kTlsOffers},
    {.name = "starttls-junk", .offers = kTlsOffers},
    {.name = "starttls-220-drop", .offers = kTlsOffers},
    {.name = "starttls-220-silent", .offers = kTlsOffers},
    {.name = "starttls-220-junk", .offers = kTlsOffers},
    {.name = "starttls-220-plain", .offers = kTlsOffers},
    {.name = "starttls-injection", .offers = kTlsOffers},
    {.name = "auth-unknown", .offers = "PIPELINING\nSIZE 52428800\n8BITMIME\nSMTPUTF8\nDSN\nAUTH GSSAPI XOAUTH2"},
    {.name = "auth-early", .offers = "PIPELINING\nSIZE 52428800\n8BITMIME\nSMTPUTF8\nDSN\nAUTH SCRAM-SHA-256"},
    {.name = "auth-plain", .offers = kAuthOffers},
    {.name = "auth-535", .offers = kAuthOffers},
    {.name = "auth-534", .offers = kAuthOffers},
    {.name = "auth-454", .offers = kAuthOffers},
    {.name = "auth-421", .offers = kAuthOffers},
    {.name = "auth-250", .offers = kAuthOffers},
    {.name = "auth-drop", .offers = kAuthOffers},
    {.name = "auth-silent", .offers = kAuthOffers},
    {.name = "auth-junk", .offers = kAuthOffers},
    {.name = "auth-endless", .offers = kAuthOffers},
    {.name = "throttle-1", .offers = kPlainOffers, .recipients = 1},
    {.name = "throttle-2", .offers = kPlainOffers, .recipients = 2},
    {.name = "one-message", .offers = kPlainOffers, .messages = 1},
});

}  // namespace

std::span<const PersonaBehaviour> persona_behaviours() { return kBehaviours; }

const PersonaBehaviour* find_persona_behaviour(PersonaBy by, std::string_view name) {
  const auto* const found =
      std::ranges::find_if(kBehaviours, [&](const PersonaBehaviour& b) { return b.by == by && b.name == name; });
  return found == kBehaviours.end() ? nullptr : found;
}

PersonaProfile persona_profile(std::string_view name) {
  const auto* const found = std::ranges::find(kProfiles, name, &PersonaProfile::name);
  if (found != kProfiles.end()) return *found;
  const PersonaBehaviour* const known = find_persona_behaviour(PersonaBy::profile, name);
  return {.name = known == nullptr ? std::string_view("plain") : known->name, .offers = kPlainOffers};
}

}  // namespace postrider::smtp
