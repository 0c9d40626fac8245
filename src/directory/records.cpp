#include "directory/records.hpp"

#include "core/record.hpp"

#include <array>
#include <limits>
#include <utility>

namespace postrider::directory {

namespace {

constexpr std::uint8_t kDomainFormatBefore = 1;  // of local domains, there were no others
constexpr std::uint8_t kDomainFormat = 2;
constexpr std::uint8_t kAccountFormatBefore = 1;  // with an argon2id hash only
constexpr std::uint8_t kAccountFormat = 2;
constexpr std::uint8_t kAppPasswordFormat = 1;
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

void write_keys(RecordWriter& out, const std::optional<sasl::ScramKeys>& keys) {
  out.flag(keys.has_value());
  if (keys) out.text(keys->salt).number(keys->iterations).text(keys->stored_key).text(keys->server_key);
}

std::optional<sasl::ScramKeys> read_keys(RecordReader& in) {
  if (!in.flag()) return std::nullopt;
  sasl::ScramKeys keys;
  keys.salt = in.text();
  keys.iterations = static_cast<std::uint32_t>(in.number_up_to(std::numeric_limits<std::uint32_t>::max()));
  keys.stored_key = in.text();
  keys.server_key = in.text();
  return keys;
}

Result<std::vector<SendAs>> read_rights(RecordReader& in) {
  std::vector<SendAs> all;
  const std::size_t count = in.count();
  for (std::size_t i = 0; i < count; ++i) {
    std::string local_part = in.text();
    Result<mail::Domain> domain = mail::Domain::parse(in.text());
    if (!domain) return error(Error::corrupt, "directory.record", "not a domain");
    all.push_back({.local_part = std::move(local_part), .domain = std::move(*domain)});
  }
  return all;
}

constexpr auto kScopes = std::to_array<Scope>({Scope::submission, Scope::pop3, Scope::imap});

std::uint64_t bit_of(Scope scope) { return std::uint64_t{1} << std::to_underlying(scope); }

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
  const Account& account = stored.account;
  RecordWriter out(kAccountFormat);
  out.number(static_cast<std::uint64_t>(account.id));
  write_address(out, account.address);
  out.flag(account.enabled).signed_number(to_micros(account.created)).text(stored.password_hash);
  out.number(std::to_underlying(account.kind)).number(account.send_as.size());
  for (const SendAs& right : account.send_as) out.text(right.local_part).text(right.domain.text());
  out.text(stored.imported_hash);
  write_keys(out, stored.scram_sha1);
  write_keys(out, stored.scram_sha256);
  out.number(stored.passwords).number(std::to_underlying(stored.source));
  return std::move(out).finish();
}

Result<StoredAccount> decode_account(std::string_view value) {
  const bool is_old = value.starts_with(static_cast<char>(kAccountFormatBefore));
  RecordReader in(value, is_old ? kAccountFormatBefore : kAccountFormat);
  const auto id = static_cast<mail::AccountId>(in.number());
  Result<mail::Address> address = read_address(in);
  if (!address) return fail(address);
  const bool enabled = in.flag();
  const WallTime created = from_micros(in.signed_number());
  StoredAccount stored{.account = {.id = id, .address = std::move(*address), .enabled = enabled, .created = created},
                       .password_hash = in.text()};
  if (!is_old) {
    stored.account.kind = static_cast<AccountClass>(in.number_up_to(std::to_underlying(AccountClass::app)));
    Result<std::vector<SendAs>> rights = read_rights(in);
    if (!rights) return fail(rights);
    stored.account.send_as = std::move(*rights);
    stored.imported_hash = in.text();
    stored.scram_sha1 = read_keys(in);
    stored.scram_sha256 = read_keys(in);
    stored.passwords = in.number();
    stored.source = static_cast<Source>(in.number_up_to(std::to_underlying(Source::file)));
  }
  if (const Result<void> ok = in.end(); !ok) return fail(ok);
  return stored;
}

std::string encode_app_password(const StoredAppPassword& stored) {
  const AppPassword& record = stored.record;
  std::uint64_t scopes = 0;
  for (const Scope scope : record.scopes) scopes |= bit_of(scope);
  RecordWriter out(kAppPasswordFormat);
  out.text(record.id).text(record.name).number(scopes).signed_number(to_micros(record.created));
  out.flag(record.last_used.has_value());
  if (record.last_used) out.signed_number(to_micros(*record.last_used));
  out.text(stored.digest);
  return std::move(out).finish();
}

Result<StoredAppPassword> decode_app_password(std::string_view value) {
  RecordReader in(value, kAppPasswordFormat);
  StoredAppPassword stored;
  stored.record.id = in.text();
  stored.record.name = in.text();
  const std::uint64_t scopes = in.number_up_to((std::uint64_t{1} << kScopes.size()) - 1);
  for (const Scope scope : kScopes) {
    if ((scopes & bit_of(scope)) != 0) stored.record.scopes.push_back(scope);
  }
  stored.record.created = from_micros(in.signed_number());
  if (in.flag()) stored.record.last_used = from_micros(in.signed_number());
  stored.digest = in.text();
  if (const Result<void> ok = in.end(); !ok) return fail(ok);
  return stored;
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
