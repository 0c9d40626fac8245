// For tests: accounts that answer the questions of a ServerExchange, and an exchange between both sides of ours.
#pragma once

#include "core/overloaded.hpp"
#include "sasl/mechanism.hpp"

#include <map>
#include <optional>
#include <string>
#include <utility>

namespace postrider::sasl::test {

struct Accounts {
  std::map<std::string, std::string> passwords;  // by login
  bool certificate = true;                       // whether EXTERNAL may

  /// Steps `exchange` until it has a challenge or an end.
  [[nodiscard]] Step settle(ServerExchange& exchange, Step step) const {
    while (true) {
      if (const auto* ask = std::get_if<AskPassword>(&step)) {
        const auto found = passwords.find(ask->login);
        step = exchange.answer(Verified{found != passwords.end() && found->second == ask->password.reveal()});
      } else if (const auto* asked = std::get_if<AskKeys>(&step)) {
        const auto found = passwords.find(asked->login);
        const bool known = found != passwords.end();
        const Secret password(known ? found->second : std::string("nobody knows"));
        step = exchange.answer(Keys{*make_scram_keys(asked->hash, password, "a salt of ours"), known});
      } else if (std::holds_alternative<AskExternal>(step)) {
        step = exchange.answer(Verified{certificate});
      } else {
        return step;
      }
    }
  }
};

struct Ended {
  std::string login;           ///< empty: it failed
  std::optional<Error> why;    ///< of the side that failed first
  bool client_agrees = false;  ///< may_succeed
};

[[nodiscard]] inline Ended play(const Accounts& accounts, ServerExchange& server, ClientExchange& client) {
  const std::optional<Secret> initial = client.initial();
  Step step = accounts.settle(server, server.start(initial ? std::optional(initial->reveal()) : std::nullopt));
  while (const auto* challenge = std::get_if<Challenge>(&step)) {
    const Result<Secret> response = client.respond(challenge->octets);
    if (!response) return {.login = {}, .why = response.error()};
    step = accounts.settle(server, server.respond(response->reveal()));
  }
  if (const auto* failed = std::get_if<Failed>(&step)) return {.login = {}, .why = failed->why};
  return {.login = std::get<Done>(step).login, .why = {}, .client_agrees = client.may_succeed()};
}

}  // namespace postrider::sasl::test
