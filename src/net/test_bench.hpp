// For tests of this room: two hosts with streams between them, plain or protected, over sockets or simulated.
#pragma once

#include "core/random.hpp"
#include "core/test_run.hpp"
#include "net/asio_network.hpp"
#include "net/sim_network.hpp"
#include "net/tls.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace postrider::net {

using namespace std::chrono_literals;

/// A directory that is removed when the test ends.
class TempDir {
 public:
  TempDir() {
    std::string name = testing::TempDir() + "postrider-net-XXXXXX";
    check(::mkdtemp(name.data()) != nullptr, "test: mkdtemp");
    path = name;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() { std::filesystem::remove_all(path); }
  std::string path;
};

/// Writes a certificate that signs itself, and its key, into `dir` as NAME.pem and NAME.key.
inline CertificateFiles write_certificate(const std::string& dir, const std::string& name,
                                          const std::vector<std::string>& names, WallTime now) {
  const Result<SelfSigned> made = make_self_signed(names, now);
  check(made.has_value(), "test: make_self_signed");
  std::ofstream(dir + "/" + name + ".pem") << made->certificate;
  std::ofstream(dir + "/" + name + ".key") << made->private_key;
  return {.names = {}, .chains = {dir + "/" + name + ".pem"}, .private_keys = {dir + "/" + name + ".key"}};
}

/// A server with a certificate for mx.example.test, and a client.
struct Protection {
  explicit Protection(Clock* clock) : client(TlsClient::make(clock)) {
    auto opened =
        TlsServer::open({write_certificate(dir.path, "mx", {"mx.example.test"}, clock->wall())}, clock, &random);
    check(opened.has_value(), "test: TlsServer::open");
    server = std::move(*opened);
  }
  TempDir dir;
  SystemRandom random;
  std::unique_ptr<TlsServer> server;
  std::unique_ptr<TlsClient> client;
};

/// A shard with two hosts on it: for real sockets both are this one.
class Bench {
 public:
  virtual ~Bench() = default;
  virtual Shard& shard() = 0;
  virtual Network* server() = 0;
  virtual Network* client() = 0;
  virtual Endpoint listen_at() = 0;
  virtual void step() = 0;
  virtual Clock* clock() = 0;
  std::unique_ptr<Protection> protection;  ///< what `connect_pair` makes; null: plain

  [[nodiscard]] SteadyTime in(Duration d) { return shard().clock().steady() + d; }

  template <class T>
  T run(Task<T> task) {
    std::optional<T> out;
    std::exception_ptr thrown;
    boost::asio::co_spawn(shard().context(), std::move(task), [&](std::exception_ptr failure, T value) {
      thrown = failure;
      out.emplace(std::move(value));
    });
    while (!out) step();
    if (thrown) std::rethrow_exception(thrown);
    return std::move(*out);
  }
};

inline std::unique_ptr<Bench> with_tls(std::unique_ptr<Bench> bench) {
  bench->protection = std::make_unique<Protection>(bench->clock());
  return bench;
}

struct Lines final : LogOutput {
  void write_line(std::string_view line) override { all.append(line).append("\n"); }
  std::string all;
};

class RealBench final : public Bench {
 public:
  Shard& shard() override { return shard_; }
  Network* server() override { return network_.get(); }
  Network* client() override { return network_.get(); }
  Endpoint listen_at() override { return Endpoint::parse("127.0.0.1:0").value(); }
  Clock* clock() override { return &clock_; }
  void step() override { shard_.context().run_one(); }
  Events& events() { return events_; }
  Lines lines;

 private:
  SystemClock clock_;
  Events events_{&clock_, LogFormat::text, Level::info, &lines};
  Shard shard_{&clock_, &events_, Shard::Mode::real};
  std::unique_ptr<Network> network_ = make_asio_network(&events_);
};

class SimBench final : public Bench {
 public:
  explicit SimBench(const SimWeather& weather = {}, std::uint64_t seed = 1) : random_(seed) {
    network.set_weather(weather);
  }
  Shard& shard() override { return world.shard; }
  Network* server() override { return network.host(server_address); }
  Network* client() override { return network.host(client_address); }
  Endpoint listen_at() override { return Endpoint{.address = server_address, .port = 0, .unix_path = {}}; }
  Clock* clock() override { return &world.clock; }
  void step() override { check(world.step(), "test: the task waits for something that never comes"); }

  const Address server_address = Address::v4({192, 0, 2, 1});
  const Address client_address = Address::v4({192, 0, 2, 2});
  test::World world;

 private:
  SeededRandom random_;

 public:
  SimNetwork network{&random_};
};

struct Pair {
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Stream> client;
  std::unique_ptr<Stream> server;
};

inline std::unique_ptr<Listener> listen_one(Bench* bench) {
  Shard* const shard = &bench->shard();
  Result<std::vector<std::unique_ptr<Listener>>> all =
      bench->server()->listen(bench->listen_at(), std::span(&shard, 1));
  check(all.has_value() && all->size() == 1, "test: listen");
  return std::move(all->front());
}

/// The client's side of a handshake, beside the server's.
struct ClientHandshake {
  Result<std::unique_ptr<Stream>> stream = error(Error::cancelled, "test");
  Signal done;
};
inline Task<void> connect_tls(TlsClient* client, std::unique_ptr<Stream> stream, TlsAsk ask, SteadyTime until,
                              ClientHandshake* into) {
  into->stream = co_await client->connect(std::move(stream), std::move(ask), until);
  into->done.set();
}

/// Makes both ends of a pair speak TLS.
inline Task<void> protect(Bench* bench, Pair* pair) {
  ClientHandshake client;
  TlsAsk ask{.name = "mx.example.test"};
  spawn(&bench->shard(), "handshake",
        connect_tls(bench->protection->client.get(), std::move(pair->client), std::move(ask), bench->in(30s), &client));
  std::string alpn = "smtp";
  Result<std::unique_ptr<Stream>> server =
      co_await bench->protection->server->accept(std::move(pair->server), std::move(alpn), bench->in(30s));
  check(server.has_value(), "test: accept with TLS");
  const Result<void> done = co_await client.done.wait(bench->in(30s));
  check(done && client.stream.has_value(), "test: connect with TLS");
  pair->client = std::move(*client.stream);
  pair->server = std::move(*server);
}

inline Task<Pair> connect_pair(Bench* bench) {
  Pair pair;
  pair.listener = listen_one(bench);
  Endpoint to = pair.listener->local();
  Result<std::unique_ptr<Stream>> client = co_await bench->client()->dial(std::move(to), std::nullopt, bench->in(5s));
  check(client.has_value(), "test: dial");
  pair.client = std::move(*client);
  Result<std::unique_ptr<Stream>> server = co_await pair.listener->accept(nullptr);
  check(server.has_value(), "test: accept");
  pair.server = std::move(*server);
  if (bench->protection != nullptr) co_await protect(bench, &pair);
  co_return pair;
}

/// Reads until `octets_max` octets are there or the stream ends.
inline Task<std::string> read_up_to(Bench* bench, Stream* stream, std::size_t octets_max) {
  std::string all;
  std::array<char, 4096> buffer{};
  while (all.size() < octets_max) {
    const Result<Ready> ready = co_await stream->wait_readable(bench->in(5s), nullptr);
    if (!ready) break;
    const Result<std::size_t> got =
        stream->read_some(std::span(buffer).first(std::min(buffer.size(), octets_max - all.size())));
    if (!got) break;
    all.append(buffer.data(), *got);
  }
  co_return all;
}

template <class T>
Error::Code code_of(const Result<T>& result) {
  check(!result.has_value(), "test: want a failure");
  return result.error().code;
}

struct Joint {
  int left;
  Signal done;
  void leave() {
    if (--left == 0) done.set();
  }
};

inline char pattern(std::size_t at) { return static_cast<char>(at * 31 + (at >> 8) * 7 + (at >> 16)); }

inline Task<void> send_pattern(Bench* bench, Stream* stream, std::size_t octets, Joint* joint) {
  for (std::size_t at = 0; at < octets;) {
    std::string block(std::min<std::size_t>(200'000, octets - at), '\0');
    for (std::size_t i = 0; i < block.size(); ++i) block[i] = pattern(at + i);
    const Result<void> written = co_await stream->write(block, bench->in(30s));
    EXPECT_TRUE(written);
    if (!written) break;
    at += block.size();
  }
  joint->leave();
}

inline Task<void> receive_pattern(Bench* bench, Stream* stream, std::size_t octets, Joint* joint) {
  std::size_t at = 0;
  std::array<char, 8192> buffer{};
  bool same = true;
  while (at < octets) {
    const Result<Ready> ready = co_await stream->wait_readable(bench->in(30s), nullptr);
    if (!ready) break;
    const std::size_t got = stream->read_some(buffer).value_or(0);
    for (std::size_t i = 0; i < got; ++i) same = same && buffer[i] == pattern(at + i);
    at += got;
  }
  EXPECT_EQ(at, octets);
  EXPECT_TRUE(same);
  joint->leave();
}

}  // namespace postrider::net
