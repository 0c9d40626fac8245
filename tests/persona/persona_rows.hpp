// What is sent to try a row of the table of behaviours, and what is to come of it.
#pragma once

#include "smtp/client_session.hpp"
#include "smtp/persona_behaviours.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::persona {

inline const std::string kContent = "Subject: x\r\n\r\n.\r\nbody\r\n";

inline mail::Address address(std::string_view text) { return mail::Address::parse(text).value(); }

/// One recipient that asks for the behaviour where it is one of a recipient, and two that ask for nothing.
inline smtp::ClientTransaction transaction_of(const smtp::PersonaBehaviour& row) {
  const std::string name(row.name);
  smtp::ClientTransaction t{
      .reverse_path = mail::Path(address((row.by == smtp::PersonaBy::sender ? name : "anna") + "@client.example")),
      .recipients = {address((row.by == smtp::PersonaBy::recipient ? name : "bert") + "@persona.test"),
                     address("carla@persona.test"), address("carla+2@persona.test")},
      .size_octets = kContent.size(),
      .request = {},
      .recipient_requests = {}};
  if (row.needs == smtp::PersonaNeeds::two_thousand_octets) t.size_octets = 2000;
  if (row.needs == smtp::PersonaNeeds::eight_bit) t.request.body = smtp::BodyType::eight_bit_mime;
  if (row.needs == smtp::PersonaNeeds::utf8_header) t.request.utf8 = mail::Utf8::yes;
  return t;
}

/// The profile to try it with.
inline std::string_view profile_of(const smtp::PersonaBehaviour& row) {
  if (row.by == smtp::PersonaBy::profile) return row.name;
  return row.profile.empty() ? "plain" : row.profile;
}

/// How its session is begun: with TLS where it is offered, and a login where the row is about one.
inline smtp::ClientSettings settings_for(std::string_view profile, smtp::PersonaNeeds needs, smtp::BeginTls begin_tls) {
  return {.hello_name = "client.example",
          .protocol = smtp::persona_profile(profile).lmtp ? smtp::Protocol::lmtp : smtp::Protocol::smtp,
          .begin_tls = begin_tls,
          .authenticate = needs == smtp::PersonaNeeds::login,
          .passwords_in_clear = true};
}

/// In answer to WantAuth, without the mechanisms themselves: one that shows the password, or SCRAM's first message.
inline smtp::ClientEvent begin_login(const std::vector<std::string>& offered) {
  const bool plain = std::ranges::find(offered, "PLAIN") != offered.end();
  if (!plain && std::ranges::find(offered, "SCRAM-SHA-256") == offered.end())
    return smtp::AuthGivenUp{.why = "no mechanism in common"};
  return smtp::StartAuth{.mechanism = plain ? "PLAIN" : "SCRAM-SHA-256", .initial = Secret("x"), .may_succeed = plain};
}

/// TLS did not come about, which a connection in the clear may not need (7435 §4).
inline bool may_go_in_the_clear(const smtp::RecipientOutcome& refusal) {
  return refusal.phase == smtp::Phase::starttls && refusal.reply.code != 421;
}

/// `550 5.1.1@rcpt`, as the table has it.
inline std::string shown(const smtp::RecipientOutcome& outcome) {
  return fmt::format("{} {}@{}", outcome.reply.code, outcome.reply.enhanced, smtp::name_of(outcome.phase));
}

/// Of three recipients in order.
inline std::vector<std::string> wanted(const smtp::PersonaBehaviour& row) {
  return {std::string(row.outcome), std::string(row.others), std::string(row.last.empty() ? row.others : row.last)};
}

/// Where octets that came together are read one by one, the phase in which a session goes out of step may be another.
inline std::vector<std::string> without_phase(std::vector<std::string> outcomes) {
  for (std::string& outcome : outcomes) outcome.erase(outcome.find('@'));
  return outcomes;
}

}  // namespace postrider::persona
