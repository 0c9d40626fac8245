// Who exists and who may: domains, accounts, aliases, credentials; in the store, and read-only from the configuration
// file.
#pragma once

#include "core/clock.hpp"
#include "core/random.hpp"
#include "core/result.hpp"
#include "core/secret.hpp"
#include "core/task.hpp"
#include "core/workers.hpp"
#include "mail/account_id.hpp"
#include "mail/address.hpp"
#include "sasl/scram_keys.hpp"
#include "store/store.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace postrider::directory {

inline constexpr std::size_t kAliasDepthMax = 10;          // LIMITS.md
inline constexpr std::size_t kAliasTargetsMax = 1000;      // LIMITS.md
inline constexpr std::size_t kAppPasswordsMax = 50;        // of an account
inline constexpr std::size_t kSendAsMax = 100;             // of an account
inline constexpr std::size_t kFileAliasTargetsMax = 5000;  // LIMITS.md: of an alias in a file

enum class Source : std::uint8_t { store, file };  ///< `file` ones are read-only to the commands

enum class DomainKind : std::uint8_t {
  local,
  relay,  ///< we are its gateway or backup MX: mail goes on by its route (5321 §2.3.10, §5)
  alias,  ///< another name of a local domain
};

/// Which recipients of a relay domain there are.
struct RelayRecipients {
  enum class By : std::uint8_t {
    any,
    verify,  ///< the next hop is asked at RCPT
    file,    ///< a list of addresses, one a line
  };
  By by = By::verify;
  std::string path = {};  ///< of `file`
};

struct DomainRecord {
  mail::Domain name;
  DomainKind kind = DomainKind::local;
  std::optional<mail::Domain> alias_of = std::nullopt;  ///< of kind alias: a local domain
  RelayRecipients recipients = {};                      ///< of kind relay
  std::optional<mail::Address> catch_all;
  std::string subaddress = "+";             ///< separator of `user+detail`; empty: none
  std::optional<mail::Address> postmaster;  ///< unset: the domain's first account
  Source source = Source::store;
};

enum class AccountClass : std::uint8_t {
  person,  ///< has the caps of LIMITS.md "Accounts"
  app,     ///< a program that sends much: without caps
};

/// Who else an account may send as, beside its own address (with any subaddress) and the aliases that lead to it alone.
struct SendAs {
  /// An address, or with an empty local part every address of the domain.
  std::string local_part;
  mail::Domain domain;
  friend bool operator==(const SendAs&, const SendAs&) = default;
};

struct Account {
  mail::AccountId id{};
  mail::Address address;
  bool enabled = true;
  WallTime created;
  AccountClass kind = AccountClass::person;
  std::vector<SendAs> send_as = {};
};

/// What a login is for.
enum class Scope : std::uint8_t { submission, pop3, imap };

/// A password of its own for one program: made here, shown once.
struct AppPassword {
  std::string id;  ///< short, for commands
  std::string name;
  std::vector<Scope> scopes;
  WallTime created;
  std::optional<WallTime> last_used;  ///< to the hour
};

/// A login that succeeded. It holds until something takes it back: the account is disabled, removed or gets another
/// password, or the app password is revoked. Sessions ask before each thing that they do.
class Grant {
 public:
  virtual ~Grant() = default;
  [[nodiscard]] virtual bool holds() const = 0;
  /// As it was at the login.
  [[nodiscard]] virtual const Account& account() const = 0;
  /// The app password's name; empty: the account's own password (or certificate).
  [[nodiscard]] virtual const std::string& credential() const = 0;
};

struct AliasRecord {
  mail::Address address;
  std::vector<mail::Address> targets;
  Source source = Source::store;
};

enum class AliasFormat : std::uint8_t {
  aliases,          ///< "name: target, target" with `:include:`, continued lines and `#` (Sendmail, Postfix, Exim)
  postfix_virtual,  ///< "address target, target", "@domain target"
};

/// [[alias_file]]: read at start.
struct AliasFile {
  std::string path;
  AliasFormat format = AliasFormat::aliases;
  std::optional<mail::Domain> domain = std::nullopt;  ///< of names without one; unset: the first local domain
};

/// "@domain target" of an alias file: where mail for unknown users of the domain goes.
struct CatchAll {
  mail::Domain domain;
  std::vector<mail::Address> targets;
};

class RecipientList;

/// Where a recipient's mail goes in the end.
struct Target {
  mail::Address address;                   ///< as it is delivered; a subaddress is kept
  std::optional<mail::AccountId> account;  ///< set: a mailbox here; unset: an address elsewhere (alias target)
  /// It came by a list that has an owner (`owner-NAME` beside `NAME`): the sender of the envelope from here on.
  std::optional<mail::Path> owner = std::nullopt;
};

struct NotOurs {};  ///< the domain is not local: the relay function decides
/// A relay domain: its recipients are the next hop's.
struct Relayed {
  RelayRecipients::By by = RelayRecipients::By::any;  ///< of `file` the address is in it
  bool is_named = false;  ///< in that file as it is, not by its part before a subaddress, nor as postmaster
};
struct Unknown {
  std::string reason;  ///< "no such user", "account is disabled", "alias loop", …
};
struct Deliverable {
  std::vector<Target> targets;  ///< at least one, no two alike
  bool is_expanded = false;     ///< by an alias of several targets (3461 §5.2.7.2)
};
using Resolution = std::variant<NotOurs, Relayed, Unknown, Deliverable>;

struct Settings {
  std::vector<DomainRecord> domains;  ///< [[domain]] of the file
  std::vector<AliasRecord> aliases;   ///< [[alias]] of the file, and those of the alias files
  std::vector<CatchAll> catch_alls;   ///< of the alias files; a domain's own catch_all comes first
  /// Of the relay domains of the file with recipients = "file:PATH".
  std::map<mail::Domain, std::shared_ptr<const RecipientList>> recipient_lists;
  /// Ours: postmaster@hostname, which is what `RCPT TO:<Postmaster>` means (5321 §4.1.1.3), is the first domain's
  /// postmaster where the host name is no local domain itself.
  std::optional<mail::Domain> hostname;
  /// Of the sandbox, which catches all mail: what would be NotOurs or Unknown goes to this account, its address kept.
  std::optional<mail::Address> catch_everything;
};

class Lookup;
class Logins;
struct StoredAccount;

/// What a list of accounts shows of one.
struct AccountFacts {
  Account account;
  Source source = Source::store;
  bool imported = false;  ///< its password is known by an imported hash only
  bool scram_sha1 = false;
  bool scram_sha256 = false;
  std::size_t app_passwords = 0;
};

/// Local parts of local domains compare without regard to ASCII case (as every large site does; 5321 §2.4 leaves it to
/// us). Errors of all: transient, corrupt from the store.
class Directory {
 public:
  Directory(store::Store* store, Workers* workers, Random* random, Clock* clock, Settings settings);
  ~Directory();

  /// Of kind local or alias.
  [[nodiscard]] Task<Result<bool>> is_local(mail::Domain domain);

  /// Exact account, alias, then both without the subaddress, postmaster (5321 §4.5.1: always taken in a local domain
  /// with an account), catch-all. Aliases are followed within the limits above; a loop or too many targets gives
  /// Unknown. Targets of an alias that do not exist (any more) are left out, unless none is left: then Unknown. An
  /// alias `postmaster` that would be Unknown is passed over. In an alias domain what is no alias there is the same
  /// local part in the domain that it stands for. In a relay domain what is no alias is Relayed, or Unknown where its
  /// file does not list it (postmaster is always there).
  [[nodiscard]] Task<Result<Resolution>> resolve(mail::Address address);

  // Logins. One without a domain is in the local domain, where there is only one.

  /// With the account's own password, or an app password that has `scope`. An imported hash and a missing SCRAM key are
  /// replaced by ours on the way. What succeeded a moment ago costs no hash again.
  /// Errors  denied: unknown, disabled or wrong password, all alike and all at the cost of one hash; exhausted: too
  /// many hashes wait.
  [[nodiscard]] Task<Result<std::shared_ptr<const Grant>>> log_in(std::string login, Secret password, Scope scope);
  struct ScramLogin {
    sasl::ScramKeys keys;
    bool known = false;          ///< false: a steady fake
    std::uint64_t password = 0;  ///< which of the account's passwords it is, for `grant`
  };
  /// For SCRAM, of the account's own password.
  [[nodiscard]] Task<Result<ScramLogin>> scram_keys(std::string login, sasl::ScramHash hash);
  /// For a login that a mechanism has proved. `password`: what ScramLogin had, so that a password that was changed
  /// during the exchange lets nobody in. Errors  denied: unknown or disabled, or the password is another by now.
  [[nodiscard]] Task<Result<std::shared_ptr<const Grant>>> grant(std::string login,
                                                                 std::optional<std::uint64_t> password = std::nullopt);
  /// Every enabled account has SCRAM keys of that hash, and there is one (SECURITY R10).
  [[nodiscard]] Task<Result<bool>> offers_scram(sasl::ScramHash hash);
  /// Its own address with any subaddress, what it was given (SendAs), and aliases whose only target it is.
  [[nodiscard]] Task<Result<bool>> may_send_as(std::shared_ptr<const Grant> grant, mail::Address address);

  // For the commands. Errors  conflict: exists already; not_found; denied: is in the file; malformed: says why.
  [[nodiscard]] Task<Result<void>> add_domain(DomainRecord domain);
  [[nodiscard]] Task<Result<void>> remove_domain(
      mail::Domain domain);  ///< conflict: accounts or aliases are left in it
  [[nodiscard]] Task<Result<std::vector<DomainRecord>>> list_domains();
  [[nodiscard]] Task<Result<Account>> add_account(mail::Address address,
                                                  Secret password,  ///< not_found: no such domain
                                                  AccountClass kind = AccountClass::person);
  [[nodiscard]] Task<Result<void>> remove_account(mail::Address address);
  [[nodiscard]] Task<Result<void>> set_password(mail::Address address, Secret password);
  [[nodiscard]] Task<Result<void>> set_enabled(mail::Address address, bool enabled);
  [[nodiscard]] Task<Result<std::vector<Account>>> list_accounts();
  [[nodiscard]] Task<Result<std::vector<AccountFacts>>> describe_accounts();
  /// An account whose password is known by its hash only (sasl::check_imported_hash).
  [[nodiscard]] Task<Result<Account>> import_account(mail::Address address, std::string password_hash,
                                                     AccountClass kind = AccountClass::person);
  [[nodiscard]] Task<Result<void>> set_class(mail::Address address, AccountClass kind);
  /// Errors too  exhausted: has kSendAsMax.
  [[nodiscard]] Task<Result<void>> add_send_as(mail::Address address, SendAs right);
  [[nodiscard]] Task<Result<void>> remove_send_as(mail::Address address, SendAs right);
  struct NewAppPassword {
    AppPassword record;
    Secret password;
  };
  /// `name`: 1 to 64 octets of text. Errors too  exhausted: has kAppPasswordsMax; conflict: has one of that name.
  [[nodiscard]] Task<Result<NewAppPassword>> add_app_password(mail::Address address, std::string name,
                                                              std::vector<Scope> scopes);
  /// In the order in which they were made.
  [[nodiscard]] Task<Result<std::vector<AppPassword>>> list_app_passwords(mail::Address address);
  [[nodiscard]] Task<Result<void>> revoke_app_password(mail::Address address, std::string id);
  /// Adds targets to the alias, which is made when it is not there. conflict: has all these targets, or is an account.
  [[nodiscard]] Task<Result<void>> add_alias(mail::Address address, std::vector<mail::Address> targets);
  /// Removes these targets, or the whole alias when there are none given.
  [[nodiscard]] Task<Result<void>> remove_alias(mail::Address address, std::vector<mail::Address> targets);
  [[nodiscard]] Task<Result<std::vector<AliasRecord>>> list_aliases();

 private:
  [[nodiscard]] Task<Result<Account>> make_account(StoredAccount made);
  [[nodiscard]] Task<Result<StoredAccount>> change_account(mail::Address address,
                                                           std::function<Result<void>(StoredAccount&)> change);
  [[nodiscard]] Task<Result<std::optional<mail::Address>>> address_of_login(std::string login);
  [[nodiscard]] Task<Result<Resolution>> resolve_otherwise(mail::Address address, Resolution first);
  store::Store* store_;
  Random* random_;
  Clock* clock_;
  std::unique_ptr<const Lookup> lookup_;
  std::unique_ptr<Logins> logins_;
  std::optional<mail::Domain> hostname_;
  std::optional<mail::Address> catch_everything_;
};

}  // namespace postrider::directory
