// One job in hand: the recipients of one entry, carried to where they go. Inside of the deliverer.
#pragma once

#include "core/signal.hpp"
#include "delivery/deliverer.hpp"
#include "delivery/destinations.hpp"
#include "delivery/mailbox_turns.hpp"
#include "delivery/report.hpp"

#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace postrider::delivery {

/// How often a commit is tried that meets others of the same entry: what was relayed and is given back goes out twice.
inline constexpr int kCommitTriesMax = 50;

/// What all jobs share.
struct Workshop {
  Doors doors;
  Rooms rooms;
  Settings settings;
  MailboxTurns turns;
  Destinations destinations;
  Reporter reporter;
  Metric* delivered;
  Metric* relayed;
  Metric* deferred;
  Metric* failed;
  Metric* put_off;
  std::atomic<std::size_t> recipients = 0;  // in hand
  Signal less = {};                         // is in hand than before
};

/// A recipient with what became of it.
struct Ended {
  queue::Recipient recipient;
  queue::Outcome outcome;
};

inline constexpr Duration kReportsGatheredFor = std::chrono::seconds(30);

class Job {
 public:
  /// The job's recipients are counted in `Workshop::recipients` already; this object takes them off.
  Job(Workshop* workshop, queue::Job job);
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;
  ~Job();

  /// Carries every recipient of the job; each is settled, put off or given back when this ends. One shard.
  [[nodiscard]] static Task<void> run(std::shared_ptr<Job> job);  // shared: the groups of a job end in any order

 private:
  /// Recipients that go out together.
  struct Group {
    std::string destination;
    route::Query query;
    mail::Path reverse_path;
    std::vector<queue::Recipient> recipients;
  };
  using Groups = std::vector<Group>;

  // job.cpp
  /// Settles those for whom something is ordered in place of delivery, and all when the time is over; gives the rest.
  [[nodiscard]] Task<std::vector<queue::Recipient>> take_orders();
  [[nodiscard]] mail::Path sender_of(const queue::Recipient& recipient) const;
  /// By where they go, without asking for names. Those that go nowhere over the network are settled or delivered.
  [[nodiscard]] Task<Groups> find_groups(std::vector<queue::Recipient> recipients);
  [[nodiscard]] Task<void> end_here(Group group);
  /// Carries groups side by side. What is to be reported waits for the last of them, at most kReportsGatheredFor.
  [[nodiscard]] static Task<void> carry_all(std::shared_ptr<Job> job, Groups groups);
  [[nodiscard]] static Task<void> carry(std::shared_ptr<Job> job, Group group);
  [[nodiscard]] static Task<void> carry_now(std::shared_ptr<Job> job, Group group, Destinations::Slot slot);
  [[nodiscard]] RelayMessage message_of(const Group& group) const;
  [[nodiscard]] Task<void> put_off(std::vector<queue::Recipient> recipients, WallTime until);

  // local.cpp
  [[nodiscard]] Task<void> deliver_locally(queue::Recipient recipient);
  /// One without a mailbox that a route sends to the directory.
  [[nodiscard]] Task<void> resolve_again(queue::Recipient recipient);
  /// The commit that takes the recipient off the queue and appends to the mailbox: exactly once, whatever crashes.
  [[nodiscard]] Task<Result<void>> append(queue::Recipient recipient);
  /// Stages the report of a local delivery where `fate` asks for one (3461 §4.1), so that both are said in one commit.
  [[nodiscard]] Task<Result<std::optional<queue::NewEntry>>> stage_success(store::Transaction* transaction,
                                                                           queue::Fate fate, Ended ended);

  // settle.cpp
  [[nodiscard]] Task<void> settle_all(std::vector<queue::Recipient> recipients, queue::Outcome outcome);
  /// Commits outcomes; those that somebody is to be told of are gathered until `tell_gathered`, so that a message's
  /// failures at several destinations are one report. Until then they are in the queue as they were.
  [[nodiscard]] Task<void> settle(std::vector<Ended> ended);
  [[nodiscard]] Task<void> tell_gathered();
  /// Commits outcomes that were judged, with the reports that they lead to: as many in one commit as it takes, so that
  /// whoever hears of them hears once. Those that could not be committed are given back.
  [[nodiscard]] Task<void> settle_now(std::vector<Ended> ended);
  /// The first of `ended`: those leave it.
  [[nodiscard]] Task<void> settle_some(std::vector<Ended>* ended);
  /// What a commit works from.
  enum class Basis : std::uint8_t {
    as_known,
    read_again,  ///< after a conflict; recipients that are gone leave `ended`
  };
  /// One try: stages the first of `ended`, at most `most`; `count` gives how many. Errors  conflict: try again, from
  /// what is read again; too_long: try fewer.
  [[nodiscard]] Task<Result<void>> commit(std::vector<Ended>* ended, std::size_t most, std::size_t* count, Basis basis);
  struct Telling;
  [[nodiscard]] Task<Result<std::vector<queue::NewEntry>>> stage_reports(store::Transaction* transaction,
                                                                         std::vector<Telling> tellings);
  /// Reads entry and recipients again after a conflict, locked, so that what is read is not overwritten; recipients
  /// that are gone leave `ended`.
  [[nodiscard]] Task<Result<void>> read_again(std::vector<Ended>* ended);
  void tell(const Ended& ended);
  /// So many are out of hand.
  void let_go(std::size_t count);

  // Commits of one entry take turns, since each changes its count.
  [[nodiscard]] Task<void> lock();
  void unlock();

  Workshop* workshop_;
  queue::Entry entry_;
  std::vector<queue::Recipient> recipients_;
  std::size_t in_hand_;
  bool locked_ = false;
  std::deque<std::function<void()>> waiting_;
  std::size_t carrying_ = 0;     // groups under way
  std::vector<Ended> gathered_;  // ends that are to be told
  SteadyTime gathered_since_{};
  Signal changed_;  // a group has ended, or something was gathered
};

}  // namespace postrider::delivery
