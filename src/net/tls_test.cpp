// What TLS does beside being a stream (net_contract_test): handshakes, names, versions, tickets, reload.
// Long because: one scene, with its certificates and handshakes, for all that TLS does.
#include "net/test_bench.hpp"
#include "net/tls_stream.hpp"
#include "net/tls_tickets.hpp"

#include <gtest/gtest.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>

namespace postrider::net {
namespace {

constexpr std::size_t kIdleTlsOctetsMax = 15 * 1024;  // OpenSSL 3.0 alone: 13.8 KiB (docs/decisions/0015)
constexpr bool kSanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);

/// How a handshake ended at both ends.
struct Outcome {
  Result<std::unique_ptr<Stream>> client = error(Error::cancelled, "test");
  Result<std::unique_ptr<Stream>> server = error(Error::cancelled, "test");
};

Task<void> accept_tls(TlsServer* server, std::unique_ptr<Stream> stream, std::string alpn, SteadyTime until,
                      Outcome* into, Signal* done) {
  into->server = co_await server->accept(std::move(stream), std::move(alpn), until);
  if (!into->server) into->server.error().detail += ".";  // never empty: the stream is gone with it
  done->set();
}

Task<Outcome> shake(Bench* bench, TlsServer* server, TlsClient* client, TlsAsk ask) {
  Pair pair = co_await connect_pair(bench);
  Outcome outcome;
  Signal done;
  std::string alpn = "smtp";
  spawn(&bench->shard(), "accept",
        accept_tls(server, std::move(pair.server), std::move(alpn), bench->in(60s), &outcome, &done));
  outcome.client = co_await client->connect(std::move(pair.client), std::move(ask), bench->in(60s));
  if (outcome.client) {
    // In TLS 1.3 a client is done before the server has seen whether it is.
    const Result<void> ended = co_await done.wait(bench->in(60s));
    EXPECT_TRUE(ended);
  } else {
    const Result<void> ended = co_await done.wait(bench->in(60s));
    EXPECT_TRUE(ended) << "the server does not wait for a client that is gone";
  }
  co_return outcome;
}

template <class T>
std::string why(const Result<T>& result) {
  return result ? "good" : describe(result.error());
}

/// A simulated world with a directory for certificates.
struct Scene {
  explicit Scene(const SimWeather& weather = {}) : bench(weather), client(TlsClient::make(bench.clock())) {}

  CertificateFiles write(const std::string& name, const std::vector<std::string>& names) {
    return write_certificate(dir.path, name, names, bench.clock()->wall());
  }
  void open(std::vector<CertificateFiles> files) {
    auto opened = TlsServer::open(std::move(files), bench.clock(), &random);
    check(opened.has_value(), opened ? "" : opened.error().detail);
    server = std::move(*opened);
  }
  Outcome handshake(TlsAsk ask) { return bench.run(shake(&bench, server.get(), client.get(), std::move(ask))); }
  TlsAsk verified(const std::string& name, const std::string& authority = "mx") {
    return {.name = name, .verify = TlsVerify::name, .authorities = dir.path + "/" + authority + ".pem"};
  }
  void advance(Duration by) { bench.world.clock.advance(by); }

  TempDir dir;
  SimBench bench;
  SystemRandom random;
  std::unique_ptr<TlsServer> server;
  std::unique_ptr<TlsClient> client;
};

TEST(Tls, AHandshakeSaysWhatProtects) {
  Scene scene;
  scene.open({scene.write("mx", {"mx.example.test"})});
  const Outcome outcome = scene.handshake(scene.verified("mx.example.test"));
  ASSERT_TRUE(outcome.client) << why(outcome.client);
  ASSERT_TRUE(outcome.server) << why(outcome.server);
  const TlsFacts at_client = *(*outcome.client)->tls();
  const TlsFacts at_server = *(*outcome.server)->tls();
  EXPECT_EQ(at_client.version, "TLSv1.3");
  EXPECT_EQ(at_client.cipher, "TLS_AES_256_GCM_SHA384");
  EXPECT_TRUE(at_client.verified);
  EXPECT_EQ(at_server.version, "TLSv1.3");
  EXPECT_FALSE(at_server.verified);
  EXPECT_EQ((*outcome.server)->peer(), (*outcome.client)->local());
}

TEST(Tls, BothEndsHaveTheSameChannelBindings) {
  Scene scene;
  scene.open({scene.write("mx", {"mx.example.test"})});
  const Outcome outcome = scene.handshake({.name = "mx.example.test"});
  for (const ChannelBinding kind : {ChannelBinding::tls_exporter, ChannelBinding::tls_server_end_point}) {
    const Result<std::string> at_client = (*outcome.client)->channel_binding(kind);
    const Result<std::string> at_server = (*outcome.server)->channel_binding(kind);
    ASSERT_TRUE(at_client && at_server);
    EXPECT_EQ(*at_client, *at_server);
    EXPECT_EQ(at_client->size(), 32U);
  }
  const Outcome another = scene.handshake({.name = "mx.example.test"});
  EXPECT_NE(*(*outcome.client)->channel_binding(ChannelBinding::tls_exporter),
            *(*another.client)->channel_binding(ChannelBinding::tls_exporter));
  EXPECT_EQ(*(*outcome.client)->channel_binding(ChannelBinding::tls_server_end_point),
            *(*another.client)->channel_binding(ChannelBinding::tls_server_end_point));
}

TEST(Tls, TheClientVerifiesTheNameTheAuthorityAndTheTime) {
  Scene scene;
  scene.open({scene.write("mx", {"mx.example.test"})});
  (void)scene.write("other", {"mx.example.test"});
  const struct {
    std::string what;
    TlsAsk ask;
    std::string detail;
  } rows[] = {
      {"another name", scene.verified("mx.another.test"), "certificate: hostname mismatch"},
      {"the name's parent", scene.verified("example.test"), "certificate: hostname mismatch"},
      {"an address", scene.verified("192.0.2.1"), "certificate: IP address mismatch"},
      {"another authority", scene.verified("mx.example.test", "other"), "certificate: self-signed certificate"},
      {"the system's authorities",
       {.name = "mx.example.test", .verify = TlsVerify::name},
       "certificate: self-signed certificate"},
      {"no name", {.name = "", .verify = TlsVerify::name}, "there is no name to verify"},
      {"no such file", scene.verified("mx.example.test", "missing"), "missing.pem: No such file or directory"},
  };
  for (const auto& row : rows) {
    const Outcome outcome = scene.handshake(row.ask);
    ASSERT_FALSE(outcome.client) << row.what;
    EXPECT_NE(outcome.client.error().detail.find(row.detail), std::string::npos)
        << row.what << ": " << why(outcome.client);
    EXPECT_FALSE(outcome.server) << row.what;
  }
  const Outcome any = scene.handshake({.name = "mx.another.test"});
  ASSERT_TRUE(any.client) << "an opportunistic client takes it: " << why(any.client);
  EXPECT_FALSE((*any.client)->tls()->verified);
}

TEST(Tls, ACertificateExpiresByTheClock) {
  Scene scene;
  scene.open({scene.write("mx", {"mx.example.test"})});
  scene.advance(std::chrono::days(3649));
  EXPECT_TRUE(scene.handshake(scene.verified("mx.example.test")).client);
  scene.advance(std::chrono::days(2));
  const Outcome late = scene.handshake(scene.verified("mx.example.test"));
  ASSERT_FALSE(late.client);
  EXPECT_EQ(late.client.error().code, Error::denied);
  EXPECT_EQ(late.client.error().detail, "certificate: certificate has expired");
  EXPECT_TRUE(scene.handshake({.name = "mx.example.test"}).client) << "which an opportunistic client does not mind";
}

/// The subject of the certificate that a client which asks for `name` is shown.
std::string shown(Scene& scene, const std::string& name) {
  const Outcome outcome = scene.handshake({.name = name});
  if (!outcome.client) return why(outcome.client);
  auto* const stream = dynamic_cast<TlsStream*>(outcome.client->get());
  const Owned<x509_st> peer(SSL_get1_peer_certificate(stream->ssl()));
  std::string text(256, '\0');
  X509_NAME_get_text_by_NID(X509_get_subject_name(peer.get()), NID_commonName, text.data(), 256);
  text.resize(text.find('\0'));
  return text;
}

TEST(Tls, ANameChoosesTheCertificate) {
  Scene scene;
  CertificateFiles exact = scene.write("exact", {"exact.test"});
  exact.names = {"mail.example.test", "IMAP.example.test"};
  CertificateFiles wild = scene.write("wild", {"wild.test"});
  wild.names = {"*.example.test"};
  scene.open({exact, wild, scene.write("mx", {"default.test"})});
  const struct {
    std::string name;
    std::string subject;
  } rows[] = {
      {"mail.example.test", "exact.test"},  {"MAIL.Example.test", "exact.test"},
      {"imap.example.test", "exact.test"},  {"pop.example.test", "wild.test"},
      {"a.b.example.test", "default.test"}, {"example.test", "default.test"},
      {"other.test", "default.test"},       {"", "default.test"},
      {"192.0.2.1", "default.test"},        {"*.example.test", "wild.test"},
  };
  for (const auto& row : rows) EXPECT_EQ(shown(scene, row.name), row.subject) << row.name;
}

TEST(Tls, WithoutADefaultTheFirstCertificateIsIt) {
  Scene scene;
  CertificateFiles named = scene.write("named", {"named.test"});
  named.names = {"named.test"};
  CertificateFiles second = scene.write("second", {"second.test"});
  second.names = {"second.test"};
  scene.open({named, second});
  EXPECT_EQ(shown(scene, "other.test"), "named.test");
  EXPECT_EQ(shown(scene, "second.test"), "second.test");
}

TEST(Tls, AClientThatWantsAnotherProtocolIsRefused) {
  Scene scene;
  scene.open({scene.write("mx", {"mx.example.test"})});
  TlsAsk ask{.name = "mx.example.test"};
  ask.alpn = "http/1.1";
  const Outcome other = scene.handshake(ask);
  ASSERT_FALSE(other.client);
  EXPECT_EQ(other.client.error().code, Error::denied);
  ASSERT_FALSE(other.server);
  EXPECT_EQ(other.server.error().code, Error::denied);
  ask.alpn = "smtp";
  EXPECT_TRUE(scene.handshake(ask).client);
}

TEST(Tls, FilesThatAreNoGoodAreNamed) {
  Scene scene;
  const CertificateFiles good = scene.write("mx", {"mx.example.test"});
  const CertificateFiles other = scene.write("other", {"other.test"});
  std::ofstream(scene.dir.path + "/text.pem") << "not PEM\n";
  std::ofstream(scene.dir.path + "/huge.pem") << std::string(kTlsUnsentOctetsMax * 17, 'x');
  const std::string text = scene.dir.path + "/text.pem";
  const std::string none = scene.dir.path + "/none.pem";
  CertificateFiles twice = good;
  twice.names = {"a.test", "A.test"};
  const struct {
    std::string what;
    std::vector<CertificateFiles> files;
    Error::Code code;
    std::string detail;
  } rows[] = {
      {"another key",
       {{.names = {}, .chains = good.chains, .private_keys = other.private_keys}},
       Error::malformed,
       "other.key: is not the private key of the certificate in "},
      {"no certificate",
       {{.names = {}, .chains = {text}, .private_keys = good.private_keys}},
       Error::malformed,
       "text.pem: holds no certificate in PEM"},
      {"no key",
       {{.names = {}, .chains = good.chains, .private_keys = {text}}},
       Error::malformed,
       "text.pem: holds no private key in PEM"},
      {"no file",
       {{.names = {}, .chains = {none}, .private_keys = good.private_keys}},
       Error::not_found,
       "none.pem: No such file or directory"},
      {"no directory",
       {{.names = {}, .chains = {"/nowhere/x.pem"}, .private_keys = good.private_keys}},
       Error::not_found,
       "/nowhere/x.pem: No such file or directory"},
      {"too large",
       {{.names = {}, .chains = {scene.dir.path + "/huge.pem"}, .private_keys = good.private_keys}},
       Error::too_long,
       "huge.pem"},
      {"nothing", {}, Error::malformed, "there is none"},
      {"a key too few",
       {{.names = {}, .chains = good.chains, .private_keys = {}}},
       Error::malformed,
       "one private key for each"},
      {"a name twice", {twice}, Error::malformed, "two certificates for A.test"},
      {"a kind of key twice",
       {{.names = {},
         .chains = {good.chains[0], other.chains[0]},
         .private_keys = {good.private_keys[0], other.private_keys[0]}}},
       Error::malformed,
       "other.pem: is the second one for its kind of key"},
  };
  for (const auto& row : rows) {
    const auto opened = TlsServer::open(row.files, scene.bench.clock(), &scene.random);
    ASSERT_FALSE(opened) << row.what;
    EXPECT_EQ(opened.error().code, row.code) << row.what;
    EXPECT_NE(opened.error().detail.find(row.detail), std::string::npos) << row.what << ": " << why(opened);
  }
}

TEST(Tls, AReloadShowsTheNewFilesAndLeavesSessionsAlone) {
  Scene scene;
  const CertificateFiles files = scene.write("mx", {"old.test"});
  scene.open({files});
  const Outcome standing = scene.handshake({.name = "mx.example.test"});
  const std::string old_serial = scene.server->certificates().front().serial;
  (void)scene.write("next", {"new.test"});
  for (const std::string end : {".pem", ".key"})
    std::filesystem::rename(scene.dir.path + "/next" + end, scene.dir.path + "/mx" + end);
  EXPECT_EQ(shown(scene, ""), "old.test") << "before the reload";
  ASSERT_TRUE(scene.server->reload({files}));
  EXPECT_EQ(shown(scene, ""), "new.test");
  const CertificateFacts facts = scene.server->certificates().front();
  EXPECT_NE(facts.serial, old_serial);
  EXPECT_EQ(facts.serial.size(), 32U);
  EXPECT_EQ(facts.subject, "CN=new.test");
  EXPECT_EQ(facts.dns_names, std::vector<std::string>{"new.test"});
  EXPECT_EQ(facts.file, scene.dir.path + "/mx.pem");
  EXPECT_EQ(facts.spki_sha256.size(), 64U);
  EXPECT_EQ(facts.not_after - facts.not_before, std::chrono::days(3651));

  std::ofstream(scene.dir.path + "/mx.pem") << "half a file";
  const Result<void> broken = scene.server->reload({files});
  ASSERT_FALSE(broken);
  EXPECT_EQ(shown(scene, ""), "new.test") << "the old ones stay";
  std::array<char, 8> buffer{};
  EXPECT_TRUE((*standing.server)->write_some("x"));
  EXPECT_EQ((*standing.client)->read_some(buffer).value_or(0), 1U) << "a session that stands goes on";
}

// Peers that are not ours.

/// What a client of any kind says, and what it hears before the server ends it; `cut`: octets a write.
Task<std::string> say(Bench* bench, TlsServer* server, std::string octets, Result<std::unique_ptr<Stream>>* end) {
  Pair pair = co_await connect_pair(bench);
  const Result<void> said = co_await pair.client->write(octets, bench->in(5s));
  EXPECT_TRUE(said);
  std::string alpn = "smtp";
  *end = co_await server->accept(std::move(pair.server), std::move(alpn), bench->in(5s));
  std::string heard = co_await read_up_to(bench, pair.client.get(), 4096);
  co_return heard;
}

TEST(Tls, WhatIsNoHelloIsRefusedWithAnAlert) {
  Scene scene;
  scene.open({scene.write("mx", {"mx.example.test"})});
  const std::string rows[] = {"EHLO client.example.test\r\nMAIL FROM:<a@b.test>\r\n",
                              "GET / HTTP/1.1\r\nHost: mx.example.test\r\n\r\n", std::string(4096, '\0'),
                              std::string("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", 10),
                              std::string("\x80\x2e\x01\x00\x02", 5) + std::string(64, 'x')};
  for (const std::string& row : rows) {
    Result<std::unique_ptr<Stream>> end = error(Error::cancelled, "test");
    const std::string heard = scene.bench.run(say(&scene.bench, scene.server.get(), row, &end));
    ASSERT_FALSE(end) << row;
    EXPECT_EQ(end.error().code, Error::denied) << row << why(end);
    EXPECT_NE(end.error().detail, "no reason given") << row;
    EXPECT_LE(heard.size(), 7U) << "an alert at most";
  }
}

/// A client hello as it goes over the wire.
std::string hello_octets() {
  const Owned<ssl_ctx_st> context = make_context(TlsSide::client);
  const Owned<ssl_st> ssl(SSL_new(context.get()));
  SSL_set_connect_state(ssl.get());
  SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  (void)SSL_do_handshake(ssl.get());
  char* octets = nullptr;
  const long size = BIO_get_mem_data(SSL_get_wbio(ssl.get()), &octets);
  return {octets, static_cast<std::size_t>(size)};
}

TEST(Tls, WhatNobodyReadsIsBounded) {
  Scene scene;
  const CertificateFiles files = scene.write("mx", {"mx.example.test"});
  std::ifstream in(files.chains.front());
  const std::string certificate((std::istreambuf_iterator<char>(in)), {});
  std::ofstream out(files.chains.front(), std::ios::app);
  for (std::size_t octets = 0; octets < 2 * (kTlsUnsentOctetsMax + kSimPipeOctets); octets += certificate.size())
    out << certificate;
  out.close();
  scene.open({files});
  Result<std::unique_ptr<Stream>> end = error(Error::cancelled, "test");
  (void)scene.bench.run(say(&scene.bench, scene.server.get(), hello_octets(), &end));
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, Error::closed);
  EXPECT_EQ(end.error().detail, "the peer makes us write and does not read");
}

/// So many key updates of the client's (8446 §4.6.3), then a line. Ends early when the server does not take them.
Task<void> update_keys(Bench* bench, TlsStream* client, std::size_t times, Signal* done) {
  for (std::size_t i = 0; i < times; ++i) {
    EXPECT_EQ(SSL_key_update(client->ssl(), SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    if (SSL_do_handshake(client->ssl()) != 1) break;
    const Result<void> written = co_await client->wait_writable(bench->in(5s));
    if (!written) break;
  }
  const Result<void> said = co_await client->write("NOOP\r\n", bench->in(5s));
  (void)said;  // what the server heard is looked at
  done->set();
}

/// What the server hears behind so many key updates.
Task<std::string> hear_behind_key_updates(Scene* scene, std::size_t times) {
  Bench* const bench = &scene->bench;
  Outcome outcome = co_await shake(bench, scene->server.get(), scene->client.get(), {.name = "mx.example.test"});
  Signal done;
  auto* const client = static_cast<TlsStream*>(outcome.client->get());
  spawn(&bench->shard(), "updates", update_keys(bench, client, times, &done));
  std::string heard = co_await read_up_to(bench, outcome.server->get(), 6);
  (*outcome.server)->close();
  const Result<void> ended = co_await done.wait(bench->in(60s));
  EXPECT_TRUE(ended);
  co_return heard;
}

TEST(Tls, WhoSaysMuchToTlsAndNothingToUsIsClosed) {
  Scene scene;
  scene.open({scene.write("mx", {"mx.example.test"})});
  constexpr std::size_t kUpdateOctets = 22 + 5;
  const std::size_t limit = kTlsSilentOctetsMax / kUpdateOctets;
  EXPECT_EQ(scene.bench.run(hear_behind_key_updates(&scene, limit - 10)), "NOOP\r\n");
  EXPECT_EQ(scene.bench.run(hear_behind_key_updates(&scene, limit + 10)), "");
}

/// Lines with many key updates between them, all there before the server reads. Gives what it reads at once, and later.
Task<std::pair<std::size_t, std::size_t>> read_among_key_updates(Scene* scene) {
  Bench* const bench = &scene->bench;
  Outcome outcome = co_await shake(bench, scene->server.get(), scene->client.get(), {.name = "mx.example.test"});
  auto* const client = static_cast<TlsStream*>(outcome.client->get());
  constexpr std::size_t kLines = 2;
  for (std::size_t line = 0; line < kLines; ++line) {
    Signal done;
    co_await update_keys(bench, client, 1'000, &done);
  }
  std::array<char, 4096> buffer{};
  const Result<std::size_t> at_once = (*outcome.server)->read_some(buffer);
  EXPECT_TRUE(at_once);
  const std::string rest = co_await read_up_to(bench, outcome.server->get(), kLines * 6 - at_once.value_or(0));
  co_return std::pair(at_once.value_or(0), rest.size());
}
TEST(Tls, NobodyKeepsAShardBusyWithKeyUpdates) {
  Scene scene;
  scene.open({scene.write("mx", {"mx.example.test"})});
  const auto [at_once, later] = scene.bench.run(read_among_key_updates(&scene));
  EXPECT_LT(at_once, 12U) << "it ends after its turn";
  EXPECT_EQ(at_once + later, 12U) << "and goes on in the next";
}

TEST(Tls, ASilentClientIsLateAndAHalfHelloTooAndTheDrainEndsTheWait) {
  Scene scene;
  scene.open({scene.write("mx", {"mx.example.test"})});
  for (const std::string row : {"", "\x16\x03\x01\x02"}) {
    Result<std::unique_ptr<Stream>> end = error(Error::cancelled, "test");
    (void)scene.bench.run(say(&scene.bench, scene.server.get(), row, &end));
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().code, Error::timeout);
  }
}

Task<Error::Code> drained(Bench* bench, TlsServer* server) {
  Pair pair = co_await connect_pair(bench);
  Signal drain;
  drain.set();
  std::string alpn = "smtp";
  const Result<std::unique_ptr<Stream>> end =
      co_await server->accept(std::move(pair.server), std::move(alpn), bench->in(60s), &drain);
  co_return end ? Error::conflict : end.error().code;
}
TEST(Tls, ADrainEndsAHandshake) {
  Scene scene;
  scene.open({scene.write("mx", {"mx.example.test"})});
  EXPECT_EQ(scene.bench.run(drained(&scene.bench, scene.server.get())), Error::cancelled);
}

/// A connection that breaks after `octets`, both ways together: whatever happens, both ends end by themselves, and
/// nothing false is read. Gives whether it got to the end.
Task<bool> cut(Scene* scene, std::uint64_t octets) {
  Bench* const bench = &scene->bench;
  scene->bench.network.break_next(scene->bench.server_address, octets);
  Outcome outcome = co_await shake(bench, scene->server.get(), scene->client.get(), {.name = "mx.example.test"});
  if (!outcome.client || !outcome.server) {
    for (const auto* end : {&outcome.client, &outcome.server}) {
      if (!*end) EXPECT_EQ(end->error().code, Error::closed) << octets << ": " << why(*end);
    }
    co_return false;
  }
  const Result<void> said = co_await (*outcome.client)->write("NOOP\r\n", bench->in(5s));
  const std::string heard = co_await read_up_to(bench, outcome.server->get(), 6);
  EXPECT_TRUE(heard == "NOOP\r\n" || heard.empty()) << octets;
  if (heard.empty()) {
    std::array<char, 8> buffer{};
    const Result<std::size_t> after = (*outcome.server)->read_some(buffer);
    EXPECT_FALSE(after) << octets;
    if (!after) EXPECT_EQ(after.error().code, Error::closed);
    const Result<void> answer = co_await (*outcome.server)->write("250\r\n", bench->in(5s));
    EXPECT_FALSE(answer);
  }
  co_return !heard.empty();
}

TEST(Tls, AConnectionThatIsCutAtAnyOctetEndsAsClosed) {
  Scene scene;
  scene.open({scene.write("mx", {"mx.example.test"})});
  std::uint64_t octets = 0;
  while (!scene.bench.run(cut(&scene, octets))) {
    ++octets;
    ASSERT_LT(octets, 10'000U);
  }
  EXPECT_GT(octets, 500U) << "a handshake and a line";
}

Task<bool> truncated(Scene* scene) {
  Bench* const bench = &scene->bench;
  Outcome outcome = co_await shake(bench, scene->server.get(), scene->client.get(), {.name = "mx.example.test"});
  scene->bench.network.set_down(scene->bench.client_address);
  const Result<Ready> ready = co_await (*outcome.server)->wait_readable(bench->in(5s), nullptr);
  EXPECT_TRUE(ready);
  std::array<char, 8> buffer{};
  for (int i = 0; i < 2; ++i) {
    const Result<std::size_t> end = (*outcome.server)->read_some(buffer);
    EXPECT_FALSE(end);
    if (!end) EXPECT_EQ(end.error().code, Error::closed);
  }
  co_return true;
}
TEST(Tls, AnEndWithoutCloseNotifyIsClosed) {
  Scene scene;
  scene.open({scene.write("mx", {"mx.example.test"})});
  scene.bench.run(truncated(&scene));
}

// Resumption, with a client that keeps its session.

/// Speaks to `server` once, offering `session` (may be null); gives whether it was taken up, and the next session.
Task<std::pair<bool, SSL_SESSION*>> visit(Bench* bench, TlsServer* server, SSL_CTX* context, SSL_SESSION* session) {
  Pair pair = co_await connect_pair(bench);
  Outcome outcome;
  Signal done;
  std::string alpn = "smtp";
  spawn(&bench->shard(), "accept",
        accept_tls(server, std::move(pair.server), std::move(alpn), bench->in(5s), &outcome, &done));
  Owned<ssl_st> ssl(SSL_new(context));
  SSL_set_connect_state(ssl.get());
  if (session != nullptr) SSL_set_session(ssl.get(), session);
  TlsStream stream(std::move(pair.client), std::move(ssl));
  const Result<void> shaken = co_await stream.handshake(bench->in(5s), nullptr);
  EXPECT_TRUE(shaken) << why(shaken);
  const Result<void> ended = co_await done.wait(bench->in(5s));
  EXPECT_TRUE(ended && outcome.server);
  if (!ended || !outcome.server) co_return std::pair<bool, SSL_SESSION*>(false, nullptr);
  const Result<void> written = co_await (*outcome.server)->write("220\r\n", bench->in(5s));
  EXPECT_TRUE(written);
  const std::string heard = co_await read_up_to(bench, &stream, 5);  // and the ticket before it
  EXPECT_EQ(heard, "220\r\n");
  const bool resumed = SSL_session_reused(stream.ssl()) == 1;
  EXPECT_EQ(resumed, !(*outcome.server)->channel_binding(ChannelBinding::tls_server_end_point).has_value());
  EXPECT_TRUE((*outcome.server)->channel_binding(ChannelBinding::tls_exporter));
  stream.close();
  co_return std::pair<bool, SSL_SESSION*>(resumed, SSL_get1_session(stream.ssl()));
}

Task<Outcome> shake_with(Bench* bench, TlsServer* server, Owned<ssl_st> ssl) {
  Pair pair = co_await connect_pair(bench);
  Outcome outcome;
  Signal done;
  std::string alpn = "smtp";
  spawn(&bench->shard(), "accept",
        accept_tls(server, std::move(pair.server), std::move(alpn), bench->in(5s), &outcome, &done));
  SSL_set_connect_state(ssl.get());
  TlsStream stream(std::move(pair.client), std::move(ssl));
  const Result<void> shaken = co_await stream.handshake(bench->in(5s), nullptr);
  EXPECT_FALSE(shaken);
  const Result<void> ended = co_await done.wait(bench->in(10s));
  EXPECT_TRUE(ended);
  co_return outcome;
}

class Resumption : public testing::TestWithParam<int> {
 protected:
  Resumption() {
    scene_.open({scene_.write("mx", {"mx.example.test"})});
    SSL_CTX_set_max_proto_version(context_.get(), GetParam());
  }
  ~Resumption() override { SSL_SESSION_free(session_); }
  /// Whether a client that comes back is known.
  bool come_back() {
    const auto [resumed, next] = scene_.bench.run(visit(&scene_.bench, scene_.server.get(), context_.get(), session_));
    SSL_SESSION_free(session_);
    session_ = next;
    return resumed;
  }
  Scene scene_;
  Owned<ssl_ctx_st> context_ = make_context(TlsSide::client);
  SSL_SESSION* session_ = nullptr;
};
INSTANTIATE_TEST_SUITE_P(Versions, Resumption, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const testing::TestParamInfo<int>& info) {
                           return info.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

TEST_P(Resumption, ATicketIsGoodForItsKeysLifeAndOneMore) {
  EXPECT_FALSE(come_back()) << "the first time";
  EXPECT_TRUE(come_back());
  scene_.advance(kTicketKeyLife + 1s);
  EXPECT_TRUE(come_back()) << "under the key before; gets a new ticket";
  scene_.advance(kTicketKeyLife + 1s);
  EXPECT_TRUE(come_back());
  scene_.advance(2 * kTicketKeyLife + 1s);
  EXPECT_FALSE(come_back()) << "under a key that is gone";
  EXPECT_TRUE(come_back());
}

TEST_P(Resumption, AReloadEndsIt) {
  EXPECT_FALSE(come_back());
  EXPECT_TRUE(come_back());
  ASSERT_TRUE(scene_.server->reload({scene_.write("mx", {"mx.example.test"})}));
  EXPECT_FALSE(come_back());
}

TEST_P(Resumption, OldVersionsAndWeakCiphersAreRefused) {
  struct Row {
    int version;
    const char* ciphers;
  };
  for (const Row& row : {Row{TLS1_1_VERSION, "ALL:@SECLEVEL=0"}, Row{TLS1_2_VERSION, "ECDHE+AES:!AESGCM:!AESCCM"},
                         Row{TLS1_2_VERSION, "DHE+AESGCM"}, Row{TLS1_2_VERSION, "kRSA+AESGCM"}}) {
    Owned<ssl_ctx_st> weak = make_context(TlsSide::client);
    SSL_CTX_set_min_proto_version(weak.get(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(weak.get(), row.version);
    ASSERT_EQ(SSL_CTX_set_cipher_list(weak.get(), row.ciphers), 1);
    Owned<ssl_st> ssl(SSL_new(weak.get()));
    const Outcome outcome = scene_.bench.run(shake_with(&scene_.bench, scene_.server.get(), std::move(ssl)));
    EXPECT_FALSE(outcome.server) << row.ciphers;
  }
}

// Cost.

TEST(Tls, AnIdleProtectedStreamIsSmall) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer's allocator does not count";
  constexpr int kPairs = 200;
  RealBench bench;
  std::vector<Pair> pairs;
  const auto in_use = [] { return ::mallinfo2().uordblks; };
  const auto octets_a_server = [&] {
    for (int i = 0; i < kPairs; ++i) pairs.push_back(bench.run(connect_pair(&bench)));
    for (Pair& pair : pairs) pair.client.reset();
    const std::size_t with = in_use();
    for (Pair& pair : pairs) pair.server.reset();
    const std::size_t octets = (with - in_use()) / pairs.size();
    pairs.clear();
    return octets;
  };
  const std::size_t plain = octets_a_server();
  bench.protection = std::make_unique<Protection>(bench.clock());
  const std::size_t octets = octets_a_server() - plain;
  RecordProperty("octets", static_cast<int>(octets));
  std::printf("idle: TLS adds %zu octets to a stream\n", octets);
  EXPECT_LE(octets, kIdleTlsOctetsMax);
}

}  // namespace
}  // namespace postrider::net
