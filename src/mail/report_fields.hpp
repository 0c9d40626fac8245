// The machine-readable part of a report: groups of fields (3464 §2.1, 8098 §3.1, 5965 §3.1), and the typed addresses in
// them (3464 §2.3.1, 6533 §3).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::mail {

inline constexpr std::size_t kReportGroupsMax = 1001;  // LIMITS.md "recipients a transaction", and the message's own
inline constexpr std::size_t kReportFieldsMax = 1100;  // of a group; ours. More are passed over
inline constexpr std::size_t kReportValueOctetsMax = 4096;  // of a field, unfolded; ours. The rest is cut

struct ReportField {
  std::string name;   ///< lower case
  std::string value;  ///< unfolded, trimmed, UTF-8 without control characters
};

struct ReportGroup {
  std::vector<ReportField> fields;
  /// The value of the first field with that (lower case) name; empty: none. Points into this object.
  [[nodiscard]] std::string_view first(std::string_view name) const;
};

/// Takes the decoded body of the part; CRLF, LF or CR end lines. Groups are divided by empty lines; a group that says a
/// second time whom it is about, because its empty line was lost, is two. Lines that are no field are passed over.
/// `known_only`: only fields of 3464 count, for text that may be anything. Linear.
enum class ReportNames : bool { any, known_only };
[[nodiscard]] std::vector<ReportGroup> parse_report_groups(std::string_view body, ReportNames names);

/// What a field with an address (`rfc822; a@b`, `utf-8;…`, also `<a@b>` and without a type) says: an address as it was
/// written, without brackets, route and comments, `utf-8` ones unescaped; of other types, and where there is no
/// address, the text. UTF-8 without control characters, at most 512 octets. Empty: nothing.
[[nodiscard]] std::string reported_address(std::string_view value);

/// The first thing in `text` that is an address (5321 §4.1.2, 6531 §3.3).
struct FoundAddress {
  std::string address;    ///< as written
  std::size_t begin = 0;  ///< in the text, with quotes of its local part
  std::size_t end = 0;    ///< behind it
};
/// Looks at and behind `from`. `address` is empty when there is none. Linear.
[[nodiscard]] FoundAddress find_address(std::string_view text, std::size_t from = 0);

/// UTF-8 without control characters, blanks made one, trimmed, at most `octets_max`.
[[nodiscard]] std::string one_line(std::string_view text, std::size_t octets_max);

}  // namespace postrider::mail
