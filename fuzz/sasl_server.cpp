// rooms: sasl core
// The server's side of SASL, every mechanism: whoever does not know the password (or has no certificate) never gets to
// Done, whatever he sends; each exchange ends within five messages; what is asked about fits its limits. The first two
// octets choose the mechanism and what is offered; the rest, cut at each 0xFF, is what the client sends.
#include "core/check.hpp"
#include "core/text.hpp"
#include "sasl/mechanism.hpp"
#include "sasl/password.hpp"
#include "sasl/scram_message.hpp"

#include <cstdint>
#include <string_view>

using namespace postrider;

namespace {

constexpr std::size_t kMessagesMax = 5;

sasl::Keys keys_of(sasl::ScramHash hash) {
  const std::size_t octets = hash == sasl::ScramHash::sha1 ? 20 : 32;  // such that nobody knows a password of them
  sasl::ScramKeys keys{
      .salt = "salt", .stored_key = std::string(octets, '\1'), .server_key = std::string(octets, '\2')};
  return {std::move(keys), true};
}

/// Answers what is asked until there is a challenge or an end.
sasl::Step settle(sasl::ServerExchange& exchange, sasl::Step step) {
  if (const auto* ask = std::get_if<sasl::AskPassword>(&step)) {
    check(sasl::check_name(ask->login).has_value(), "a name is UTF-8 within its limit");
    const std::string_view password = ask->password.reveal();
    check(!password.empty() && password.size() <= sasl::kPasswordOctetsMax, "a password within its limit");
    return exchange.answer(sasl::Verified{false});
  }
  if (const auto* ask = std::get_if<sasl::AskKeys>(&step)) {
    check(sasl::check_name(ask->login).has_value(), "a name is UTF-8 within its limit");
    return exchange.answer(keys_of(ask->hash));
  }
  if (const auto* ask = std::get_if<sasl::AskExternal>(&step)) {
    check(ask->authzid.empty() || sasl::check_name(ask->authzid).has_value(), "a name is UTF-8 within its limit");
    return exchange.answer(sasl::Verified{false});
  }
  return step;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const auto mechanism = static_cast<sasl::Mechanism>(data[0] % 7);
  sasl::ServerParameters parameters{.bindings = {}, .plus_offered = (data[1] & 1) != 0, .nonce = "the+servers+nonce"};
  if ((data[1] & 2) != 0) parameters.bindings.tls_exporter = "exporter";
  if ((data[1] & 4) != 0) parameters.bindings.tls_server_end_point = "end point";
  sasl::ServerExchange exchange(mechanism, std::move(parameters));
  const std::string_view rest(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::vector<std::string_view> messages = split(rest, '\xFF');
  std::size_t next = 0;
  const bool initial = (data[1] & 8) != 0;
  sasl::Step step = exchange.start(initial ? std::optional(messages[next++]) : std::nullopt);
  for (step = settle(exchange, std::move(step)); next < messages.size(); ++next) {
    check(!std::holds_alternative<sasl::Done>(step), "nobody is let in");
    if (const auto* challenge = std::get_if<sasl::Challenge>(&step)) {
      check(challenge->octets.size() <= 2 * sasl::kMessageOctetsMax, "a challenge is bounded");
    } else {
      check(std::holds_alternative<sasl::Failed>(step), "asked and answered");
    }
    check(next < kMessagesMax || std::holds_alternative<sasl::Failed>(step), "it ends");
    step = settle(exchange, exchange.respond(messages[next]));
  }
  check(!std::holds_alternative<sasl::Done>(step), "nobody is let in");
  return 0;
}
