#include "directory/keyed_hash.hpp"

#include "core/check.hpp"
#include "core/secret.hpp"
#include "sasl/digest.hpp"

#include <cstddef>
#include <utility>

namespace postrider::directory {

namespace {

constexpr std::size_t kBlockOctets = 64;  // of SHA-256

std::string padded(std::string_view key, char with) {
  std::string out(key);
  out.resize(kBlockOctets, '\0');
  for (char& c : out) c = static_cast<char>(c ^ with);
  return out;
}

}  // namespace

std::string keyed_hash(std::string_view key, std::string_view octets) {
  check(key.size() <= kBlockOctets, "directory: a key of one block");
  std::string text = padded(key, '\x36');  // 2104 §2
  text.reserve(kBlockOctets + octets.size());
  text += octets;
  const Secret inner(std::move(text));
  std::string outer = padded(key, '\x5c');
  outer += sasl::sha256(inner.reveal());
  return sasl::sha256(outer);
}

bool is_equal_secretly(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned differences = 0;
  for (std::size_t i = 0; i < a.size(); ++i) differences |= static_cast<unsigned char>(a[i] ^ b[i]);
  return differences == 0;
}

}  // namespace postrider::directory
