// One job in hand: the recipients of one entry, carried to where they go. Inside of the deliverer.
#pragma once

#include "delivery/deliverer.hpp"
#include "delivery/destinations.hpp"
#include "delivery/mailbox_turns.hpp"
#include "delivery/report.hpp"

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace postrider::delivery {

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
};

/// A recipient with what became of it.
struct Ended {
  queue::Recipient recipient;
  queue::Outcome outcome;
};

class Job {
 public:
  Job(Workshop* workshop, queue::Job job);

  /// Carries every recipient of the job; each is settled or given back when this ends. One shard.
  [[nodiscard]] static Task<void> run(std::shared_ptr<Job> job);  // shared: the groups of a job end in any order

 private:
  struct Group {
    route::Relay relay;
    std::vector<queue::Recipient> recipients;
  };

  [[nodiscard]] Task<void> deliver_locally(queue::Recipient recipient);
  /// The commit that takes the recipient off the queue and appends to the mailbox: exactly once, whatever crashes.
  [[nodiscard]] Task<Result<void>> append(queue::Recipient recipient);
  /// Stages the report of a local delivery where `fate` asks for one (3461 §4.1), so that both are said in one commit.
  [[nodiscard]] Task<Result<std::optional<queue::NewEntry>>> stage_success(store::Transaction* transaction,
                                                                           queue::Fate fate, Ended ended);
  [[nodiscard]] static Task<void> carry(std::shared_ptr<Job> job, Group group);
  [[nodiscard]] RelayMessage message_of(const std::vector<queue::Recipient>& recipients) const;
  /// SMTPUTF8 was asked for: whether the message needs it (6531 §3.6). Errors  as ContentSource::next.
  [[nodiscard]] static Task<Result<void>> check_header(ContentSource* content, RelayMessage* message);
  /// Finds the next hop of every recipient that is not here. Those that have none are settled.
  [[nodiscard]] Task<std::vector<Group>> find_groups(std::vector<queue::Recipient> recipients);
  /// Commits outcomes, with the report that they lead to. Those that could not be committed are given back.
  [[nodiscard]] Task<void> settle(std::vector<Ended> ended);
  [[nodiscard]] Task<void> settle_batch(std::vector<Ended> ended);  ///< at most queue::kRecipientsACommitMax
  /// One try of `settle`. Errors  conflict: read again and try again.
  [[nodiscard]] Task<Result<void>> commit(const std::vector<Ended>* ended);
  /// Reads entry and recipients again after a conflict; recipients that are gone leave `ended`.
  [[nodiscard]] Task<Result<void>> read_again(std::vector<Ended>* ended);
  void tell(const Ended& ended);

  // Commits of one entry take turns, since each changes its count.
  [[nodiscard]] Task<void> lock();
  void unlock();

  Workshop* workshop_;
  queue::Entry entry_;
  std::vector<queue::Recipient> recipients_;
  bool locked_ = false;
  std::deque<std::function<void()>> waiting_;
  std::size_t carrying_ = 0;       // groups under way
  std::function<void()> carried_;  // wakes `run` when the last group has ended
};

}  // namespace postrider::delivery
