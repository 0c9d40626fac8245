#include "delivery/deliverer.hpp"

#include "core/await.hpp"
#include "delivery/events.hpp"
#include "delivery/job.hpp"

#include <atomic>

namespace postrider::delivery {

struct Deliverer::Inside {
  Inside(Doors doors, Rooms rooms, const Settings& settings)
      : workshop{.doors = doors,
                 .rooms = rooms,
                 .settings = settings,
                 .turns = MailboxTurns(doors.store, rooms.mailboxes),
                 .destinations = Destinations({doors.clock, doors.random, doors.events}),
                 .reporter = Reporter(doors, rooms, settings),
                 .delivered = outcome(doors, "delivered"),
                 .relayed = outcome(doors, "relayed"),
                 .deferred = outcome(doors, "deferred"),
                 .failed = outcome(doors, "failed"),
                 .put_off = doors.metrics->counter(
                     "postrider_delivery_put_off_total",
                     "Recipients put off without an attempt, as too many waited for their destination")} {}

  static Metric* outcome(const Doors& doors, std::string_view name) {
    return doors.metrics->counter("postrider_delivery_attempts_total", "Ended attempts by outcome",
                                  fmt::format("outcome=\"{}\"", name));
  }

  static Task<void> work(Inside* inside, queue::Job taken) {
    {
      auto job = std::make_shared<Job>(&inside->workshop, std::move(taken));
      co_await Job::run(std::move(job));
    }
    inside->jobs.fetch_sub(1);
    inside->workshop.less.set();
  }

  [[nodiscard]] bool is_full() const {
    return jobs.load() >= kJobsMax || workshop.recipients.load() >= kRecipientsInHandMax;
  }

  Workshop workshop;
  std::atomic<std::size_t> jobs = 0;
};

Deliverer::Deliverer(Doors doors, Rooms rooms, Settings settings)
    : inside_(std::make_unique<Inside>(doors, rooms, settings)) {}
Deliverer::~Deliverer() = default;

namespace {

struct QueueUnreadable {
  static constexpr std::string_view kName = "queue.unreadable";
  static constexpr Level kLevel = Level::error;
  std::string error;
  void fields(FieldSink& sink) const { sink.add("error", error); }
};

constexpr Duration kUnreadablePause = std::chrono::seconds(1);

}  // namespace

Task<void> Deliverer::run(std::vector<Shard*> shards, Signal* stop) {
  Inside& inside = *inside_;
  std::size_t turn = 0;
  inside.workshop.destinations.start();
  while (!stop->is_set()) {
    if (inside.is_full()) {
      inside.workshop.less.clear();
      if (!inside.is_full()) continue;  // ended between the two looks
      const Result<void> room = co_await inside.workshop.less.wait(SteadyTime::never());
      log_if_failed(*inside.workshop.doors.events, room, "waits without a deadline");
      continue;
    }
    Result<queue::Job> job = co_await inside.workshop.rooms.queue->next(stop);
    if (!job) {
      if (job.error().code == Error::cancelled) break;
      inside.workshop.doors.events->emit(QueueUnreadable{.error = describe(job.error())});
      const Result<void> stopped = co_await stop->wait(inside.workshop.doors.clock->steady() + kUnreadablePause);
      if (stopped) break;
      continue;
    }
    inside.jobs.fetch_add(1);
    inside.workshop.recipients.fetch_add(job->recipients.size());
    Shard* const shard = shards[turn++ % shards.size()];
    auto start = [shard, inside = inside_.get(), taken = std::move(*job)]() mutable {
      spawn(shard, "delivery.job", Inside::work(inside, std::move(taken)));
    };
    shard->post(std::move(start));
  }
  inside.workshop.destinations.stop();
  while (inside.jobs.load() > 0) {
    inside.workshop.less.clear();
    if (inside.jobs.load() == 0) break;
    const Result<void> ended = co_await inside.workshop.less.wait(SteadyTime::never());
    log_if_failed(*inside.workshop.doors.events, ended, "waits without a deadline");
  }
  co_await inside.workshop.destinations.closed();
}

}  // namespace postrider::delivery
