// The durable queue: what was accepted and has no outcome yet, when it is due, and what became of it.
#pragma once

#include "core/clock.hpp"
#include "core/events.hpp"
#include "core/random.hpp"
#include "core/result.hpp"
#include "core/signal.hpp"
#include "core/task.hpp"
#include "mail/account_id.hpp"
#include "mail/address.hpp"
#include "mail/envelope.hpp"
#include "store/content.hpp"
#include "store/store.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::queue {

inline constexpr std::size_t kActiveEntriesMax = 50'000;  // LIMITS.md "active heap in memory"
inline constexpr std::size_t kRecipientsMax = 1000;       // of one entry
inline constexpr std::size_t kReplyTextOctetsMax = 1024;  // of a remote's reply that a record keeps
/// Ends of attempts that fit one transaction, whatever the replies: each writes at most 5 keys, and its reply twice.
inline constexpr std::size_t kRecipientsACommitMax = 100;

/// 18 characters of digits and lower-case consonants; unique over time and nodes; sorted as text they are in the order
/// of time (docs/decisions/0006).
class QueueId {
 public:
  [[nodiscard]] static Result<QueueId> parse(std::string_view text);
  [[nodiscard]] const std::string& text() const { return text_; }
  friend bool operator==(const QueueId&, const QueueId&) = default;
  friend auto operator<=>(const QueueId&, const QueueId&) = default;

 private:
  friend class QueueIds;
  explicit QueueId(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

/// Makes ids. Thread-safe.
class QueueIds {
 public:
  QueueIds(Clock* clock, Random* random);
  ~QueueIds();
  [[nodiscard]] QueueId next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Who hears of a failure (SECURITY R8).
enum class ReportTo : std::uint8_t {
  sender,      ///< a DSN to the reverse-path: authenticated senders and relay networks
  postmaster,  ///< the recipient is held, with a notice to postmaster: everybody else
  nobody,      ///< null reverse-path (5321 §6.1): a DSN is never answered; the recipient ends with a trace event
};

struct NewRecipient {
  mail::Address address;
  std::optional<mail::Address> original;   ///< as it was given in RCPT, when an alias changed it
  std::optional<mail::AccountId> account;  ///< a mailbox here
  mail::RecipientRequest request;
};

struct NewEntry {
  QueueId id;
  mail::Path reverse_path;
  std::vector<NewRecipient> recipients;  ///< 1 to kRecipientsMax
  store::Content content;                ///< its body is named by the same transaction (add_blob by the caller)
  std::vector<OctetRange> return_paths;  ///< Return-Path fields of the body: dropped at final delivery only (5321 §4.4)
  bool has_eight_bit = false;
  ReportTo report_to = ReportTo::postmaster;
  mail::SenderRequest request;  ///< DELIVERBY and FUTURERELEASE count from `arrival`
  WallTime arrival;
  std::string client;  ///< "192.0.2.1 helo.example", for people
};

/// What all recipients of an entry share.
struct Entry {
  QueueId id;
  mail::Path reverse_path;
  store::Content content;
  std::vector<OctetRange> return_paths;
  bool has_eight_bit = false;
  ReportTo report_to = ReportTo::postmaster;
  mail::SenderRequest request;
  WallTime arrival;
  std::string client;
  std::uint32_t recipients_left = 0;  ///< the body is given up when it reaches 0
  store::Version version = 0;
};

enum class RecipientState : std::uint8_t { due, held };

struct Recipient {
  std::uint32_t number = 0;
  mail::Address address;
  std::optional<mail::Address> original;
  std::optional<mail::AccountId> account;
  mail::RecipientRequest request;
  RecipientState state = RecipientState::due;
  std::uint32_t attempts = 0;
  WallTime due;            ///< of a held one: when it is given up
  std::string last_reply;  ///< of the last attempt, printable ASCII
  store::Version version = 0;
};

/// Recipients of one entry that are due now and in the hands of the caller, who ends each with a settle (committed) or
/// `Queue::give_back`.
struct Job {
  Entry entry;
  std::vector<Recipient> recipients;
};

enum class Attempt : std::uint8_t {
  delivered,  ///< in a mailbox here
  relayed,    ///< the next hop took responsibility
  deferred,   ///< try again
  failed,     ///< permanent: report
};

/// The end of one attempt for one recipient.
struct Outcome {
  Attempt attempt = Attempt::deferred;
  std::string status;              ///< enhanced status, `2.0.0`
  std::string reply;               ///< the remote's or our own reply, code first; outside text
  std::string remote;              ///< host [address]; empty for local delivery
  bool reports_passed_on = false;  ///< relayed: the sender hears of a success from further on, or from nobody
};

/// What a settle decided.
enum class Fate : std::uint8_t {
  done,
  report_success,  ///< done, and the sender asked to hear of it
  retried,
  report_sender,
  held_for_postmaster,
  dropped_null_sender,
  dropped_unwanted,  ///< failed, and the sender asked not to hear of it (3461 §4.1)
};

struct Settings {
  std::vector<Duration> retry;  ///< LIMITS.md "retry"; the last repeats
  Duration expire_after{};
  Duration expire_after_bounce{};  ///< for a null reverse-path
};
[[nodiscard]] Settings default_settings();

/// When to try again after `attempts` attempts (1 or more): by the table, ±20 %.
[[nodiscard]] Duration retry_delay(const Settings& settings, std::uint32_t attempts, Random& random);

struct TraceEvent {
  WallTime at;
  std::string what;  ///< "accepted", "delivered", "relayed", "deferred", "failed", "held", "reported", "removed",
                     ///< "expired", "retried"
  std::string recipient;
  std::string detail;
};

struct Listed {
  Entry entry;
  std::vector<Recipient> recipients;
};

class Queue {
 public:
  /// `active_max`: due times kept in memory.
  Queue(store::Store* store, Clock* clock, Random* random, Settings settings, Events* events,
        std::size_t active_max = kActiveEntriesMax);
  ~Queue();

  /// Puts entry, recipients, due times and the trace event into `transaction`; the caller adds the body and commits it
  /// durably, then calls `accepted`. Errors  too_long: over a limit of store or queue.
  [[nodiscard]] Result<void> stage_accept(store::Transaction& transaction, const NewEntry& entry);
  /// Tells the scheduler of a committed entry, so that it need not be read back. Thread-safe.
  void accepted(const NewEntry& entry);

  /// The next job: all recipients of one entry that are due. Waits until there is one. One caller.
  /// Errors  cancelled: `stop` is set; transient and corrupt from the store (a corrupt record is set aside with an
  /// event, never silently dropped).
  [[nodiscard]] Task<Result<Job>> next(Signal* stop);

  /// The outcome without an attempt: the time by which the sender wanted the entry delivered, or else back, has passed
  /// (2852 §4.1.4: failed with 5.4.7). nullopt: go on.
  [[nodiscard]] std::optional<Outcome> overdue(const Entry& entry) const;

  /// What an outcome amounts to: one that is deferred when the entry's time is over has failed, with 4.4.7, or 5.4.7
  /// where the sender set that time, and keeps its reply. The caller settles with it and quotes it in a report.
  [[nodiscard]] Outcome judged(const Entry& entry, const Outcome& outcome) const;

  /// Puts the end of one attempt, as it was judged, into `transaction`: the recipient's next due time (by the retry
  /// table, also when the entry's time is over: then something else was in the way of its end), its way out of the
  /// queue or into hold, and the trace event. The caller adds what belongs to the same instant (the mailbox append, the
  /// DSN), settles all recipients that end together, then calls `stage_entry` once, commits, and calls `settled`. On
  /// conflict nothing happened: `give_back`.
  [[nodiscard]] Result<Fate> stage_settle(store::Transaction& transaction, Entry& entry, const Recipient& recipient,
                                          const Outcome& outcome);
  /// Stages what settles changed in the entry: its count, or its removal and the body's reference.
  void stage_entry(store::Transaction& transaction, const Entry& entry);
  /// The commit of a settle is done: the scheduler learns the new due time. Thread-safe.
  void settled(const QueueId& id, std::uint32_t number);
  /// The caller has not settled this recipient: it is due again soon. Thread-safe.
  void give_back(const QueueId& id, std::uint32_t number);

  // For the commands. Errors  not_found; conflict: in delivery right now, try again.
  [[nodiscard]] Task<Result<std::vector<Listed>>> list(std::optional<QueueId> after, std::size_t entries_max);
  [[nodiscard]] Task<Result<Listed>> show(QueueId id);
  [[nodiscard]] Task<Result<void>> retry(QueueId id);   ///< all its recipients, held ones too, are due now
  [[nodiscard]] Task<Result<void>> remove(QueueId id);  ///< without a report
  [[nodiscard]] Task<Result<std::vector<TraceEvent>>> trace(QueueId id);

  /// Recipients waiting, due or held, since start: for metrics. Approximate.
  [[nodiscard]] std::uint64_t depth() const;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace postrider::queue
