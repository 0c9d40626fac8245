// For tests: a queue on a simulated store that can crash, and short words for what one does with it.
#pragma once

#include "core/test_run.hpp"
#include "queue/queue.hpp"
#include "queue/test_accept.hpp"
#include "store/sim_store.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postrider::queue::test {

inline mail::Address address(std::string_view text) { return mail::Address::parse(text).value(); }

inline bool stays_due(Fate fate) { return fate == Fate::retried || fate == Fate::report_delay; }

/// Takes the store that a test brings; the simulated one otherwise.
struct Bench {
  explicit Bench(std::size_t active_max = kActiveEntriesMax) : active(active_max) { open(); }

  void open() {
    store = std::make_unique<store::SimStore>(store::SimStoreOptions{.disk = &disk, .random = &random});
    queue = std::make_unique<Queue>(store.get(), &world.clock, &random, settings, &world.events, active);
  }
  void crash() {
    store->crash();
    queue.reset();
    store.reset();
    open();
  }

  template <class T>
  T run(Task<T> task) {
    std::optional<T> out;  // an id has no default value, and so have the results with one
    postrider::test::run(world, keep(std::move(task), &out));
    return std::move(*out);
  }
  template <class T>
  static Task<bool> keep(Task<T> task, std::optional<T>* out) {
    T value = co_await std::move(task);
    out->emplace(std::move(value));
    co_return true;
  }

  NewEntry entry(std::vector<std::string> recipients) {
    NewEntry made{.id = ids.next(),
                  .reverse_path = mail::Path(address("sender@away.test")),
                  .recipients = {},
                  .content = {},
                  .return_paths = {{.offset = 3, .size_octets = 9}},
                  .has_eight_bit = true,
                  .report_to = ReportTo::sender,
                  .request = {},
                  .arrival = world.clock.wall(),
                  .client = "192.0.2.1 away.test"};
    made.content.prefix = "Received: by here\r\n";
    for (const std::string& one : recipients) {
      made.recipients.push_back(
          {.address = address(one), .original = std::nullopt, .account = std::nullopt, .request = {}});
    }
    return made;
  }

  /// Accepts with a body. `told`: the scheduler hears of it.
  Task<Result<void>> accept(NewEntry* entry, bool told = true) {
    return accept_text(store.get(), queue.get(), entry, "Subject: x\r\n\r\nbody\r\n", told);
  }
  NewEntry accepted(std::vector<std::string> recipients) {
    NewEntry made = entry(std::move(recipients));
    EXPECT_TRUE(run(accept(&made)));
    return made;
  }

  Job next() {
    Signal stop;
    Result<Job> job = run(queue->next(&stop));
    check(job.has_value(), "test: a job");
    return std::move(*job);
  }
  /// Whether there is a job without waiting longer than `within`.
  bool has_job(Duration within) {
    Signal stop;
    const Deadlines::Handle late = world.shard.deadlines().add(world.clock.steady() + within, [&stop] { stop.set(); });
    const Result<Job> job = run(queue->next(&stop));
    if (!job) return false;
    for (const Recipient& recipient : job->recipients) queue->give_back(job->entry.id, recipient.number);
    return true;
  }

  /// Settles all recipients of a job alike, in one commit.
  Task<Result<std::vector<Fate>>> settle_all(Job* job, Outcome outcome) {
    store::Transaction transaction;
    Entry entry = job->entry;
    std::vector<Fate> fates;
    for (const Recipient& recipient : job->recipients) {
      const Result<Fate> fate =
          queue->stage_settle(transaction, entry, recipient, queue->judged(entry, recipient, outcome));
      if (!fate) co_return fail(fate);
      fates.push_back(*fate);
    }
    queue->stage_entry(transaction, entry);
    const Result<store::Version> committed = co_await store->commit(std::move(transaction), store::Durability::durable);
    if (!committed) co_return fail(committed);
    for (const Recipient& recipient : job->recipients) queue->settled(entry.id, recipient.number);
    co_return fates;
  }
  Fate settled(Job job, Attempt attempt) {
    const Outcome outcome{
        .attempt = attempt, .status = "4.2.1", .reply = "451 4.2.1 later\r\n", .remote = "mx.away.test [192.0.2.9]"};
    const Result<std::vector<Fate>> fates = run(settle_all(&job, outcome));
    check(fates.has_value() && !fates->empty(), "test: settled");
    return fates->front();
  }
  Result<ChangePage> change(Change::What what, const QueueId& id) {
    Selection selection;
    selection.ids = {id};
    return run(queue->change({.what = what, .to = {}}, std::move(selection), std::nullopt, 1));
  }
  std::vector<std::string> trace(const QueueId& id) {
    std::vector<std::string> whats;
    const Result<std::vector<TraceEvent>> events = run(queue->trace(id));
    if (!events) return whats;
    for (const TraceEvent& event : *events) whats.push_back(event.what);
    return whats;
  }
  [[nodiscard]] std::size_t keys_with(std::string_view prefix) const {
    std::size_t count = 0;
    for (const auto& [key, value] : disk.synced().keys) count += key.starts_with(prefix) ? 1U : 0U;
    return count;
  }

  postrider::test::World world;
  store::SimDisk disk;
  SeededRandom random{7};
  QueueIds ids{&world.clock, &random};
  std::size_t active;
  Settings settings = default_settings();
  std::unique_ptr<store::SimStore> store;
  std::unique_ptr<Queue> queue;
};

}  // namespace postrider::queue::test
