// Durable commits a second of RocksStore beside F, the disk's own rate of 4 KiB append + fdatasync (LIMITS.md
// "Figures"). Usage: postrider_store_bench DIRECTORY [waiters] [value octets]
#include "core/await.hpp"
#include "core/events.hpp"
#include "core/numbers.hpp"
#include "store/rocks_store.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>

namespace postrider::store {
namespace {

constexpr auto kRound = std::chrono::seconds(2);
constexpr int kRounds = 5;

using SteadyClock = std::chrono::steady_clock;

double seconds_since(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

double append_rate(const std::string& directory) {
  const std::string path = directory + "/append";
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  check(descriptor >= 0, "bench: open");
  const std::string page(4096, 'x');
  const auto start = SteadyClock::now();
  std::uint64_t count = 0;
  for (; SteadyClock::now() - start < kRound; ++count) {
    check(::write(descriptor, page.data(), page.size()) == 4096 && ::fdatasync(descriptor) == 0, "bench: append");
  }
  const double rate = static_cast<double>(count) / seconds_since(start);
  ::close(descriptor);
  ::unlink(path.c_str());
  return rate;
}

struct Load {
  Store* store;
  Shard* shard;
  std::size_t value_octets;
  SteadyClock::time_point end;
  std::size_t running = 0;
  std::uint64_t commits = 0;
  std::uint64_t next_key = 0;
};

Task<void> commit_until_end(Load* load) {
  while (SteadyClock::now() < load->end) {
    Transaction transaction;
    transaction.put("bench/" + std::to_string(++load->next_key), std::string(load->value_octets, 'v'));
    const Result<Version> done = co_await load->store->commit(std::move(transaction), Durability::durable);
    check(done.has_value(), "bench: commit");
    ++load->commits;
  }
  if (--load->running == 0) load->shard->stop();
}

double commit_rate(Store* store, std::size_t waiters, std::size_t value_octets, std::uint64_t first_key) {
  SystemClock clock;
  Events events(&clock, LogFormat::text, Level::error, nullptr);
  Shard shard(&clock, &events, Shard::Mode::real);
  const auto start = SteadyClock::now();
  Load load{.store = store, .shard = &shard, .value_octets = value_octets, .end = start + kRound};
  load.running = waiters;
  load.next_key = first_key;
  for (std::size_t i = 0; i < waiters; ++i) spawn(&shard, "bench", commit_until_end(&load));
  shard.run();
  return static_cast<double>(load.commits) / seconds_since(start);
}

int run(const std::string& directory, std::size_t waiters, std::size_t value_octets) {
  SystemClock clock;
  SystemRandom random;
  const std::unique_ptr<LogOutput> output = make_descriptor_output(2);
  Events events(&clock, LogFormat::text, Level::info, output.get());
  const std::unique_ptr<Workers> workers = make_thread_workers(2);
  Result<std::unique_ptr<Store>> store = open_rocks_store(
      {.directory = directory + "/store", .workers = workers.get(), .random = &random, .events = &events});
  if (!store) {
    fmt::print(stderr, "{}\n", describe(store.error()));
    return 1;
  }
  for (int round = 0; round < kRounds; ++round) {
    const double appends = append_rate(directory);
    const double commits = commit_rate(store->get(), waiters, value_octets, static_cast<std::uint64_t>(round) << 32U);
    fmt::print("F {:.0f}/s  commits {:.0f}/s ({} waiters, {} octets)  ratio {:.1f}\n", appends, commits, waiters,
               value_octets, commits / appends);
  }
  return 0;
}

}  // namespace
}  // namespace postrider::store

int main(int argc, char** argv) {
  const std::span<char*> arguments(argv, static_cast<std::size_t>(argc));
  if (arguments.size() < 2) return 64;
  const auto number = [&arguments](std::size_t at, std::size_t otherwise) {
    return at < arguments.size() ? postrider::parse_number<std::size_t>(arguments[at]).value_or(otherwise) : otherwise;
  };
  return postrider::store::run(arguments[1], number(2, 100), number(3, 1024));
}
