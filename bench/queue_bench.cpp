// The queue at size on a RocksStore, without the rest of the service: fills a directory with entries of one recipient
// each, or measures on one that was filled: resident memory, the time from its construction to the first job, to 10,000
// jobs, and of listing 100,000 entries. Usage: postrider_queue_bench fill|measure DIRECTORY ENTRIES
#include "core/await.hpp"
#include "core/events.hpp"
#include "core/numbers.hpp"
#include "queue/queue.hpp"
#include "store/rocks_store.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <string>

namespace postrider::queue {
namespace {

constexpr std::size_t kCommitEntries = 500;
constexpr std::size_t kListed = 100'000;
constexpr std::size_t kJobs = 10'000;

using SteadyClock = std::chrono::steady_clock;

double seconds_since(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

/// VmRSS or VmHWM, in MiB.
double memory(std::string_view what) {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with(what)) return std::stod(line.substr(what.size() + 1)) / 1024;
  }
  return 0;
}

struct Bench {
  store::Store* store;
  Shard* shard;
  Clock* clock;
  Random* random;
  Events* events;
  std::size_t entries = 0;
};

NewEntry entry(QueueIds& ids, Clock& clock, std::size_t number) {
  const std::string domain = fmt::format("destination{}.test", number % 1000);
  NewEntry made{.id = ids.next(),
                .reverse_path = mail::Path(mail::Address::parse("sender@away.test").value()),
                .recipients = {},
                .content = {},
                .return_paths = {},
                .has_eight_bit = false,
                .report_to = ReportTo::sender,
                .request = {},
                .arrival = clock.wall(),
                .client = "192.0.2.1 away.test"};
  made.content.prefix =
      "Received: from away.test (away.test [192.0.2.1])\r\n\tby here.test with ESMTP id 000000000000000000;\r\n"
      "\tSat, 28 Nov 2026 19:00:00 +0000\r\n";
  made.content.body = {.id = {std::string(16, 'b')}, .size_octets = 1000};
  made.recipients.push_back({.address = mail::Address::parse(fmt::format("user{}@{}", number, domain)).value(),
                             .original = std::nullopt,
                             .account = std::nullopt,
                             .request = {}});
  return made;
}

Task<void> fill(Bench* bench) {
  Queue queue(bench->store, bench->clock, bench->random, default_settings(), bench->events);
  QueueIds ids(bench->clock, bench->random);
  for (std::size_t done = 0; done < bench->entries; done += kCommitEntries) {
    store::Transaction transaction;
    for (std::size_t i = 0; i < kCommitEntries; ++i) {
      const NewEntry made = entry(ids, *bench->clock, done + i);
      check(queue.stage_accept(transaction, made).has_value(), "bench: accept");
    }
    const Result<store::Version> committed =
        co_await bench->store->commit(std::move(transaction), store::Durability::lazy);
    check(committed.has_value(), "bench: commit");
  }
  bench->shard->stop();
}

Task<void> measure(Bench* bench) {
  fmt::print("opened: resident {:.0f} MiB\n", memory("VmRSS:"));
  auto start = SteadyClock::now();
  const double cpu_before = cpu_seconds();
  Queue queue(bench->store, bench->clock, bench->random, default_settings(), bench->events);
  Signal stop;
  for (std::size_t i = 0; i < kJobs; ++i) {
    const Result<Job> job = co_await queue.next(&stop);
    check(job.has_value(), "bench: next");
    if (i == 0)
      fmt::print("first job: {:.1f} ms ({:.1f} of CPU), resident {:.0f} MiB\n", 1000 * seconds_since(start),
                 1000 * (cpu_seconds() - cpu_before), memory("VmRSS:"));
  }
  fmt::print("{} jobs: {:.0f} ms, resident {:.0f} MiB\n", kJobs, 1000 * seconds_since(start), memory("VmRSS:"));
  for (int round = 0; round < 5; ++round) {
    start = SteadyClock::now();
    const double cpu = cpu_seconds();
    std::size_t listed = 0;
    std::size_t octets = 0;
    std::optional<QueueId> after;
    while (listed < kListed) {
      const Result<ListPage> page = co_await queue.list({}, after, 1000);
      check(page.has_value(), "bench: list");
      listed += page->entries.size();
      for (const Listed& one : page->entries) octets += one.recipients.front().address.local_part().size();
      after = page->next;
      if (!after) break;
    }
    fmt::print("listed {}: {:.0f} ms, {:.0f} ms of CPU ({} octets of names)\n", listed, 1000 * seconds_since(start),
               1000 * (cpu_seconds() - cpu), octets);
  }
  fmt::print("at the end: resident {:.0f} MiB, at most {:.0f} MiB, depth {}\n", memory("VmRSS:"), memory("VmHWM:"),
             queue.depth());
  bench->shard->stop();
}

int run(bool fills, const std::string& directory, std::size_t entries) {
  SystemClock clock;
  SystemRandom random;
  const std::unique_ptr<LogOutput> output = make_descriptor_output(2);
  Events events(&clock, LogFormat::text, Level::info, output.get());
  const std::unique_ptr<Workers> workers = make_thread_workers(2);
  const auto start = SteadyClock::now();
  const Result<std::unique_ptr<store::Store>> store =
      store::open_rocks_store({.directory = directory, .workers = workers.get(), .random = &random, .events = &events});
  if (!store) {
    fmt::print(stderr, "{}\n", describe(store.error()));
    return 1;
  }
  fmt::print("store opened in {:.0f} ms\n", 1000 * seconds_since(start));
  Shard shard(&clock, &events, Shard::Mode::real);
  Bench bench{.store = store->get(),
              .shard = &shard,
              .clock = &clock,
              .random = &random,
              .events = &events,
              .entries = entries};
  spawn(&shard, "bench", fills ? fill(&bench) : measure(&bench));
  shard.run();
  return 0;
}

}  // namespace
}  // namespace postrider::queue

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  const auto entries = postrider::parse_number<std::size_t>(argc > 3 ? argv[3] : "", {.min = 1, .max = 10'000'000});
  if ((mode != "fill" && mode != "measure") || !entries) {
    std::fputs("usage: postrider_queue_bench fill|measure DIRECTORY ENTRIES\n", stderr);
    return 2;
  }
  return postrider::queue::run(mode == "fill", argv[2], *entries);
}
