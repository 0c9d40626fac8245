// DNS records as text (INTERFACE §5, `--dns FILE`), and the answers that follow from them.
#pragma once

#include "core/result.hpp"
#include "dns/resolver.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::dns {

/// What a file can hold. `other`: types that nobody asks for; they only make the name exist.
enum class RecordType : std::uint8_t { a, aaaa, mx, txt, srv, tlsa, cname, other };

/// The whole of a small DNS. A name that is not in it does not exist.
class Records {
 public:
  /// Lines `NAME TYPE DATA`; TXT as quoted strings with `\DDD` escapes; the data `!NXDOMAIN !SERVFAIL !TIMEOUT !NODATA`
  /// make that answer; `AD yes` marks all answers as secure; `;` outside quotes begins a comment.
  /// Errors  malformed: `detail` says the line's number.
  [[nodiscard]] static Result<Records> parse(std::string_view text);

  /// Adds one such line. Errors  malformed.
  [[nodiscard]] Result<void> add_line(std::string_view line);
  /// Takes away all records of `name`.
  void remove(const Name& name) { entries_.erase(name.text()); }

  // Answers, errors as in Resolver; timeouts come without waiting.
  [[nodiscard]] Result<MxAnswer> mx(const Name& name) const;
  [[nodiscard]] Result<AddressAnswer> a(const Name& name) const;
  [[nodiscard]] Result<AddressAnswer> aaaa(const Name& name) const;
  [[nodiscard]] Result<TxtAnswer> txt(const Name& name) const;
  [[nodiscard]] Result<SrvAnswer> srv(const Name& name) const;
  [[nodiscard]] Result<TlsaAnswer> tlsa(const Name& name) const;

 private:
  enum class Made : std::uint8_t { nxdomain, servfail, timeout, nodata };
  struct Entry {
    std::vector<MxRecord> mx;
    std::vector<std::array<std::uint8_t, 16>> a;
    std::vector<std::array<std::uint8_t, 16>> aaaa;
    std::vector<std::string> txt;
    std::vector<SrvRecord> srv;
    std::vector<TlsaRecord> tlsa;
    std::optional<Name> cname;
    std::map<RecordType, Made> made;
  };

  [[nodiscard]] static Result<void> add_data(Entry& entry, RecordType type, std::string_view data);
  [[nodiscard]] Result<const Entry*> find(Name name, RecordType type) const;

  std::map<std::string, Entry> entries_;
  Security security_ = Security::insecure;
};

}  // namespace postrider::dns
