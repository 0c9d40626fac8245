// What is told about recipients that failed for good: a DSN to the sender, or a notice to postmaster (SECURITY R8).
#pragma once

#include "delivery/deliverer.hpp"
#include "mail/dsn.hpp"

#include <optional>
#include <vector>

namespace postrider::delivery {

/// A recipient that failed, and why.
struct Failure {
  queue::Recipient recipient;
  queue::Outcome outcome;
};

class Reporter {
 public:
  Reporter(Doors doors, Rooms rooms, Settings settings)
      : doors_(doors), rooms_(rooms), settings_(std::move(settings)) {}

  /// Stages the report about `failures` of `entry` as a new entry, for the sender or for postmaster. nullopt: nobody is
  /// there to be told (an event says so). The caller commits and then tells the queue of the new entry.
  /// Errors  transient, exhausted from the store.
  [[nodiscard]] Task<Result<std::optional<queue::NewEntry>>> stage(store::Transaction* transaction, queue::Entry entry,
                                                                   std::vector<Failure> failures, queue::ReportTo to);

 private:
  [[nodiscard]] Task<Result<std::vector<queue::NewRecipient>>> addressees(mail::Address address);
  [[nodiscard]] Task<Result<std::string>> original_headers(store::Content content);

  Doors doors_;
  Rooms rooms_;
  Settings settings_;
};

}  // namespace postrider::delivery
