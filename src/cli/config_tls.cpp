#include "cli/config_tls.hpp"

#include "core/random.hpp"
#include "mail/address.hpp"
#include "net/tls.hpp"

#include <algorithm>

namespace postrider::cli {

namespace {

/// A host name, or "*." and one.
Result<void> check_name(std::string_view name) {
  const Result<mail::Domain> domain = mail::Domain::parse(name.starts_with("*.") ? name.substr(2) : name);
  if (!domain) return fail(domain);
  if (domain->is_literal()) return error(Error::malformed, "config.certificate", "no client asks for an address");
  return {};
}

}  // namespace

void read_certificate(TableReader& keys, CertificateSection section, Config* config) {
  CertificateKeys out{.files = {}, .file = keys.file(), .line = keys.place().line, .column = keys.place().column};
  const bool is_named = section == CertificateSection::named;
  if (is_named) {
    keys.texts(
        "names",
        [&](std::string_view name) -> Result<void> {
          const Result<void> good = check_name(name);
          if (good) out.files.names.emplace_back(name);
          return good;
        },
        "names such as \"mail.example.test\" or \"*.example.test\"");
  }
  const auto files = [&](std::string_view key, std::vector<std::string>* into) {
    keys.texts(
        key,
        [&keys, into](std::string_view path) -> Result<void> {
          into->push_back(keys.beside(path));
          return {};
        },
        "a file, or a list of files");
  };
  files("certificate", &out.files.chains);
  files("private_key", &out.files.private_keys);
  if (is_named && out.files.names.empty()) return keys.mistake_here("[[certificate]] wants names");
  if (out.files.chains.empty())
    return keys.mistake_here(is_named ? "[[certificate]] wants a certificate" : "[tls] wants a certificate");
  if (out.files.chains.size() != out.files.private_keys.size())
    return keys.mistake(keys.place_of("private_key"), "there must be one private_key for each certificate");
  config->certificates.push_back(std::move(out));
}

void check_tls(LoadedConfig* loaded, const std::vector<ConfigMistake>& wanting,
               const std::vector<ConfigMistake>& locked) {
  if (!loaded->config.certificates.empty()) return;
  loaded->notes.insert(loaded->notes.end(), locked.begin(), locked.end());
  loaded->mistakes.insert(loaded->mistakes.end(), wanting.begin(), wanting.end());
}

std::vector<net::CertificateFiles> certificate_files(const Config& config) {
  std::vector<net::CertificateFiles> out;
  for (const CertificateKeys& keys : config.certificates) out.push_back(keys.files);
  return out;
}

std::vector<ConfigMistake> check_certificates(const Config& config) {
  std::vector<ConfigMistake> mistakes;
  SystemClock clock;
  SystemRandom random;
  for (const CertificateKeys& keys : config.certificates) {
    const auto opened = net::TlsServer::open({keys.files}, &clock, &random);
    if (!opened) {
      mistakes.push_back({keys.file, keys.line, keys.column, opened.error().detail});
      continue;
    }
    for (const net::CertificateFacts& facts : (*opened)->certificates()) {
      if (facts.not_after < clock.wall())
        mistakes.push_back(
            {keys.file, keys.line, keys.column, facts.file + ": has expired at " + to_rfc3339(facts.not_after)});
    }
  }
  if (!mistakes.empty() || config.certificates.empty()) return mistakes;
  const auto all = net::TlsServer::open(certificate_files(config), &clock, &random);
  if (!all) mistakes.push_back({config.file, 0, 0, all.error().detail});
  return mistakes;
}

}  // namespace postrider::cli
