// What is told about recipients: of a failure or a delay a DSN to the sender, or a notice to postmaster (SECURITY R8);
// of a success or an expansion a DSN to the sender who asked for it (3461 §4.1). The sender is a recipient's own where
// it has one: the owner of the list that it came by.
#pragma once

#include "delivery/deliverer.hpp"
#include "mail/dsn.hpp"

#include <optional>
#include <vector>

namespace postrider::delivery {

inline constexpr std::size_t kReturnedMessageOctetsMax = 1024 * 1024;  // RET=FULL (3461 §4.3); over it its headers

/// A recipient that a report is about, and what became of it.
struct Reported {
  queue::Recipient recipient;
  queue::Outcome outcome;
};

enum class ReportKind : std::uint8_t {
  failure,   ///< to the sender
  notice,    ///< of a failure, to postmaster
  success,   ///< to the sender; all alike delivered, or relayed
  delay,     ///< to the sender: it is late and still tried
  expanded,  ///< to the sender: an alias or list has taken it apart
};

class Reporter {
 public:
  Reporter(Doors doors, Rooms rooms, Settings settings)
      : doors_(doors), rooms_(rooms), settings_(std::move(settings)) {}

  /// Stages the report about `recipients` of `entry`, who have one sender, as a new entry. nullopt: nobody is there to
  /// be told (of a failure an event says so). The caller commits and then tells the queue of the new entry. Errors
  /// transient, exhausted from the store.
  [[nodiscard]] Task<Result<std::optional<queue::NewEntry>>> stage(store::Transaction* transaction, queue::Entry entry,
                                                                   std::vector<Reported> recipients, ReportKind kind);

 private:
  [[nodiscard]] Task<Result<std::vector<queue::NewRecipient>>> addressees(mail::Address address);
  /// Who hears of failures that nobody else can hear of: postmaster of `domain` where it is ours, else of this host.
  [[nodiscard]] Task<Result<std::optional<mail::Address>>> postmaster_of(mail::Domain domain);
  /// Who reads the report, and where it goes; no recipients: nobody is there.
  struct Reader {
    std::optional<mail::Address> address;
    std::vector<queue::NewRecipient> recipients;
  };
  [[nodiscard]] Task<Result<Reader>> find_reader(queue::QueueId id, mail::Path sender, mail::Domain failed_domain,
                                                 ReportKind kind);
  [[nodiscard]] Task<Result<std::string>> original_headers(store::Content content);
  [[nodiscard]] Task<Result<std::shared_ptr<store::SealedBlob>>> write(mail::Dsn dsn,
                                                                       std::optional<store::Content> returned);

  Doors doors_;
  Rooms rooms_;
  Settings settings_;
};

}  // namespace postrider::delivery
