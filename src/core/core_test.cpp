#include "core/events.hpp"
#include "core/metrics.hpp"
#include "core/numbers.hpp"
#include "core/random.hpp"
#include "core/record.hpp"
#include "core/signal.hpp"
#include "core/test_run.hpp"
#include "core/text.hpp"

#include <gtest/gtest.h>

#include <map>

namespace postrider {
namespace {

using std::chrono::seconds;

TEST(Numbers, TakesPlainDecimalsOnly) {
  EXPECT_EQ(parse_number<std::uint64_t>("18446744073709551615").value_or(0), ~std::uint64_t{0});
  for (const char* bad :
       {"", " 1", "1 ", "+1", "-1", "0x1", "1.0", "1e3", "18446744073709551616", "99999999999999999999999"}) {
    EXPECT_FALSE(parse_number<std::uint64_t>(bad)) << bad;
  }
  EXPECT_EQ(parse_number<int>("7", {.min = 1, .max = 6}).error().code, Error::too_long);
  EXPECT_FALSE(checked_add<std::uint64_t>(~std::uint64_t{0}, 1));
  EXPECT_FALSE(checked_mul<std::uint32_t>(1U << 31U, 2));
}

TEST(Base64, RoundTripsAndRefusesLooseText) {
  for (const std::string text : {"", "f", "fo", "foo", "foob", "\xff\x00z"})
    EXPECT_EQ(from_base64(to_base64(text)).value_or("?"), text);
  for (const char* bad : {"Zg", "Zg=", "Z===", "Zg==\n", "Zm9v=Zg=", "Z*==", "===="})
    EXPECT_FALSE(from_base64(bad)) << bad;
}

TEST(Json, QuotesWhatIsNotPlainUtf8) {
  EXPECT_EQ(json_quoted("a\"b\\\r\n\x01"), R"("a\"b\\\r\n\u0001")");
  EXPECT_EQ(json_quoted("\xc3\xa9\xff\xed\xa0\x80"), "\"\xc3\xa9\\ufffd\\ufffd\\ufffd\\ufffd\"");
}

TEST(Text, KnowsWellFormedUtf8) {
  for (const std::string_view good : {"", "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x93\xa8", "\xf4\x8f\xbf\xbf"})
    EXPECT_TRUE(is_utf8(good)) << to_hex(good);
  for (const std::string_view bad :
       {"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "a\x80"})
    EXPECT_FALSE(is_utf8(bad)) << to_hex(bad);
  EXPECT_TRUE(is_ascii("a\x7f"));
  EXPECT_FALSE(is_ascii("\xc3\xa9"));
}

TEST(Record, RoundTrips) {
  RecordWriter out(3);
  out.number(0).number(~std::uint64_t{0}).signed_number(-5).text("x\0y").flag(true);
  const std::string octets = std::move(out).finish();
  RecordReader in(octets, 3);
  EXPECT_EQ(in.number(), 0U);
  EXPECT_EQ(in.number(), ~std::uint64_t{0});
  EXPECT_EQ(in.signed_number(), -5);
  EXPECT_EQ(in.text(), "x");
  EXPECT_TRUE(in.flag());
  EXPECT_TRUE(in.end());
}

TEST(Record, TheChecksumIsCastagnolis) {  // 3720 App. B.4, and the usual check value
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43U);
  std::string rising;
  for (char c = 0; c < 32; ++c) rising += c;
  EXPECT_EQ(crc32c(rising), 0x46DD794EU);
  EXPECT_EQ(crc32c({}), 0U);
}

TEST(Record, EveryFlippedBitIsFound) {
  RecordWriter out(1);
  out.number(77).text("hello");
  const std::string good = std::move(out).finish();
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(static_cast<unsigned char>(bad[bit / 8]) ^ (1U << (bit % 8)));
    RecordReader in(bad, 1);
    const std::uint64_t number = in.number();
    const std::string text = in.text();
    EXPECT_FALSE(in.end()) << bit << ' ' << number << text;
  }
}

TEST(Record, KeysSortAsNumbers) {
  std::string small;
  std::string large;
  append_u64(small, 255);
  append_u64(large, 256);
  EXPECT_LT(small, large);
  EXPECT_EQ(read_u64(large, 0).value_or(0), 256U);
  EXPECT_EQ(read_u64(large, 1).error().code, Error::corrupt);
}

TEST(Clock, WritesDates) {
  const WallTime at = from_micros(1'777'878'664'300'000);
  EXPECT_EQ(to_rfc3339(at), "2026-05-04T07:11:04.300Z");
  EXPECT_EQ(to_rfc5322_date(at), "Mon, 4 May 2026 07:11:04 +0000");
}

TEST(Random, SameSeedSameNumbersAndBounded) {
  SeededRandom a(42);
  SeededRandom b(42);
  std::map<std::uint64_t, int> seen;
  for (int i = 0; i < 6000; ++i) {
    const std::uint64_t x = a.below(6);
    EXPECT_EQ(x, b.below(6));
    ++seen[x];
  }
  ASSERT_EQ(seen.size(), 6U);
  for (const auto& [number, count] : seen) EXPECT_GT(count, 850) << number;
}

Task<Result<void>> wait_for(Signal* signal, SteadyTime until) { co_return co_await signal->wait(until); }

TEST(Signal, GivesWhenSetAndTimesOutOtherwise) {
  test::World world;
  Signal signal;
  EXPECT_EQ(test::run(world, wait_for(&signal, world.clock.steady() + seconds(5))).error().code, Error::timeout);
  EXPECT_GE(world.clock.steady().since_start, seconds(5));
  signal.set();
  signal.set();
  EXPECT_TRUE(test::run(world, wait_for(&signal, SteadyTime::never())));
  signal.clear();
  EXPECT_FALSE(signal.is_set());
}

Task<void> count_wakes(Signal* signal, int* wakes) {
  const Result<void> woken = co_await signal->wait(SteadyTime::never());
  if (woken) ++*wakes;
}

TEST(Signal, WakesEveryWaiterOnce) {
  test::World world;
  Signal signal;
  int wakes = 0;
  for (int i = 0; i < 3; ++i) spawn(&world.shard, "wait", count_wakes(&signal, &wakes));
  world.run_until_still();
  EXPECT_EQ(wakes, 0);
  signal.set();
  world.run_until_still();
  EXPECT_EQ(wakes, 3);
  EXPECT_EQ(world.shard.tasks(), 0U);
}

TEST(Workers, ResultsComeBackToTheShard) {
  test::World world;
  const std::unique_ptr<Workers> workers = make_thread_workers(2);
  const Result<int> sum =
      test::run(world, run_on<int>(workers.get(), [] { return Result<int>(42); }), test::Threads::some);
  EXPECT_EQ(sum.value_or(0), 42);
}

TEST(Workers, AFullQueueIsExhausted) {
  std::mutex gate;
  std::atomic<bool> taken = false;
  std::atomic<std::size_t> done = 0;
  {
    const std::unique_ptr<Workers> workers = make_thread_workers(1);
    gate.lock();  // the only thread waits here, so that all other jobs wait in the queue
    ASSERT_TRUE(workers->post([&] {
      taken = true;
      taken.notify_one();
      const std::scoped_lock lock(gate);
    }));
    taken.wait(false);
    for (std::size_t i = 0; i < kWorkersQueueMax; ++i) ASSERT_TRUE(workers->post([&] { ++done; }));
    EXPECT_EQ(workers->post([] {}).error().code, Error::exhausted);
    gate.unlock();
  }
  EXPECT_EQ(done, kWorkersQueueMax);  // the destructor runs what is queued
}

TEST(Deadlines, FireInOrderAtTheirTimeAndNotAfterTheyAreCancelled) {
  Deadlines deadlines;
  std::string fired;
  const SteadyTime at{seconds(10)};
  const Deadlines::Handle second = deadlines.add(at, [&] { fired += "b"; });
  const Deadlines::Handle first = deadlines.add(SteadyTime{seconds(5)}, [&] { fired += "a"; });
  Deadlines::Handle gone = deadlines.add(SteadyTime{seconds(7)}, [&] { fired += "x"; });
  gone.cancel();
  deadlines.sweep(SteadyTime{seconds(4)});
  EXPECT_EQ(fired, "");
  deadlines.sweep(at);
  EXPECT_EQ(fired, "ab");
  EXPECT_FALSE(deadlines.next());
}

struct Lines final : LogOutput {
  void write_line(std::string_view line) override { last = line; }
  std::string last;
};

struct Greeted {
  static constexpr std::string_view kName = "smtp.greeted";
  static constexpr Level kLevel = Level::info;
  std::string_view ip;
  std::string_view hello;
  void fields(FieldSink& sink) const {
    sink.add("ip", ip);
    sink.add("port", 25);
    sink.add("hello", hello);
  }
};

TEST(Events, OutsideTextCannotForgeALine) {
  SimClock clock(from_micros(1'777'878'664'300'000));
  Lines lines;
  Events text(&clock, LogFormat::text, Level::info, &lines);
  text.emit(Greeted{.ip = "192.0.2.1", .hello = "x\r\n2026 error forged ip=1"});
  EXPECT_EQ(lines.last,
            R"(2026-05-04T07:11:04.300Z info smtp.greeted ip=192.0.2.1 port=25 hello="x\r\n2026 error forged ip=1")");
  Events json(&clock, LogFormat::json, Level::info, &lines);
  json.emit(Greeted{.ip = "192.0.2.1", .hello = "a b"});
  EXPECT_EQ(
      lines.last,
      R"({"v":1,"time":"2026-05-04T07:11:04.300Z","level":"info","event":"smtp.greeted","ip":"192.0.2.1","port":25,"hello":"a b"})");
  lines.last.clear();
  Events quiet(&clock, LogFormat::text, Level::warn, &lines);
  quiet.emit(Greeted{.ip = "192.0.2.1", .hello = "a"});
  EXPECT_EQ(lines.last, "");
}

TEST(Metrics, RendersSorted) {
  Metrics metrics;
  metrics.counter("b_total", "Second")->add(2);
  metrics.gauge("a", "First", R"(service="smtp")")->set(-1);
  EXPECT_EQ(metrics.render(),
            "# HELP a First\n# TYPE a gauge\na{service=\"smtp\"} -1\n# HELP b_total Second\n# TYPE b_total "
            "counter\nb_total 2\n");
}

}  // namespace
}  // namespace postrider
