#include "directory/recipient_list.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace postrider::directory {

static_assert(kRecipientListMax * (mail::kLocalPartOctetsMax + 1) <= std::numeric_limits<std::uint32_t>::max());
static_assert(mail::kLocalPartOctetsMax <= 127);

std::string_view RecipientList::name_at(std::uint32_t offset) const {
  return std::string_view(octets_).substr(offset + 1, static_cast<std::size_t>(octets_[offset]));
}

void RecipientList::add(std::string_view local_part) {
  names_.push_back(static_cast<std::uint32_t>(octets_.size()));
  octets_ += static_cast<char>(local_part.size());
  octets_ += lowered_ascii(local_part);
}

void RecipientList::sort() {
  const auto name = [this](std::uint32_t offset) { return name_at(offset); };
  std::ranges::sort(names_, {}, name);
  const auto twice = std::ranges::unique(names_, {}, name);
  names_.erase(twice.begin(), twice.end());
  names_.shrink_to_fit();
  octets_.shrink_to_fit();
}

bool RecipientList::contains(std::string_view local_part) const {
  const std::string wanted = lowered_ascii(local_part);
  return std::ranges::binary_search(names_, std::string_view(wanted), {},
                                    [this](std::uint32_t offset) { return name_at(offset); });
}

namespace {

/// Errors  malformed: says what is wanted.
Result<mail::Address> parse_line(std::string_view text, const mail::Domain& domain) {
  if (text.starts_with('@'))
    return error(Error::malformed, "directory.recipients", "a whole domain is recipients = \"any\"");
  Result<mail::Address> address = mail::Address::parse(text);
  if (!address && text.find('@') == std::string_view::npos)
    address = mail::Address::parse(std::string(text) + '@' + domain.text());
  if (!address) return error(Error::malformed, "directory.recipients", "not an address (one a line)");
  if (address->domain() != domain)
    return error(Error::malformed, "directory.recipients", "not an address in " + domain.text());
  return address;
}

}  // namespace

RecipientList RecipientList::parse(std::string_view text, const mail::Domain& domain, const std::string& file,
                                   std::vector<FileMistake>& mistakes, std::size_t addresses_max) {
  RecipientList list;
  std::size_t line = 0;
  std::size_t found = 0;  // mistakes of this file
  while (!text.empty() && found < kFileMistakesMax) {
    ++line;
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view whole = text.substr(0, end);
    if (whole.ends_with('\r')) whole.remove_suffix(1);
    text.remove_prefix(std::min(end + 1, text.size()));
    std::string_view said = trimmed(whole);
    if (said.starts_with('#')) continue;
    const std::size_t comment = said.find(" #");
    if (comment != std::string_view::npos) said = trimmed(said.substr(0, comment));
    if (said.empty()) continue;
    const auto column = static_cast<std::size_t>(said.data() - whole.data()) + 1;
    const auto mistake = [&](std::string what) {
      ++found;
      mistakes.push_back({file, line, column, std::move(what)});
    };
    const Result<mail::Address> address = parse_line(said, domain);
    if (!address) {
      mistake(address.error().detail);
    } else if (list.names_.size() == addresses_max) {
      mistake(fmt::format("a list has at most {} addresses", addresses_max));
      break;
    } else {
      list.add(address->local_part());
    }
  }
  list.sort();
  return list;
}

}  // namespace postrider::directory
