// What every Resolver does alike: records from a file, simulated ones, and libunbound asking an nsd on loopback.
#include "core/random.hpp"
#include "core/signal.hpp"
#include "core/test_run.hpp"
#include "core/text.hpp"
#include "dns/file_resolver.hpp"
#include "dns/sim_resolver.hpp"
#include "dns/unbound_resolver.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

namespace postrider::dns {
namespace {

using namespace std::chrono_literals;

/// Also a zone file's lines, but for those with '!'.
constexpr std::string_view kRecords = R"(; a comment
example.test. MX 20 mx2.Example.TEST.   ; another
example.test. MX 10 mx1.example.test.
null.example.test. MX 0 .
mx1.example.test. A 192.0.2.11
mx1.example.test. A 192.0.2.12
mx1.example.test. AAAA 2001:db8::11
txt.example.test. TXT "v=spf1 ip4:192.0.2.0/24 " "-all; x"
txt2.example.test. TXT "one"
txt2.example.test. TXT "\"t\\wo\032\255"
_s._tcp.example.test. SRV 0 5 465 MX1.example.test.
_no._tcp.example.test. SRV 0 0 0 .
_25._tcp.mx1.example.test. TLSA 3 1 1 00ff a0
c1.example.test. CNAME c2.example.test.
c2.example.test. CNAME C3.example.test.
c3.example.test. CNAME mx1.example.test.
dangling.example.test. CNAME nowhere.example.test.
loop1.example.test. CNAME loop2.example.test.
loop2.example.test. CNAME loop1.example.test.
n01.example.test. CNAME n02.example.test.
n02.example.test. CNAME n03.example.test.
n03.example.test. CNAME n04.example.test.
n04.example.test. CNAME n05.example.test.
n05.example.test. CNAME n06.example.test.
n06.example.test. CNAME n07.example.test.
n07.example.test. CNAME n08.example.test.
n08.example.test. CNAME n09.example.test.
n09.example.test. CNAME n10.example.test.
n10.example.test. CNAME n11.example.test.
n11.example.test. CNAME n12.example.test.
n12.example.test. CNAME n13.example.test.
n13.example.test. CNAME mx1.example.test.
host.broken.test. A !SERVFAIL
)";

int bound_udp_socket(std::uint16_t* port) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  check(::bind(fd, reinterpret_cast<const sockaddr*>(&at), size) == 0, "test: bind");
  check(::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size) == 0, "test: getsockname");
  *port = ntohs(at.sin_port);
  return fd;
}

/// Runs a program in `dir` to its end; gives whether it went well.
bool run_program(const std::string& dir, std::vector<std::string> words) {
  std::string line = "cd '" + dir + "' &&";
  for (const std::string& word : words) line += " " + word;
  return std::system((line + " >/dev/null 2>&1").c_str()) == 0;
}

enum class Signed : std::uint8_t { no, yes };

/// An nsd that serves kRecords on a loopback port.
class Nsd {
 public:
  static constexpr const char* kProgram = "/usr/sbin/nsd";
  static constexpr const char* kSigner = "/usr/bin/ldns-signzone";

  explicit Nsd(Signed wanted = Signed::no) {
    std::string name = testing::TempDir() + "postrider-nsd-XXXXXX";
    check(::mkdtemp(name.data()) != nullptr, "test: mkdtemp");
    dir_ = name;
    write_zone();
    if (wanted == Signed::yes) sign();
    // A port is free when we look; who takes it, or the TCP port of that number, before nsd does makes nsd end.
    for (int ports = 0; ports < kPortsMax && !is_up_; ++ports) {
      end();
      start();
      is_up_ = wait_until_up();
    }
  }
  Nsd(const Nsd&) = delete;
  Nsd& operator=(const Nsd&) = delete;
  ~Nsd() {
    end();
    std::filesystem::remove_all(dir_);
  }
  [[nodiscard]] std::string server() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] bool is_up() const { return is_up_; }
  /// Files with the DS record of the key that signs, and of one that does not.
  [[nodiscard]] std::string anchor() const { return dir_ + "/right.ds"; }
  [[nodiscard]] std::string wrong_anchor() const { return dir_ + "/wrong.ds"; }

 private:
  static constexpr int kPortsMax = 8;

  void start() {
    ::close(bound_udp_socket(&port_));
    write_config();
    std::string config = dir_ + "/nsd.conf";
    std::array<char*, 5> arguments{const_cast<char*>(kProgram), const_cast<char*>("-d"), const_cast<char*>("-c"),
                                   config.data(), nullptr};
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 2, (dir_ + "/log").c_str(), O_WRONLY | O_CREAT, 0600);
    check(::posix_spawn(&pid_, kProgram, &actions, nullptr, arguments.data(), environ) == 0, "test: nsd");
    ::posix_spawn_file_actions_destroy(&actions);
  }

  void end() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

  void sign() const {
    const std::string keygen = "ldns-keygen -r /dev/urandom -k -a ECDSAP256SHA256 example.test";
    check(run_program(dir_,
                      {"key=$(" + keygen + ") && ldns-signzone -f signed example.zone $key && mv $key.ds right.ds"}),
          "test: sign");
    check(run_program(dir_, {"mv signed example.zone && key=$(" + keygen + ") && mv $key.ds wrong.ds"}),
          "test: another key");
  }

  void write_config() const {
    std::ofstream(dir_ + "/nsd.conf")
        << "server:\n  ip-address: 127.0.0.1@" << port_ << "\n  username: \"\"\n  chroot: \"\"\n  zonesdir: \"" << dir_
        << "\"\n  pidfile: \"\"\n  database: \"\"\n  zonelistfile: \"" << dir_
        << "/zone.list\"\n  xfrdfile: \"\"\n  xfrdir: \"" << dir_
        << "\"\n  server-count: 1\n  hide-version: yes\nremote-control:\n  control-enable: no\n"
        << "zone:\n  name: example.test\n  zonefile: example.zone\nzone:\n  name: broken.test\n  zonefile: "
           "missing.zone\n";
  }

  void write_zone() const {
    std::ofstream zone(dir_ + "/example.zone");
    zone << "$TTL 60\nexample.test. SOA ns.example.test. admin.example.test. 1 3600 600 86400 60\nexample.test. NS "
            "ns.example.test.\n"
         << "ns.example.test. A 127.0.0.1\n";
    for (const std::string_view line : split(kRecords, '\n')) {
      if (line.find('!') == std::string_view::npos) zone << line << "\n";
    }
  }

  /// Asks for the SOA until it answers or has ended; each try waits for the socket, not for the clock.
  [[nodiscard]] bool wait_until_up() {
    constexpr std::string_view kQuestion(
        "\x12\x34\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07"
        "example\x04test\x00\x00\x06\x00\x01",
        30);
    std::uint16_t own = 0;
    const int fd = bound_udp_socket(&own);
    const timeval patience{0, 50'000};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port_);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool answered = false;
    for (int tries = 0; tries < 200 && !answered; ++tries) {
      if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
        pid_ = 0;
        break;
      }
      std::array<char, 512> buffer{};
      ::sendto(fd, kQuestion.data(), kQuestion.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
      answered = ::recv(fd, buffer.data(), buffer.size(), 0) > 12;
    }
    ::close(fd);
    return answered;
  }

  std::string dir_;
  std::uint16_t port_ = 0;
  pid_t pid_ = 0;
  bool is_up_ = false;
};

enum class Kind : std::uint8_t { file, sim, unbound };

class ResolverContract : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (GetParam() == Kind::file) {
      resolver_ = make_file_resolver(kRecords).value();
    } else if (GetParam() == Kind::sim) {
      auto sim = std::make_unique<SimResolver>(&random_);
      sim->set_weather({.latency_min = 1ms, .latency_max = 90ms});
      for (const std::string_view line : split(kRecords, '\n')) EXPECT_TRUE(sim->add(line));
      resolver_ = std::move(sim);
    } else {
      if (::access(Nsd::kProgram, X_OK) != 0) GTEST_SKIP() << "nsd is not installed";
      nsd_ = std::make_unique<Nsd>();
      ASSERT_TRUE(nsd_->is_up());
      resolver_ = make_unbound_resolver({.servers = {nsd_->server()}, .trust_anchor = {}}).value();
    }
  }

  template <class T>
  T run(Task<T> task) {
    return test::run(world_, std::move(task), GetParam() == Kind::unbound ? test::Threads::some : test::Threads::none);
  }
  static Name name(std::string_view text) { return Name::parse(text).value(); }

  template <class T>
  static std::string why_not(const Result<T>& result) {
    return result ? "an answer" : std::string(name_of(result.error().code)) + " " + result.error().detail;
  }

  SeededRandom random_{7};
  std::unique_ptr<Nsd> nsd_;
  test::World world_;  // outlives the resolver
  std::unique_ptr<Resolver> resolver_;
};

INSTANTIATE_TEST_SUITE_P(Resolvers, ResolverContract, testing::Values(Kind::file, Kind::sim, Kind::unbound),
                         [](const testing::TestParamInfo<Kind>& info) {
                           return info.param == Kind::file ? "File" : info.param == Kind::sim ? "Sim" : "Unbound";
                         });

TEST_P(ResolverContract, GivesMxWithPreferences) {
  Result<MxAnswer> mx = run(resolver_->mx(name("EXAMPLE.test")));
  ASSERT_TRUE(mx) << why_not(mx);
  std::ranges::sort(mx->records, {}, &MxRecord::preference);
  const std::vector<MxRecord> want{{10, "mx1.example.test"}, {20, "mx2.example.test"}};
  EXPECT_EQ(mx->records, want);
  EXPECT_EQ(mx->security, Security::insecure);
}

TEST_P(ResolverContract, GivesANullMx) {
  const Result<MxAnswer> mx = run(resolver_->mx(name("null.example.test")));
  ASSERT_TRUE(mx) << why_not(mx);
  EXPECT_EQ(mx->records, std::vector<MxRecord>({{0, ""}}));
}

TEST_P(ResolverContract, GivesAddresses) {
  Result<AddressAnswer> a = run(resolver_->a(name("mx1.example.test")));
  ASSERT_TRUE(a) << why_not(a);
  std::ranges::sort(a->addresses);
  const std::vector<std::array<std::uint8_t, 16>> want{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 11},
                                                       {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 12}};
  EXPECT_EQ(a->addresses, want);
  const Result<AddressAnswer> aaaa = run(resolver_->aaaa(name("mx1.example.test")));
  ASSERT_TRUE(aaaa) << why_not(aaaa);
  const std::vector<std::array<std::uint8_t, 16>> six{{0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x11}};
  EXPECT_EQ(aaaa->addresses, six);
}

TEST_P(ResolverContract, JoinsTheStringsOfATxtRecord) {
  const Result<TxtAnswer> txt = run(resolver_->txt(name("txt.example.test")));
  ASSERT_TRUE(txt) << why_not(txt);
  EXPECT_EQ(txt->records, std::vector<std::string>({"v=spf1 ip4:192.0.2.0/24 -all; x"}));
  Result<TxtAnswer> two = run(resolver_->txt(name("txt2.example.test")));
  ASSERT_TRUE(two) << why_not(two);
  std::ranges::sort(two->records);
  EXPECT_EQ(two->records, std::vector<std::string>({"\"t\\wo \xFF", "one"}));
}

TEST_P(ResolverContract, GivesServicesAndTheirCertificates) {
  const Result<SrvAnswer> srv = run(resolver_->srv(name("_s._tcp.example.test")));
  ASSERT_TRUE(srv) << why_not(srv);
  EXPECT_EQ(srv->records, std::vector<SrvRecord>({{0, 5, 465, "mx1.example.test"}}));
  EXPECT_EQ(run(resolver_->srv(name("_no._tcp.example.test"))).value().records,
            std::vector<SrvRecord>({{0, 0, 0, ""}}));
  const Result<TlsaAnswer> tlsa = run(resolver_->tlsa(name("_25._tcp.mx1.example.test")));
  ASSERT_TRUE(tlsa) << why_not(tlsa);
  EXPECT_EQ(tlsa->records, std::vector<TlsaRecord>({{3, 1, 1, std::string("\0\xFF\xA0", 3)}}));
}

TEST_P(ResolverContract, FollowsCnames) {
  const Result<AddressAnswer> a = run(resolver_->a(name("c1.example.test")));
  ASSERT_TRUE(a) << why_not(a);
  EXPECT_EQ(a->addresses.size(), 2U);
  EXPECT_EQ(why_not(run(resolver_->mx(name("c1.example.test")))), "not_found nodata");
  EXPECT_EQ(why_not(run(resolver_->a(name("dangling.example.test")))), "not_found nxdomain");
}

TEST_P(ResolverContract, TellsNoNameFromNoRecord) {
  EXPECT_EQ(why_not(run(resolver_->mx(name("nowhere.example.test")))), "not_found nxdomain");
  EXPECT_EQ(why_not(run(resolver_->mx(name("mx1.example.test")))), "not_found nodata");
  EXPECT_EQ(why_not(run(resolver_->txt(name("mx1.example.test")))), "not_found nodata");
  EXPECT_EQ(why_not(run(resolver_->aaaa(name("example.test")))), "not_found nodata");
}

TEST_P(ResolverContract, AServersFailureIsTransient) {
  const Result<AddressAnswer> a = run(resolver_->a(name("host.broken.test")));
  EXPECT_EQ(why_not(a), "transient servfail");
}

TEST_P(ResolverContract, LoopsAndLongChainsAreTransient) {
  const Result<AddressAnswer> loop = run(resolver_->a(name("loop1.example.test")));
  ASSERT_FALSE(loop);
  EXPECT_EQ(loop.error().code, Error::transient) << why_not(loop);
  const Result<AddressAnswer> chain = run(resolver_->a(name("n01.example.test")));
  ASSERT_FALSE(chain);
  EXPECT_EQ(chain.error().code, Error::transient) << why_not(chain);
}

// File and simulation.

TEST(Name, IsLowerCaseWithoutItsFinalDot) {
  EXPECT_EQ(Name::parse("Example.COM.").value().text(), "example.com");
  EXPECT_EQ(Name::parse("_dmarc.a-b.example").value().text(), "_dmarc.a-b.example");
  EXPECT_EQ(Name::parse(std::string(63, 'a') + ".b").value().text().size(), 65U);
  const std::string longest =
      std::string(63, 'a') + "." + std::string(63, 'b') + "." + std::string(63, 'c') + "." + std::string(61, 'd');
  EXPECT_TRUE(Name::parse(longest + "."));
  EXPECT_EQ(Name::parse(longest + "d").error().code, Error::too_long);
  EXPECT_EQ(Name::parse(std::string(64, 'a')).error().code, Error::too_long);
  for (const std::string_view bad :
       {"", ".", "..", "a..b", ".a", "a b", "a\\.b", "a\tb", "b\xC3\xBC.example", "a.b.."}) {
    const Result<Name> parsed = Name::parse(bad);
    EXPECT_TRUE(!parsed && parsed.error().code == Error::malformed) << bad;
  }
}

TEST(FileRecords, SaysTheLineThatIsWrong) {
  struct Row {
    std::string_view text;
    std::string_view want;
  };
  for (const Row& row : std::to_array<Row>({{"a.test A 192.0.2.1\nb.test A 192.0.2", "line 2: not an address: 192.0.2"},
                                            {"a.test AAAA 192.0.2.1", "line 1: not an address: 192.0.2.1"},
                                            {"a.test A 2001:db8::1", "line 1: not an address: 2001:db8::1"},
                                            {"a.test", "line 1: unknown type "},
                                            {"a.test A", "line 1: no data"},
                                            {"a.test BOGUS x", "line 1: unknown type BOGUS"},
                                            {"a..test A 192.0.2.1", "line 1: not a name: a..test"},
                                            {"a.test MX mx.test", "line 1: MX wants PREFERENCE NAME"},
                                            {"a.test MX 70000 mx.test", "line 1: MX wants PREFERENCE NAME"},
                                            {"a.test MX 10", "line 1: MX wants PREFERENCE NAME"},
                                            {"a.test SRV 0 1 mx", "line 1: SRV wants PRIORITY WEIGHT PORT NAME"},
                                            {"a.test TLSA 3 1 1 0", "line 1: TLSA wants USAGE SELECTOR MATCHING HEX"},
                                            {"a.test TLSA 3 1 1 zz", "line 1: TLSA wants USAGE SELECTOR MATCHING HEX"},
                                            {"a.test TXT bare", "line 1: TXT wants quoted strings"},
                                            {"a.test TXT \"open", "line 1: a string without its closing quote"},
                                            {"a.test TXT \"\\25\"", "line 1: an escape is \\DDD, up to \\255"},
                                            {"a.test TXT \"\\256\"", "line 1: an escape is \\DDD, up to \\255"},
                                            {"a.test TXT \"\\", "line 1: a lone backslash"},
                                            {"a.test CNAME b.test\na.test CNAME c.test", "line 2: a second CNAME"},
                                            {"a.test CNAME b..test", "line 1: CNAME wants NAME"},
                                            {"a.test A !WHAT", "line 1: unknown answer !WHAT"},
                                            {"AD maybe", "line 1: not a name: AD"}})) {
    const Result<Records> records = Records::parse(row.text);
    ASSERT_FALSE(records) << row.text;
    if (row.text.starts_with("AD")) {
      EXPECT_EQ(records.error().detail, "line 1: unknown type maybe");
    } else {
      EXPECT_EQ(records.error().detail, row.want);
    }
  }
}

TEST(FileRecords, MakesAnswersAndMarksThem) {
  const Records records =
      Records::parse(
          "AD yes\r\na.test MX !TIMEOUT\r\na.test A 192.0.2.1\r\nb.test TXT !NXDOMAIN\nb.test A !NODATA\n"
          "c.test PTR x.test.\nd.test CNAME !SERVFAIL\n\n  ; only words\n")
          .value();
  const auto name = [](std::string_view text) { return Name::parse(text).value(); };
  EXPECT_EQ(records.mx(name("a.test")).error().code, Error::timeout);
  EXPECT_EQ(records.a(name("a.test")).value().security, Security::secure);
  EXPECT_EQ(records.txt(name("b.test")).error().detail, "nxdomain");
  EXPECT_EQ(records.a(name("b.test")).error().detail, "nodata");
  EXPECT_EQ(records.a(name("c.test")).error().detail, "nodata");
  EXPECT_EQ(records.a(name("d.test")).error().code, Error::transient);
}

TEST(FileRecords, HoldsTheLimits) {
  std::string text;
  for (int i = 1; i <= 9; ++i) text += fmt::format("l{}.test CNAME l{}.test\n", i, i + 1);
  text += "l10.test A 192.0.2.1\n";
  const std::string piece = "\"" + std::string(128, 'x') + "\" ";
  text += "fits.test TXT ";
  for (int i = 0; i < 128; ++i) text += piece;
  text += "\nover.test TXT \"x\"\nover.test TXT ";
  for (int i = 0; i < 128; ++i) text += piece;
  const Records records = Records::parse(text).value();
  const auto name = [](std::string_view in) { return Name::parse(in).value(); };
  EXPECT_TRUE(records.a(name("l2.test"))) << "8 links";
  EXPECT_EQ(records.a(name("l1.test")).error().code, Error::transient) << "9 links";
  EXPECT_EQ(records.txt(name("fits.test")).value().records.front().size(), kTxtOctetsMax);
  EXPECT_EQ(records.txt(name("over.test")).error().code, Error::too_long);
}

TEST(SimResolver, ALostQuestionEndsAtTheDeadlineAndTheSeedDecides) {
  const auto play = [](std::uint64_t seed) {
    SeededRandom random(seed);
    test::World world;
    SimResolver resolver(&random);
    EXPECT_TRUE(resolver.add("a.test A 192.0.2.1"));
    EXPECT_TRUE(resolver.add("slow.test A !TIMEOUT"));
    const SteadyTime before = world.clock.steady();
    const Result<AddressAnswer> slow = test::run(world, resolver.a(Name::parse("slow.test").value()));
    EXPECT_EQ(slow.error().code, Error::timeout);
    EXPECT_EQ(world.clock.steady() - before, kQuestionTimeout);
    resolver.set_weather({.latency_min = 1ms, .latency_max = 400ms, .servfail_per_1000 = 200, .timeout_per_1000 = 200});
    std::string log;
    for (int i = 0; i < 50; ++i) {
      const Result<AddressAnswer> a = test::run(world, resolver.a(Name::parse("a.test").value()));
      log += fmt::format("{} {}\n", a ? "ok" : name_of(a.error().code), world.clock.steady().since_start.count());
    }
    EXPECT_EQ(resolver.questions(), 51U);
    return log;
  };
  const std::string log = play(3);
  EXPECT_EQ(log, play(3));
  EXPECT_NE(log, play(4));
  for (const std::string_view word : {"ok", "timeout", "transient"}) EXPECT_NE(log.find(word), std::string::npos);
}

// libunbound alone.

TEST(UnboundResolver, ADeadServerMeansTimeoutAtTheDeadline) {
  std::uint16_t port = 0;
  const int deaf = bound_udp_socket(&port);
  test::World world;
  const auto resolver =
      make_unbound_resolver({.servers = {"127.0.0.1:" + std::to_string(port)}, .trust_anchor = {}, .timeout = 150ms})
          .value();
  const SystemClock clock;
  const SteadyTime before = clock.steady();
  const Result<MxAnswer> mx = test::run(world, resolver->mx(Name::parse("example.test").value()), test::Threads::some);
  ASSERT_FALSE(mx);
  EXPECT_EQ(mx.error().code, Error::timeout);
  EXPECT_GE(clock.steady() - before, 150ms);
  ::close(deaf);
}

Task<void> ask_into(Resolver* resolver, Name name, std::optional<Error::Code>* into) {
  const Result<MxAnswer> mx = co_await resolver->mx(std::move(name));
  if (!mx) *into = mx.error().code;
}

TEST(UnboundResolver, EndsWithQuestionsUnderWay) {
  std::uint16_t port = 0;
  const int deaf = bound_udp_socket(&port);
  test::World world;
  auto resolver = make_unbound_resolver({.servers = {"127.0.0.1:" + std::to_string(port)}, .trust_anchor = {}}).value();
  std::vector<std::optional<Error::Code>> codes(20);
  for (std::size_t i = 0; i < codes.size(); ++i) {
    spawn(&world.shard, "ask",
          ask_into(resolver.get(), Name::parse(fmt::format("n{}.example.test", i)).value(), &codes[i]));
  }
  world.shard.poll();
  resolver.reset();
  world.shard.poll();
  for (const std::optional<Error::Code>& code : codes) EXPECT_EQ(code, Error::cancelled);
  ::close(deaf);
}

/// A name server that answers 192.0.2.1, but not at all when a name begins with "silent".
class HalfDeaf {
 public:
  HalfDeaf() : socket_(bound_udp_socket(&port_)), thread_([this] { run(); }) {}
  HalfDeaf(const HalfDeaf&) = delete;
  HalfDeaf& operator=(const HalfDeaf&) = delete;
  ~HalfDeaf() {
    ::shutdown(socket_, SHUT_RDWR);  // ends the read
    thread_.join();
    ::close(socket_);
  }
  [[nodiscard]] std::string at() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  void run() {
    for (;;) {
      std::array<char, 1500> buffer{};
      sockaddr_in from{};
      socklen_t size = sizeof from;
      const ssize_t got =
          ::recvfrom(socket_, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
      if (got <= 12 || size == 0) return;
      const std::string_view query(buffer.data(), static_cast<std::size_t>(got));
      if (query.substr(13).starts_with("silent")) continue;  // behind the header and a length (1035 §4.1)
      const std::size_t question_end = query.find('\0', 12) + 5;
      std::string reply = std::string(query.substr(0, 2)) + std::string("\x81\x80\0\1\0\1\0\0\0\0", 10) +
                          std::string(query.substr(12, question_end - 12)) +
                          std::string("\xC0\x0C\0\1\0\1\0\0\0\0\0\4\xC0\0\2\1", 16);
      ::sendto(socket_, reply.data(), reply.size(), 0, reinterpret_cast<const sockaddr*>(&from), size);
    }
  }
  std::uint16_t port_ = 0;
  int socket_;
  std::thread thread_;
};

Task<void> ask_address(Resolver* resolver, std::string name, std::size_t* answered, Signal* asked) {
  const Result<AddressAnswer> answer = co_await resolver->a(Name::parse(name).value());
  if (answer) ++*answered;
  asked->set();
}

Task<bool> ask_many(Resolver* resolver, Shard* shard, std::string_view what, int times, std::size_t* answered) {
  std::vector<std::unique_ptr<Signal>> asked;
  for (int i = 0; i < times; ++i) {
    asked.push_back(std::make_unique<Signal>());
    spawn(shard, "ask", ask_address(resolver, fmt::format("{}{}.test", what, i), answered, asked.back().get()));
  }
  for (const std::unique_ptr<Signal>& one : asked) (void)co_await one->wait(SteadyTime::never());
  co_return true;
}

TEST(UnboundResolver, NamesWithoutAnAnswerDoNotMakeTheServerDead) {
  const HalfDeaf server;
  test::World world;
  const auto resolver = make_unbound_resolver({.servers = {server.at()}, .trust_anchor = {}, .timeout = 3s}).value();
  std::size_t answered = 0;
  // libunbound gives a server up after 12 seconds in which whatever was asked got no answer.
  for (int round = 0; round < 8; ++round) {
    const std::string what = fmt::format("silent{}x", round);
    test::run(world, ask_many(resolver.get(), &world.shard, what, 100, &answered), test::Threads::some);
  }
  EXPECT_EQ(answered, 0U);
  test::run(world, ask_many(resolver.get(), &world.shard, "heard", 20, &answered), test::Threads::some);
  EXPECT_EQ(answered, 20U);
}

Task<bool> ask_in_turn(Resolver* resolver, int times) {
  bool all = true;
  for (int i = 0; i < times; ++i) {
    Result<Name> name = Name::parse(i % 2 == 0 ? "example.test" : fmt::format("no{}.example.test", i));
    const Result<MxAnswer> mx = co_await resolver->mx(std::move(*name));
    all = all && (i % 2 == 0 ? mx.has_value() : !mx && mx.error().detail == "nxdomain");
  }
  co_return all;
}

TEST(UnboundResolver, AnswersSeveralShardsInThreads) {
  if (::access(Nsd::kProgram, X_OK) != 0) GTEST_SKIP() << "nsd is not installed";
  const Nsd nsd;
  ASSERT_TRUE(nsd.is_up());
  std::array<test::World, 3> worlds;
  const auto resolver = make_unbound_resolver({.servers = {nsd.server()}, .trust_anchor = {}}).value();
  std::atomic<int> right = 0;
  {
    std::vector<std::jthread> threads;
    for (test::World& world : worlds) {
      threads.emplace_back(
          [&] { right += test::run(world, ask_in_turn(resolver.get(), 100), test::Threads::some) ? 1 : 0; });
    }
  }
  EXPECT_EQ(right, 3);
}

TEST(UnboundResolver, TellsSecureFromInsecureFromBogus) {
  if (::access(Nsd::kProgram, X_OK) != 0 || ::access(Nsd::kSigner, X_OK) != 0)
    GTEST_SKIP() << "nsd or ldns-signzone is not installed";
  const Nsd nsd(Signed::yes);
  ASSERT_TRUE(nsd.is_up());
  test::World world;
  const auto ask = [&](const std::string& anchor, std::string_view name) {
    const auto resolver = make_unbound_resolver({.servers = {nsd.server()}, .trust_anchor = anchor}).value();
    const Result<MxAnswer> mx = test::run(world, resolver->mx(Name::parse(name).value()), test::Threads::some);
    if (mx) return std::string(mx->security == Security::secure ? "secure" : "insecure");
    return std::string(name_of(mx.error().code)) + " " + mx.error().detail.substr(0, 5);
  };
  EXPECT_EQ(ask(nsd.anchor(), "example.test"), "secure");
  EXPECT_EQ(ask(nsd.anchor(), "nowhere.example.test"), "not_found nxdom");
  EXPECT_EQ(ask("", "example.test"), "insecure");
  EXPECT_EQ(ask(nsd.wrong_anchor(), "example.test"), "transient bogus") << "with its records in the answer";
}

TEST(UnboundResolver, RefusesOptionsItCannotUse) {
  for (const std::string server : {"dns.example:53", "192.0.2.1", "192.0.2.1:0", ":53", "192.0.2.1:65536"}) {
    const auto resolver = make_unbound_resolver({.servers = {server}, .trust_anchor = {}});
    EXPECT_TRUE(!resolver && resolver.error().code == Error::malformed) << server;
  }
  EXPECT_TRUE(make_unbound_resolver({.servers = {"[::1]:53", "192.0.2.1:53"}, .trust_anchor = {}}));
  EXPECT_EQ(make_unbound_resolver({.servers = {}, .trust_anchor = "/nonexistent"}).error().code, Error::malformed);
}

}  // namespace
}  // namespace postrider::dns
