// rooms: trust core
// The body hash of DKIM: however the body is cut, and the canonical form has the same hash as the body itself. The
// first octet says where it is cut.
#include "trust/dkim_body.hpp"

#include "core/check.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

using namespace postrider;

namespace {

std::string hash_in_chunks(std::string_view body, std::size_t chunk) {
  trust::DkimBodyHash hash;
  for (std::size_t at = 0; at < body.size(); at += chunk) hash.append(body.substr(at, chunk));
  return std::move(hash).finish();
}

/// By the words of 6376 §3.4.4, with the whole body at hand.
std::string canonical(std::string_view body) {
  std::string out;
  for (bool last = body.empty(); !last;) {
    const std::size_t end = body.find("\r\n");
    last = end == std::string_view::npos;
    std::string line;
    for (const char c : body.substr(0, end)) {
      const bool blank = c == ' ' || c == '\t';
      if (!blank) line += c;
      if (blank && !line.ends_with(' ')) line += ' ';
    }
    if (line.ends_with(' ')) line.pop_back();
    if (!last || !line.empty()) out += line + "\r\n";
    if (!last) body.remove_prefix(end + 2);
  }
  while (out == "\r\n" || out.ends_with("\r\n\r\n")) out.resize(out.size() - 2);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string whole = hash_in_chunks(body, std::max<std::size_t>(1, body.size()));
  check(whole.size() == 32, "SHA-256");
  check(hash_in_chunks(body, 1) == whole, "cut everywhere");
  check(hash_in_chunks(body, 1U + data[0]) == whole, "cut somewhere");
  const std::string normal = canonical(body);
  check(canonical(normal) == normal, "the canonical form is its own");
  check(hash_in_chunks(normal, std::max<std::size_t>(1, normal.size())) == whole, "the hash is of the canonical form");
  return 0;
}
