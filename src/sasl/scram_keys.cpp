#include "sasl/scram_keys.hpp"

#include "sasl/password.hpp"
#include "sasl/saslprep.hpp"
#include "sasl/scram_crypto.hpp"

namespace postrider::sasl {

Result<ScramKeys> make_scram_keys(ScramHash hash, const Secret& password, std::string salt, std::uint32_t iterations) {
  if (salt.empty() || salt.size() > kScramSaltOctetsMax) return error(Error::malformed, "sasl.scram_keys", "salt");
  if (iterations == 0 || iterations > kScramIterationsMax) {
    return error(Error::malformed, "sasl.scram_keys", "iterations");
  }
  const Result<Secret> prepared = saslprep(password);
  if (!prepared) return fail(prepared);
  const Secret salted = scram_salted(hash, *prepared, salt, iterations);
  return scram_keys_of(hash, salted, std::move(salt), iterations);
}

Result<void> verify_scram_keys(ScramHash hash, const ScramKeys& keys, const Secret& password) {
  const Result<ScramKeys> made = make_scram_keys(hash, password, keys.salt, keys.iterations);
  if (!made) return fail(made);
  const bool same = same_octets(made->stored_key, keys.stored_key) && same_octets(made->server_key, keys.server_key);
  if (!same) return error(Error::denied, "sasl.scram_keys", "wrong password");
  return {};
}

}  // namespace postrider::sasl
