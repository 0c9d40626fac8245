// What the tables of attacks have in common: an attacker's stream against a server engine that accepts everything, cut
// in every way that matters.
#pragma once

#include "tests/dialogue/server_runner.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace postrider::attack {

/// Where the attacker's stream begins.
enum class Start : std::uint8_t {
  ready,        ///< EHLO is said
  transaction,  ///< MAIL and one RCPT were accepted
  data,         ///< DATA got its 354
};

/// What a stream leads to. `codes`: those of the replies after the start, by blanks, and `closed` when it ends so.
struct Outcome {
  std::string codes;
  std::vector<std::string> taken;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};
inline void PrintTo(const Outcome& outcome, std::ostream* out) {
  *out << outcome.codes;
  for (const std::string& content : outcome.taken) *out << " | " << testing::PrintToString(content.substr(0, 400));
}

/// The codes of the replies in `said` (the last line of each), by blanks.
inline std::string codes_of(std::string_view said) {
  std::string codes;
  for (std::size_t at = 0; at < said.size();) {
    const std::size_t end = said.find("\r\n", at);
    if (said.substr(at + 3, 1) != "-") codes += (codes.empty() ? "" : " ") + std::string(said.substr(at, 3));
    at = end == std::string_view::npos ? said.size() : end + 2;
  }
  return codes;
}

inline std::string opening(Start start) {
  std::string octets = "EHLO attacker.example\r\n";
  if (start != Start::ready) octets += "MAIL FROM:<x@attacker.example>\r\nRCPT TO:<ann@example.test>\r\n";
  if (start == Start::data) octets += "DATA\r\n";
  return octets;
}

/// A server that says yes to everything, but to what `answers` (may be empty) says something about.
class Victim {
 public:
  using Answers = std::function<std::optional<smtp::Reply>(dialogue::Question question, std::string_view subject)>;

  Victim(const dialogue::Script& script, Answers answers)
      : runner_(
            script.settings(),
            [script, answers = std::move(answers)](dialogue::Question question, std::string_view subject) {
              std::optional<smtp::Reply> own = answers ? answers(question, subject) : std::nullopt;
              return own ? std::move(*own) : script.answer(question, subject);
            },
            script.rights) {
    runner_.start();
  }
  void begin(Start start) {
    runner_.receive(opening(start), smtp::kContentChunkOctetsMax);
    said_before_ = runner_.take_sent();
  }
  void receive(std::string_view octets, std::size_t cut_octets = smtp::kContentChunkOctetsMax) {
    runner_.receive(octets, cut_octets);
  }
  [[nodiscard]] Outcome outcome() {
    EXPECT_EQ(runner_.broken, "");
    Outcome outcome{.codes = codes_of(runner_.take_sent()), .taken = runner_.taken};
    if (runner_.hung_up()) outcome.codes += outcome.codes.empty() ? "closed" : " closed";
    return outcome;
  }
  [[nodiscard]] dialogue::ServerRunner& runner() { return runner_; }

 private:
  dialogue::ServerRunner runner_;
  std::string said_before_;
};

/// What a table's rows are played with.
struct Setting {
  dialogue::Script script;
  Victim::Answers answers;
};

/// Plays `stream` whole, in single octets, and cut in two at every octet (at every `stride`-th when it is long): all
/// must come to `want`.
inline void expect_outcome(const Setting& setting, Start start, std::string_view stream, const Outcome& want) {
  const auto play = [&](std::size_t first_cut, std::size_t cut_octets) {
    Victim victim(setting.script, setting.answers);
    victim.begin(start);
    victim.receive(stream.substr(0, first_cut), cut_octets);
    victim.receive(stream.substr(first_cut), cut_octets);
    return victim.outcome();
  };
  EXPECT_EQ(play(0, smtp::kContentChunkOctetsMax), want) << "whole";
  EXPECT_EQ(play(0, 1), want) << "octet by octet";
  const std::size_t stride = 1 + stream.size() / 1000;
  for (std::size_t cut = 1; cut < stream.size() && !testing::Test::HasFailure(); cut += stride)
    EXPECT_EQ(play(cut, smtp::kContentChunkOctetsMax), want) << "cut at " << cut;
}

}  // namespace postrider::attack
