// Every behaviour of the remote of every temper, and what the client engine makes of it for each recipient.
#include "tests/persona/persona_pump.hpp"
#include "tests/persona/persona_rows.hpp"

#include <gtest/gtest.h>

namespace postrider::persona {
namespace {

using smtp::PersonaBehaviour;
using smtp::PersonaBy;
using smtp::PersonaHow;
using smtp::PersonaMoment;

/// The outcomes of three recipients; a refused session stands for all.
std::vector<std::string> outcomes(const Pump& pump) {
  std::vector<std::string> out;
  if (!pump.outcomes.empty()) {
    for (const smtp::RecipientOutcome& outcome : pump.outcomes.front()) out.push_back(shown(outcome));
  } else if (!pump.refused.empty()) {
    out.assign(3, shown(pump.refused.front()));
  }
  return out;
}

/// What the client says was taken was taken, whole. What was taken without its knowing is deferred, and is so by the
/// row, or since a remote that says nonsense had all in one write already.
void expect_ledger(const PersonaBehaviour& row, const Pump& pump, bool one_write = false) {
  if (pump.outcomes.empty()) {
    EXPECT_TRUE(pump.taken.empty());
    return;
  }
  const smtp::ClientTransaction sent = transaction_of(row);
  const bool doubtful = row.how == PersonaHow::take_and_drop || row.says.starts_with('2') ||
                        (one_write && row.outcome.starts_with("451 4.5.0"));
  for (std::size_t i = 0; i < sent.recipients.size(); ++i) {
    std::size_t copies = 0;
    for (const smtp::PersonaMessage& message : pump.taken) {
      copies += static_cast<std::size_t>(std::ranges::count(message.recipients, sent.recipients[i].text()));
      EXPECT_EQ(message.content, kContent);
      EXPECT_EQ(message.sender, sent.reverse_path.text());
    }
    const bool relayed = pump.outcomes.front()[i].reply.code < 300;
    if (relayed || !doubtful) EXPECT_EQ(copies, relayed ? 1U : 0U) << i;
  }
}

TEST(PersonaTable, HasAtLeastEightyBehavioursEachNamedOnce) {
  std::vector<std::string_view> names;
  for (const PersonaBehaviour& row : smtp::persona_behaviours()) {
    names.push_back(row.name);
    EXPECT_FALSE(row.does.empty()) << row.name;
    EXPECT_TRUE(row.profile.empty() || smtp::persona_profile(row.profile).name == row.profile) << row.name;
    EXPECT_EQ(smtp::find_persona_behaviour(row.by, row.name), &row);
  }
  EXPECT_GE(names.size(), 80U);
  std::ranges::sort(names);
  EXPECT_EQ(std::ranges::adjacent_find(names), names.end());
}

TEST(PersonaTable, EveryRecipientHasTheOutcomeOfItsRow) {
  for (const PersonaBehaviour& row : smtp::persona_behaviours()) {
    SCOPED_TRACE(row.name);
    smtp::PersonaMemory memory;
    Pump pump(profile_of(row), &memory, 100'000, row.needs);
    pump.run({transaction_of(row)}, kContent);
    EXPECT_EQ(outcomes(pump), wanted(row));
    EXPECT_EQ(pump.timed_out, row.how == PersonaHow::mute || row.how == PersonaHow::deaf);
    expect_ledger(row, pump);
  }
}

TEST(PersonaTable, HoweverTheOctetsAreCut) {
  for (const PersonaBehaviour& row : smtp::persona_behaviours()) {
    for (const std::size_t cut : {std::size_t{1}, std::size_t{2}, std::size_t{7}}) {
      SCOPED_TRACE(fmt::format("{} cut at {}", row.name, cut));
      smtp::PersonaMemory memory;
      Pump pump(profile_of(row), &memory, cut, row.needs);
      pump.run({transaction_of(row)}, kContent);
      EXPECT_EQ(without_phase(outcomes(pump)), without_phase(wanted(row)));
      expect_ledger(row, pump);
    }
  }
}

TEST(PersonaTable, WhateverElseIsOffered) {
  for (const PersonaBehaviour& row : smtp::persona_behaviours()) {
    const bool everywhere = row.by != PersonaBy::profile && row.profile.empty() && row.name != "extra-reply" &&
                            row.moment != PersonaMoment::data;
    if (!everywhere) continue;
    for (const std::string_view profile :
         {"chunking", "chunking-only", "binarymime", "no-pipelining", "no-extensions"}) {
      for (const std::size_t cut : {std::size_t{1}, std::size_t{100'000}}) {
        SCOPED_TRACE(fmt::format("{} with {} cut at {}", row.name, profile, cut));
        smtp::PersonaMemory memory;
        Pump pump(profile, &memory, cut);
        pump.run({transaction_of(row)}, kContent);
        EXPECT_EQ(without_phase(outcomes(pump)), without_phase(wanted(row)));
        expect_ledger(row, pump, profile == "chunking" || profile == "binarymime");
      }
    }
  }
}

/// What was deferred is sent again in a new session: what happens only once is over, the rest is as it was.
TEST(PersonaTable, TheNextAttempt) {
  for (const PersonaBehaviour& row : smtp::persona_behaviours()) {
    SCOPED_TRACE(row.name);
    smtp::PersonaMemory memory;
    Pump first(profile_of(row), &memory, 100'000, row.needs);
    first.run({transaction_of(row)}, kContent);
    const std::vector<std::string> before = outcomes(first);
    smtp::ClientTransaction rest = transaction_of(row);
    std::vector<mail::Address> deferred;
    for (std::size_t i = 0; i < before.size(); ++i) {
      if (before[i].starts_with('4')) deferred.push_back(rest.recipients[i]);
    }
    if (deferred.empty()) continue;
    rest.recipients = deferred;
    Pump second(profile_of(row), &memory, 100'000, row.needs);
    second.run({rest}, kContent);
    const std::vector<std::string> after = outcomes(second);
    ASSERT_FALSE(after.empty());
    const std::string_view again =
        row.again.empty() ? std::string_view(before[0].starts_with('4') ? row.outcome : row.others) : row.again;
    EXPECT_EQ(after.front(), again);
  }
}

/// A reply too many is told from the next one that is due only by that one, which this remote keeps to itself or makes
/// 421 (as after a success, dot-250-421): in one write with MAIL, and among the replies at the end of LMTP.
bool cannot_be_told(const PersonaBehaviour& one, const PersonaBehaviour& two, std::string_view profile) {
  const bool at_content = two.moment == PersonaMoment::chunk || two.moment == PersonaMoment::end;
  const bool keeps_it =
      two.how != PersonaHow::say && two.how != PersonaHow::split && (two.says.empty() || two.says.starts_with("421"));
  const bool ends_early = profile == "lmtp" && two.how == PersonaHow::say_and_drop;
  const std::string_view too_many = profile == "lmtp" ? "dot-250-250" : "extra-reply";
  return (profile == "chunking" || profile == "lmtp") && one.name == too_many && at_content && (keeps_it || ends_early);
}

/// Two that misbehave in one transaction: whatever comes of it, what is said to be relayed was taken once, and what
/// failed was not.
TEST(PersonaTable, EveryTwoOfThem) {
  std::size_t pairs = 0;
  for (const PersonaBehaviour& one : smtp::persona_behaviours()) {
    for (const PersonaBehaviour& two : smtp::persona_behaviours()) {
      const bool both = one.by == PersonaBy::recipient && two.by == PersonaBy::recipient && &one != &two &&
                        one.how != PersonaHow::endless && two.how != PersonaHow::endless;
      if (!both) continue;
      for (const std::string_view profile : {"plain", "chunking", "chunking-only", "lmtp"}) {
        if (cannot_be_told(one, two, profile) || cannot_be_told(two, one, profile)) continue;
        SCOPED_TRACE(fmt::format("{} and {} with {}", one.name, two.name, profile));
        ++pairs;
        smtp::ClientTransaction sent = transaction_of(one);
        sent.recipients.insert(sent.recipients.begin() + 1, transaction_of(two).recipients.front());
        smtp::PersonaMemory memory;
        Pump pump(profile, &memory, 100'000);
        pump.run({sent}, kContent);
        ASSERT_EQ(pump.outcomes.size(), 1U);
        for (std::size_t i = 0; i < sent.recipients.size(); ++i) {
          std::ptrdiff_t copies = 0;
          for (const smtp::PersonaMessage& message : pump.taken)
            copies += std::ranges::count(message.recipients, sent.recipients[i].text());
          const int kind = pump.outcomes[0][i].reply.code / 100;
          EXPECT_TRUE(kind == 4 || copies == (kind == 2 ? 1 : 0)) << shown(pump.outcomes[0][i]) << ' ' << copies;
        }
      }
    }
  }
  EXPECT_GT(pairs, 5'000U);
}

/// A transaction that failed is cleared by RSET and the next one is as any other; where the remote refuses or drops
/// that, what is deferred has been given to nobody.
TEST(PersonaTable, TheNextTransactionOfASession) {
  for (const PersonaBehaviour& row : smtp::persona_behaviours()) {
    if (row.by == PersonaBy::profile) continue;
    SCOPED_TRACE(row.name);
    smtp::PersonaMemory memory;
    Pump pump(profile_of(row), &memory, 100'000);
    smtp::ClientTransaction other = transaction_of(smtp::persona_behaviours().front());
    pump.run({transaction_of(row), other}, kContent);
    if (pump.outcomes.size() < 2) continue;                    // the session ended with the first
    const bool dropped = row.how == PersonaHow::say_and_drop;  // after a success: seen at the next command only
    for (const smtp::RecipientOutcome& outcome : pump.outcomes[1])
      EXPECT_EQ(shown(outcome), dropped ? "451 4.4.2@mail" : "250 2.0.0@end_of_data");
  }
  const PersonaBehaviour& refused = *smtp::find_persona_behaviour(PersonaBy::sender, "mail-550");
  for (const auto& [profile, want] :
       {std::pair("rset-drop", "451 4.4.2@mail"), std::pair("rset-500", "451 4.5.0@mail")}) {
    smtp::PersonaMemory memory;
    Pump pump(profile, &memory, 100'000);
    pump.run({transaction_of(refused), transaction_of(smtp::persona_behaviours().front())}, kContent);
    EXPECT_EQ(shown(pump.outcomes.at(1).at(2)), want);
    EXPECT_TRUE(pump.taken.empty());
  }
  smtp::PersonaMemory memory;
  Pump one("one-message", &memory, 100'000);
  const smtp::ClientTransaction plain = transaction_of(smtp::persona_behaviours().front());
  one.run({plain, plain}, kContent);
  EXPECT_EQ(shown(one.outcomes.at(0).at(0)), "250 2.0.0@end_of_data");
  EXPECT_EQ(shown(one.outcomes.at(1).at(0)), "421 4.7.0@mail");
}

/// Recipient verification: the reply to RCPT, and no message is left behind.
TEST(PersonaTable, Asking) {
  for (const PersonaBehaviour& row : smtp::persona_behaviours()) {
    if (row.by != PersonaBy::recipient || row.name == "extra-reply") continue;
    SCOPED_TRACE(row.name);
    smtp::PersonaMemory memory;
    Pump pump("plain", &memory, 100'000);
    smtp::ClientTransaction asks = transaction_of(row);
    asks.only_ask = true;
    pump.run({asks}, kContent);
    const smtp::RecipientOutcome& outcome = pump.outcomes.at(0).at(0);
    if (row.moment == PersonaMoment::rcpt) {
      const bool taken = row.outcome.starts_with('2');
      EXPECT_EQ(outcome.reply.code / 100, row.outcome.front() - '0');
      if (!taken) EXPECT_EQ(shown(outcome), row.outcome);
    } else {
      EXPECT_EQ(shown(outcome), "250 2.1.5@rcpt");
    }
    EXPECT_TRUE(pump.taken.empty());
  }
}

}  // namespace
}  // namespace postrider::persona
