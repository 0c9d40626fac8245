// Addresses as typed values (5321 §4.1.2, §4.1.3; with UTF-8: 6531 §3.3). None of these types can hold CR, LF, NUL or
// another control character (C0, DEL, C1).
//
// What takes a `Utf8` reads ASCII only with `no`: text that is right but for its octets over 127 is then `unsupported`
// (the peer must ask for SMTPUTF8: 553 5.6.7, 6531 §3.5), and everything else that is wrong `malformed`.
#pragma once

#include "core/result.hpp"
#include "mail/envelope.hpp"

#include <string>
#include <string_view>
#include <variant>

namespace postrider::mail {

inline constexpr std::size_t kLocalPartOctetsMax = 64;  // 5321 §4.5.3.1.1
inline constexpr std::size_t kDomainOctetsMax = 255;    // 5321 §4.5.3.1.2
inline constexpr std::size_t kPathOctetsMax = 256;      // 5321 §4.5.3.1.3, with its angle brackets

/// A domain name or an address literal; lower case ASCII, as the DNS has it.
class Domain {
 public:
  /// Takes `Example.COM`, `[192.0.2.1]`, `[IPv6:2001:db8::1]`. A name has LDH labels of 1-63 octets, no final dot; one
  /// label is allowed. With `yes` also U-labels (`bücher.example`, 6531 §3.3), which become A-labels; A-labels stay as
  /// they are. Errors  malformed, unsupported, too_long (over 255 octets, as given or as A-labels).
  [[nodiscard]] static Result<Domain> parse(std::string_view text, Utf8 utf8 = Utf8::no);
  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] bool is_literal() const { return text_.front() == '['; }
  friend bool operator==(const Domain&, const Domain&) = default;
  friend auto operator<=>(const Domain&, const Domain&) = default;

 private:
  explicit Domain(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

/// `local-part@domain`. The local part is kept as it means (`"a b"@x` and a\ b are the same), in its case.
class Address {
 public:
  /// An address local part is any 1-64 octets of printable ASCII, blanks, or well-formed UTF-8 without control
  /// characters (what a quoted string can hold, 5321 §4.1.2, 6531 §3.3); it is not normalised.
  /// Errors  malformed, too_long.
  [[nodiscard]] static Result<Address> make(std::string local_part, Domain domain);
  /// Takes `user@example.com`, `"a b"@example.com`, with `yes` also `jörg@bücher.example`.
  /// Errors  malformed (`detail` has the offset), unsupported, too_long.
  [[nodiscard]] static Result<Address> parse(std::string_view text, Utf8 utf8 = Utf8::no);
  [[nodiscard]] const std::string& local_part() const { return local_part_; }
  [[nodiscard]] const Domain& domain() const { return domain_; }
  /// False when only SMTPUTF8 can carry it: its local part is not ASCII.
  [[nodiscard]] bool is_ascii() const;
  /// As it is written in SMTP; the local part is quoted when it must be.
  [[nodiscard]] std::string text() const;
  friend bool operator==(const Address&, const Address&) = default;
  friend auto operator<=>(const Address&, const Address&) = default;

 private:
  Address(std::string local_part, Domain domain) : local_part_(std::move(local_part)), domain_(std::move(domain)) {}
  std::string local_part_;
  Domain domain_;
};

/// What stands between the angle brackets of MAIL FROM: an address, or nothing (the null reverse-path).
class Path {
 public:
  Path() = default;  ///< null
  explicit Path(Address address) : address_(std::move(address)) {}
  [[nodiscard]] static Path null() { return {}; }
  [[nodiscard]] bool is_null() const { return std::holds_alternative<std::monostate>(address_); }
  /// To be asked only when not null.
  [[nodiscard]] const Address& address() const { return std::get<Address>(address_); }
  /// Without brackets; empty for the null path.
  [[nodiscard]] std::string text() const { return is_null() ? std::string() : address().text(); }
  friend bool operator==(const Path&, const Path&) = default;

 private:
  std::variant<std::monostate, Address> address_;
};

/// Parses `<…>` of MAIL FROM at the start of `text`; a source route is stripped (5321 App. C).
/// Gives   the path and how many octets it took.
/// Errors  malformed: not a path, `detail` has the offset; unsupported: one, but with UTF-8; too_long: over a limit
/// above.
struct ParsedPath {
  Path path;
  std::size_t octets = 0;
};
[[nodiscard]] Result<ParsedPath> parse_reverse_path(std::string_view text, Utf8 utf8 = Utf8::no);

/// Parses `<…>` of RCPT TO. `<Postmaster>` without a domain is allowed (5321 §4.1.1.3) and gives `own_domain` as its
/// domain; `<>` is malformed. Errors  as above.
struct ParsedForwardPath {
  Address address;
  std::size_t octets = 0;
};
[[nodiscard]] Result<ParsedForwardPath> parse_forward_path(std::string_view text, const Domain& own_domain,
                                                           Utf8 utf8 = Utf8::no);

}  // namespace postrider::mail
