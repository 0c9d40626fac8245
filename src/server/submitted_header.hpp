// The header section of what one of our own people submits: whom it names, and what is added and dropped (6409 §8,
// 5322 §3.6). Pure.
#pragma once

#include "core/clock.hpp"
#include "core/octet_range.hpp"
#include "mail/address.hpp"
#include "mail/header_section.hpp"
#include "smtp/reply.hpp"

#include <optional>
#include <string>
#include <vector>

namespace postrider::server {

inline constexpr std::size_t kAuthorsMax = 20;  // addresses in From: each is asked about

/// The people whom a header section names as responsible for it.
struct Claims {
  /// From, those of groups too (6854); and who stands there as the name of an address of the same domain.
  std::vector<mail::Address> authors;
  bool is_several = false;                  ///< From has several addresses
  std::vector<mail::Address> resenters;     ///< the topmost Resent-From and Resent-Sender
  std::optional<mail::Address> sender;      ///< of one Sender field with one address
  bool has_sender = false;                  ///< whatever is in it
  std::optional<smtp::Reply> refusal = {};  ///< it is not one that we take: 550 5.6.0 or 5.7.1
};

/// Of an account: there is exactly one From, every address in it can be read by one meaning only, and at most
/// kAuthorsMax are; the section ends with an empty line.
[[nodiscard]] Claims read_claims(const mail::HeaderSection& section);

/// Of a user of this host, whose programs write what sendmail always took: a From that is missing, or that is none, is
/// made from `sender`, as are addresses without a domain (`root (Cron Daemon)`). Nobody is refused.
struct LocalAuthor {
  std::string from;     ///< a From field of our own, with its CRLF; empty: the section's is good
  mail::Domain domain;  ///< of the first author
};
[[nodiscard]] LocalAuthor read_local_author(const mail::HeaderSection& section, const mail::Address& sender);

/// What stands in the content beside what was submitted.
struct Completed {
  std::string added;                ///< fields, each with its CRLF
  std::vector<OctetRange> dropped;  ///< of the section, ascending
  /// The section as it goes out, `added` first.
  [[nodiscard]] std::string section(const mail::HeaderSection& submitted) const;
};

struct Completion {
  std::string from = {};  ///< a From field of our own in place of all there are; empty: it stays
  std::optional<mail::Address> sender = std::nullopt;  ///< our Sender field, in place of all there are
  bool drops_sender = false;                           ///< without one of ours
  WallTime now;                                        ///< of Date, where there is none (6409 §8.2)
  std::string message_id;                              ///< left side of Message-ID, where there is none (6409 §8.3)
  mail::Domain host;                                   ///< and its right side
};

/// Bcc and Resent-Bcc go, Date and Message-ID are there. Nothing else is touched.
[[nodiscard]] Completed complete_header(const mail::HeaderSection& section, const Completion& completion);

}  // namespace postrider::server
