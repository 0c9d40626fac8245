// Acceptance, stage by stage. Each verdict carries its rule and reason, which feed reply, log and trace.
#pragma once

#include "core/clock.hpp"
#include "core/result.hpp"
#include "core/task.hpp"
#include "directory/directory.hpp"
#include "mail/account_id.hpp"
#include "mail/address.hpp"
#include "mail/envelope.hpp"
#include "mail/header_section.hpp"
#include "route/route.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::gate {

enum class ListenerRole : std::uint8_t { relay_in, submission, lmtp };  ///< port 25; 587 and 465; 2033

/// Who the session is. Set only by AUTH inside TLS (or where plaintext_auth allows it), by the peer's network, and by
/// the kernel's word for who is behind submit.sock; never by HELO, XCLIENT or loopback (SECURITY R4).
struct SessionIdentity {
  std::optional<mail::AccountId> account;
  bool in_relay_network = false;                 ///< the peer's address is in relay_from
  std::optional<std::uint32_t> local_user = {};  ///< of a submission by a user of this host: SO_PEERCRED
  /// Whom the queue names for it: the account's address, or "uid:1000" of a user of this host; empty: nobody.
  std::string login = {};
  /// One of our own people, who submits: what it asks of us is not a stranger's.
  [[nodiscard]] bool is_own() const { return account || local_user; }
};

struct Verdict {
  int code = 250;  ///< 2yz accept, 4yz and 5yz refuse
  std::string enhanced;
  std::string text;
  std::string rule;         ///< stable name: "relay.denied", "recipient.unknown", …
  std::string detail = {};  ///< for log and trace: what the next hop of a relay domain said; printable ASCII
};
[[nodiscard]] inline bool accepts(const Verdict& verdict) { return verdict.code < 400; }

enum class RelayDecision : std::uint8_t { local, relay, denied };

/// What a recipient's domain is to us, as the directory has it.
enum class DomainIs : std::uint8_t {
  elsewhere,
  local,
  relay,  ///< we are its gateway or backup MX
};

/// The relay function (SECURITY R4): the one place that decides whether mail for a domain may enter. Pure. A relay
/// domain is taken from anybody on port 25, and from who logged in; an address literal is never relayed to.
[[nodiscard]] RelayDecision decide_relay(DomainIs domain_is, const mail::Domain& domain,
                                         const SessionIdentity& identity, ListenerRole role);

/// A local part that could send mail on from the next hop of a relay domain (`x%away.test`, `away.test!x`,
/// `"x@away.test"`): strangers must not use it through us, as that host may trust us.
[[nodiscard]] bool is_routed(std::string_view local_part);

struct RecipientVerdict {
  Verdict verdict;
  std::vector<directory::Target> targets;  ///< where it goes, when accepted; addresses elsewhere have no account
  bool is_expanded = false;                ///< by an alias of several targets
};

struct Settings {
  std::uint64_t max_message_size = 0;
  std::size_t max_connections = 10'000;
  std::size_t max_connections_per_ip = 50;
};

/// What POP3 and HTTP may have beyond max_connections: a flood of senders leaves users and health checks a door.
constexpr std::size_t kSessionsBeyond = 32;

/// Counts sessions, of all shards; those of one IPv6 /64 together, as one customer has it. Thread-safe.
class SessionCounts {
 public:
  /// A place for a session of that address; gives it back when it dies.
  class Place {
   public:
    Place() = default;
    /// From now on it is counted as a session of `peer`: the client behind a proxy.
    /// Errors  denied: max_connections_per_ip; it is counted as before then.
    [[nodiscard]] Result<void> move_to(const route::AddressOctets& peer);
    Place(Place&&) noexcept;
    Place& operator=(Place&&) noexcept;
    ~Place();

   private:
    friend class SessionCounts;
    struct Held;
    std::shared_ptr<Held> held_;
  };
  explicit SessionCounts(Settings settings);
  /// Errors  exhausted: max_connections (421 4.3.2), denied: max_connections_per_ip (421 4.7.0). Before any other work.
  /// Without `peer` it is nobody's yet: who it is comes with a PROXY header. `beyond`: so many more than
  /// max_connections.
  [[nodiscard]] Result<Place> enter(const std::optional<route::AddressOctets>& peer, std::size_t beyond = 0);
  [[nodiscard]] std::size_t sessions() const;
  /// More than 80 % of max_connections are used: waits become short (LIMITS.md).
  [[nodiscard]] bool crowded() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// Asks the next hop of a relay domain whether it takes a recipient: MAIL FROM:<>, RCPT, RSET. Another room does it.
class RecipientProbe {
 public:
  struct Answer {
    enum class Kind : std::uint8_t { accepted, refused, unknown, not_asked };
    Kind kind = Kind::unknown;  ///< unknown: 4yz, no answer, no route now; not_asked: too many are asked about
    std::string reply;          ///< the next hop's, for reply, log and trace; printable ASCII
  };
  virtual ~RecipientProbe() = default;
  /// Ends by `until`. Thread-safe.
  [[nodiscard]] virtual Task<Answer> ask(mail::Address recipient, SteadyTime until) = 0;
};

constexpr Duration kProbeWait = std::chrono::seconds(5);
constexpr Duration kProbeAcceptedKept = std::chrono::hours(1);
constexpr Duration kProbeRefusedKept = std::chrono::minutes(10);
constexpr Duration kProbeUnknownKept = std::chrono::minutes(1);
constexpr std::size_t kProbesKept = 10'000;
constexpr Duration kNullMxWait = std::chrono::seconds(2);  // for names, at RCPT
constexpr Duration kDeadNamesKept = std::chrono::seconds(60);
constexpr std::size_t kDeadNamesMax = 1'000;

/// Thread-safe.
class Gate {
 public:
  /// `probe`: of relay domains with recipients = "verify"; nullptr: nobody can be asked, so their recipients are taken.
  Gate(directory::Directory* directory, store::Store* store, route::Router* router, RecipientProbe* probe, Clock* clock,
       Settings settings);
  ~Gate();

  /// MAIL: size and room. 552 5.3.4, 452 4.3.1.
  [[nodiscard]] Verdict check_sender(const mail::Path& reverse_path, std::uint64_t size_octets,
                                     const SessionIdentity& identity) const;

  /// RCPT: relay function, directory and routes. 550 5.7.1 relaying denied, 550 5.1.1 unknown, 451 4.3.0 directory not
  /// readable.
  /// 550 5.7.1 too for strangers with a routed local part in a relay domain whose list does not have it as it is, or in
  /// the subaddress of a mailbox that a route takes (match_local).
  /// 550 or 450 with the status and text of a route via "error:".
  /// 550 5.1.1 and 450 4.1.1 (unknown now, which is no better than a refusal that may pass): what the next hop of a
  /// relay domain with recipients = "verify" says; it is asked for kProbeWait, its answer kept a while.
  /// 556 5.1.10 a domain to relay to has a null MX (7505 §4.1); names that do not answer within kNullMxWait refuse
  /// nobody, and are not asked again for kDeadNamesKept. 550 5.1.2 to our own people: there is no such domain.
  /// 554 5.6.3 a mailbox here takes no BINARYMIME: what it holds has whole lines (SECURITY R1).
  [[nodiscard]] Task<RecipientVerdict> check_recipient(mail::Address address, SessionIdentity identity,
                                                       ListenerRole role,
                                                       mail::BodyType body = mail::BodyType::seven_bit,
                                                       mail::Path sender = {});

  /// End of content. `section` failed: 550 5.6.0. Received fields over kReceivedFieldsMax: 554 5.4.6.
  [[nodiscard]] Verdict check_content(const Result<mail::HeaderSection>& section) const;

 private:
  struct Learned;
  [[nodiscard]] Task<Verdict> check_elsewhere(route::Query query, bool is_own);
  [[nodiscard]] Task<Verdict> check_relayed(mail::Address address, route::Query query, bool ask);
  [[nodiscard]] Task<RecipientProbe::Answer> ask_next_hop(mail::Address address);
  [[nodiscard]] Task<std::optional<Verdict>> ask_names(route::Query query, bool is_own);
  [[nodiscard]] bool take_from_mailboxes(std::vector<directory::Target>& targets, const route::Query& query) const;

  directory::Directory* directory_;
  store::Store* store_;
  route::Router* router_;
  RecipientProbe* probe_;
  Clock* clock_;
  Settings settings_;
  std::unique_ptr<Learned> learned_;
};

}  // namespace postrider::gate
