// The remote of every temper by itself: its commands, its memory and its limits.
#include "core/overloaded.hpp"
#include "smtp/persona.hpp"

#include <gtest/gtest.h>

namespace postrider::persona {
namespace {

/// What it says, with marks for what else it does.
std::string shown(const smtp::PersonaActions& actions) {
  std::string out;
  for (const smtp::PersonaAction& action : actions) {
    std::visit(Overloaded{[&](const smtp::PersonaSay& a) { out += (a.one_by_one ? "<split>" : "") + a.octets; },
                          [&](const smtp::PersonaPause&) { out += "<pause>"; },
                          [&](const smtp::PersonaSayForEver&) { out += "<for ever>"; },
                          [&](const smtp::PersonaStopReading&) { out += "<deaf>"; },
                          [&](const smtp::PersonaTaken& a) { out += "<taken " + a.message.content + ">"; },
                          [&](const smtp::PersonaDrop&) { out += "<drop>"; }},
               action);
  }
  return out;
}

std::string talk(std::string_view profile, std::string_view said, std::size_t cut = 100'000) {
  smtp::PersonaMemory memory;
  smtp::Persona persona(profile, &memory);
  smtp::PersonaActions actions;
  persona.start(actions);
  actions.clear();
  for (std::size_t at = 0; at < said.size(); at += cut) persona.receive(said.substr(at, cut), actions);
  return shown(actions);
}

TEST(Persona, TakesMailHoweverItIsCut) {
  const std::string said =
      "EHLO c\r\nMAIL FROM:<a@c.test> SIZE=3\r\nRCPT TO:<b@x.test>\r\nDATA\r\n..x\r\n.\r\nMAIL FROM:<>\r\n"
      "RCPT TO:<b@x.test>\r\nBDAT 2\r\n\r\nBDAT 3 LAST\r\n..\nNOOP\r\nwhat\r\nQUIT\r\n";
  const std::string want =
      "250 persona.test\r\n250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go ahead\r\n<taken .x\r\n>250 2.0.0 taken\r\n"
      "250 2.1.0 ok\r\n250 2.1.5 ok\r\n250 2.0.0 more\r\n<taken \r\n..\n>250 2.0.0 taken\r\n250 2.0.0 ok\r\n"
      "500 5.5.2 what\r\n221 2.0.0 bye\r\n<drop>";
  for (std::size_t cut = 1; cut <= said.size(); ++cut) EXPECT_EQ(talk("no-extensions", said, cut), want) << cut;
}

TEST(Persona, KeepsTheOrderOfCommands) {
  EXPECT_EQ(talk("plain", "RCPT TO:<b@x.test>\r\n"), "503 5.5.1 MAIL first\r\n");
  EXPECT_EQ(talk("plain", "DATA\r\n"), "503 5.5.1 no recipients\r\n");
  EXPECT_EQ(talk("plain", "BDAT 3 LAST\r\nabcRSET\r\n"), "503 5.5.1 no recipients\r\n250 2.0.0 ok\r\n");
  EXPECT_EQ(talk("plain", "BDAT x\r\n"), "501 5.5.4 how many?\r\n");
  EXPECT_EQ(talk("plain", "MAIL FROM:<a@b.c>\r\nMAIL FROM:<a@b.c>\r\n"), "250 2.1.0 ok\r\n503 5.5.1 one at a time\r\n");
  EXPECT_EQ(talk("lmtp", "EHLO x\r\n"), "500 5.5.1 not here\r\n");
  EXPECT_EQ(talk("plain", "LHLO x\r\n"), "500 5.5.1 not here\r\n");
  EXPECT_EQ(talk("starttls-broken", "STARTTLS\r\n"), "454 4.7.0 TLS is broken\r\n");
  EXPECT_EQ(talk("starttls-502", "STARTTLS\r\n"), "502 5.5.1 not here\r\n");
  EXPECT_EQ(talk("starttls-220-plain", "STARTTLS\r\nEHLO x\r\nNOOP\r\n"),
            "220 go ahead\r\n250-persona.test\r\n250 PIPELINING\r\n");
  EXPECT_EQ(talk("plain", "AUTH PLAIN eA==\r\n"), "503 5.5.1 not here\r\n");
  EXPECT_EQ(talk("auth-plain", "AUTH PLAIN eA==\r\n"), "235 2.7.0 let in\r\n");
  EXPECT_EQ(talk("auth-endless", "AUTH LOGIN\r\nEHLO\r\n*\r\nNOOP\r\n"),
            "334 \r\n334 \r\n501 5.7.0 cancelled\r\n250 2.0.0 ok\r\n");
  EXPECT_EQ(talk("size-1000", "MAIL FROM:<a@b.c> SIZE=1001\r\n"), "552 5.3.4 too big\r\n");
}

TEST(Persona, NamesAreReadWithoutCaseAndWithoutWhatFollowsAPlus) {
  EXPECT_EQ(talk("plain", "MAIL FROM:<a@b.c>\r\nRCPT TO:<RCPT-550+17@x.test>\r\n"),
            "250 2.1.0 ok\r\n550 5.1.1 no such user\r\n");
  EXPECT_EQ(talk("plain", "MAIL FROM:<Mail-450+x@b.c>\r\n"), "450 4.7.1 not now\r\n");
}

TEST(Persona, WhatHappensOnceIsByBehaviourSenderAndRecipient) {
  smtp::PersonaMemory memory;
  EXPECT_TRUE(memory.is_first("greylist", "a", "b"));
  EXPECT_FALSE(memory.is_first("greylist", "a", "b"));
  EXPECT_TRUE(memory.is_first("greylist", "a", "c"));
  EXPECT_TRUE(memory.is_first("greylist", "b", "b"));
  EXPECT_TRUE(memory.is_first("rcpt-421-once", "a", "b"));
  for (std::size_t i = 0; i <= smtp::kPersonaSeenMax; ++i) (void)memory.is_first("x", "y", std::to_string(i));
  EXPECT_TRUE(memory.is_first("greylist", "a", "b"));  // forgotten
}

TEST(Persona, IsBounded) {
  EXPECT_EQ(talk("plain", std::string(smtp::kPersonaLineOctetsMax + 1, 'x'), 100), "<drop>");
  smtp::PersonaMemory memory;
  smtp::Persona persona("chunking", &memory);
  smtp::PersonaActions actions;
  persona.receive("MAIL FROM:<a@b.c>\r\nRCPT TO:<b@x.test>\r\nBDAT 2000000 LAST\r\n", actions);
  for (int i = 0; i < 20; ++i) persona.receive(std::string(100'000, 'x'), actions);
  bool taken = false;
  for (const smtp::PersonaAction& action : actions) {
    const auto* const message = std::get_if<smtp::PersonaTaken>(&action);
    if (message == nullptr) continue;
    taken = true;
    EXPECT_EQ(message->message.content.size(), smtp::kPersonaContentOctetsMax);
    EXPECT_EQ(message->message.content_octets, 2'000'000U);
  }
  EXPECT_TRUE(taken);
}

}  // namespace
}  // namespace postrider::persona
