// The framing oracle: a stream of commands and contents, good and bad, gives the same replies and the same stored
// octets in one write, in single octets, and cut at random.
#include "core/random.hpp"
#include "tests/attack/attack.hpp"
#include "tests/attack/session_maker.hpp"

namespace postrider::attack {
namespace {

struct Seen {
  std::string said;
  std::vector<std::string> taken;
  friend bool operator==(const Seen&, const Seen&) = default;
};

constexpr std::uint64_t kSeeds = 500;

TEST(FramingOracle, TheEngineDoesNotSeeHowAStreamIsCut) {
  std::size_t messages = 0;
  std::size_t closed = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SeededRandom random(seed);
    const MadeSession made = make_session(random);
    const auto play = [&](const std::function<std::size_t()>& cut) {
      Victim victim(made.script, answers_of(made));
      std::string_view rest = made.stream;
      while (!rest.empty()) {
        const std::string_view piece = rest.substr(0, cut());
        victim.receive(piece);
        rest.remove_prefix(piece.size());
      }
      victim.runner().step(smtp::TimedOut{});
      EXPECT_EQ(victim.runner().broken, "");
      return Seen{.said = victim.runner().take_sent(), .taken = victim.runner().taken};
    };
    const Seen whole = play([] { return smtp::kContentChunkOctetsMax; });
    ASSERT_EQ(play([] { return std::size_t{1}; }), whole) << "seed " << seed;
    const std::size_t most = std::size_t{1} << (1 + random.below(14));
    ASSERT_EQ(play([&] { return 1 + random.below(most); }), whole) << "seed " << seed;
    messages += whole.taken.size();
    closed += whole.said.contains("\r\n421 4.4.2") ? 0U : 1U;
  }
  // The generator is worth something: many streams get messages through, and many end before their end.
  EXPECT_GT(messages, kSeeds / 2);
  EXPECT_GT(closed, kSeeds / 20);
  EXPECT_LT(closed, kSeeds / 2);
}

}  // namespace
}  // namespace postrider::attack
