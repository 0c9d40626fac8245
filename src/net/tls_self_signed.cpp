#include "core/numbers.hpp"
#include "net/tls.hpp"
#include "net/tls_openssl.hpp"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <array>

namespace postrider::net {

namespace {

constexpr std::chrono::days kValid(3650);
constexpr std::chrono::days kBackdated(1);  // for clocks that are behind

std::unexpected<Error> failed() { return error(Error::exhausted, "tls.make_self_signed", openssl_reason()); }

std::string text_of(BIO* out) {
  char* text = nullptr;
  const long size = BIO_get_mem_data(out, &text);
  return {text, narrow<std::size_t>(size)};
}

bool set_time(ASN1_TIME* field, WallTime at) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(at.time_since_epoch());
  return ASN1_TIME_set(field, seconds.count()) != nullptr;
}

/// As good as random, and no call for entropy: of the octets of a key that nobody else has.
bool set_serial(X509* certificate, EVP_PKEY* key) {
  unsigned char* encoded = nullptr;
  const int size = i2d_PUBKEY(key, &encoded);
  if (size <= 0) return false;
  std::array<unsigned char, 32> digest{};
  const int hashed = EVP_Digest(encoded, narrow<std::size_t>(size), digest.data(), nullptr, EVP_sha256(), nullptr);
  OPENSSL_free(encoded);
  digest[0] = static_cast<unsigned char>((digest[0] & 0x3FU) | 0x40U);  // 5280 §4.1.2.2: positive; all as long
  const std::unique_ptr<BIGNUM, decltype(&BN_free)> number(BN_bin2bn(digest.data(), 16, nullptr), &BN_free);
  return hashed == 1 && number != nullptr &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool add_extension(X509* certificate, int kind, const std::string& value) {
  X509V3_CTX context{};
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> extension(
      X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()), &X509_EXTENSION_free);
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

Result<std::string> names_text(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    if (name.empty() || name.find_first_of(",\n\r:") != std::string::npos)
      return error(Error::malformed, "tls.make_self_signed", "not a name: " + name);
    out += (out.empty() ? "DNS:" : ",DNS:") + name;
  }
  if (out.empty()) return error(Error::malformed, "tls.make_self_signed", "a certificate is for a name");
  return out;
}

}  // namespace

Result<SelfSigned> make_self_signed(std::vector<std::string> names, WallTime now) {
  const Result<std::string> alternatives = names_text(names);
  if (!alternatives) return fail(alternatives);
  const Owned<evp_pkey_st> key(EVP_EC_gen("P-256"));
  const Owned<x509_st> certificate(X509_new());
  if (key == nullptr || certificate == nullptr) return failed();
  X509* const it = certificate.get();
  // 5280 §A.1: a common name has 64 characters at most; what counts is the alternative name.
  const std::string common = names.front().substr(0, 64);
  X509_NAME* const subject = X509_get_subject_name(it);
  const bool made =
      X509_set_version(it, X509_VERSION_3) == 1 && set_serial(it, key.get()) &&
      set_time(X509_getm_notBefore(it), now - kBackdated) && set_time(X509_getm_notAfter(it), now + kValid) &&
      X509_set_pubkey(it, key.get()) == 1 &&
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(common.data()),
                                 narrow<int>(common.size()), -1, 0) == 1 &&
      X509_set_issuer_name(it, subject) == 1 && add_extension(it, NID_basic_constraints, "critical,CA:TRUE") &&
      add_extension(it, NID_subject_key_identifier, "hash") && add_extension(it, NID_subject_alt_name, *alternatives) &&
      X509_sign(it, key.get(), EVP_sha256()) > 0;
  if (!made) return failed();
  const Owned<bio_st> certificate_out(BIO_new(BIO_s_mem()));
  const Owned<bio_st> key_out(BIO_new(BIO_s_secmem()));
  if (PEM_write_bio_X509(certificate_out.get(), it) != 1 ||
      PEM_write_bio_PrivateKey(key_out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return failed();
  return SelfSigned{.certificate = text_of(certificate_out.get()), .private_key = text_of(key_out.get())};
}

}  // namespace postrider::net
