// `address`, `mime` and `dsn`: what the mail room thinks of an address, a field, a message, a report (INTERFACE §5).
#pragma once

#include "mail/header_address.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace postrider::cli {

struct DiagnoseOptions {
  std::vector<std::string> words;  ///< addresses, texts or files
  bool from_stdin = false;         ///< one case a line of stdin, behind those of `words`
  bool json = false;
  mail::AddressGrammar grammar = mail::AddressGrammar::smtp;
  bool utf8 = false;
  bool imap = false;
  bool bodies = false;
};

// All print one JSON object a case, or text for people. They end with kExitDone; kExitFailed as said; kExitUsage when
// there is no case, or a file cannot be read (the others are shown all the same).

/// kExitFailed when one address is not valid by the grammar.
[[nodiscard]] int check_addresses(const DiagnoseOptions& options);
/// The one word is the value of an address field. kExitFailed when it has errors.
[[nodiscard]] int list_addresses(const DiagnoseOptions& options);
/// Words are files; `-` is stdin. Defects are no failure: mail in the wild has them.
[[nodiscard]] int dump_messages(const DiagnoseOptions& options);
[[nodiscard]] int decode_headers(const DiagnoseOptions& options);
/// Words are files; `-` is stdin. kExitFailed when one of them is no report.
[[nodiscard]] int parse_reports(const DiagnoseOptions& options);

}  // namespace postrider::cli
