#include "trust/dkim_key.hpp"

#include "core/check.hpp"
#include "core/text.hpp"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <array>

namespace postrider::trust {

namespace {

constexpr std::size_t kDigestOctets = 32;
constexpr std::size_t kEd25519KeyOctets = 32;  // 8032 §5.1.5

template <auto Free>
struct Freeing {
  template <class T>
  void operator()(T* held) const {
    Free(held);
  }
};
using PkeyPtr = std::unique_ptr<EVP_PKEY, Freeing<&EVP_PKEY_free>>;
using PkeyContextPtr = std::unique_ptr<EVP_PKEY_CTX, Freeing<&EVP_PKEY_CTX_free>>;
using DigestContextPtr = std::unique_ptr<EVP_MD_CTX, Freeing<&EVP_MD_CTX_free>>;
using BioPtr = std::unique_ptr<BIO, Freeing<&BIO_free_all>>;

const unsigned char* octets_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* octets_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

/// OpenSSL keeps what went wrong for the next caller of this thread, unless it is taken away.
std::unexpected<Error> failure(Error::Code code, std::string what) {
  ERR_clear_error();
  return error(code, "dkim.key", std::move(what));
}

int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*user*/) { return 0; }

Result<std::string> sign_by_rsa(EVP_PKEY* key, std::string_view digest) {
  const PkeyContextPtr context(EVP_PKEY_CTX_new(key, nullptr));
  std::string out(static_cast<std::size_t>(EVP_PKEY_get_size(key)), '\0');
  std::size_t size = out.size();
  const bool done = context != nullptr && EVP_PKEY_sign_init(context.get()) > 0 &&
                    EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) > 0 &&
                    EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) > 0 &&
                    EVP_PKEY_sign(context.get(), octets_of(out), &size, octets_of(digest), digest.size()) > 0;
  if (!done) return failure(Error::exhausted, "RSA could not sign");
  out.resize(size);
  return out;
}

Result<std::string> sign_by_ed25519(EVP_PKEY* key, std::string_view digest) {
  const DigestContextPtr context(EVP_MD_CTX_new());
  std::string out(static_cast<std::size_t>(EVP_PKEY_get_size(key)), '\0');
  std::size_t size = out.size();
  const bool done = context != nullptr && EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key) > 0 &&
                    EVP_DigestSign(context.get(), octets_of(out), &size, octets_of(digest), digest.size()) > 0;
  if (!done) return failure(Error::exhausted, "Ed25519 could not sign");
  out.resize(size);
  return out;
}

Result<std::string> public_key_of(EVP_PKEY* key, DkimAlgorithm algorithm) {
  std::string out;
  if (algorithm == DkimAlgorithm::ed25519_sha256) {
    out.resize(kEd25519KeyOctets);
    std::size_t size = out.size();
    if (EVP_PKEY_get_raw_public_key(key, octets_of(out), &size) != 1 || size != out.size())
      return failure(Error::exhausted, "no public key");
    return to_base64(out);
  }
  const int size = i2d_PUBKEY(key, nullptr);
  if (size <= 0) return failure(Error::exhausted, "no public key");
  out.resize(static_cast<std::size_t>(size));
  unsigned char* at = octets_of(out);
  if (i2d_PUBKEY(key, &at) != size) return failure(Error::exhausted, "no public key");
  return to_base64(out);
}

Result<Secret> to_pem(EVP_PKEY* key) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr || PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return failure(Error::exhausted, "the key could not be written");
  char* octets = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &octets);
  check(size > 0, "PEM is text");
  Secret out(std::string(octets, static_cast<std::size_t>(size)));
  OPENSSL_cleanse(octets, static_cast<std::size_t>(size));
  return out;
}

}  // namespace

std::string_view name_of(DkimAlgorithm algorithm) {
  return algorithm == DkimAlgorithm::rsa_sha256 ? "rsa-sha256" : "ed25519-sha256";
}

std::string_view key_type_of(DkimAlgorithm algorithm) {
  return algorithm == DkimAlgorithm::rsa_sha256 ? "rsa" : "ed25519";
}

struct DkimPrivateKey::Key {
  PkeyPtr pkey;
};

DkimPrivateKey::DkimPrivateKey(std::unique_ptr<Key> key, DkimAlgorithm algorithm)
    : key_(std::move(key)), algorithm_(algorithm) {}
DkimPrivateKey::DkimPrivateKey(DkimPrivateKey&&) noexcept = default;
DkimPrivateKey& DkimPrivateKey::operator=(DkimPrivateKey&&) noexcept = default;
DkimPrivateKey::~DkimPrivateKey() = default;

Result<DkimPrivateKey> DkimPrivateKey::parse(const Secret& pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.reveal().data(), static_cast<int>(pem.reveal().size())));
  if (bio == nullptr) return failure(Error::exhausted, "no memory");
  PkeyPtr pkey(PEM_read_bio_PrivateKey(bio.get(), nullptr, &no_passphrase, nullptr));
  if (pkey == nullptr) return failure(Error::malformed, "not a private key in PEM without a passphrase");
  const int kind = EVP_PKEY_get_base_id(pkey.get());
  const int bits = EVP_PKEY_get_bits(pkey.get());
  if (kind == EVP_PKEY_ED25519)
    return DkimPrivateKey(std::make_unique<Key>(std::move(pkey)), DkimAlgorithm::ed25519_sha256);
  if (kind != EVP_PKEY_RSA) return failure(Error::unsupported, "neither RSA nor Ed25519");
  if (bits < kDkimRsaBitsMin || bits > kDkimRsaBitsMax)
    return failure(Error::unsupported, "RSA keys have 1024 to 4096 bits, not " + std::to_string(bits));
  return DkimPrivateKey(std::make_unique<Key>(std::move(pkey)), DkimAlgorithm::rsa_sha256);
}

Result<std::string> DkimPrivateKey::sign(std::string_view digest) const {
  check(digest.size() == kDigestOctets, "a SHA-256 digest");
  EVP_PKEY* const key = key_->pkey.get();
  const Result<std::string> signature =
      algorithm_ == DkimAlgorithm::rsa_sha256 ? sign_by_rsa(key, digest) : sign_by_ed25519(key, digest);
  if (!signature) return fail(signature);
  return to_base64(*signature);
}

Result<std::string> DkimPrivateKey::public_key() const { return public_key_of(key_->pkey.get(), algorithm_); }

Result<NewDkimKey> make_dkim_key(DkimAlgorithm algorithm) {
  const PkeyPtr key(algorithm == DkimAlgorithm::rsa_sha256
                        ? EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<std::size_t>(kDkimRsaBits))
                        : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  if (key == nullptr) return failure(Error::exhausted, "no key could be made");
  Result<Secret> pem = to_pem(key.get());
  if (!pem) return fail(pem);
  Result<std::string> public_key = public_key_of(key.get(), algorithm);
  if (!public_key) return fail(public_key);
  return NewDkimKey{.private_key = std::move(*pem), .public_key = std::move(*public_key)};
}

}  // namespace postrider::trust
