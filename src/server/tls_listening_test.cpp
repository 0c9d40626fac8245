// Listeners that begin with TLS, over the simulated network.
#include "core/test_run.hpp"
#include "dns/sim_resolver.hpp"
#include "net/sim_network.hpp"
#include "net/tls.hpp"
#include "server/server.hpp"
#include "store/sim_store.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace postrider::server {
namespace {

using std::chrono::seconds;
using Stream = std::unique_ptr<net::Stream>;

constexpr std::uint16_t kHttps = 443;
constexpr std::uint16_t kBehindProxy = 444;
constexpr std::uint16_t kPop3s = 995;

net::Address ip(std::string_view text) { return *net::Address::parse(text); }

class KeptLog final : public LogOutput {
 public:
  void write_line(std::string_view line) override { (text += line) += '\n'; }
  std::string text;
};

/// Says who it talks to and how it is protected.
Task<void> say_who(Clock* clock, Stream stream) {
  const std::string version(stream->tls() ? stream->tls()->version : "nothing");
  const std::string words = fmt::format("{} by {}\n", stream->peer().address.to_text(), version);
  const Result<void> written = co_await stream->write(words, clock->steady() + seconds(5));
  EXPECT_TRUE(written);
  stream->close();
}

class Site {
 public:
  Site() {
    check(::mkdtemp(folder_.data()) != nullptr, "test: a folder");
    const net::SelfSigned made = net::make_self_signed({"mx.here.test"}, world_.clock.wall()).value();
    std::ofstream(folder_ + "/c.pem") << made.certificate;
    std::ofstream(folder_ + "/k.pem") << made.private_key;
    tls_ = net::TlsServer::open({{.names = {}, .chains = {folder_ + "/c.pem"}, .private_keys = {folder_ + "/k.pem"}}},
                                &world_.clock, &system_random_)
               .value();
    Settings settings;
    settings.hostname = "mx.here.test";
    settings.gate = {.max_message_size = 100'000, .max_connections = 2, .max_connections_per_ip = 2};
    settings.queue = queue::default_settings();
    settings.tls = tls_.get();
    settings.listen.push_back(listen_at(Service::https, kHttps));
    settings.listen.push_back(listen_at(Service::https, kBehindProxy));
    settings.listen.back().proxy_protocol_from = {*net::Network4Or6::parse("10.2.0.1")};
    settings.listen.push_back(listen_at(Service::pop3s, kPop3s));
    server_.emplace(Doors{&store_, &world_.clock, &random_, &workers_, &events_, &metrics_,
                          network_.host(ip("10.0.0.1")), &resolver_},
                    std::move(settings));
    check(server_->listen({&world_.shard}).has_value(), "test: listen");
    server_->start([] {}, [] {});
  }
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;
  ~Site() {
    end();
    std::filesystem::remove_all(folder_);
  }
  /// Drains; everything ends.
  void end() {
    server_->drain();
    world_.run_until_still();
    EXPECT_EQ(world_.shard.tasks(), 0U);
    EXPECT_FALSE(log_.text.contains("task.failed")) << log_.text;
  }

  Stream dial(std::string_view from, std::uint16_t port) {
    const net::Endpoint at{.address = ip("10.0.0.1"), .port = port, .unix_path = {}};
    return test::run(world_, network_.host(ip(from))->dial(at, std::nullopt, world_.clock.steady() + seconds(5)))
        .value();
  }
  Result<Stream> protect(Stream stream, std::string alpn = {}) {
    net::TlsAsk ask{.name = "mx.here.test", .verify = net::TlsVerify::name};
    ask.authorities = folder_ + "/c.pem";
    ask.alpn = std::move(alpn);
    return test::run(world_, client_->connect(std::move(stream), std::move(ask), world_.clock.steady() + seconds(5)));
  }
  static Task<std::string> line(Clock* clock, net::Stream* stream) {
    std::string heard;
    std::array<char, 256> buffer{};
    while (!heard.ends_with('\n')) {
      const Result<net::Ready> ready = co_await stream->wait_readable(clock->steady() + seconds(100), nullptr);
      const Result<std::size_t> got = ready ? stream->read_some(buffer) : fail(ready);
      if (!got) co_return heard + "<closed>";
      heard.append(buffer.data(), *got);
    }
    co_return heard;
  }
  std::string hear(const Stream& stream) { return test::run(world_, line(&world_.clock, stream.get())); }
  void say(const Stream& stream, const std::string& octets) { EXPECT_TRUE(stream->write_some(octets)); }
  [[nodiscard]] std::string metrics() const { return server_->metrics(); }
  [[nodiscard]] const std::string& log() const { return log_.text; }
  [[nodiscard]] SteadyTime now() const { return world_.clock.steady(); }

 private:
  Listen listen_at(Service service, std::uint16_t port) {
    Listen listen;
    listen.service = service;
    listen.at = {.address = ip("10.0.0.1"), .port = port, .unix_path = {}};
    listen.handler = [clock = &world_.clock](Stream stream, net::ScratchPool* /*scratch*/, Signal* /*drain*/) {
      return say_who(clock, std::move(stream));
    };
    return listen;
  }

  test::World world_;
  KeptLog log_;
  Events events_{&world_.clock, LogFormat::text, Level::debug, &log_};
  SeededRandom random_{1};
  SystemRandom system_random_;
  Metrics metrics_;
  InlineWorkers workers_;
  store::SimDisk disk_;
  store::SimStore store_{store::SimStoreOptions{.disk = &disk_, .random = &random_}};
  dns::SimResolver resolver_{&random_};
  net::SimNetwork network_{&random_};
  std::string folder_ = testing::TempDir() + "postrider-server-XXXXXX";
  std::unique_ptr<net::TlsClient> client_ = net::TlsClient::make(&world_.clock);
  std::unique_ptr<net::TlsServer> tls_;
  std::optional<Server> server_;
};

TEST(TlsListening, TheHandshakeComesBeforeTheFirstWord) {
  Site site;
  const Result<Stream> stream = site.protect(site.dial("10.9.0.1", kHttps), "http/1.1");
  ASSERT_TRUE(stream) << stream.error().detail;
  EXPECT_EQ(site.hear(*stream), "10.9.0.1 by TLSv1.3\n");
  EXPECT_TRUE(site.metrics().contains("postrider_tls_handshakes_total{version=\"TLSv1.3\"} 1\n")) << site.metrics();
  const Result<Stream> pop3 = site.protect(site.dial("10.9.0.1", kPop3s), "pop3");
  ASSERT_TRUE(pop3) << pop3.error().detail;
  EXPECT_TRUE(site.hear(*pop3).starts_with("+OK "));
}

TEST(TlsListening, AProxyNamesTheClientBeforeTheHandshake) {
  Site site;
  Stream plain = site.dial("10.2.0.1", kBehindProxy);
  site.say(plain, "PROXY TCP4 10.7.0.7 10.0.0.1 5000 444\r\n");
  const Result<Stream> stream = site.protect(std::move(plain));
  ASSERT_TRUE(stream) << stream.error().detail;
  EXPECT_EQ(site.hear(*stream), "10.2.0.1 by TLSv1.3\n");
}

TEST(TlsListening, WhoSpeaksSomethingElseIsCountedAndTold) {
  Site site;
  const Stream stream = site.dial("10.9.0.1", kPop3s);
  site.say(stream, "CAPA\r\nCAPA\r\n");
  EXPECT_TRUE(site.hear(stream).ends_with("<closed>"));
  EXPECT_TRUE(site.metrics().contains("postrider_tls_handshakes_failed_total{why=\"denied\"} 1\n")) << site.metrics();
  EXPECT_TRUE(site.log().contains("info tls.handshake_failed ip=10.9.0.1 alpn=pop3 error=")) << site.log();
  EXPECT_FALSE(site.protect(site.dial("10.9.0.1", kPop3s), "http/1.1")) << "another protocol";
  EXPECT_TRUE(site.metrics().contains("postrider_tls_handshakes_failed_total{why=\"denied\"} 2\n")) << site.metrics();
}

TEST(TlsListening, AHandshakeHasAMinuteAndTakesAPlaceOfASession) {
  Site site;
  const SteadyTime begun = site.now();
  const Stream first = site.dial("10.9.0.1", kPop3s);
  const Stream second = site.dial("10.9.0.1", kPop3s);
  const Stream third = site.dial("10.9.0.1", kPop3s);
  EXPECT_EQ(site.hear(third), "<closed>") << "two are the limit of one address";
  EXPECT_LT(site.now() - begun, seconds(1));
  EXPECT_EQ(site.hear(first), "<closed>");
  EXPECT_EQ(site.now() - begun, seconds(60));
  EXPECT_TRUE(site.log().contains("debug tls.handshake_ended ip=10.9.0.1 alpn=pop3 why=timeout")) << site.log();
  EXPECT_TRUE(site.protect(site.dial("10.9.0.1", kPop3s))) << "the places are free again";
}

TEST(TlsListening, ADrainEndsHandshakes) {
  Site site;
  const Stream silent = site.dial("10.9.0.1", kPop3s);
  const SteadyTime begun = site.now();
  site.end();
  EXPECT_LT(site.now() - begun, seconds(10));
  EXPECT_TRUE(site.log().contains("why=cancelled")) << site.log();
}

}  // namespace
}  // namespace postrider::server
