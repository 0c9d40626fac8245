// The grants that are out, so that they can be taken back.
#pragma once

#include "directory/directory.hpp"

#include <memory>
#include <string>

namespace postrider::directory {

/// Thread-safe. Keeps no grant alive; grants may outlive it.
class Grants {
 public:
  Grants();
  ~Grants();
  /// `credential_id`: of an app password; empty: the account's own password.
  [[nodiscard]] std::shared_ptr<const Grant> issue(Account account, std::string credential, std::string credential_id);
  /// All of the account.
  void take_back(mail::AccountId account);
  /// Those that this app password gave.
  void take_back(mail::AccountId account, const std::string& credential_id);

 private:
  struct Book;
  std::shared_ptr<Book> book_;  // shared: each grant strikes itself out when it dies
};

}  // namespace postrider::directory
