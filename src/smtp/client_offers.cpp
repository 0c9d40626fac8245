#include "smtp/client_offers.hpp"

#include "core/numbers.hpp"
#include "core/text.hpp"
#include "mail/xtext.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace postrider::smtp {

namespace {

struct Offer {
  std::string_view keyword;
  bool Offers::* flag;
};
constexpr auto kOffers = std::to_array<Offer>({
    {"PIPELINING", &Offers::pipelining},
    {"8BITMIME", &Offers::eight_bit_mime},
    {"CHUNKING", &Offers::chunking},
    {"BINARYMIME", &Offers::binary_mime},
    {"SMTPUTF8", &Offers::smtputf8},
    {"DSN", &Offers::dsn},
    {"DELIVERBY", &Offers::deliver_by},
    {"MT-PRIORITY", &Offers::priority},
    {"STARTTLS", &Offers::starttls},
});

/// 4422 §3.1.
bool is_mechanism(std::string_view name) {
  constexpr std::size_t kNameOctetsMax = 20;
  return !name.empty() && name.size() <= kNameOctetsMax &&
         std::ranges::all_of(name, [](char c) { return is_alnum_ascii(c) || c == '-' || c == '_'; });
}

void add_mechanisms(std::string_view names, std::vector<std::string>& to) {
  for (const std::string_view name : split(names, ' ')) {
    if (!is_mechanism(name) || to.size() == kMechanismsOfferedMax) continue;
    std::string upper(name);
    std::ranges::transform(upper, upper.begin(), to_upper_ascii);
    if (std::ranges::find(to, upper) == to.end()) to.push_back(std::move(upper));
  }
}

bool is_ascii(const mail::Path& path) { return path.is_null() || path.address().is_ascii(); }

std::string notify_parameter(const mail::NotifyOn& on) {  // 3461 §4.1
  std::string list;
  for (const auto& [wanted, word] :
       {std::pair(on.success, "SUCCESS"), std::pair(on.failure, "FAILURE"), std::pair(on.delay, "DELAY")}) {
    if (wanted) list += (list.empty() ? "" : ",") + std::string(word);
  }
  return " NOTIFY=" + (list.empty() ? "NEVER" : list);
}

std::string original_parameter(const mail::RecipientRequest& request) {  // 3461 §4.2, 6533 §3
  const std::string value = request.original_type == "utf-8" ? mail::encode_utf8_address(request.original)
                                                             : mail::encode_xtext(request.original);
  if (request.original_type.size() + 1 + value.size() > mail::kOriginalRecipientOctetsMax) return {};
  return " ORCPT=" + request.original_type + ';' + value;
}

std::string deliver_by_parameter(const mail::DeliverBy& by) {  // 2852 §4
  const char mode = by.mode == mail::DeliverBy::Mode::notify ? 'N' : 'R';
  return fmt::format(" BY={};{}{}", by.within.count(), mode, by.trace ? "T" : "");
}

}  // namespace

Offers parse_offers(std::string_view text) {
  Offers offers;
  const std::vector<std::string_view> lines = split(text, '\n');
  for (std::size_t i = 1; i < lines.size(); ++i) {  // the first line is the greeting (5321 §4.1.1.1)
    const auto parts = split_once(trimmed(lines[i]), ' ');
    for (const Offer& offer : kOffers) {
      if (iequals_ascii(parts.first, offer.keyword)) offers.*offer.flag = true;
    }
    if (iequals_ascii(parts.first, "AUTH")) add_mechanisms(parts.second, offers.mechanisms);
    if (istarts_with_ascii(parts.first, "AUTH="))  // as it was before 2554
      add_mechanisms(trimmed(lines[i]).substr(5), offers.mechanisms);
    if (iequals_ascii(parts.first, "SIZE")) {
      const std::uint64_t size = parse_number<std::uint64_t>(trimmed(parts.second)).value_or(0);  // 1870 §4: no limit
      if (offers.size.value_or(0) == 0 || (size != 0 && size < *offers.size)) offers.size = size;
    }
  }
  return offers;
}

std::optional<Reply> refusal_of(const ClientTransaction& t, const Offers& offers) {
  using Why = std::optional<Reply>;
  if (offers.size.value_or(0) != 0 && t.size_octets > *offers.size)  // 1870 §5
    return Why({.code = 552, .enhanced = "5.3.4", .text = "Message too big for the next hop"});
  if (t.request.body == BodyType::eight_bit_mime && !offers.eight_bit_mime)  // 6152 §3
    return Why({.code = 554, .enhanced = "5.6.3", .text = "The next hop takes no 8-bit content"});
  if (t.request.body == BodyType::binary_mime && !(offers.binary_mime && offers.chunking))  // 3030 §3
    return Why({.code = 554, .enhanced = "5.6.3", .text = "The next hop takes no binary content"});
  if (!offers.smtputf8 && !is_ascii(t.reverse_path))  // 6531 §3.5
    return Why(
        {.code = 553, .enhanced = "5.6.7", .text = "The next hop takes no UTF-8 in addresses, as the sender has"});
  if (!offers.smtputf8 && t.request.utf8 == mail::Utf8::yes)
    return Why({.code = 554, .enhanced = "5.6.9", .text = "The next hop takes no UTF-8 in header fields"});
  if (t.request.deliver_by && t.request.deliver_by->mode == mail::DeliverBy::Mode::return_it) {
    if (!offers.deliver_by)  // 2852 §4.1.4: nobody would see to it
      return Why({.code = 554, .enhanced = "5.3.3", .text = "The next hop does not keep times of delivery"});
    if (t.request.deliver_by->within <= std::chrono::seconds(0))
      return Why({.code = 554, .enhanced = "5.4.7", .text = "not delivered by the time that the sender set"});
  }
  return std::nullopt;
}

std::string mail_line(const ClientTransaction& transaction, const Offers& offers,
                      const std::vector<std::size_t>& asked) {
  const mail::SenderRequest& request = transaction.request;
  std::string line = "MAIL FROM:<" + transaction.reverse_path.text() + ">";
  if (offers.size && !transaction.only_ask) line += fmt::format(" SIZE={}", transaction.size_octets);
  if (request.body == BodyType::eight_bit_mime) line += " BODY=8BITMIME";
  if (request.body == BodyType::binary_mime) line += " BODY=BINARYMIME";
  const bool utf8 = request.utf8 == mail::Utf8::yes || !is_ascii(transaction.reverse_path) ||
                    !std::ranges::all_of(asked, [&](std::size_t i) { return transaction.recipients[i].is_ascii(); });
  if (utf8) line += " SMTPUTF8";  // 6531 §3.4; where it is not offered nothing is left that needs it
  if (offers.dsn && request.returned != mail::ReturnContent::unsaid)
    line += request.returned == mail::ReturnContent::full ? " RET=FULL" : " RET=HDRS";  // 3461 §4.3
  if (offers.dsn && !request.envelope_id.empty()) line += " ENVID=" + mail::encode_xtext(request.envelope_id);
  if (offers.deliver_by && request.deliver_by) line += deliver_by_parameter(*request.deliver_by);
  if (offers.priority && request.priority) line += fmt::format(" MT-PRIORITY={}", *request.priority);  // 6710 §4
  return line + "\r\n";
}

std::string rcpt_line(const ClientTransaction& transaction, const Offers& offers, std::size_t recipient) {
  std::string line = "RCPT TO:<" + transaction.recipients[recipient].text() + ">";
  if (offers.dsn && !transaction.recipient_requests.empty()) {  // 3461 §5.2.1
    const mail::RecipientRequest& request = transaction.recipient_requests[recipient];
    if (request.notify) line += notify_parameter(*request.notify);
    if (!request.original_type.empty()) line += original_parameter(request);
  }
  return line + "\r\n";
}

}  // namespace postrider::smtp
