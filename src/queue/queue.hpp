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
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::queue {

/// When a recipient that is held until its release is due.
inline constexpr WallTime kNever{std::chrono::days(36'500 * 2)};
inline constexpr std::size_t kActiveEntriesMax = 50'000;  // LIMITS.md "active heap in memory"
inline constexpr std::size_t kRecipientsMax = 1000;       // of one entry
inline constexpr std::size_t kReplyTextOctetsMax = 1024;  // of a remote's reply that a record keeps
inline constexpr std::size_t kOnceTokenOctetsMax = 64;
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

/// Why a recipient is held.
enum class HeldWhy : std::uint8_t {
  undeliverable,  ///< it failed and its sender is a stranger (SECURITY R8): given up at `due`
  command,        ///< `queue hold`; like the others below until it is released
  route,          ///< a route via "hold"
  frozen,         ///< a freeze matches it; `queue thaw` releases it
  burst,          ///< its login sent much in a short time: from its acceptance on
};

/// Who hears of a failure (SECURITY R8).
enum class ReportTo : std::uint8_t {
  sender,      ///< a DSN to the reverse-path: authenticated senders and relay networks
  postmaster,  ///< the recipient is held, with a notice to postmaster: everybody else
  nobody,      ///< null reverse-path (5321 §6.1): a DSN is never answered; the recipient ends with a trace event
};

/// What is done with a recipient in place of delivery.
enum class Ordered : std::uint8_t {
  delivery,
  bounce,  ///< it fails at once, and is reported: the administrator sends it back
  expand,  ///< it ends as expanded: an alias whose targets are recipients of their own (3461 §5.2.7.2)
};

struct NewRecipient {
  mail::Address address;
  std::optional<mail::Address> original;   ///< as it was given in RCPT, when an alias changed it
  std::optional<mail::AccountId> account;  ///< a mailbox here
  mail::RecipientRequest request;
  /// The envelope's sender for this recipient where it is not the entry's: the owner of the list that it came by. What
  /// is delivered, relayed and reported about it names that one.
  std::optional<mail::Path> reverse_path = std::nullopt;
  Ordered ordered = Ordered::delivery;
  std::string refused = {};  ///< of Ordered::bounce: the reply that it is sent back with, code first
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
  /// Who submitted it: an account's address, or "uid:1000" of a user of this host; empty: nobody logged in.
  std::string login = {};
  std::optional<HeldWhy> held = std::nullopt;  ///< all are held from the start, for that reason, until released
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
  std::string login = {};             ///< as NewEntry has it
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
  std::optional<mail::Path> reverse_path = std::nullopt;  ///< as NewRecipient has it
  Ordered ordered = Ordered::delivery;
  RecipientState state = RecipientState::due;
  HeldWhy held_why = HeldWhy::undeliverable;  ///< of a held one
  bool delay_reported = false;                ///< its sender was told that it is late
  std::uint32_t attempts = 0;
  WallTime due;                  ///< of a held one: when it is given up; kNever: not by itself
  std::string last_reply;        ///< of the last attempt, printable ASCII
  std::string last_remote = {};  ///< of the last attempt: "host [address]", printable ASCII; empty: none spoke
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
  held,       ///< a route holds it until it is released
  expanded,   ///< Ordered::expand: its targets are recipients of their own
};

/// The end of one attempt for one recipient.
struct Outcome {
  Attempt attempt = Attempt::deferred;
  std::string status;                ///< enhanced status, `2.0.0`
  std::string reply;                 ///< the remote's or our own reply, code first; outside text
  std::string remote;                ///< host [address]; empty for local delivery
  bool reports_passed_on = false;    ///< relayed: the sender hears of a success from further on, or from nobody
  std::vector<Duration> retry = {};  ///< deferred: its route's own retry table; empty: Settings::retry
  std::string tls = {};              ///< "TLSv1.3 TLS_AES_256_GCM_SHA384, verified": what protected it; empty: nothing
};

/// What a settle decided.
enum class Fate : std::uint8_t {
  done,
  report_success,  ///< done, and the sender asked to hear of it
  retried,
  report_delay,  ///< retried, and the sender is to hear that it is late
  held,          ///< Attempt::held
  report_sender,
  held_for_postmaster,
  dropped_null_sender,
  dropped_unwanted,  ///< failed, and the sender asked not to hear of it (3461 §4.1)
};

struct Settings {
  std::vector<Duration> retry;  ///< LIMITS.md "retry"; the last repeats
  Duration expire_after{};
  Duration expire_after_bounce{};  ///< for a null reverse-path
  /// ReportTo::sender hears of a recipient that is not delivered by then, unless NOTIFY says otherwise (3461 §4.1);
  /// zero: nobody does but who asked for DELAY or by DELIVERBY mode N.
  Duration warn_after{};
};
[[nodiscard]] Settings default_settings();

/// When to try again after `attempts` attempts (1 or more): by the table, which has an entry at least, ±20 %.
[[nodiscard]] Duration retry_delay(std::span<const Duration> table, std::uint32_t attempts, Random& random);

struct TraceEvent {
  WallTime at;
  std::string what;  ///< "accepted", "delivered", "relayed", "deferred", "failed", "held", "reported", "removed",
                     ///< "expired", "retried", "released", "bounced", "redirected", "expanded", "delayed"
  std::string recipient;
  std::string detail;
};

struct Listed {
  Entry entry;
  std::vector<Recipient> recipients;
};

/// What a command chooses recipients by: all that is set must hold. Nothing set chooses all.
struct Selection {
  std::vector<QueueId> ids;           ///< any of these
  std::optional<std::string> login;   ///< who submitted it: an address, "@domain" or "uid:1000"; case does not count
  std::optional<std::string> from;    ///< reverse-path: an address, "@domain", or "<>"; case does not count
  std::optional<std::string> to;      ///< recipient (or as it was given in RCPT): an address or "@domain"
  std::optional<std::string> domain;  ///< of the recipient
  std::optional<std::string> mx;      ///< host of the last attempt: the name, or the address, of `last_remote`
  std::optional<RecipientState> state;
  bool only_deferred = false;          ///< due ones that had an attempt
  bool only_fresh = false;             ///< due ones that had none
  std::vector<HeldWhy> held_why = {};  ///< held ones, for any of these reasons; empty: whatever the reason
  std::optional<std::uint32_t> number_max = std::nullopt;  ///< recipients of an entry up to this number
  std::optional<WallTime> arrived_before;
  std::function<bool(std::string_view)> reply;  ///< of `last_reply`
};
[[nodiscard]] bool selects(const Selection& selection, const Entry& entry, const Recipient& recipient);

/// A page of what was chosen; `recipients` has the chosen ones only.
struct ListPage {
  std::vector<Listed> entries;
  std::optional<QueueId> next;  ///< go on after this one; unset: that was all
};

struct Change {
  enum class What : std::uint8_t {
    retry,     ///< due now: due ones, and those held as undeliverable
    hold,      ///< due ones, until they are released
    release,   ///< due now: held ones, but for those that a freeze still matches
    remove,    ///< leave the queue without a report
    bounce,    ///< Ordered::bounce, due now; held ones too
    redirect,  ///< to others, due now; held ones too. Whom the entry has already gets no second copy
  };
  struct Destination {
    mail::Address address;
    std::optional<mail::AccountId> account;
  };
  What what = What::retry;
  std::vector<Destination> to;  ///< of redirect, 1 to kRedirectTargetsMax; the first takes the recipient's place
};
inline constexpr std::size_t kRedirectTargetsMax = 100;

/// What a change did to the entries of one page.
struct ChangePage {
  std::vector<Listed> changed;  ///< as they were before; `recipients` has the changed ones only
  std::vector<QueueId> busy;    ///< in delivery right now: left alone
  std::optional<QueueId> next;
};

/// A standing order: recipients that match, now or later, are held when they are due, until the thaw.
struct Freeze {
  std::string from;    ///< as in Selection; empty: any
  std::string to;      ///< as in Selection; empty: any
  std::string domain;  ///< of the recipient; empty: any. Nothing set: everything
  friend auto operator<=>(const Freeze&, const Freeze&) = default;
};
inline constexpr std::size_t kFreezesMax = 1000;

class Queue {
 public:
  /// `active_max`: due times kept in memory.
  Queue(store::Store* store, Clock* clock, Random* random, Settings settings, Events* events,
        std::size_t active_max = kActiveEntriesMax);
  ~Queue();

  /// Puts entry, recipients, due times and the trace event into `transaction`; the caller adds the body and commits it
  /// durably, then calls `accepted`. Errors  too_long: over a limit of store or queue.
  [[nodiscard]] Result<void> stage_accept(store::Transaction& transaction, const NewEntry& entry);
  /// Makes that commit one that succeeds once: `token` (at most kOnceTokenOctetsMax) is kept until `forget_once`, and
  /// the next commit with it is in conflict.
  static void stage_once(store::Transaction& transaction, std::string_view token);
  /// Whether a commit with `token` has succeeded.
  [[nodiscard]] Task<Result<bool>> has_happened(std::string token) const;
  [[nodiscard]] Task<Result<void>> forget_once(std::string token);
  /// Tells the scheduler of a committed entry, so that it need not be read back. Thread-safe.
  void accepted(const NewEntry& entry);

  /// The next job: all recipients of one entry that are due. Waits until there is one. One caller.
  /// Errors  cancelled: `stop` is set; transient and corrupt from the store (a corrupt record is set aside with an
  /// event, never silently dropped).
  [[nodiscard]] Task<Result<Job>> next(Signal* stop);

  /// The outcome without an attempt: the time by which the sender wanted the entry delivered, or else back, has passed
  /// (2852 §4.1.4: failed with 5.4.7). nullopt: go on.
  [[nodiscard]] std::optional<Outcome> overdue(const Entry& entry) const;

  /// What an outcome amounts to: one that is deferred when the recipient's time is over has failed, with 4.4.7,
  /// or 5.4.7 where the sender set that time, and keeps its reply. What is ordered back or expanded has no such time.
  /// The caller settles with it and quotes it in a report.
  [[nodiscard]] Outcome judged(const Entry& entry, const Recipient& recipient, const Outcome& outcome) const;

  /// When it is tried for the last time: "will retry until" in a report of a delay.
  [[nodiscard]] WallTime last_try_at(const Entry& entry, const Recipient& recipient) const;

  /// A deferral now is one that the sender hears of (Fate::report_delay).
  [[nodiscard]] bool is_late(const Entry& entry, const Recipient& recipient) const;

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

  /// Puts off a recipient of which nothing was tried, as its destination is busy: no attempt is counted, no trace is
  /// kept. The caller commits, lazily at will, and calls `settled`.
  void stage_postpone(store::Transaction& transaction, const Entry& entry, const Recipient& recipient, WallTime until);

  // For the commands. Errors of all  transient, corrupt from the store.
  /// Entries after `after` in the order of their ids, of which a recipient is chosen. Reads at most `read_max` entries,
  /// so that a page may be empty and have a next.
  [[nodiscard]] Task<Result<ListPage>> list(Selection selection, std::optional<QueueId> after, std::size_t read_max);
  /// Errors  not_found.
  [[nodiscard]] Task<Result<Listed>> show(QueueId id);
  /// Changes what is chosen, as `list` pages through it. An entry's recipients are changed in commits of at most
  /// kRecipientsACommitMax. A failure behind changes ends the page before it, so that they are told; who goes on meets
  /// it. Errors  malformed: a redirect to nobody; too_long: no room for a redirect's targets in an entry.
  [[nodiscard]] Task<Result<ChangePage>> change(Change change, Selection selection, std::optional<QueueId> after,
                                                std::size_t read_max);
  /// Errors  exhausted: kFreezesMax.
  [[nodiscard]] Task<Result<void>> freeze(Freeze what);
  /// Forgets the freeze; what it held is released by the caller (`change` with release of HeldWhy::frozen ones, which
  /// leaves what another freeze matches). Errors  not_found.
  [[nodiscard]] Task<Result<void>> thaw(Freeze what);
  [[nodiscard]] Task<Result<std::vector<Freeze>>> freezes();
  /// Errors  not_found.
  [[nodiscard]] Task<Result<std::vector<TraceEvent>>> trace(QueueId id);

  /// Recipients waiting, due or held, since start: for metrics. Approximate.
  [[nodiscard]] std::uint64_t depth() const;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace postrider::queue
