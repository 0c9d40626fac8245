// The recipients of a relay domain as a file lists them ([[domain]] recipients = "file:PATH").
#pragma once

#include "directory/file_mistake.hpp"
#include "mail/address.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::directory {

inline constexpr std::size_t kRecipientListMax = 1'000'000;  // addresses of one file

/// Addresses of one domain; their case does not count. What it takes is the text of them and 4 octets for each.
class RecipientList {
 public:
  /// One address a line: `ann@example.test` or `ann`, which is in `domain`; `# …` is a comment, an empty line nothing.
  /// An address of another domain is a mistake, as is `@domain`: that is recipients = "any". What could be read is in
  /// the list all the same. Mistakes go to `mistakes`, with `file` as their file, at most kFileMistakesMax.
  [[nodiscard]] static RecipientList parse(std::string_view text, const mail::Domain& domain, const std::string& file,
                                           std::vector<FileMistake>& mistakes,
                                           std::size_t addresses_max = kRecipientListMax);
  [[nodiscard]] bool contains(std::string_view local_part) const;
  [[nodiscard]] std::size_t size() const { return names_.size(); }

 private:
  [[nodiscard]] std::string_view name_at(std::uint32_t offset) const;
  void add(std::string_view local_part);
  void sort();
  std::string octets_;                // the local parts in lower case, each with its length in an octet before it
  std::vector<std::uint32_t> names_;  // where they begin, sorted by what they are
};

}  // namespace postrider::directory
