// One client session over one connection: greeting, TLS, login, transactions. Inside of delivery.
#pragma once

#include "delivery/relay.hpp"
#include "sasl/mechanism.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace postrider::delivery {

/// Drives one client session. Lives on one shard.
class ClientDriver {
 public:
  ClientDriver(std::unique_ptr<net::Stream> stream, RelaySettings settings, smtp::Protocol protocol, SessionPlan plan,
               Observe observe);

  /// TLS from the start where it is planned, greeting, hello, STARTTLS, login. False: refused, see `refusal`. Nothing
  /// takes longer than `limit`.
  [[nodiscard]] Task<bool> open(Clock* clock, SteadyTime limit);

  /// All transactions of `message`; gives the outcomes in the order of its recipients. To be called when `is_ready`.
  /// `content` null: only ask.
  [[nodiscard]] Task<std::vector<smtp::RecipientOutcome>> carry(const RelayMessage* message, ContentSource* content);

  /// `wait`: for the peer's answer.
  [[nodiscard]] Task<void> quit(bool wait);

  /// Whether a message may begin; also false where the peer has closed or said something while nobody asked.
  [[nodiscard]] bool is_ready();
  [[nodiscard]] const smtp::RecipientOutcome& refusal() const { return refusal_; }
  [[nodiscard]] bool may_go_on() const;
  [[nodiscard]] const std::optional<net::TlsFacts>& tls() const { return tls_; }

 private:
  [[nodiscard]] smtp::ClientSettings engine_settings(smtp::Secured secured) const;
  [[nodiscard]] Task<void> go_on();
  void begin_wait();
  void next_transaction();
  [[nodiscard]] Task<void> perform(smtp::ClientAction action);
  [[nodiscard]] Task<bool> shake_hands();
  [[nodiscard]] Task<void> begin_again();
  [[nodiscard]] Task<void> send_secret(smtp::SendSecret secret);
  void begin_login(const std::vector<std::string>& mechanisms);
  void answer(const std::string& challenge);
  [[nodiscard]] Task<void> give_content();
  [[nodiscard]] Task<void> flush();
  [[nodiscard]] Task<void> hear_last_words();
  [[nodiscard]] Task<void> read();
  void lost(const Error& why);

  std::unique_ptr<net::Stream> stream_;
  RelaySettings settings_;
  SessionPlan plan_;
  Observe observe_;
  smtp::Protocol protocol_;
  smtp::ClientSession session_;
  smtp::ClientActions todo_;
  std::string unsent_;
  Clock* clock_ = nullptr;
  const RelayMessage* message_ = nullptr;
  ContentSource* content_ = nullptr;  // null: only ask
  std::vector<smtp::RecipientOutcome> outcomes_;
  smtp::RecipientOutcome refusal_;
  unsigned transactions_ = 0;
  std::optional<smtp::ClientWait> wait_;
  SteadyTime until_{};
  SteadyTime limit_ = SteadyTime::never();
  std::optional<net::TlsFacts> tls_;
  std::unique_ptr<sasl::ClientExchange> exchange_;  // while it lasts
};

}  // namespace postrider::delivery
