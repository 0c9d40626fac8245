// Certificates and keys from files that may be replaced by rename, and which of them a client is shown.
#pragma once

#include "core/secret.hpp"
#include "net/tls.hpp"
#include "net/tls_openssl.hpp"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

struct stack_st_X509;

namespace postrider::net {

inline constexpr std::size_t kPemFileOctetsMax = 1024 * 1024;

/// The directories of files, held open: a file there can be read again when its path cannot be walked any more (after
/// a change of user, or confined). Thread-safe.
class HeldDirectories {
 public:
  HeldDirectories() = default;
  HeldDirectories(const HeldDirectories&) = delete;
  HeldDirectories& operator=(const HeldDirectories&) = delete;
  ~HeldDirectories();
  /// The file as it is now. Errors  not_found, denied; too_long: over kPemFileOctetsMax.
  [[nodiscard]] Result<Secret> read(const std::string& file);

 private:
  std::mutex mutex_;
  std::map<std::string, int> directories_;  // path → descriptor
};

struct FreeStack {
  void operator()(stack_st_X509* it) const;
};

/// A certificate with those above it, and its key.
struct LoadedPair {
  Owned<x509_st> certificate;
  std::unique_ptr<stack_st_X509, FreeStack> above;
  Owned<evp_pkey_st> key;
};
/// Errors as TlsServer::open.
[[nodiscard]] Result<LoadedPair> load_pair(const std::string& chain_file, const std::string& key_file,
                                           HeldDirectories* directories);

/// One entry of the configuration, loaded: what a client that names one of `names` is shown.
struct ServedCertificate {
  std::vector<std::string> names;  // in lower case
  Owned<ssl_ctx_st> context;
  std::vector<CertificateFacts> facts;  // one for each chain
};

/// Certificates that belong together. Does not change once it is loaded.
class CertificateSet {
 public:
  /// `prepare` finishes each context. Errors as TlsServer::open.
  [[nodiscard]] static Result<std::shared_ptr<const CertificateSet>> load(
      const std::vector<CertificateFiles>& files, HeldDirectories* directories,
      const std::function<void(ssl_ctx_st*)>& prepare);

  /// The context for a name of SNI: the exact name, else "*." and its parent, else the default one.
  [[nodiscard]] ssl_ctx_st* find(std::string_view name) const;
  [[nodiscard]] ssl_ctx_st* fallback() const { return served_[default_].context.get(); }
  [[nodiscard]] std::vector<CertificateFacts> facts() const;

 private:
  std::vector<ServedCertificate> served_;
  std::size_t default_ = 0;
  std::map<std::string, std::size_t, std::less<>> by_name_;
};

}  // namespace postrider::net
