#include "net/tls_certificates.hpp"

#include "core/numbers.hpp"
#include "core/secret.hpp"
#include "core/text.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace postrider::net {

namespace {

std::unexpected<Error> file_error(const std::string& file, int number) {
  const Error::Code code = number == EACCES || number == EPERM ? Error::denied : Error::not_found;
  return error(code, "tls.file", fmt::format("{}: {}", file, std::generic_category().message(number)));
}

std::unexpected<Error> malformed(const std::string& file, std::string_view what) {
  return error(Error::malformed, "tls.file", fmt::format("{}: {}", file, what));
}

struct Descriptor {
  explicit Descriptor(int number) : fd(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  int fd;
};

/// No key of ours asks for a passphrase: a server that restarts by itself has nobody to ask.
int no_passphrase(char* /*into*/, int /*size*/, int /*writing*/, void* /*data*/) { return -1; }

WallTime time_of(const ASN1_TIME* time) {
  int days = 0;
  int seconds = 0;
  const std::unique_ptr<ASN1_TIME, decltype(&ASN1_TIME_free)> epoch(ASN1_TIME_set(nullptr, 0), &ASN1_TIME_free);
  if (epoch == nullptr || ASN1_TIME_diff(&days, &seconds, epoch.get(), time) != 1) return {};
  return WallTime(std::chrono::days(days) + std::chrono::seconds(seconds));
}

std::string serial_of(const X509* certificate) {
  const std::unique_ptr<BIGNUM, decltype(&BN_free)> number(
      ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr), &BN_free);
  char* const text = number == nullptr ? nullptr : BN_bn2hex(number.get());
  const std::string out = text == nullptr ? std::string() : text;
  OPENSSL_free(text);
  return out;
}

std::string subject_of(const X509* certificate) {
  const Owned<bio_st> out(BIO_new(BIO_s_mem()));
  if (out == nullptr || X509_NAME_print_ex(out.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) < 0)
    return {};
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return {text, narrow<std::size_t>(size)};
}

std::vector<std::string> dns_names_of(const X509* certificate) {
  std::vector<std::string> out;
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      &GENERAL_NAMES_free);
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DNS) continue;
    const unsigned char* const octets = ASN1_STRING_get0_data(name->d.dNSName);
    out.emplace_back(octets, octets + ASN1_STRING_length(name->d.dNSName));
  }
  return out;
}

std::string spki_sha256_of(const X509* certificate) {
  unsigned char* encoded = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &encoded);
  if (size <= 0) return {};
  std::array<unsigned char, 32> digest{};
  const int hashed = EVP_Digest(encoded, narrow<std::size_t>(size), digest.data(), nullptr, EVP_sha256(), nullptr);
  OPENSSL_free(encoded);
  std::string out;
  if (hashed == 1) {
    for (const unsigned char octet : digest) out += fmt::format("{:02x}", octet);
  }
  return out;
}

/// Gives a pair that has no key yet.
Result<LoadedPair> parse_chain(const std::string& file, std::string_view text) {
  const Owned<bio_st> in = read_from(text);
  LoadedPair pair;
  pair.certificate.reset(PEM_read_bio_X509(in.get(), nullptr, &no_passphrase, nullptr));
  if (pair.certificate == nullptr) return malformed(file, "holds no certificate in PEM (" + openssl_reason() + ")");
  pair.above.reset(sk_X509_new_null());
  while (X509* const next = PEM_read_bio_X509(in.get(), nullptr, &no_passphrase, nullptr))
    sk_X509_push(pair.above.get(), next);
  (void)openssl_reason();  // "no start line" is how the end looks
  return pair;
}

Result<Owned<evp_pkey_st>> parse_key(const std::string& file, std::string_view text) {
  const Owned<bio_st> in = read_from(text);
  Owned<evp_pkey_st> key(PEM_read_bio_PrivateKey(in.get(), nullptr, &no_passphrase, nullptr));
  if (key == nullptr)
    return malformed(file, "holds no private key in PEM without a passphrase (" + openssl_reason() + ")");
  return key;
}

/// Puts a chain and its key into `context`. Gives what it says of itself.
Result<CertificateFacts> take_pair(ssl_ctx_st* context, const CertificateFiles& files, std::size_t number,
                                   HeldDirectories* directories) {
  const std::string& file = files.chains[number];
  const Result<LoadedPair> pair = load_pair(file, files.private_keys[number], directories);
  if (!pair) return fail(pair);
  X509* const certificate = pair->certificate.get();
  if (SSL_CTX_use_cert_and_key(context, certificate, pair->key.get(), pair->above.get(), 0) != 1) {
    const std::string reason = openssl_reason();
    if (reason == "not replacing certificate") return malformed(file, "is the second one for its kind of key");
    return malformed(file, "cannot be used: " + reason);
  }
  return CertificateFacts{.names = files.names,
                          .file = file,
                          .subject = subject_of(certificate),
                          .dns_names = dns_names_of(certificate),
                          .serial = serial_of(certificate),
                          .not_before = time_of(X509_get0_notBefore(certificate)),
                          .not_after = time_of(X509_get0_notAfter(certificate)),
                          .spki_sha256 = spki_sha256_of(certificate)};
}

}  // namespace

void FreeStack::operator()(stack_st_X509* it) const { sk_X509_pop_free(it, X509_free); }

Result<LoadedPair> load_pair(const std::string& chain_file, const std::string& key_file, HeldDirectories* directories) {
  const Result<Secret> chain_text = directories->read(chain_file);
  if (!chain_text) return fail(chain_text);
  const Result<Secret> key_text = directories->read(key_file);
  if (!key_text) return fail(key_text);
  Result<LoadedPair> pair = parse_chain(chain_file, chain_text->reveal());
  if (!pair) return pair;
  Result<Owned<evp_pkey_st>> key = parse_key(key_file, key_text->reveal());
  if (!key) return fail(key);
  pair->key = std::move(*key);
  if (X509_check_private_key(pair->certificate.get(), pair->key.get()) != 1) {
    (void)openssl_reason();
    return malformed(key_file, "is not the private key of the certificate in " + chain_file);
  }
  return pair;
}

HeldDirectories::~HeldDirectories() {
  for (const auto& [path, directory] : directories_) ::close(directory);
}

Result<Secret> HeldDirectories::read(const std::string& file) {
  const std::size_t slash = file.rfind('/');
  const std::string path = slash == std::string::npos ? "." : file.substr(0, slash + 1);
  const std::string name = slash == std::string::npos ? file : file.substr(slash + 1);
  const std::scoped_lock lock(mutex_);
  const int walked = ::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);  // the directory itself may be a new one
  if (walked < 0 && !directories_.contains(path)) return file_error(file, errno);
  if (walked >= 0) {
    int& held = directories_.try_emplace(path, -1).first->second;
    if (held >= 0) ::close(held);
    held = walked;
  }
  const Descriptor opened(::openat(directories_.at(path), name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (opened.fd < 0) return file_error(file, errno);
  std::string text;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t got = ::read(opened.fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error(file, errno);
    if (got == 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(got));
    if (text.size() > kPemFileOctetsMax) return error(Error::too_long, "tls.file", file + " is no certificate nor key");
  }
  OPENSSL_cleanse(buffer.data(), buffer.size());
  return Secret(std::move(text));
}

Result<std::shared_ptr<const CertificateSet>> CertificateSet::load(const std::vector<CertificateFiles>& files,
                                                                   HeldDirectories* directories,
                                                                   const std::function<void(ssl_ctx_st*)>& prepare) {
  if (files.empty()) return error(Error::malformed, "tls.certificates", "there is none");
  auto set = std::make_shared<CertificateSet>();  // shared by the handshakes under way
  bool has_default = false;
  for (const CertificateFiles& entry : files) {
    if (entry.chains.empty() || entry.chains.size() != entry.private_keys.size())
      return error(Error::malformed, "tls.certificates", "there must be one private key for each certificate");
    ServedCertificate served{.names = {}, .context = make_context(TlsSide::server), .facts = {}};
    prepare(served.context.get());
    for (std::size_t i = 0; i < entry.chains.size(); ++i) {
      Result<CertificateFacts> facts = take_pair(served.context.get(), entry, i, directories);
      if (!facts) return fail(facts);
      served.facts.push_back(std::move(*facts));
    }
    const std::size_t number = set->served_.size();
    if (entry.names.empty() && !std::exchange(has_default, true)) set->default_ = number;
    for (const std::string& name : entry.names) {
      served.names.push_back(lowered_ascii(name));
      if (!set->by_name_.try_emplace(served.names.back(), number).second)
        return error(Error::malformed, "tls.certificates", fmt::format("two certificates for {}", name));
    }
    set->served_.push_back(std::move(served));
  }
  return set;
}

ssl_ctx_st* CertificateSet::find(std::string_view name) const {
  std::string wanted = lowered_ascii(name);
  if (wanted.ends_with('.')) wanted.pop_back();
  auto found = by_name_.find(wanted);
  const std::size_t dot = wanted.find('.');
  if (found == by_name_.end() && dot != std::string::npos) found = by_name_.find("*" + wanted.substr(dot));
  return found == by_name_.end() ? fallback() : served_[found->second].context.get();
}

std::vector<CertificateFacts> CertificateSet::facts() const {
  std::vector<CertificateFacts> out;
  for (const ServedCertificate& served : served_) out.insert(out.end(), served.facts.begin(), served.facts.end());
  return out;
}

}  // namespace postrider::net
