// How much one of our own people may send: caps of a day, and bursts (LIMITS.md "Accounts"; SECURITY threat 7).
#pragma once

#include "core/clock.hpp"
#include "core/result.hpp"
#include "core/task.hpp"
#include "mail/account_id.hpp"
#include "mail/address.hpp"
#include "store/store.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::gate {

struct SendingLimits {
  std::uint32_t messages_a_day = 1'000;
  std::uint32_t new_recipients_a_day = 200;   ///< addresses that the account never wrote to before
  Duration observed = std::chrono::days(14);  ///< from its first message on: the caps are only told of
  std::uint32_t burst_messages = 50;          ///< more within `burst_within` are held
  std::uint32_t burst_recipients = 100;       ///< likewise
  Duration burst_within = std::chrono::minutes(10);
};

inline constexpr std::size_t kBudgetSubjectsMax = 10'000;   // whose counts are in memory
inline constexpr std::size_t kKnownRecipientsMax = 20'000;  // of an account; more are new each time

/// Whose budget it is: an account's, with caps and bursts, or a local user's, with bursts only.
class BudgetSubject {
 public:
  [[nodiscard]] static BudgetSubject account(mail::AccountId id);
  [[nodiscard]] static BudgetSubject local_user(std::uint32_t uid);
  [[nodiscard]] bool has_caps() const { return key_.front() == 'a'; }
  /// Octets; part of keys.
  [[nodiscard]] const std::string& key() const { return key_; }

 private:
  explicit BudgetSubject(std::string key) : key_(std::move(key)) {}
  std::string key_;
};

/// A recipient as the budget remembers it.
using RecipientMark = std::uint64_t;

/// Counts messages and recipients by subject. A day is one of UTC. What is counted rides in the acceptance's own
/// commit; counts of messages that are accepted in the same moment may come to disk in another order, so that a start
/// may find a few fewer. Thread-safe.
class SendingBudget {
 public:
  SendingBudget(store::Store* store, Clock* clock, SendingLimits limits);
  ~SendingBudget();
  SendingBudget(const SendingBudget&) = delete;
  SendingBudget& operator=(const SendingBudget&) = delete;

  enum class Cap : std::uint8_t { messages, new_recipients };
  struct Allowed {
    std::optional<Cap> over = std::nullopt;  ///< that cap is reached
    bool refused = false;                    ///< it is enforced; else it is only told of
    bool first_today = false;                ///< nobody was told of it today
    WallTime until;                          ///< when the day ends
    bool is_new = false;                     ///< of a recipient
    RecipientMark mark = 0;                  ///< of a recipient: for `count`, when it is new
  };
  /// Before a message. Errors of all  transient, corrupt from the store.
  [[nodiscard]] Task<Result<Allowed>> allow_message(BudgetSubject who);
  /// Before a recipient; `pending`: new ones that the message has already.
  [[nodiscard]] Task<Result<Allowed>> allow_recipient(BudgetSubject who, mail::Address recipient, std::size_t pending);

  struct Counted {
    bool is_burst = false;     ///< the message is to be held; also what parallel sessions get past a cap
    bool first_today = false;  ///< nobody was told of a burst today
  };
  /// Counts a message that is being accepted, and stages what the store is to know. `fresh`: marks of new recipients.
  [[nodiscard]] Task<Result<Counted>> count(BudgetSubject who, std::size_t recipients, std::vector<RecipientMark> fresh,
                                            store::Transaction* transaction);
  /// That message was not accepted after all: its commit failed.
  void uncount(const BudgetSubject& who, std::size_t recipients, std::size_t fresh);
  [[nodiscard]] const SendingLimits& limits() const { return limits_; }

 private:
  struct Counts;
  struct State;
  [[nodiscard]] Task<Result<void>> load(std::string key);
  store::Store* store_;
  Clock* clock_;
  SendingLimits limits_;
  std::unique_ptr<State> state_;
};

}  // namespace postrider::gate
