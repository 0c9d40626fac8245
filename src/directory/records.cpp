#include "directory/records.hpp"

#include "core/record.hpp"

#include <utility>

namespace postrider::directory {

namespace {

constexpr std::uint8_t kDomainFormatBefore = 1;  // of local domains, there were no others
constexpr std::uint8_t kDomainFormat = 2;
constexpr std::uint8_t kAccountFormat = 1;
constexpr std::uint8_t kAliasFormat = 1;
constexpr std::uint8_t kAccountIdFormat = 1;
constexpr std::uint8_t kAddressFormat = 1;

void write_address(RecordWriter& out, const mail::Address& address) {
  out.text(address.local_part()).text(address.domain().text());
}

Result<mail::Address> read_address(RecordReader& in) {
  std::string local_part = in.text();
  Result<mail::Domain> domain = mail::Domain::parse(in.text());
  if (!domain) return error(Error::corrupt, "directory.record", "not a domain");
  Result<mail::Address> address = mail::Address::make(std::move(local_part), std::move(*domain));
  if (!address) return error(Error::corrupt, "directory.record", "not an address");
  return address;
}

void write_optional(RecordWriter& out, const std::optional<mail::Address>& address) {
  out.flag(address.has_value());
  if (address) write_address(out, *address);
}

Result<std::optional<mail::Address>> read_optional(RecordReader& in) {
  if (!in.flag()) return std::optional<mail::Address>();
  Result<mail::Address> address = read_address(in);
  if (!address) return fail(address);
  return std::optional<mail::Address>(std::move(*address));
}

}  // namespace

std::string encode_domain(const DomainRecord& domain) {
  RecordWriter out(kDomainFormat);
  out.text(domain.name.text()).text(domain.subaddress);
  write_optional(out, domain.catch_all);
  write_optional(out, domain.postmaster);
  out.number(std::to_underlying(domain.kind)).text(domain.alias_of ? domain.alias_of->text() : std::string());
  out.number(std::to_underlying(domain.recipients.by)).text(domain.recipients.path);
  return std::move(out).finish();
}

Result<DomainRecord> decode_domain(std::string_view value) {
  const bool is_old = value.starts_with(static_cast<char>(kDomainFormatBefore));
  RecordReader in(value, is_old ? kDomainFormatBefore : kDomainFormat);
  Result<mail::Domain> name = mail::Domain::parse(in.text());
  if (!name) return error(Error::corrupt, "directory.record", "not a domain");
  std::string subaddress = in.text();
  Result<std::optional<mail::Address>> catch_all = read_optional(in);
  if (!catch_all) return fail(catch_all);
  Result<std::optional<mail::Address>> postmaster = read_optional(in);
  if (!postmaster) return fail(postmaster);
  auto kind = DomainKind::local;
  std::optional<mail::Domain> alias_of;
  RelayRecipients recipients;
  if (!is_old) {
    kind = static_cast<DomainKind>(in.number_up_to(std::to_underlying(DomainKind::alias)));
    if (const std::string stands_for = in.text(); !stands_for.empty()) {
      Result<mail::Domain> domain = mail::Domain::parse(stands_for);
      if (!domain) return error(Error::corrupt, "directory.record", "not a domain");
      alias_of = std::move(*domain);
    }
    recipients.by = static_cast<RelayRecipients::By>(in.number_up_to(std::to_underlying(RelayRecipients::By::file)));
    recipients.path = in.text();
  }
  if (const Result<void> ok = in.end(); !ok) return fail(ok);
  return DomainRecord{.name = std::move(*name),
                      .kind = kind,
                      .alias_of = std::move(alias_of),
                      .recipients = std::move(recipients),
                      .catch_all = std::move(*catch_all),
                      .subaddress = std::move(subaddress),
                      .postmaster = std::move(*postmaster),
                      .source = Source::store};
}

std::string encode_account(const StoredAccount& stored) {
  RecordWriter out(kAccountFormat);
  out.number(static_cast<std::uint64_t>(stored.account.id));
  write_address(out, stored.account.address);
  out.flag(stored.account.enabled).signed_number(to_micros(stored.account.created)).text(stored.password_hash);
  return std::move(out).finish();
}

Result<StoredAccount> decode_account(std::string_view value) {
  RecordReader in(value, kAccountFormat);
  const auto id = static_cast<mail::AccountId>(in.number());
  Result<mail::Address> address = read_address(in);
  if (!address) return fail(address);
  const bool enabled = in.flag();
  const WallTime created = from_micros(in.signed_number());
  std::string password_hash = in.text();
  if (const Result<void> ok = in.end(); !ok) return fail(ok);
  Account account{.id = id, .address = std::move(*address), .enabled = enabled, .created = created};
  return StoredAccount{.account = std::move(account), .password_hash = std::move(password_hash)};
}

std::string encode_alias(const AliasRecord& alias) {
  RecordWriter out(kAliasFormat);
  write_address(out, alias.address);
  out.number(alias.targets.size());
  for (const mail::Address& target : alias.targets) write_address(out, target);
  return std::move(out).finish();
}

Result<AliasRecord> decode_alias(std::string_view value) {
  RecordReader in(value, kAliasFormat);
  Result<mail::Address> address = read_address(in);
  if (!address) return fail(address);
  AliasRecord alias{.address = std::move(*address), .targets = {}, .source = Source::store};
  const std::size_t count = in.count();
  for (std::size_t i = 0; i < count; ++i) {
    Result<mail::Address> target = read_address(in);
    if (!target) return fail(target);
    alias.targets.push_back(std::move(*target));
  }
  if (const Result<void> ok = in.end(); !ok) return fail(ok);
  return alias;
}

std::string encode_account_id(mail::AccountId id) {
  RecordWriter out(kAccountIdFormat);
  out.number(static_cast<std::uint64_t>(id));
  return std::move(out).finish();
}

Result<mail::AccountId> decode_account_id(std::string_view value) {
  RecordReader in(value, kAccountIdFormat);
  const auto id = static_cast<mail::AccountId>(in.number());
  if (const Result<void> ok = in.end(); !ok) return fail(ok);
  return id;
}

std::string encode_address(const mail::Address& address) {
  RecordWriter out(kAddressFormat);
  write_address(out, address);
  return std::move(out).finish();
}

Result<mail::Address> decode_address(std::string_view value) {
  RecordReader in(value, kAddressFormat);
  Result<mail::Address> address = read_address(in);
  if (!address) return fail(address);
  if (const Result<void> ok = in.end(); !ok) return fail(ok);
  return address;
}

}  // namespace postrider::directory
