// rooms: net core
// The PROXY header: cuts change nothing, no more is taken than belongs to it, limits hold. The first octet is the seed
// of the cuts.
#include "net/proxy_header.hpp"

#include "core/check.hpp"
#include "core/random.hpp"

#include <algorithm>
#include <cstdint>
#include <string_view>

using namespace postrider;

namespace {

struct Seen {
  bool refused = false;
  bool complete = false;
  std::size_t taken = 0;
  std::optional<net::Endpoint> client;
  friend bool operator==(const Seen&, const Seen&) = default;
};

Seen read(std::string_view octets, Random* cuts) {
  net::ProxyHeaderReader reader;
  Seen seen;
  while (reader.wanted() > 0) {
    std::size_t most = reader.wanted();
    if (cuts != nullptr) most = 1 + cuts->below(most);
    const std::string_view piece = octets.substr(seen.taken, most);
    if (piece.empty()) return seen;
    if (!reader.append(piece)) return {.refused = true, .complete = false, .taken = 0, .client = {}};
    seen.taken += piece.size();
    check(seen.taken <= 16 + net::kProxyBlockOctetsMax, "bounded");
  }
  seen.complete = true;
  seen.client = reader.client();
  if (octets.starts_with("PROXY"))
    check(octets.substr(0, seen.taken).ends_with("\r\n") && seen.taken <= net::kProxyLineOctetsMax, "one line");
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  SeededRandom cuts(data[0]);
  const std::string_view octets(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Seen whole = read(octets, nullptr);
  check(whole == read(octets, &cuts), "cuts change nothing");
  return 0;
}
