// What every Network does alike: real sockets on loopback, and the simulated world; and what TLS makes of both.
#include "net/test_bench.hpp"

#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>

namespace postrider::net {
namespace {

constexpr bool kAddressSanitizer = __has_feature(address_sanitizer);
constexpr bool kThreadSanitizer = __has_feature(thread_sanitizer);

enum class Kind : std::uint8_t { real, sim, rough, tls, tls_rough };

std::unique_ptr<Bench> make_bench(Kind kind) {
  constexpr SimWeather kRough{.latency_min = 5ms, .latency_max = 50ms, .cuts_segments = true};
  switch (kind) {
    case Kind::real: return std::make_unique<RealBench>();
    case Kind::sim: return std::make_unique<SimBench>();
    case Kind::rough: return std::make_unique<SimBench>(kRough);
    case Kind::tls: return with_tls(std::make_unique<RealBench>());
    case Kind::tls_rough: return with_tls(std::make_unique<SimBench>(kRough));
  }
  return nullptr;
}

std::string name_of(Kind kind) {
  switch (kind) {
    case Kind::real: return "Asio";
    case Kind::sim: return "Sim";
    case Kind::rough: return "SimRough";
    case Kind::tls: return "TlsOverAsio";
    case Kind::tls_rough: return "TlsOverSimRough";
  }
  return "";
}

bool is_rough(Kind kind) { return kind == Kind::rough || kind == Kind::tls_rough; }

class NetContract : public testing::TestWithParam<Kind> {
 protected:
  std::unique_ptr<Bench> bench_ = make_bench(GetParam());
};

INSTANTIATE_TEST_SUITE_P(Networks, NetContract,
                         testing::Values(Kind::real, Kind::sim, Kind::rough, Kind::tls, Kind::tls_rough),
                         [](const testing::TestParamInfo<Kind>& info) { return name_of(info.param); });

Task<bool> echo(Bench* bench) {
  Pair pair = co_await connect_pair(bench);
  EXPECT_EQ(pair.client->peer(), pair.listener->local());
  EXPECT_EQ(pair.client->local(), pair.server->peer());
  EXPECT_EQ(pair.client->peer(), pair.server->local());
  EXPECT_EQ(pair.client->peer_user(), std::nullopt);
  const Result<void> asked = co_await pair.client->write("EHLO client.example\r\n", bench->in(5s));
  EXPECT_TRUE(asked);
  const std::string heard = co_await read_up_to(bench, pair.server.get(), 21);
  EXPECT_EQ(heard, "EHLO client.example\r\n");
  const Result<void> answered = co_await pair.server->write(heard, bench->in(5s));
  EXPECT_TRUE(answered);
  const std::string back = co_await read_up_to(bench, pair.client.get(), 21);
  EXPECT_EQ(back, heard);
  std::array<char, 8> buffer{};
  EXPECT_EQ(pair.client->read_some(buffer).value_or(99), 0U);
  co_return true;
}
TEST_P(NetContract, OctetsGoAndComeBack) { bench_->run(echo(bench_.get())); }

Task<bool> both_ways(Bench* bench, std::size_t octets) {
  Pair pair = co_await connect_pair(bench);
  Joint joint{.left = 4, .done = {}};
  spawn(&bench->shard(), "send", send_pattern(bench, pair.client.get(), octets, &joint));
  spawn(&bench->shard(), "send", send_pattern(bench, pair.server.get(), octets, &joint));
  spawn(&bench->shard(), "receive", receive_pattern(bench, pair.client.get(), octets, &joint));
  spawn(&bench->shard(), "receive", receive_pattern(bench, pair.server.get(), octets, &joint));
  const Result<void> ended = co_await joint.done.wait(bench->in(240s));
  EXPECT_TRUE(ended);
  co_return true;
}
TEST_P(NetContract, LargeTransfersBothWaysAtOnce) {
  bench_->run(both_ways(bench_.get(), is_rough(GetParam()) ? 500'000 : 10'000'000));
}

Task<bool> late_read(Bench* bench) {
  Pair pair = co_await connect_pair(bench);
  const SteadyTime until = bench->in(60ms);
  const Result<Ready> ready = co_await pair.server->wait_readable(until, nullptr);
  EXPECT_EQ(code_of(ready), Error::timeout);
  EXPECT_GE(bench->shard().clock().steady(), until);
  const Result<void> asked = co_await pair.client->write("x", bench->in(5s));
  EXPECT_TRUE(asked);
  const std::string heard = co_await read_up_to(bench, pair.server.get(), 1);
  EXPECT_EQ(heard, "x") << "a stream lives on after a timeout";
  co_return true;
}
TEST_P(NetContract, AWaitForOctetsEndsAtItsDeadline) { bench_->run(late_read(bench_.get())); }

Task<bool> late_write(Bench* bench) {
  Pair pair = co_await connect_pair(bench);
  const std::string much(64 << 20, 'x');
  const Result<void> written = co_await pair.client->write(much, bench->in(100ms));
  EXPECT_EQ(code_of(written), Error::timeout);
  co_return true;
}
TEST_P(NetContract, AWriteEndsAtItsDeadlineWhenNobodyReads) { bench_->run(late_write(bench_.get())); }

Task<std::size_t> count_up_to(Bench* bench, Stream* stream, std::size_t octets_max) {
  for (std::size_t heard = 0;;) {
    const std::string some = co_await read_up_to(bench, stream, std::min(octets_max - heard, 1UL << 16));
    heard += some.size();
    if (some.empty() || heard == octets_max) co_return heard;
  }
}

Task<bool> pieces(Bench* bench) {
  Pair pair = co_await connect_pair(bench);
  const std::string much(32 << 20, 'x');
  std::size_t taken = 0;
  for (std::size_t more = 1; more > 0; taken += more) {
    const Result<std::size_t> some = pair.client->write_some(std::string_view(much).substr(taken));
    EXPECT_TRUE(some);
    more = some.value_or(0);
  }
  EXPECT_GT(taken, 0U);
  EXPECT_LT(taken, much.size()) << "nobody reads";
  const Result<void> full = co_await pair.client->wait_writable(bench->in(60ms));
  EXPECT_EQ(code_of(full), Error::timeout);
  const std::size_t first = co_await count_up_to(bench, pair.server.get(), taken / 2);
  EXPECT_EQ(first, taken / 2);
  const Result<void> room = co_await pair.client->wait_writable(bench->in(5s));
  EXPECT_TRUE(room);
  const std::size_t rest = co_await count_up_to(bench, pair.server.get(), taken - first);
  EXPECT_EQ(rest, taken - first);
  EXPECT_GT(pair.client->write_some("more").value_or(0), 0U);
  pair.client->close();
  EXPECT_EQ(code_of(pair.client->write_some("x")), Error::closed);
  const Result<void> never = co_await pair.client->wait_writable(bench->in(5s));
  EXPECT_EQ(code_of(never), Error::closed);
  co_return true;
}
TEST_P(NetContract, WriteSomeTakesWhatFitsAndWaitWritableSaysWhenMoreDoes) { bench_->run(pieces(bench_.get())); }

Task<void> set_after(Shard* shard, Signal* signal, Duration d) {
  Signal nobody;
  const Result<void> waited = co_await nobody.wait(shard->clock().steady() + d);
  EXPECT_FALSE(waited);
  signal->set();
}

Task<bool> signalled(Bench* bench) {
  Pair pair = co_await connect_pair(bench);
  Signal drain;
  spawn(&bench->shard(), "set", set_after(&bench->shard(), &drain, 30ms));
  const Result<Ready> woken = co_await pair.server->wait_readable(bench->in(60s), &drain);
  EXPECT_TRUE(woken && *woken == Ready::signalled);
  const Result<Ready> at_once = co_await pair.server->wait_readable(bench->in(60s), &drain);
  EXPECT_TRUE(at_once && *at_once == Ready::signalled);
  drain.clear();
  const Result<Ready> quiet = co_await pair.server->wait_readable(bench->in(60ms), &drain);
  EXPECT_EQ(code_of(quiet), Error::timeout);
  co_return true;
}
TEST_P(NetContract, ASignalEndsAWait) { bench_->run(signalled(bench_.get())); }

Task<bool> last_words(Bench* bench) {
  Pair pair = co_await connect_pair(bench);
  const Result<void> asked =
      co_await pair.client->write("MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\n", bench->in(5s));
  EXPECT_TRUE(asked);
  const Result<Ready> came = co_await pair.server->wait_readable(bench->in(5s), nullptr);
  EXPECT_TRUE(came);
  const Result<void> said = co_await pair.server->write("421 4.3.2 closing\r\n", bench->in(5s));
  EXPECT_TRUE(said);
  pair.server->close();  // with unread input
  std::array<char, 8> buffer{};
  EXPECT_EQ(code_of(pair.server->read_some(buffer)), Error::closed);
  const Result<void> after = co_await pair.server->write("x", bench->in(5s));
  EXPECT_EQ(code_of(after), Error::closed);
  const Result<Ready> never = co_await pair.server->wait_readable(bench->in(5s), nullptr);
  EXPECT_EQ(code_of(never), Error::closed);
  const std::string heard = co_await read_up_to(bench, pair.client.get(), 100);
  EXPECT_EQ(heard, "421 4.3.2 closing\r\n");
  EXPECT_EQ(code_of(pair.client->read_some(buffer)), Error::closed);
  co_return true;
}
TEST_P(NetContract, CloseDeliversTheLastReply) { bench_->run(last_words(bench_.get())); }

Task<bool> peer_ends(Bench* bench) {
  Pair pair = co_await connect_pair(bench);
  pair.client.reset();
  const Result<Ready> ready = co_await pair.server->wait_readable(bench->in(5s), nullptr);
  EXPECT_TRUE(ready && *ready == Ready::readable);
  std::array<char, 8> buffer{};
  EXPECT_EQ(code_of(pair.server->read_some(buffer)), Error::closed);
  Error::Code last = Error::timeout;
  for (int i = 0; i < 100 && last != Error::closed; ++i) {
    const Result<void> written = co_await pair.server->write("x", bench->in(5s));
    if (!written) last = written.error().code;
  }
  EXPECT_EQ(last, Error::closed);
  co_return true;
}
TEST_P(NetContract, ThePeersEndIsSeen) { bench_->run(peer_ends(bench_.get())); }

Task<bool> refused(Bench* bench) {
  std::unique_ptr<Listener> listener = listen_one(bench);
  const Endpoint at = listener->local();
  listener.reset();
  Result<std::unique_ptr<Stream>> stream = co_await bench->client()->dial(at, std::nullopt, bench->in(5s));
  EXPECT_EQ(code_of(stream), Error::closed);
  const Address foreign = Address::v4({203, 0, 113, 77});
  stream = co_await bench->client()->dial(at, foreign, bench->in(5s));
  EXPECT_EQ(code_of(stream), Error::denied) << "a source that is not ours";
  co_return true;
}
TEST_P(NetContract, NobodyListensMeansClosed) { bench_->run(refused(bench_.get())); }

Task<bool> stopped(Bench* bench) {
  std::unique_ptr<Listener> listener = listen_one(bench);
  Signal stop;
  spawn(&bench->shard(), "stop", set_after(&bench->shard(), &stop, 30ms));
  Result<std::unique_ptr<Stream>> stream = co_await listener->accept(&stop);
  EXPECT_EQ(code_of(stream), Error::cancelled);
  stream = co_await listener->accept(&stop);
  EXPECT_EQ(code_of(stream), Error::cancelled);
  co_return true;
}
TEST_P(NetContract, StopEndsAccept) { bench_->run(stopped(bench_.get())); }

TEST_P(NetContract, PortZeroTakesAnyAndASecondServerFindsItTaken) {
  Shard* const shards[] = {&bench_->shard(), &bench_->shard()};
  const auto first = bench_->server()->listen(bench_->listen_at(), shards);
  ASSERT_TRUE(first);
  ASSERT_EQ(first->size(), 2U);
  const Endpoint taken = first->front()->local();
  EXPECT_NE(taken.port, 0);
  EXPECT_EQ(first->back()->local(), taken);
  EXPECT_EQ(code_of(bench_->server()->listen(taken, shards)), Error::conflict);
  const Endpoint foreign{.address = Address::v4({203, 0, 113, 77}), .port = 0, .unix_path = {}};
  EXPECT_EQ(code_of(bench_->server()->listen(foreign, shards)), Error::malformed);
}

Task<bool> from_source(Bench* bench) {
  std::unique_ptr<Listener> listener = listen_one(bench);
  const Address own = bench->client()->own_addresses().front();
  Endpoint to = listener->local();
  Result<std::unique_ptr<Stream>> client = co_await bench->client()->dial(std::move(to), own, bench->in(5s));
  EXPECT_TRUE(client);
  if (!client) co_return false;
  Result<std::unique_ptr<Stream>> server = co_await listener->accept(nullptr);
  EXPECT_EQ((*server)->peer().address, own);
  co_return true;
}
TEST_P(NetContract, ASourceAddressIsSeenByThePeer) { bench_->run(from_source(bench_.get())); }

Task<bool> unix_pair(Bench* bench, std::string path) {
  Shard* const shard = &bench->shard();
  Endpoint at;
  at.unix_path = path;
  auto listeners = bench->server()->listen(at, std::span(&shard, 1));
  EXPECT_TRUE(listeners);
  if (!listeners) co_return false;
  Result<std::unique_ptr<Stream>> client = co_await bench->server()->dial(at, std::nullopt, bench->in(5s));
  EXPECT_TRUE(client);
  Result<std::unique_ptr<Stream>> server = co_await listeners->front()->accept(nullptr);
  EXPECT_TRUE(client && server);
  if (!client || !server) co_return false;
  EXPECT_TRUE((*server)->peer_user().has_value());
  EXPECT_EQ((*server)->local(), at);
  const Result<void> asked = co_await (*client)->write("status\n", bench->in(5s));
  EXPECT_TRUE(asked);
  const std::string heard = co_await read_up_to(bench, server->get(), 7);
  EXPECT_EQ(heard, "status\n");
  EXPECT_EQ(code_of(bench->server()->listen(at, std::span(&shard, 1))), Error::conflict);
  co_return true;
}
TEST_P(NetContract, UnixSocketsKnowTheirPeer) {
  const TempDir dir;
  bench_->run(unix_pair(bench_.get(), dir.path + "/control"));
}

// Real sockets alone.

TEST(AsioNetwork, AUnixSocketIsPrivateAndReplacesOnlyAStaleFile) {
  const TempDir dir;
  RealBench bench;
  Shard* const shard = &bench.shard();
  Endpoint at;
  at.unix_path = dir.path + "/control";
  const mode_t before = ::umask(0);
  auto first = bench.server()->listen(at, std::span(&shard, 1));
  ::umask(before);
  ASSERT_TRUE(first);
  struct stat status{};
  ASSERT_EQ(::stat(at.unix_path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  EXPECT_EQ(code_of(bench.server()->listen(at, std::span(&shard, 1))), Error::conflict);
  first->clear();  // leaves the file
  EXPECT_EQ(::stat(at.unix_path.c_str(), &status), 0);
  EXPECT_TRUE(bench.server()->listen(at, std::span(&shard, 1)));
  Endpoint file;
  file.unix_path = dir.path + "/precious";
  std::ofstream(file.unix_path) << "data";
  EXPECT_EQ(code_of(bench.server()->listen(file, std::span(&shard, 1))), Error::conflict);
  EXPECT_TRUE(std::filesystem::exists(file.unix_path));
}

Task<void> restore_limit_after(Shard* shard, rlimit limit, Duration d) {
  Signal nobody;
  [[maybe_unused]] const Result<void> waited = co_await nobody.wait(shard->clock().steady() + d);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

Task<bool> out_of_descriptors(RealBench* bench) {
  std::unique_ptr<Listener> listener = listen_one(bench);
  Endpoint to = listener->local();
  Result<std::unique_ptr<Stream>> client = co_await bench->client()->dial(std::move(to), std::nullopt, bench->in(5s));
  EXPECT_TRUE(client);
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  rlimit tight = before;
  tight.rlim_cur = 1;
  ::setrlimit(RLIMIT_NOFILE, &tight);
  spawn(&bench->shard(), "restore", restore_limit_after(&bench->shard(), before, 180ms));
  Result<std::unique_ptr<Stream>> server = co_await listener->accept(nullptr);
  EXPECT_TRUE(server);
  co_return true;
}
TEST(AsioNetwork, AcceptBacksOffWhileThereAreNoDescriptors) {
  if (kAddressSanitizer) GTEST_SKIP() << "UBSan's check of vptrs opens pipes itself";
  RealBench bench;
  bench.run(out_of_descriptors(&bench));
  EXPECT_NE(bench.lines.all.find("warn net.accept_backed_off at=127.0.0.1:"), std::string::npos) << bench.lines.all;
  EXPECT_EQ(bench.lines.all.find('\n'), bench.lines.all.rfind('\n')) << "one line for a row of failures";
}

Task<void> echo_once(Shard* shard, std::unique_ptr<Stream> stream) {
  std::array<char, 64> buffer{};
  const Result<Ready> ready = co_await stream->wait_readable(shard->clock().steady() + 20s, nullptr);
  EXPECT_TRUE(ready);
  const std::size_t got = stream->read_some(buffer).value_or(0);
  const Result<void> written =
      co_await stream->write(std::string_view(buffer.data(), got), shard->clock().steady() + 20s);
  EXPECT_TRUE(written);
}

Task<void> serve_until(Shard* shard, Listener* listener, Signal* stop, std::atomic<int>* served) {
  for (;;) {
    Result<std::unique_ptr<Stream>> stream = co_await listener->accept(stop);
    if (!stream) break;
    served->fetch_add(1);
    spawn(shard, "echo", echo_once(shard, std::move(*stream)));
  }
}

Task<bool> ask_many(Bench* bench, Endpoint at, int times) {
  for (int i = 0; i < times; ++i) {
    Result<std::unique_ptr<Stream>> stream = co_await bench->client()->dial(at, std::nullopt, bench->in(20s));
    EXPECT_TRUE(stream);
    if (!stream) co_return false;
    const Result<void> asked = co_await (*stream)->write("ping", bench->in(20s));
    EXPECT_TRUE(asked);
    const std::string heard = co_await read_up_to(bench, stream->get(), 4);
    EXPECT_EQ(heard, "ping");
  }
  co_return true;
}

TEST(AsioNetwork, ShardsInThreadsShareAPort) {
  RealBench client;
  SystemClock clock;
  Events events(&clock, LogFormat::text, Level::error, nullptr);
  Shard one(&clock, &events, Shard::Mode::real);
  Shard two(&clock, &events, Shard::Mode::real);
  const std::unique_ptr<Network> network = make_asio_network(&events);
  std::array<Shard*, 2> shards{&one, &two};
  auto listeners = network->listen(client.listen_at(), shards);
  ASSERT_TRUE(listeners);
  Signal stop;
  std::atomic<int> served = 0;
  for (std::size_t i = 0; i < 2; ++i)
    spawn(shards[i], "serve", serve_until(shards[i], (*listeners)[i].get(), &stop, &served));
  {
    std::jthread first([&one] { one.run(); });
    std::jthread second([&two] { two.run(); });
    client.run(ask_many(&client, listeners->front()->local(), 64));
    stop.set();
    while (one.tasks() + two.tasks() > 0) std::this_thread::yield();
    one.stop();
    two.stop();
  }
  EXPECT_EQ(served, 64);
}

Task<void> idle(Stream* stream, Signal* drain, int* woken) {
  const SteadyTime until{std::chrono::hours(24 * 365 * 100)};
  const Result<Ready> ready = co_await stream->wait_readable(until, drain);
  EXPECT_TRUE(ready && *ready == Ready::signalled);
  ++*woken;
}

TEST(AsioNetwork, AnIdleStreamIsSmall) {
  if (kAddressSanitizer || kThreadSanitizer) GTEST_SKIP() << "the sanitizer's allocator does not count";
  constexpr int kPairs = 300;
  RealBench bench;
  std::vector<Pair> pairs;
  pairs.reserve(kPairs);
  bench.run(echo(&bench));
  Signal drain;
  int woken = 0;
  const std::size_t before = ::mallinfo2().uordblks;
  for (int i = 0; i < kPairs; ++i) {
    pairs.push_back(bench.run(connect_pair(&bench)));
    spawn(&bench.shard(), "idle", idle(pairs.back().server.get(), &drain, &woken));
  }
  bench.shard().poll();
  const std::size_t octets = (::mallinfo2().uordblks - before) / kPairs;
  RecordProperty("octets_a_pair", static_cast<int>(octets));
  std::printf("idle: %zu octets for both ends, a listener and one waiting coroutine\n", octets);
  EXPECT_LE(octets, 4096U);
  drain.set();
  while (woken < kPairs) bench.step();
}

}  // namespace
}  // namespace postrider::net
