#include "sasl/mechanism.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <array>

namespace postrider::sasl {

namespace {

struct Row {
  Mechanism mechanism;
  std::string_view name;
};
constexpr auto kRows = std::to_array<Row>({
    {Mechanism::plain, "PLAIN"},
    {Mechanism::login, "LOGIN"},
    {Mechanism::scram_sha_1, "SCRAM-SHA-1"},
    {Mechanism::scram_sha_1_plus, "SCRAM-SHA-1-PLUS"},
    {Mechanism::scram_sha_256, "SCRAM-SHA-256"},
    {Mechanism::scram_sha_256_plus, "SCRAM-SHA-256-PLUS"},
    {Mechanism::external, "EXTERNAL"},
});

// The strongest first.
constexpr auto kPreference =
    std::to_array<Mechanism>({Mechanism::scram_sha_256_plus, Mechanism::scram_sha_256, Mechanism::scram_sha_1_plus,
                              Mechanism::scram_sha_1, Mechanism::plain, Mechanism::login});

}  // namespace

std::string_view name_of(Mechanism mechanism) { return std::ranges::find(kRows, mechanism, &Row::mechanism)->name; }

Result<Mechanism> parse_mechanism(std::string_view name) {
  const auto* const row = std::ranges::find_if(kRows, [&](const Row& r) { return iequals_ascii(r.name, name); });
  if (row == kRows.end()) return error(Error::unsupported, "sasl.mechanism", printable_ascii(name, 20));
  return row->mechanism;
}

std::optional<Mechanism> choose_mechanism(const std::vector<std::string>& offered, bool secured,
                                          const Bindings& bindings) {
  const bool can_bind = !bindings.tls_exporter.empty() || !bindings.tls_server_end_point.empty();
  for (const Mechanism mechanism : kPreference) {
    const bool binds = mechanism == Mechanism::scram_sha_256_plus || mechanism == Mechanism::scram_sha_1_plus;
    const bool shows = mechanism == Mechanism::plain || mechanism == Mechanism::login;
    if ((binds && !can_bind) || (shows && !secured)) continue;
    const std::string_view name = name_of(mechanism);
    if (std::ranges::any_of(offered, [&](const std::string& o) { return iequals_ascii(o, name); })) return mechanism;
  }
  return std::nullopt;
}

}  // namespace postrider::sasl
