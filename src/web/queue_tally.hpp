// Counts the queue: by destination, age, last reply, and why it is held. Pure; bounded whatever comes.
#pragma once

#include "core/clock.hpp"
#include "queue/queue.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::web {

inline constexpr std::size_t kTallyRowsMax = 10'000;  ///< of each kind; what is over it counts together
inline constexpr std::size_t kFoldedReplyOctetsMax = 160;

/// A reply without what differs from message to message: words with digits in them (ids, numbers, IP addresses) and
/// e-mail addresses are "*"; the code at its start and enhanced statuses stay. "450 4.7.1 <*>: try again in * seconds".
[[nodiscard]] std::string fold_reply(std::string_view reply);

struct TallyCount {
  std::uint64_t due = 0;       ///< no attempt yet
  std::uint64_t deferred = 0;  ///< waits for its next attempt
  std::uint64_t held = 0;
  std::optional<WallTime> oldest = std::nullopt;  ///< arrival
  [[nodiscard]] std::uint64_t all() const { return due + deferred + held; }
};

struct TallyRow {
  std::string name;
  TallyCount count;
  std::string example = {};  ///< of replies: one as it came
};

class QueueTally {
 public:
  explicit QueueTally(WallTime now) : now_(now) {}
  void add(const queue::Listed& listed);

  [[nodiscard]] const TallyCount& total() const { return total_; }
  [[nodiscard]] std::uint64_t messages() const { return messages_; }
  [[nodiscard]] std::uint64_t octets() const { return octets_; }
  /// Most recipients first; what was over kTallyRowsMax is last, named "(others)".
  [[nodiscard]] std::vector<TallyRow> destinations() const;
  [[nodiscard]] std::vector<TallyRow> replies() const;
  /// Youngest first; all there are, also empty ones.
  [[nodiscard]] std::vector<TallyRow> ages() const;
  [[nodiscard]] std::vector<TallyRow> held() const;

 private:
  struct Kept {
    TallyCount count;
    std::string example;
  };
  struct Rows {
    std::map<std::string, Kept, std::less<>> kept;
    TallyCount others;
  };
  static Kept* row_of(Rows& rows, std::string_view name);
  static std::vector<TallyRow> sorted(const Rows& rows);
  void add_recipient(const queue::Entry& entry, const queue::Recipient& recipient);

  WallTime now_;
  std::uint64_t messages_ = 0;
  std::uint64_t octets_ = 0;
  TallyCount total_;
  Rows destinations_;
  Rows replies_;
  std::map<std::size_t, TallyCount> ages_;
  std::map<queue::HeldWhy, TallyCount> held_;
};

}  // namespace postrider::web
