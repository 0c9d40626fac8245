// rooms: smtp mail core
// The client engine against a remote that says anything: every transaction ends with one outcome for each recipient,
// and no bare CR or LF is ever written, but inside of the chunks of a binary content. Nothing that is received before a
// handshake has any effect after it, and no password is written before it. Input: a seed octet, of which one bit
// chooses LMTP, one to ask only, and one TLS and a login, an octet of flags, a content up to the first 0xFF, the
// remote.
#include "core/check.hpp"
#include "core/random.hpp"
#include "core/text.hpp"
#include "tests/dialogue/client_runner.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

using namespace postrider;

namespace {

/// What is sent without the octets of BDAT chunks; a binary content is sent in no other way.
std::string without_chunks(const std::vector<std::string>& writes) {
  std::string out;
  for (const std::string& write : writes) {
    std::size_t bdat = write.starts_with("BDAT ") ? 0 : std::string::npos;
    if (write.starts_with("MAIL ")) bdat = write.find("\r\nBDAT ");
    if (bdat == std::string::npos) {
      out += write;
      continue;
    }
    const std::size_t end = write.find("\r\n", bdat + 2);
    check(end != std::string::npos, "a BDAT command is a line");
    out += write.substr(0, end + 2);
  }
  return out;
}

void check_lines(std::string_view sent) {
  for (std::size_t i = 0; i < sent.size(); ++i) {
    if (sent[i] == '\n') check(i > 0 && sent[i - 1] == '\r', "no bare LF is written");
    if (sent[i] == '\r') check(i + 1 < sent.size() && sent[i + 1] == '\n', "no bare CR is written");
  }
}

void check_outcomes(const smtp::TransactionDone& done, std::size_t recipients, smtp::Phase accepts) {
  check(done.outcomes.size() == recipients, "one outcome for each recipient");
  for (const smtp::RecipientOutcome& outcome : done.outcomes) {
    check(outcome.reply.code >= 200 && outcome.reply.code <= 599, "an outcome is a reply");
    check(outcome.reply.code >= 400 || outcome.phase == accepts, "only the end of data accepts");
    for (const char c : smtp::to_line(outcome.reply)) check(c >= ' ' && c <= '~', "printable ASCII");
  }
}

constexpr std::string_view kPassword = "secretsecret";
constexpr std::string_view kEncoded = "c2VjcmV0c2VjcmV0";

bool has_password(std::string_view sent) { return sent.contains(kEncoded) || sent.contains(kPassword); }

/// A session that begins TLS, and logs in where bit 1 of `flags` is set.
class Login {
 public:
  Login(unsigned flags, smtp::Secured secured)
      : secured_(secured),
        mechanism_((flags & 4U) != 0   ? "PLAIN"
                   : (flags & 8U) != 0 ? "LOGIN"
                                       : "SCRAM-SHA-256"),
        required_((flags & 1U) != 0),
        runner([](std::string_view) { return std::string(); }, "", 1,
               smtp::ClientSettings{.hello_name = "client.example",
                                    .secured = secured,
                                    .begin_tls = required_ ? smtp::BeginTls::required : smtp::BeginTls::if_offered,
                                    .authenticate = (flags & 2U) != 0}) {
    runner.on_auth = [this](const std::vector<std::string>& mechanisms) -> smtp::ClientEvent {
      check(!mechanisms.empty(), "there is something to choose from");
      return smtp::StartAuth{.mechanism = mechanism_, .initial = first(), .may_succeed = mechanism_ == "PLAIN"};
    };
    runner.on_challenge = [this](const std::string& challenge) -> smtp::ClientEvent {
      check(challenge.size() <= smtp::kAuthLineOctetsMax, "a challenge has a limit");
      check(++challenges_ <= smtp::kAuthChallengesMax, "so have challenges");
      return smtp::AuthResponse{.response = first(), .may_succeed = challenges_ > 1};
    };
  }

  /// The remote says it, in pieces; until there is a session, or none.
  void hear(std::string_view said, std::size_t piece) {
    while (!said.empty() && !is_over()) {
      const std::string_view part = said.substr(0, piece);
      said.remove_prefix(part.size());
      const std::size_t before = runner.handshakes;
      runner.remote_says(part);
      runner.listen(part.size());
      if (runner.handshakes == before) continue;
      check(secured_ == smtp::Secured::no && runner.handshakes == 1, "TLS is begun once");
      check(!has_password(runner.sent), "no password before TLS");
      first_write_ = runner.writes.size() - 1;
      check(runner.writes.back() == "EHLO client.example\r\n", "EHLO is said again");
    }
  }
  [[nodiscard]] bool is_over() const { return runner.session().closed() || runner.session().ready(); }

  void check_all() const {
    check(runner.broken.empty(), "the engine keeps its own rules");
    check(!has_password(runner.shown), "nobody sees the password");
    check_lines(runner.sent);
    if (secured_ != smtp::Secured::no || runner.handshakes > 0) return;
    check(!has_password(runner.sent), "no password without TLS");
    check(!(required_ && runner.session().ready()), "no session in the clear where TLS is required");
  }
  /// What was written since TLS protects the session, and its end.
  [[nodiscard]] std::string story() const {
    std::string out;
    for (std::size_t i = first_write_; i < runner.writes.size(); ++i) out += runner.writes[i];
    if (runner.session().ready()) out += "ready";
    for (const smtp::RecipientOutcome& outcome : runner.refused) out += smtp::to_line(outcome.reply);
    return out;
  }

 private:
  [[nodiscard]] Secret first() const { return Secret(mechanism_ == "SCRAM-SHA-256" ? "p" : std::string(kPassword)); }

  smtp::Secured secured_;
  std::string mechanism_;
  bool required_;
  std::size_t challenges_ = 0;
  std::size_t first_write_ = 0;

 public:
  dialogue::ClientRunner runner;
};

/// `offers`: of a man in the middle, before the handshake. `said`: by the remote, after it.
void check_login(std::string_view offers, std::string_view said, std::size_t piece, unsigned flags) {
  Login any(flags, smtp::Secured::no);
  any.hear(said, piece);
  any.runner.step(smtp::TimedOut{});
  any.check_all();

  std::string hello = "250-mx\r\n250-";
  for (const char c : offers) hello += c == '\r' || c == '\n' ? ' ' : c;
  hello += "\r\n250 STARTTLS\r\n";
  const auto up_to_starttls = [&](Login& login) {
    for (const std::string_view line : {std::string_view("220 mx\r\n"), std::string_view(hello)})
      login.hear(line, line.size());
    return !login.is_over();
  };
  Login one(flags, smtp::Secured::no);
  if (!up_to_starttls(one)) return;  // a line too long
  one.hear("220 go\r\n", 100);
  check(one.runner.handshakes == 1, "STARTTLS is taken");
  Login fresh(flags, smtp::Secured::by_starttls);
  for (Login* const login : {&one, &fresh}) {
    login->hear(said, piece);
    login->check_all();
  }
  check(one.story() == fresh.story(), "what was received before the handshake has no effect after it");

  Login injected(flags, smtp::Secured::no);
  if (said.empty() || !up_to_starttls(injected)) return;
  const std::string with_more = "220 go\r\n" + std::string(said);
  injected.hear(with_more, with_more.size());
  check(injected.runner.handshakes == 0 && injected.runner.session().closed() && injected.runner.refused.size() == 1,
        "octets behind the reply to STARTTLS end the session");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  SeededRandom random(data[0]);
  const unsigned flags = data[1];
  const auto parts = split_once(std::string_view(reinterpret_cast<const char*>(data) + 2, size - 2), '\xff');
  std::string_view said = parts.second;
  if ((data[0] & 32U) != 0) {
    check_login(parts.first, said, 1 + random.below((flags & 16U) != 0 ? 1000 : 9), flags);
    return 0;
  }
  dialogue::ClientRunner runner([](std::string_view) { return std::string(); }, std::string(parts.first),
                                1 + random.below(50),
                                (data[0] & 128U) != 0 ? smtp::Protocol::lmtp : smtp::Protocol::smtp);
  const bool only_ask = (data[0] & 64U) != 0;
  std::size_t begun = 0;
  const std::size_t recipients = 1 + (flags & 3U);
  const auto begin = [&] {
    smtp::ClientTransaction transaction{.reverse_path = mail::Path::null(),
                                        .recipients = {},
                                        .size_octets = parts.first.size(),
                                        .request = {},
                                        .recipient_requests = {},
                                        .only_ask = only_ask};
    for (std::size_t i = 0; i < recipients; ++i) {
      const std::string_view text = (flags & 64U) != 0 && i == 1 ? "\xc3\xb6@x.test" : "\"a b\"@x.test";
      transaction.recipients.push_back(mail::Address::parse(text, mail::Utf8::yes).value());
    }
    if ((flags & 4U) != 0) transaction.request.body = smtp::BodyType::eight_bit_mime;
    if ((flags & 128U) != 0) {
      transaction.request = {
          .utf8 = mail::Utf8::no,
          .body = smtp::BodyType::binary_mime,
          .returned = mail::ReturnContent::headers,
          .envelope_id = "e=1",
          .deliver_by =
              mail::DeliverBy{.within = std::chrono::seconds(9), .mode = mail::DeliverBy::Mode::notify, .trace = true},
          .hold_for = std::nullopt,
          .hold_until = std::nullopt,
          .priority = 3};
      transaction.recipient_requests.assign(
          recipients, {.notify = mail::NotifyOn{}, .original_type = "rfc822", .original = "a+b=c@x.test"});
    }
    ++begun;
    runner.begin(std::move(transaction));
  };
  while (!said.empty() && !runner.session().closed()) {
    const std::size_t piece = 1 + random.below((flags & 8U) != 0 ? 200 : 5);
    runner.remote_says(said.substr(0, piece));
    said.remove_prefix(std::min(piece, said.size()));
    runner.listen(1000);
    if (runner.session().ready() && begun < 3) begin();
    if (runner.session().ready() && (flags & 16U) != 0) runner.quit();
  }
  if ((flags & 32U) != 0) runner.step(smtp::TimedOut{});
  runner.step(smtp::PeerClosed{});
  check(runner.session().closed() && runner.hung_up, "a lost connection ends the session");
  check(runner.broken.empty(), "the engine keeps its own rules");
  check(runner.done.size() == begun, "every transaction ends once");
  check(runner.refused.size() <= 1 && (runner.refused.empty() || begun == 0), "a refused session has no transactions");
  for (const smtp::TransactionDone& done : runner.done) {
    check_outcomes(done, recipients, only_ask ? smtp::Phase::rcpt : smtp::Phase::end_of_data);
  }
  const std::string commands = without_chunks(runner.writes);
  check_lines(commands);
  if (only_ask) check(!commands.contains("\r\nDATA\r\n") && !commands.contains("\r\nBDAT "), "it only asks");
  if ((flags & 128U) != 0) check(!commands.contains("DATA\r\n"), "a binary content never goes by DATA");
  return 0;
}
