// rooms: mail core
// Address fields: bounds hold, parts are UTF-8 without control characters, printing the addresses and parsing again
// gives the same ones, and one address that is well formed by itself is read as just that.
#include "core/check.hpp"
#include "mail/header_address.hpp"
#include "mail/printable.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

using namespace postrider;
using mail::AddressGrammar;

namespace {

constexpr std::size_t kErrorsMax = 100;

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

/// The addresses that can be printed, printed as one list, are read again.
void check_round_trip(const std::vector<mail::HeaderMailbox>& mailboxes) {
  std::vector<mail::HeaderMailbox> printed;
  std::string text;
  for (const mail::HeaderMailbox& mailbox : mailboxes) {
    const std::string address = in_quotes(mailbox.local) + '@' + mailbox.domain;
    const mail::AddressCheck judged = mail::check_address(address, AddressGrammar::header, true);
    if (!judged.valid || mailbox.local.empty() || judged.diagnosis == "rfc5322_domainliteral") continue;
    if (judged.local != mailbox.local || judged.domain != mailbox.domain) continue;  // a domain that cannot be written
    text += in_quotes(mailbox.name) + " <" + address + ">,\r\n ";
    printed.push_back(mailbox);
  }
  const mail::AddressList again = mail::parse_address_list(text);
  check(again.errors.empty(), "what was printed is well formed");
  const std::vector<mail::HeaderMailbox> read = again.mailboxes();
  check(std::ranges::equal(read, printed,
                           [](const auto& a, const auto& b) { return a.local == b.local && a.domain == b.domain; }),
        "parse(print(addresses)) == addresses");
}

/// check_address and the list parser read a well-formed address alike.
void check_one(std::string_view text, const mail::AddressList& list) {
  const mail::AddressCheck judged = mail::check_address(text, AddressGrammar::header, true);
  const bool odd = std::ranges::any_of(text, [](char c) { return c == '\0' || c == '\x7f' || (c > 0 && c < ' '); });
  if (!judged.valid || judged.local.empty() || judged.diagnosis.starts_with("rfc5322_dom") || odd) return;
  // A literal that is no address ends for the list at what separates addresses, so that the next one is found.
  if (judged.diagnosis.starts_with("rfc5322_ipv6") && judged.domain.find_first_of("<>,;\"(") != std::string::npos)
    return;
  if (judged.domain.starts_with('[') && text.contains(' ')) return;  // a blank in a literal is kept by the list only
  const std::vector<mail::HeaderMailbox> mailboxes = list.mailboxes();
  check(list.errors.empty() && mailboxes.size() == 1, "a well-formed address is one");
  check(mailboxes.front().local == judged.local && mailboxes.front().domain == judged.domain, "the same address");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const mail::AddressList list = mail::parse_address_list(text);
  const std::vector<mail::HeaderMailbox> mailboxes = list.mailboxes();
  check(mailboxes.size() <= mail::kAddressListMax && list.entries.size() <= mail::kAddressListMax, "list limit");
  check(list.errors.size() <= kErrorsMax, "limit of errors");
  for (const mail::HeaderMailbox& mailbox : mailboxes) {
    for (const std::string& part : {mailbox.name, mailbox.local, mailbox.domain, mailbox.route})
      check(mail::is_printable_utf8(part), "UTF-8 without control characters");
  }
  for (const auto& entry : list.entries) {
    if (const auto* group = std::get_if<mail::HeaderGroup>(&entry))
      check(mail::is_printable_utf8(group->name), "UTF-8 without control characters");
  }
  check_round_trip(mailboxes);
  check_one(text, list);
  return 0;
}
