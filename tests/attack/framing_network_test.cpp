// The framing oracle through the driver and the simulated network; and a peer that never reads.
#include "tests/attack/session_maker.hpp"
#include "tests/attack/sim_victim.hpp"

namespace postrider::attack {
namespace {

struct Seen {
  std::string said;
  std::vector<std::string> taken;
};

/// Writes the stream in pieces of 1 to `most` octets, then reads to the end of the session.
Task<Result<Seen>> talk(SimVictim* victim, const std::string* octets, std::uint64_t most) {
  Result<std::unique_ptr<net::Stream>> stream = co_await victim->connect();
  if (!stream) co_return fail(stream);
  dialogue::Stage& stage = victim->stage;
  for (std::size_t at = 0; at < octets->size();) {
    const std::size_t size = most == 1 ? 1 : static_cast<std::size_t>(1 + stage.random.below(most));
    const std::string piece = octets->substr(at, size);
    at += piece.size();
    const SteadyTime until = stage.world.clock.steady() + dialogue::kServerSilence;
    const Result<void> written = co_await (*stream)->write(piece, until);
    if (!written) break;  // the server hung up
  }
  co_await dialogue::read_until(&stage, stream->get(), nullptr);
  Seen seen{.said = stage.transcript.rest(), .taken = stage.taken};
  co_return seen;
}

TEST(FramingOracleOverNetwork, TheDriverSaysWhatTheEngineSays) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SeededRandom random(seed);
    const MadeSession made = make_session(random);
    Victim engine(made.script, answers_of(made));
    engine.receive(made.stream);
    if (engine.runner().session().in_content()) {
      engine.runner().step(smtp::TooSlow{});
    } else {
      engine.runner().step(smtp::TimedOut{});
    }
    const Seen want{.said = engine.runner().take_sent(), .taken = engine.runner().taken};
    for (const std::uint64_t most : {std::uint64_t{1} << 30U, std::uint64_t{1}, std::uint64_t{300}}) {
      SimVictim victim(&made.script, answers_of(made), seed);
      const Result<Seen> seen = test::run(victim.stage.world, talk(&victim, &made.stream, most));
      ASSERT_TRUE(seen) << describe(seen.error());
      EXPECT_EQ(seen->said, want.said) << "seed " << seed << " in pieces up to " << most;
      EXPECT_EQ(seen->taken, want.taken) << "seed " << seed << " in pieces up to " << most;
      victim.stage.world.run_until_still();
      EXPECT_EQ(victim.stage.world.shard.tasks(), 0U) << "the session goes on";
    }
  }
}

/// Writes `group` again and again, never reads; gives how many octets the server let itself be sent.
Task<Result<std::size_t>> write_only(SimVictim* victim, std::string opening, std::string group,
                                     std::size_t octets_max) {
  Result<std::unique_ptr<net::Stream>> stream = co_await victim->connect();
  if (!stream) co_return fail(stream);
  std::size_t sent = opening.size();
  const SteadyTime until = victim->stage.world.clock.steady() + std::chrono::seconds(100);
  Result<void> written = co_await (*stream)->write(opening, until);
  while (written && sent < octets_max) {
    written = co_await (*stream)->write(group, until);
    if (written) sent += group.size();
  }
  co_return sent;
}

/// LIMITS.md "A session's memory": output above 64 KiB stops reading (SECURITY R7). Chunks of one octet have replies
/// three times their size, and no limit ends them.
TEST(SessionMemory, OutputThatNobodyReadsStopsReading) {
  const dialogue::Script script;
  SimVictim victim(&script, {}, 1);
  std::string group;
  for (int i = 0; i < 100; ++i) group += "BDAT 1\r\nQ";
  const std::size_t octets_max = 64UL * 1024 * 1024;
  const Result<std::size_t> sent =
      test::run(victim.stage.world, write_only(&victim, opening(Start::transaction), group, octets_max));
  ASSERT_TRUE(sent) << describe(sent.error());
  // What is in the two pipes, and one read whose replies wait to be written.
  EXPECT_LE(*sent, 2 * net::kSimPipeOctets + net::kScratchOctets);
  victim.stage.world.run_until_still();
  EXPECT_EQ(victim.stage.world.shard.tasks(), 0U) << "a peer that never reads is hung up on";
}

}  // namespace
}  // namespace postrider::attack
