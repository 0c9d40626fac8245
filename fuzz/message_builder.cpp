// rooms: mail core
// What is built reads back as the same parts, and keeps the form: CRLF only, lines of at most 998 octets, ASCII.
#include "mail/message_builder.hpp"

#include "core/check.hpp"
#include "core/text.hpp"
#include "mail/mime.hpp"

#include <algorithm>
#include <cstdint>
#include <string_view>

using namespace postrider;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  constexpr std::string_view kBoundary = "0boundary9";
  if (all.find(kBoundary) != std::string_view::npos) return 0;
  const std::size_t third = size / 3;
  const std::string a(all.substr(0, third));
  const std::string b(all.substr(third, third));
  const std::string c(all.substr(2 * third));
  const bool ascii_address = is_ascii(b);  // else it is one of 6532
  const std::vector<mail::HeaderMailbox> to = {
      {.name = a, .local = ascii_address ? b : "x", .domain = "x.test", .route = {}},
      {.name = c, .local = "y", .domain = "y.test", .route = {}}};
  const std::string message = mail::MessageBuilder(std::string(kBoundary))
                                  .field("Subject", a)
                                  .addresses("To", to)
                                  .text(b)
                                  .attachment(c, "image/png", a)
                                  .build();
  check(is_ascii(message), "ASCII");
  std::string_view rest = message;
  while (!rest.empty()) {
    const std::size_t end = rest.find_first_of("\r\n");
    check(end != std::string_view::npos && rest.substr(end).starts_with("\r\n") && end <= 998, "lines");
    rest.remove_prefix(end + 2);
  }
  const mail::MimeTree tree = mail::parse_mime(message);
  check(tree.defects.empty() && tree.root.children.size() == 2, "two parts");
  check(tree.root.fields.size() == 4 && tree.root.fields.front().name == "Subject", "no field is injected");
  check(tree.root.children[0].type == "text/plain" && tree.root.children[1].type == "image/png", "their types");
  check(mail::decoded_body(message, tree.root.children[1]).octets == c, "the attachment's octets");
  const std::vector<mail::HeaderMailbox> read =
      mail::parse_address_list(mail::octets_of(message, tree.root.fields[1].value)).mailboxes();
  check(!read.empty() && read.back().local == "y" && read.back().domain == "y.test", "the address");
  return 0;
}
