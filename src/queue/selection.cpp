// What commands and freezes choose recipients by.
#include "core/text.hpp"
#include "queue/inside.hpp"
#include "queue/queue.hpp"

#include <algorithm>

namespace postrider::queue {

namespace {

/// "@domain", or a whole address; case does not count.
bool names(std::string_view pattern, const mail::Address& address) {
  if (pattern.starts_with('@')) return iequals_ascii(pattern.substr(1), address.domain().text());
  return iequals_ascii(pattern, address.text());
}

bool names_sender(std::string_view pattern, const mail::Path& sender) {
  if (sender.is_null()) return pattern == "<>";
  return names(pattern, sender.address());
}

bool names_recipient(std::string_view pattern, const Recipient& recipient) {
  return names(pattern, recipient.address) || (recipient.original && names(pattern, *recipient.original));
}

bool names_login(std::string_view pattern, std::string_view login) {
  if (!pattern.starts_with('@')) return iequals_ascii(pattern, login);
  const std::size_t at = login.rfind('@');
  return at != std::string_view::npos && iequals_ascii(pattern, login.substr(at));
}

/// `remote` is "host [address]", or one of them.
bool names_remote(std::string_view pattern, std::string_view remote) {
  if (remote.empty()) return false;
  std::string_view host = remote;
  std::string_view address;
  const std::size_t bracket = remote.rfind('[');
  if (bracket != std::string_view::npos && remote.ends_with(']')) {
    host = trimmed(remote.substr(0, bracket));
    address = remote.substr(bracket);
  }
  if (iequals_ascii(pattern, host)) return true;
  return address.size() > 2 &&
         (iequals_ascii(pattern, address) || iequals_ascii(pattern, address.substr(1, address.size() - 2)));
}

bool selects_state(const Selection& selection, const Recipient& recipient) {
  const bool due = recipient.state == RecipientState::due;
  if (selection.state && recipient.state != *selection.state) return false;
  if (selection.only_deferred && (!due || recipient.attempts == 0)) return false;
  if (selection.only_fresh && (!due || recipient.attempts > 0)) return false;
  return selection.held_why.empty() || (!due && is_in(selection.held_why, recipient.held_why));
}

bool has_recipient_part(const Selection& selection) {
  return selection.to || selection.domain || selection.mx || selection.state || selection.only_deferred ||
         selection.only_fresh || !selection.held_why.empty() || selection.number_max || selection.reply;
}

}  // namespace

bool selects(const Selection& selection, const Entry& entry, const Recipient& recipient) {
  if (!selection.ids.empty() && !is_in(selection.ids, entry.id)) return false;
  if (selection.arrived_before && entry.arrival >= *selection.arrived_before) return false;
  if (selection.number_max && recipient.number > *selection.number_max) return false;
  if (!selects_state(selection, recipient)) return false;
  if (selection.domain && !iequals_ascii(*selection.domain, recipient.address.domain().text())) return false;
  if (selection.login && !names_login(*selection.login, entry.login)) return false;
  if (selection.from && !names_sender(*selection.from, sender_of(entry, recipient))) return false;
  if (selection.to && !names_recipient(*selection.to, recipient)) return false;
  if (selection.mx && !names_remote(*selection.mx, recipient.last_remote)) return false;
  return !selection.reply || selection.reply(recipient.last_reply);
}

bool selects_empty(const Selection& selection, const Entry& entry) {
  if (has_recipient_part(selection)) return false;
  if (!selection.ids.empty() && !is_in(selection.ids, entry.id)) return false;
  if (selection.arrived_before && entry.arrival >= *selection.arrived_before) return false;
  if (selection.login && !names_login(*selection.login, entry.login)) return false;
  return !selection.from || names_sender(*selection.from, entry.reverse_path);
}

bool is_frozen_by(const std::vector<Freeze>& freezes, const Entry& entry, const Recipient& recipient) {
  return std::ranges::any_of(freezes, [&](const Freeze& freeze) {
    if (!freeze.domain.empty() && !iequals_ascii(freeze.domain, recipient.address.domain().text())) return false;
    if (!freeze.from.empty() && !names_sender(freeze.from, sender_of(entry, recipient))) return false;
    return freeze.to.empty() || names_recipient(freeze.to, recipient);
  });
}

}  // namespace postrider::queue
