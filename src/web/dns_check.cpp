// Asks for the records that should be there.
#include "core/await.hpp"
#include "core/text.hpp"
#include "web/dns_records.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace postrider::web {

namespace {

using Status = DnsFinding::Status;

/// Of a question that gave no records.
DnsFinding without_answer(const Error& why) {
  if (why.code == Error::not_found) return {.status = Status::missing, .found = {}};
  return {.status = Status::unknown, .found = {describe(why)}};
}

DnsFinding judged(bool is_right, std::vector<std::string> found) {
  if (found.empty()) return {.status = Status::missing, .found = {}};
  return {.status = is_right ? Status::ok : Status::different, .found = std::move(found)};
}

std::string name_or_root(const std::string& name) { return name + "."; }

/// The value of a tag in `tag=value; tag=value` (6376 §3.2), blanks aside; empty: not there.
std::string tag_of(std::string_view record, std::string_view tag) {
  for (const std::string_view one : split(record, ';')) {
    const auto [name, value] = split_once(one, '=');
    if (trimmed(name) != tag) continue;
    std::string out;
    std::ranges::copy_if(value, std::back_inserter(out), [](char c) { return c != ' ' && c != '\t'; });
    return out;
  }
  return {};
}

bool has_term(std::string_view spf, std::string_view term) {
  const std::vector<std::string_view> terms = split(spf, ' ');
  return std::ranges::any_of(
      terms, [&](std::string_view one) { return iequals_ascii(one.starts_with('+') ? one.substr(1) : one, term); });
}

/// What makes a record one of its kind: others may stand under the same name.
bool is_of_kind(std::string_view purpose, std::string_view text) {
  if (purpose == "spf") return iequals_ascii(text, "v=spf1") || istarts_with_ascii(text, "v=spf1 ");  // 7208 §4.5
  if (purpose == "dmarc") return tag_of(text, "v") == "DMARC1";
  if (purpose == "tlsrpt") return tag_of(text, "v") == "TLSRPTv1";
  return true;  // of dkim: the name is for it alone
}

/// Not word by word: who knows better may say `~all`, another policy, another address.
bool says_enough(const DnsRecord& want, std::string_view text) {
  if (text == want.text) return true;
  if (want.purpose == "spf") return has_term(text, "mx");
  if (want.purpose == "dmarc") return !tag_of(text, "p").empty();
  if (want.purpose == "tlsrpt") return !tag_of(text, "rua").empty();
  const auto kind = [](std::string_view record) {
    const std::string named = tag_of(record, "k");
    return named.empty() ? std::string("rsa") : named;  // 6376 §3.6.1
  };
  return tag_of(text, "p") == tag_of(want.text, "p") && kind(text) == kind(want.text);
}

Task<DnsFinding> check_txt(dns::Resolver* resolver, dns::Name name, DnsRecord record) {
  const Result<dns::TxtAnswer> answer = co_await resolver->txt(std::move(name));
  if (!answer) co_return without_answer(answer.error());
  std::vector<std::string> found;
  bool is_right = true;
  for (const std::string& text : answer->records) {
    if (!is_of_kind(record.purpose, text)) continue;
    found.push_back(json_quoted(text));
    is_right = is_right && found.size() == 1 && says_enough(record, text);  // two of a kind are none (7208 §4.5)
  }
  co_return judged(is_right, std::move(found));
}

Task<DnsFinding> check_mx(dns::Resolver* resolver, dns::Name name, DnsRecord record) {
  const Result<dns::MxAnswer> answer = co_await resolver->mx(std::move(name));
  if (!answer) co_return without_answer(answer.error());
  std::vector<std::string> found;
  bool is_right = false;  // one of them is us: others may be there too
  for (const dns::MxRecord& mx : answer->records) {
    found.push_back(fmt::format("{} {}", mx.preference, name_or_root(mx.exchange)));
    is_right = is_right || split_once(record.data, ' ').second == name_or_root(mx.exchange);
  }
  co_return judged(is_right, std::move(found));
}

Task<DnsFinding> check_srv(dns::Resolver* resolver, dns::Name name, DnsRecord record) {
  const Result<dns::SrvAnswer> answer = co_await resolver->srv(std::move(name));
  if (!answer) co_return without_answer(answer.error());
  std::vector<std::string> found;
  bool is_right = true;
  for (const dns::SrvRecord& srv : answer->records) {
    const std::string place = fmt::format("{} {}", srv.port, name_or_root(srv.target));
    found.push_back(fmt::format("{} {} {}", srv.priority, srv.weight, place));
    is_right = is_right && record.data.ends_with(" " + place);
  }
  co_return judged(is_right, std::move(found));
}

Task<DnsFinding> check_tlsa(dns::Resolver* resolver, dns::Name name, DnsRecord record) {
  const Result<dns::TlsaAnswer> answer = co_await resolver->tlsa(std::move(name));
  if (!answer) co_return without_answer(answer.error());
  std::vector<std::string> found;
  bool is_right = false;  // one of them is ours: that of the next key may be there too
  for (const dns::TlsaRecord& tlsa : answer->records) {
    found.push_back(fmt::format("{} {} {} {}", tlsa.usage, tlsa.selector, tlsa.matching, to_hex(tlsa.data)));
    is_right = is_right || iequals_ascii(found.back(), record.data);
  }
  co_return judged(is_right, std::move(found));
}

}  // namespace

std::string_view name_of(DnsFinding::Status status) {
  switch (status) {
    case Status::ok: return "ok";
    case Status::missing: return "missing";
    case Status::different: return "different";
    case Status::unknown: return "unknown";
  }
  return "unknown";
}

Task<DnsFinding> check_dns_record(dns::Resolver* resolver, DnsRecord record) {
  Result<dns::Name> name = dns::Name::parse(record.owner);
  if (!name) co_return without_answer(name.error());
  if (record.type == "MX") co_return co_await check_mx(resolver, std::move(*name), std::move(record));
  if (record.type == "SRV") co_return co_await check_srv(resolver, std::move(*name), std::move(record));
  if (record.type == "TLSA") co_return co_await check_tlsa(resolver, std::move(*name), std::move(record));
  co_return co_await check_txt(resolver, std::move(*name), std::move(record));
}

Task<DnsFinding> check_host_address(dns::Resolver* resolver, mail::Domain hostname) {
  const Result<dns::Name> name = dns::Name::parse(hostname.text());
  if (!name) co_return without_answer(name.error());
  const Result<dns::AddressAnswer> four = co_await resolver->a(*name);
  if (four) co_return DnsFinding{.status = Status::ok, .found = {}};
  const Result<dns::AddressAnswer> six = co_await resolver->aaaa(*name);
  if (six) co_return DnsFinding{.status = Status::ok, .found = {}};
  co_return without_answer(four.error().code == Error::not_found ? six.error() : four.error());
}

}  // namespace postrider::web
