// Plays a script the third way: a client against a server's driver over the simulated network, with its deadlines.
#pragma once

#include "core/test_run.hpp"
#include "gate/gate.hpp"
#include "net/scratch.hpp"
#include "net/sim_network.hpp"
#include "net/test_bench.hpp"
#include "server/smtp_deadline.hpp"
#include "tests/dialogue/dialogue.hpp"
#include "tests/dialogue/fake_tls.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

namespace postrider::dialogue {

inline constexpr std::uint16_t kPort = 25;
inline constexpr std::chrono::seconds kServerSilence{700};  // longer than any wait of the servers

/// One dialogue: a server that drives one session, and a client that plays the script.
struct Stage {
  using Serve = Task<void> (*)(Stage* stage, std::unique_ptr<net::Stream> stream);
  Stage(const Script* the_script, Serve the_serve, std::uint64_t seed, std::string the_path = {})
      : script(the_script), path(std::move(the_path)), serve(the_serve), random(seed), network(&random) {
    network.set_weather({.latency_min = std::chrono::milliseconds(1),
                         .latency_max = std::chrono::milliseconds(20),
                         .cuts_segments = true});
  }

  void protect() { tls = protection.emplace(&world.clock).server.get(); }

  const Script* script;
  std::string path;  ///< of its file
  Serve serve;
  test::World world;
  SeededRandom random;
  net::SimNetwork network;
  net::ScratchPool scratch;
  gate::SessionCounts counts{gate::Settings{}};
  Signal drain;
  FakeTlsServer fake_tls;
  std::optional<net::Protection> protection;  ///< real TLS in place of that
  net::TlsServer* tls = &fake_tls;
  Signal stop;
  std::vector<std::string> taken;
  std::vector<std::string> senders;  ///< asked about
  std::size_t logins = 0;            ///< that were right
  std::vector<std::string> mistakes;
  std::size_t contents = 0;
  Transcript transcript;
  bool closed = false;
};

inline Task<void> serve_one(Stage* stage, std::unique_ptr<net::Listener> listener) {
  Result<std::unique_ptr<net::Stream>> stream = co_await listener->accept(&stage->stop);
  check(stream.has_value(), "dialogue: accept");
  if (stage->script->tls == Script::Tls::from_start && !stage->protection) {
    *stream = std::make_unique<FakeTlsStream>(std::move(*stream));
  } else if (stage->script->tls == Script::Tls::from_start) {
    std::string alpn;
    const SteadyTime until = stage->world.clock.steady() + kServerSilence;
    Result<std::unique_ptr<net::Stream>> secured =
        co_await stage->tls->accept(std::move(*stream), std::move(alpn), until);
    check(secured.has_value(), "dialogue: the handshake");
    *stream = std::move(*secured);
  }
  co_await stage->serve(stage, std::move(*stream));
}

/// Reads until `enough`, or the end, or long silence.
inline Task<void> read_until(Stage* stage, net::Stream* stream, const Step* enough) {
  while (!stage->closed && (enough == nullptr || !stage->transcript.has(*enough))) {
    const Result<net::Ready> ready =
        co_await stream->wait_readable(stage->world.clock.steady() + kServerSilence, nullptr);
    if (!ready) {
      stage->closed = ready.error().code == Error::closed;
      co_return;
    }
    std::array<char, 4096> buffer;
    const Result<std::size_t> got = stream->read_some(buffer);
    if (!got)
      stage->closed = true;
    else
      stage->transcript.server_said(std::string_view(buffer.data(), *got));
  }
}

/// The client's part of the handshake, as the stage has it. Gives what is wrong, or an empty text.
inline Task<std::string> shake_hands(Stage* stage, std::unique_ptr<net::Stream>* stream) {
  const SteadyTime until = stage->world.clock.steady() + kServerSilence;
  std::string wrong;
  if (!stage->protection) {
    const Result<void> written = co_await (*stream)->write(kFakeHello, until);
    (void)written;  // the server's part, which is awaited, says whether it went well
    const std::string line(kFakeHello.substr(0, kFakeHello.size() - 2));
    const Step hello{.kind = Step::Kind::server_line, .octets = line};
    co_await read_until(stage, stream->get(), &hello);
    wrong = stage->transcript.compare(hello);
    co_return wrong;
  }
  net::TlsAsk ask{.name = "mx.example.test"};
  Result<std::unique_ptr<net::Stream>> secured =
      co_await stage->protection->client->connect(std::move(*stream), std::move(ask), until);
  if (secured) {
    *stream = std::move(*secured);
  } else {
    wrong = "handshake: " + describe(secured.error());
  }
  co_return wrong;
}

inline Task<Result<void>> play_step(Stage* stage, std::unique_ptr<net::Stream>* stream, const Step* step) {
  const auto wrong = [&](std::string_view what) {
    stage->mistakes.push_back(fmt::format("line {}: {}", step->line, what));
  };
  switch (step->kind) {
    case Step::Kind::client_sends: {
      const Result<void> written =
          co_await (*stream)->write(step->octets, stage->world.clock.steady() + kServerSilence);
      (void)written;  // a server that hung up is what some dialogues are about: what it said is compared
      break;
    }
    case Step::Kind::server_line:
    case Step::Kind::server_reply: {
      co_await read_until(stage, stream->get(), step);
      const std::string different = stage->transcript.compare(*step);
      if (!different.empty()) wrong(different);
      break;
    }
    case Step::Kind::handshake: {
      const std::string different = co_await shake_hands(stage, stream);
      if (!different.empty()) wrong(different);
      if (!*stream) co_return error(Error::closed, "dialogue", different);
      break;
    }
    case Step::Kind::content_taken:
      if (stage->contents >= stage->taken.size())
        wrong("no content was taken");
      else if (stage->taken[stage->contents++] != step->octets)
        wrong("another content was taken");
      break;
    case Step::Kind::no_content:
      if (stage->taken.size() != stage->contents) wrong("a content was taken");
      break;
    case Step::Kind::time_passes:
    case Step::Kind::too_slow: {
      const Duration duration =
          step->kind == Step::Kind::too_slow ? server::kRateWindow + std::chrono::seconds(1) : Duration(step->duration);
      Signal nothing;
      const Result<void> passed = co_await nothing.wait(stage->world.clock.steady() + duration);
      (void)passed;  // always timeout
      break;
    }
    case Step::Kind::drain: {
      Signal nothing;  // what the client said is there before the drain, as in the other two ways
      const Result<void> passed = co_await nothing.wait(stage->world.clock.steady() + std::chrono::seconds(1));
      (void)passed;  // always timeout
      stage->drain.set();
      break;
    }
    case Step::Kind::client_closes: (*stream)->close(); break;
    case Step::Kind::server_closed:
      co_await read_until(stage, stream->get(), nullptr);
      if (!stage->closed) wrong("not closed");
      break;
  }
  co_return Result<void>{};
}

inline Task<Result<void>> play(Stage* stage) {
  const net::Address server = net::Address::v4({10, 0, 0, 1});
  net::Network* const host = stage->network.host(server);
  const net::Endpoint at{.address = server, .port = kPort, .unix_path = {}};
  std::vector<Shard*> shards(1, &stage->world.shard);
  Result<std::vector<std::unique_ptr<net::Listener>>> listeners = host->listen(at, shards);
  if (!listeners) co_return fail(listeners);
  spawn(&stage->world.shard, "server", serve_one(stage, std::move(listeners->front())));
  net::Network* const client = stage->network.host(net::Address::v4({10, 0, 0, 2}));
  Result<std::unique_ptr<net::Stream>> stream =
      co_await client->dial(at, std::nullopt, stage->world.clock.steady() + kServerSilence);
  if (!stream) co_return fail(stream);
  if (stage->script->early) {
    const Result<void> said =
        co_await (*stream)->write("EHLO early.example\r\n", stage->world.clock.steady() + kServerSilence);
    if (!said) co_return fail(said);
  }
  if (stage->protection && stage->script->tls == Script::Tls::from_start) {
    std::string wrong = co_await shake_hands(stage, &*stream);
    if (!wrong.empty()) stage->mistakes.push_back(std::move(wrong));
  }
  for (const Step& step : stage->script->steps) {
    const Result<void> played = co_await play_step(stage, &*stream, &step);
    if (!played) co_return fail(played);
  }
  (*stream)->close();
  co_return Result<void>{};
}

/// The files in which TLS begins.
[[nodiscard]] inline std::vector<std::string> tls_files(const std::string& folder) {
  std::vector<std::string> files = script_files(folder);
  std::erase_if(files, [](const std::string& path) {
    const Result<Script> script = read_script(path);
    const auto begins = [](const Step& step) { return step.kind == Step::Kind::handshake; };
    return !script || (script->tls != Script::Tls::from_start && std::ranges::none_of(script->steps, begins));
  });
  return files;
}

/// Plays the file under three seeds; what is wrong is a failure of the test.
inline void play_over_network(const std::string& path, Stage::Serve serve, bool real_tls = false) {
  const Result<Script> script = read_script(path);
  ASSERT_TRUE(script) << describe(script.error());
  SCOPED_TRACE(path + ": " + script->rule);
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    Stage stage(&*script, serve, seed, path);
    if (real_tls) stage.protect();
    const Result<void> played = test::run(stage.world, play(&stage));
    ASSERT_TRUE(played) << describe(played.error());
    stage.world.run_until_still();
    EXPECT_EQ(stage.world.shard.tasks(), 0U) << "the session goes on";
    EXPECT_EQ(stage.transcript.rest(), "") << "said beside the S lines";
    for (const std::string& mistake : stage.mistakes) ADD_FAILURE() << "seed " << seed << ": " << mistake;
  }
}

}  // namespace postrider::dialogue
