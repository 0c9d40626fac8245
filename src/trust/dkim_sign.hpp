// DKIM signatures (6376 §3.5, §5): which header fields are signed, and the field that says so.
#pragma once

#include "core/clock.hpp"
#include "core/result.hpp"
#include "mail/address.hpp"
#include "trust/dkim_key.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace postrider::trust {

/// One header field by the "relaxed" canonicalization (6376 §3.4.2), with its CRLF. Takes it with or without one.
[[nodiscard]] std::string relaxed_field(std::string_view field);

/// The header fields that a signature covers.
class DkimHeader {
 public:
  /// Our own choice: of the fields that say who writes what to whom (kSigned in the .cpp), each as often as it is
  /// there; the important ones once more, so that none can be added (SECURITY 27, 6376 §8.15). Never trace fields, nor
  /// what others add or take away.
  /// Takes   the fields, each with its CRLF; what stands behind the empty line does not matter.
  /// Errors  malformed: there is not exactly one From (§5.4: a signature needs one; 5322 §3.6 wants one); too_long: as
  ///         mail::HeaderCollector.
  [[nodiscard]] static Result<DkimHeader> choose(std::string_view header_section);
  /// The fields of `names`, in that order: each time a name comes it is the next field of that name, from the last one
  /// up, or that there is none (§5.4.2). Errors  as above; malformed: no field names, or From is not among them.
  [[nodiscard]] static Result<DkimHeader> of(std::string_view header_section, std::vector<std::string> names);

  /// As h= has them, in lower case.
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  /// What is signed (§3.7): SHA-256 of the fields and of the signature's own field, which has an empty b=.
  [[nodiscard]] std::string digest(std::string_view unfinished) const;

 private:
  DkimHeader(std::vector<std::string> names, std::string canonical)
      : names_(std::move(names)), canonical_(std::move(canonical)) {}
  std::vector<std::string> names_;
  std::string canonical_;
};

struct DkimSigning {
  mail::Domain domain;   ///< d=, which is A-labels (8616 §6)
  std::string selector;  ///< s=, as check_selector has it
  WallTime at;           ///< t=
};

inline constexpr std::size_t kSelectorOctetsMax = 63;  // one label; 6376 §3.1 allows several, and so do we

/// A selector: labels of letters, digits and hyphens, with dots between them. Errors  malformed.
[[nodiscard]] Result<void> check_selector(std::string_view selector);

/// The DKIM-Signature field with its CRLF, `c=relaxed/relaxed`, folded. `body_hash`: of DkimBodyHash.
/// Errors  as DkimPrivateKey::sign.
[[nodiscard]] Result<std::string> sign_dkim(const DkimHeader& header, std::string_view body_hash,
                                            const DkimSigning& what, const DkimPrivateKey& key);

}  // namespace postrider::trust
