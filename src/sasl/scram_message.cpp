#include "sasl/scram_message.hpp"

#include "core/numbers.hpp"
#include "core/text.hpp"
#include "sasl/mechanism.hpp"

#include <algorithm>
#include <optional>
#include <vector>

namespace postrider::sasl {

namespace {

constexpr std::string_view kPlace = "sasl.scram";

std::unexpected<Error> malformed(std::string detail) { return error(Error::malformed, kPlace, std::move(detail)); }

/// The value of `key=value`, nullopt where that is another attribute or has no value.
std::optional<std::string_view> value_of(char key, std::string_view attribute) {
  if (attribute.size() < 3 || attribute[0] != key || attribute[1] != '=') return std::nullopt;
  return attribute.substr(2);
}

/// 5802 §7: printable, without the comma that split() took already.
bool is_nonce(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

/// attr-val of an extension that may be ignored: `m` may not (§5.1).
bool is_extension(std::string_view attribute) {
  return attribute.size() >= 3 && is_alpha_ascii(attribute[0]) && attribute[1] == '=' && attribute[0] != 'm';
}

/// UTF-8 without NUL, cut at its commas.
Result<std::vector<std::string_view>> attributes_of(std::string_view message) {
  if (!is_utf8(message) || message.find('\0') != std::string_view::npos) return malformed("not UTF-8, or a NUL");
  return split(message, ',');
}

bool is_binding_type(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return is_alnum_ascii(c) || c == '.' || c == '-'; });
}

Result<void> take_flag(std::string_view flag, ClientFirst& out) {
  if (flag == "n") return {};
  if (flag == "y") {
    out.binding = Binding::not_offered;
    return {};
  }
  const std::optional<std::string_view> type = value_of('p', flag);
  if (!type || !is_binding_type(*type)) return malformed("gs2-cbind-flag");
  out.binding = Binding::bound;
  out.binding_type = *type;
  return {};
}

}  // namespace

Result<void> check_name(std::string_view name) {
  if (name.size() > kNameOctetsMax) return error(Error::too_long, "sasl.name");
  const bool controls = std::ranges::any_of(name, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; });
  if (name.empty() || controls || !is_utf8(name)) return error(Error::malformed, "sasl.name");
  return {};
}

std::string to_saslname(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == ',') {
      out += "=2C";
    } else if (c == '=') {
      out += "=3D";
    } else {
      out += c;
    }
  }
  return out;
}

Result<std::string> from_saslname(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ',') return malformed("a comma in a saslname");
    if (text[i] != '=') {
      out += text[i];
      continue;
    }
    const std::string_view escape = text.substr(i, 3);
    if (escape != "=2C" && escape != "=3D") return malformed("an escape of saslname");  // §5.1: MUST fail
    out += escape == "=2C" ? ',' : '=';
    i += 2;
  }
  if (const Result<void> good = check_name(out); !good) return fail(good);
  return out;
}

Result<ClientFirst> parse_client_first(std::string_view message) {
  const Result<std::vector<std::string_view>> pieces = attributes_of(message);
  if (!pieces) return fail(pieces);
  if (pieces->size() < 4) return malformed("want gs2-header n= r=");
  ClientFirst out;
  if (const Result<void> flag = take_flag((*pieces)[0], out); !flag) return fail(flag);
  if (const std::string_view authzid = (*pieces)[1]; !authzid.empty()) {
    const std::optional<std::string_view> name = value_of('a', authzid);
    if (!name) return malformed("authzid");
    Result<std::string> plain = from_saslname(*name);
    if (!plain) return fail(plain);
    out.authzid = std::move(*plain);
  }
  const std::size_t header = (*pieces)[0].size() + (*pieces)[1].size() + 2;
  out.gs2_header = message.substr(0, header);
  out.bare = message.substr(header);
  if ((*pieces)[2].starts_with("m=")) return error(Error::unsupported, kPlace, "a mandatory extension");
  const std::optional<std::string_view> login = value_of('n', (*pieces)[2]);
  const std::optional<std::string_view> nonce = value_of('r', (*pieces)[3]);
  if (!login || !nonce || !is_nonce(*nonce)) return malformed("want n= r=");
  if (!std::all_of(pieces->begin() + 4, pieces->end(), is_extension)) return malformed("extensions");
  Result<std::string> plain = from_saslname(*login);
  if (!plain) return fail(plain);
  out.login = std::move(*plain);
  out.nonce = *nonce;
  return out;
}

Result<ServerFirst> parse_server_first(std::string_view message) {
  const Result<std::vector<std::string_view>> pieces = attributes_of(message);
  if (!pieces) return fail(pieces);
  if (pieces->size() < 3) return malformed("want r= s= i=");
  const std::optional<std::string_view> nonce = value_of('r', (*pieces)[0]);
  const std::optional<std::string_view> salt = value_of('s', (*pieces)[1]);
  const std::optional<std::string_view> iterations = value_of('i', (*pieces)[2]);
  if (!nonce || !is_nonce(*nonce) || !salt || !iterations) return malformed("want r= s= i=");
  if (!std::all_of(pieces->begin() + 3, pieces->end(), is_extension)) return malformed("extensions");
  Result<std::string> octets = from_base64(*salt);
  const Result<std::uint32_t> count = parse_number<std::uint32_t>(*iterations, {.min = 1, .max = kScramIterationsMax});
  if (!octets || octets->empty() || octets->size() > kScramSaltOctetsMax) return malformed("salt");
  if (!count || iterations->starts_with('0')) return malformed("iterations");
  return ServerFirst{.nonce = std::string(*nonce), .salt = std::move(*octets), .iterations = *count};
}

std::string to_wire(const ServerFirst& message) {
  return "r=" + message.nonce + ",s=" + to_base64(message.salt) + ",i=" + std::to_string(message.iterations);
}

Result<ClientFinal> parse_client_final(std::string_view message) {
  const Result<std::vector<std::string_view>> pieces = attributes_of(message);
  if (!pieces) return fail(pieces);
  if (pieces->size() < 3) return malformed("want c= r= p=");
  const std::optional<std::string_view> binding = value_of('c', pieces->front());
  const std::optional<std::string_view> nonce = value_of('r', (*pieces)[1]);
  const std::optional<std::string_view> proof = value_of('p', pieces->back());
  if (!binding || !nonce || !is_nonce(*nonce) || !proof) return malformed("want c= r= p=");
  if (!std::all_of(pieces->begin() + 2, pieces->end() - 1, is_extension)) return malformed("extensions");
  Result<std::string> binding_octets = from_base64(*binding);
  Result<std::string> proof_octets = from_base64(*proof);
  if (!binding_octets || !proof_octets) return malformed("base64");
  return ClientFinal{.channel_binding = std::move(*binding_octets),
                     .nonce = std::string(*nonce),
                     .proof = std::move(*proof_octets),
                     .without_proof = std::string(message.substr(0, message.size() - pieces->back().size() - 1))};
}

Result<std::string> parse_server_final(std::string_view message) {
  const Result<std::vector<std::string_view>> pieces = attributes_of(message);
  if (!pieces) return fail(pieces);
  if (!std::all_of(pieces->begin() + 1, pieces->end(), is_extension)) return malformed("extensions");
  if (const auto why = value_of('e', pieces->front())) return error(Error::denied, kPlace, printable_ascii(*why, 80));
  const std::optional<std::string_view> verifier = value_of('v', pieces->front());
  if (!verifier) return malformed("want v=");
  Result<std::string> signature = from_base64(*verifier);
  if (!signature) return malformed("base64");
  return signature;
}

}  // namespace postrider::sasl
