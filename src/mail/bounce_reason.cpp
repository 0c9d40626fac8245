#include "mail/bounce_reason.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <array>

namespace postrider::mail {

namespace {

using enum BounceCategory;

struct Wording {
  std::string_view words;  ///< lower case
  BounceCategory category;
};

// The first row whose words are in the text decides: what is more telling stands before what many texts say.
constexpr auto kWordings = std::to_array<Wording>({
    // a mailbox that is full
    {"mailbox full", mailbox_full},
    {"mailbox size limit", mailbox_full},
    {"mailbox exceeded", mailbox_full},
    {"mailbox is full", mailbox_full},
    {"mailbox has exceeded", mailbox_full},
    {"mailbox exceeds", mailbox_full},
    {"exceeds allowed size", mailbox_full},
    {"over quota", mailbox_full},
    {"overquota", mailbox_full},
    {"quota exceeded", mailbox_full},
    {"exceeded quota", mailbox_full},
    {"exceeded storage", mailbox_full},
    {"exceeded the storage", mailbox_full},
    {"quotaexceeded", mailbox_full},
    {"quota violation", mailbox_full},
    {"out of storage", mailbox_full},
    {"inbox is full", mailbox_full},
    {"user is overquota", mailbox_full},
    {"not enough storage space", mailbox_full},
    {"insufficient storage in", mailbox_full},
    {"mailfolder is full", mailbox_full},
    {"maildir over quota", mailbox_full},
    {"has run out of", mailbox_full},
    {"boite du destinataire pleine", mailbox_full},
    // its size
    {"message length exceeds", too_big},
    {"message size exceeds", too_big},
    {"message too large", too_big},
    {"message too big", too_big},
    {"message is too large", too_big},
    {"message is too big", too_big},
    {"size limit exceeded", too_big},
    {"exceeds size limit", too_big},
    {"exceeds the maximum message size", too_big},
    {"exceeded maximum message size", too_big},
    {"exceeds maximum message size", too_big},
    {"exceeds fixed limit", too_big},
    {"larger than the current system limit", too_big},
    // loops and queues
    {"too many hops", loop},
    {"hop count exceeded", loop},
    {"hop count limit", loop},
    {"maximum hop count", loop},
    {"mail loop", loop},
    {"routing loop", loop},
    {"loops back to myself", loop},
    {"forwarding loop", loop},
    // proof of who sends
    {"dmarc", auth},
    {"spf record", auth},
    {"spf check", auth},
    {"spf fail", auth},
    {"failed spf", auth},
    {"does not pass spf", auth},
    {"dkim", auth},
    {"unauthenticated email", auth},
    {"unauthenticated mail", auth},
    {"authentication required", auth},
    {"authentication failed", auth},
    {"smtp authentication", auth},
    {"sender id (pra)", auth},
    {"purported responsible address", auth},
    // relaying
    {"relay access denied", relay},
    {"relaying denied", relay},
    {"relay denied", relay},
    {"relaying not allowed", relay},
    {"unable to relay", relay},
    {"not permitted to relay", relay},
    {"configured to relay", relay},
    {"relay not permitted", relay},
    {"we do not relay", relay},
    // too fast, too many
    {"too many recipients", rate},
    {"too many connections", rate},
    {"too many concurrent", rate},
    {"too many messages", rate},
    {"too many mails", rate},
    {"rate limit", rate},
    {"rate-limit", rate},
    {"ratelimit", rate},
    {"unexpected volume", rate},
    {"sending too fast", rate},
    {"throttl", rate},
    {"try again later, closing", rate},
    {"exceeded the maximum number of", rate},
    {"greylist", rate},
    {"graylist", rate},
    // what is in it
    {"virus", content},
    {"malware", content},
    {"header error", content},
    {"message content rejected", content},
    {"content rejected", content},
    {"spam message", content},
    {"spam detected", content},
    {"spam content", content},
    {"considered unsolicited", content},
    {"looks like spam", content},
    {"considered spam", content},
    {"classified as spam", content},
    {"identified as spam", content},
    {" - spam", content},
    {"spam firewall", content},
    {"bulk email filter", content},
    // policy against the sender
    {"blacklist", blocked},
    {"blocklist", blocked},
    {"black list", blocked},
    {"block list", blocked},
    {"dnsbl", blocked},
    {"spamhaus", blocked},
    {"barracudacentral", blocked},
    {"sorbs", blocked},
    {"blocked", blocked},
    {"banned sending", blocked},
    {"bad reputation", blocked},
    {"poor reputation", blocked},
    {"low reputation", blocked},
    {"reverse dns", blocked},
    {"ptr record", blocked},
    {"unverifyable sending", blocked},
    {"open relay", blocked},
    {"refused to talk to me", blocked},
    {"client host rejected", blocked},
    {"connections not accepted", blocked},
    {"you are not allowed", blocked},
    {"not a member", blocked},
    {"permission to post", blocked},
    {"recipient preferences", blocked},
    // whom it is for
    {"has moved", moved},
    {"address has changed", moved},
    {"user unknown", user_unknown},
    {"unknown user", user_unknown},
    {"unknown local", user_unknown},
    {"unknown recipient", user_unknown},
    {"recipient unknown", user_unknown},
    {"unknown or illegal user", user_unknown},
    {"unknown or illegal alias", user_unknown},
    {"no such user", user_unknown},
    {"no such recipient", user_unknown},
    {"no such mailbox", user_unknown},
    {"no such address", user_unknown},
    {"no such person", user_unknown},
    {"no mailbox here", user_unknown},
    {"no mailbox by that name", user_unknown},
    {"no account by that name", user_unknown},
    {"invalid recipient", user_unknown},
    {"invalid mailbox", user_unknown},
    {"invalid address", user_unknown},
    {"invalid user address", user_unknown},
    {"user not found", user_unknown},
    {"user doesn't exist", user_unknown},
    {"user does not exist", user_unknown},
    {"recipient not found", user_unknown},
    {"recipnotfound", user_unknown},
    {"recipient name is not recognized", user_unknown},
    {"mailbox not found", user_unknown},
    {"mailbox does not exist", user_unknown},
    {"address couldn't be found", user_unknown},
    {"entered couldn't be found", user_unknown},
    {"address does not exist", user_unknown},
    {"address doesn't exist", user_unknown},
    {"account does not exist", user_unknown},
    {"account that you tried to reach does not exist", user_unknown},
    {"tried to reach does not exist", user_unknown},
    {"does not have an account", user_unknown},
    {"this user doesn't have", user_unknown},
    {"not a valid mailbox", user_unknown},
    {"not a valid recipient", user_unknown},
    {"not a registered", user_unknown},
    {"not a known user", user_unknown},
    {"not a local user", user_unknown},
    {"not our user", user_unknown},
    {"no mail box", user_unknown},
    {"mailbox not available", user_unknown},
    {"not listed in", user_unknown},
    {"not known at this", user_unknown},
    {"mailbox name not allowed", user_unknown},
    {"undeliverable address", user_unknown},
    {"mailbox unavailable", user_unknown},
    {"adresse invalide", user_unknown},
    {"adresse d'au moins un destinataire invalide", user_unknown},
    {"destinataire inconnu", user_unknown},
    {"empfaenger unbekannt", user_unknown},
    {"usuario desconocido", user_unknown},
    {"destinatario sconosciuto", user_unknown},
    {"no longer valid", moved},
    {"no longer available", disabled},
    {"no longer active", disabled},
    {"mailbox disabled", disabled},
    {"mailbox is disabled", disabled},
    {"account is disabled", disabled},
    {"account disabled", disabled},
    {"account has been disabled", disabled},
    {"has been disabled", disabled},
    {"is disabled", disabled},
    {"disabled or discontinued", disabled},
    {"suspended", disabled},
    {"inactive", disabled},
    {"account is locked", disabled},
    {"account is expired", disabled},
    {"account expired", disabled},
    {"deactivated", disabled},
    // names
    {"host unknown", dns},
    {"unknown host", dns},
    {"host not found", dns},
    {"host or domain name not found", dns},
    {"domain not found", dns},
    {"domain is not reachable", dns},
    {"domain does not exist", dns},
    {"domain name not found", dns},
    {"domain of sender address", auth},
    {"dns lookup failure", dns},
    {"dns error", dns},
    {"dns query failed", dns},
    {"name service error", dns},
    {"host name lookup failure", dns},
    {"name server", dns},
    {"no mx record", dns},
    {"couldn't find any host", dns},
    {"couldn't find a mail exchanger", dns},
    {"unrouteable address", dns},
    {"unroutable address", dns},
    {"unrouteable mail domain", dns},
    {"invalid domain", dns},
    {"domain does not accept mail", dns},
    {"not accept mail (nullmx", dns},
    {"nullmx", dns},
    {"missing the proper dns", dns},
    {"illegal host/domain", dns},
    // wires
    {"connection timed out", network},
    {"connection refused", network},
    {"connection reset", network},
    {"connection dropped", network},
    {"lost connection", network},
    {"no route to host", network},
    {"network is unreachable", network},
    {"network unreachable", network},
    {"host not reachable", network},
    {"establish an smtp connection", network},
    {"did not accept our requests to connect", network},
    {"socket error", network},
    {"tls is required", network},
    {"starttls", network},
    {"could not connect", network},
    // patience
    {"retry timeout exceeded", expired},
    {"message expired", expired},
    {"envelope expired", expired},
    {"delivery expired", expired},
    {"in the queue too long", expired},
    {"in queue too long", expired},
    {"delivery time expired", expired},
    {"retry time not reached", expired},
    {"multiple retries, giving up", expired},
    {"cannot send message for", expired},
    {"could not be delivered for", expired},
    {"sender was rejected", blocked},
    {"system not accepting", system},
    {"service unavailable", system},
    {"service currently unavailable", system},
    {"internal system error", system},
    {"local configuration error", system},
    {"disk full", system},
    {"not enough disk space", system},
    {"no space left", system},
    {"command output", system},
    {"pipe to |", system},
    {"unable to contact ldap", system},
    {"improper sequence", protocol},
    {"bad sequence", protocol},
    {"syntax error", protocol},
    {"command not recognized", protocol},
    {"protocol error", protocol},
});

// What says less than a status does.
constexpr auto kVagueWordings = std::to_array<Wording>({
    {"sender address rejected", auth},
    {"sender rejected", blocked},
    {"recipient address rejected", user_unknown},
    {"recipient rejected", user_unknown},
    {"address rejected", user_unknown},
    {"does not like recipient", user_unknown},
    {"does not exist", user_unknown},
    {"attachment", content},
    {"spam", content},
    {"policy", blocked},
    {"denied by", blocked},
    {"access denied", blocked},
    {"frequency limited", rate},
    {"timed out", network},
    {"giving up", expired},
    {"rejected", blocked},
});

struct StatusRow {
  std::string_view detail;  ///< `subject.detail`, or `subject.` for the rest of a subject
  BounceCategory category;
};

// 3463 §3.2-3.8 and the registry (5248); more exact rows stand first.
constexpr auto kStatuses = std::to_array<StatusRow>({
    {"1.2", dns},          {"1.6", moved},       {"1.7", auth},     {"1.8", auth},         {"1.10", dns},
    {"1.0", user_unknown}, {"1.", user_unknown}, {"2.1", disabled}, {"2.2", mailbox_full}, {"2.3", too_big},
    {"3.4", too_big},      {"3.", system},       {"4.1", network},  {"4.2", network},      {"4.3", dns},
    {"4.4", dns},          {"4.6", loop},        {"4.7", expired},  {"4.", network},       {"5.3", rate},
    {"5.", protocol},      {"6.", content},      {"7.5", auth},     {"7.8", auth},         {"7.9", auth},
    {"7.20", auth},        {"7.21", auth},       {"7.22", auth},    {"7.23", auth},        {"7.24", auth},
    {"7.26", auth},        {"7.28", rate},       {"7.509", auth},   {"7.", blocked},
});

constexpr bool is_code_border(std::string_view text, std::size_t at) {
  if (at >= text.size()) return true;
  const char c = text[at];
  return c == ' ' || c == '-' || c == ':' || c == ',' || c == '\'' || c == '"' || c == ';' || c == '\t';
}

constexpr bool is_word(char c) {
  return is_alnum_ascii(c) || c == '.' || c == '_' || c == '-' || c == '=' || c == '/' || c == '@' || c == '+';
}

std::size_t digits_at(std::string_view text, std::size_t at) {
  std::size_t count = 0;
  while (at + count < text.size() && is_digit_ascii(text[at + count])) ++count;
  return count;
}

/// A reply code stands before the status at `at`: `550 5.1.1`, `550-'5.1.1`, `550 (5.1.1`.
bool is_behind_code(std::string_view text, std::size_t at) {
  if (at > 0 && std::string_view("'\"([#<").contains(text[at - 1])) --at;
  if (at < 4 || !std::string_view(" -:").contains(text[at - 1])) return false;
  return find_reply_code(text.substr(at - 4, 4)).code != 0;
}

/// How many octets of `text` at `at` are a status; 0: none.
std::size_t status_octets(std::string_view text, std::size_t at) {
  if (text.size() - at < 5 || !std::string_view("245").contains(text[at]) || text[at + 1] != '.') return 0;
  if (!is_digit_ascii(text[at + 2]) || text[at + 2] > '7' || text[at + 3] != '.') return 0;
  const std::size_t detail = digits_at(text, at + 4);
  if (detail == 0 || detail > 3) return 0;
  const std::size_t end = at + 4 + detail;
  if (end < text.size() && (is_alnum_ascii(text[end]) || text[end] == '_')) return 0;
  if (end + 1 < text.size() && text[end] == '.' && is_digit_ascii(text[end + 1])) return 0;  // an address
  return end - at;
}

}  // namespace

std::string_view name_of(BounceCategory category) {
  switch (category) {
    case other: return "other";
    case user_unknown: return "user_unknown";
    case moved: return "moved";
    case disabled: return "disabled";
    case mailbox_full: return "mailbox_full";
    case too_big: return "too_big";
    case blocked: return "blocked";
    case auth: return "auth";
    case relay: return "relay";
    case rate: return "rate";
    case content: return "content";
    case dns: return "dns";
    case network: return "network";
    case loop: return "loop";
    case expired: return "expired";
    case protocol: return "protocol";
    case system: return "system";
    case delayed: return "delayed";
    case delivered: return "delivered";
    case feedback: return "feedback";
    case disposition: return "disposition";
    case autoreply: return "autoreply";
  }
  return {};
}

ReplyCode find_reply_code(std::string_view text) {
  text = text.substr(0, kReasonOctetsMax);
  for (std::size_t at = 0; at + 3 <= text.size(); ++at) {
    if (!std::string_view("245").contains(text[at]) || (at > 0 && is_word(text[at - 1]))) continue;
    if (!is_digit_ascii(text[at + 1]) || text[at + 1] > '5' || !is_digit_ascii(text[at + 2])) continue;
    if (text[at] == '2' && (text[at + 1] != '5' || text[at + 2] > '3')) continue;  // of an accepted recipient
    if (!is_code_border(text, at + 3)) continue;
    const int code = (text[at] - '0') * 100 + (text[at + 1] - '0') * 10 + (text[at + 2] - '0');
    return {.code = static_cast<std::uint16_t>(code), .offset = at};
  }
  return {};
}

bool is_enhanced_status(std::string_view text) { return !text.empty() && status_octets(text, 0) == text.size(); }

std::string_view find_enhanced_status(std::string_view text) {
  text = text.substr(0, kReasonOctetsMax);
  std::string_view found;
  for (std::size_t at = 0; at + 5 <= text.size(); ++at) {
    if (at > 0 && is_word(text[at - 1]) && text[at - 1] != '-') continue;
    const std::size_t octets = status_octets(text, at);
    if (octets == 0) continue;
    if (is_behind_code(text, at)) return text.substr(at, octets);
    if (found.empty()) found = text.substr(at, octets);
  }
  return found;
}

BounceCategory categorize(std::string_view text, std::string_view status) {
  const std::string lower = lowered_ascii(text.substr(0, kReasonOctetsMax));
  const auto worded = [&lower](const auto& wordings) {
    const auto found = std::ranges::find_if(wordings, [&](const Wording& w) { return lower.contains(w.words); });
    return found == wordings.end() ? other : found->category;
  };
  const BounceCategory said = worded(kWordings);
  if (said != other) return said;
  if (is_enhanced_status(status)) {
    if (status.front() == '2') return delivered;
    const std::string_view detail = status.substr(2);
    for (const StatusRow& row : kStatuses)
      if (row.detail == detail || (row.detail.ends_with('.') && detail.starts_with(row.detail))) return row.category;
  }
  return worded(kVagueWordings);
}

}  // namespace postrider::mail
