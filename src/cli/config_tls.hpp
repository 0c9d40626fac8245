// [tls] and [[certificate]]: what clients are shown, and the listeners that cannot do without.
#pragma once

#include "cli/config.hpp"
#include "cli/config_table.hpp"

#include <vector>

namespace postrider::cli {

/// `default_certificate`: [tls], which names nobody. Else [[certificate]], which must.
enum class CertificateSection : std::uint8_t { default_certificate, named };
void read_certificate(TableReader& keys, CertificateSection section, Config* config);

/// A listener of a service that begins with TLS has somebody to show: `wanting` are the places of all such listeners.
/// `locked`: those of listeners where nobody can log in without a certificate, which is right only if it is meant.
void check_tls(LoadedConfig* loaded, const std::vector<ConfigMistake>& wanting,
               const std::vector<ConfigMistake>& locked);

}  // namespace postrider::cli
