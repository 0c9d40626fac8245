// rooms: sasl core
// The client's side of SASL, every mechanism: a server that does not know the password never makes a SCRAM exchange
// succeed, whatever it sends; it ends within three challenges; the password is not in what SCRAM sends. The first octet
// chooses the mechanism; the rest, cut at each 0xFF, is what the server sends. A `%` at the beginning of a challenge
// stands for "r=" and the client's nonce, so that the fuzzer need not find it.
#include "core/check.hpp"
#include "core/text.hpp"
#include "sasl/mechanism.hpp"
#include "sasl/scram_message.hpp"

#include <cstdint>
#include <string_view>

using namespace postrider;

namespace {

constexpr std::string_view kPassword = "the password of this test";
constexpr std::string_view kNonce = "the+clients+nonce";
constexpr std::uint32_t kIterationsTried = 5000;  // more is slow, and no different

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const auto mechanism = static_cast<sasl::Mechanism>(data[0] % 7);
  const bool is_scram = sasl::name_of(mechanism).starts_with("SCRAM");
  sasl::ClientExchange exchange(mechanism, {"ann", Secret(std::string(kPassword))},
                                {.tls_exporter = "exporter", .tls_server_end_point = {}}, std::string(kNonce));
  const std::optional<Secret> initial = exchange.initial();
  check(!is_scram || (initial && initial->reveal().find(kPassword) == std::string_view::npos), "nothing is shown");
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::size_t answered = 0;
  bool failed = false;
  for (const std::string_view piece : split(rest, '\xFF')) {
    const std::string challenge =
        piece.starts_with('%') ? "r=" + std::string(kNonce) + std::string(piece.substr(1)) : std::string(piece);
    const Result<sasl::ServerFirst> first = sasl::parse_server_first(challenge);
    if (first && first->iterations > kIterationsTried) return 0;
    const Result<Secret> response = exchange.respond(challenge);
    check(!(failed && response), "over is over");
    failed = !response;
    if (response) ++answered;
    check(answered <= 2, "it ends");
    check(!is_scram || !exchange.may_succeed(), "who does not know the password is no server of ours");
    check(!is_scram || !response || response->reveal().find(kPassword) == std::string_view::npos, "nothing is shown");
  }
  return 0;
}
