#include "net/tls_stream.hpp"

#include "core/await.hpp"
#include "core/check.hpp"
#include "core/numbers.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>

namespace postrider::net {

/// OpenSSL's side of the inner stream. It takes all that it is given, up to a limit, so that OpenSSL never waits to
/// write: what the inner stream does not take now is flushed by who can wait.
struct TlsStreamOctets {
  static TlsStream& of(BIO* bio) { return *static_cast<TlsStream*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* into, std::size_t octets_max, std::size_t* got) {
    BIO_clear_retry_flags(bio);
    *got = 0;
    TlsStream& stream = of(bio);
    const std::size_t most = std::min(octets_max, stream.allowance_octets_);
    const Result<std::size_t> read = stream.inner_->read_some(std::span(into, most));
    if (!read) {
      stream.why_broken_ = read.error().detail;
      return 0;
    }
    if (*read == 0) {
      BIO_set_retry_read(bio);
      return 0;
    }
    stream.allowance_octets_ -= *read;
    stream.silent_octets_ += *read;
    if (stream.silent_octets_ > kTlsSilentOctetsMax) {
      stream.why_broken_ = "the peer says much to TLS and nothing to us";
      return 0;
    }
    *got = *read;
    return 1;
  }

  static int write(BIO* bio, const char* from, std::size_t octets, std::size_t* taken) {
    BIO_clear_retry_flags(bio);
    *taken = 0;
    TlsStream& stream = of(bio);
    std::string_view rest(from, octets);
    if (stream.unsent_.empty()) {
      const Result<std::size_t> sent = stream.inner_->write_some(rest);
      if (!sent) {
        stream.why_broken_ = sent.error().detail;
        return 0;
      }
      rest.remove_prefix(*sent);
    }
    if (stream.unsent_.size() + rest.size() > kTlsUnsentOctetsMax) {
      stream.why_broken_ = "the peer makes us write and does not read";
      return 0;
    }
    stream.unsent_ += rest;
    *taken = octets;
    return 1;
  }

  static long control(BIO* bio, int command, long /*number*/, void* /*pointer*/) {
    if (command == BIO_CTRL_FLUSH) return 1;  // there is nothing between us and the inner stream
    if (command == BIO_CTRL_EOF) return of(bio).why_broken_.empty() ? 0 : 1;
    return 0;
  }

  static const BIO_METHOD* method() {
    static const BIO_METHOD* const kMethod = [] {
      BIO_METHOD* const made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
      check(made != nullptr, "tls: BIO_meth_new");
      BIO_meth_set_read_ex(made, &read);
      BIO_meth_set_write_ex(made, &write);
      BIO_meth_set_ctrl(made, &control);
      return made;
    }();
    return kMethod;
  }
};

TlsStream::TlsStream(std::unique_ptr<Stream> inner, Owned<ssl_st> ssl)
    : inner_(std::move(inner)), ssl_(std::move(ssl)) {
  BIO* const bio = BIO_new(TlsStreamOctets::method());
  check(bio != nullptr, "tls: BIO_new");
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);  // it owns it now
}

TlsStream::~TlsStream() { close(); }

Result<void> TlsStream::judge(int outcome, std::string_view place) {
  switch (SSL_get_error(ssl_.get(), outcome)) {
    case SSL_ERROR_NONE:
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return {};
    case SSL_ERROR_ZERO_RETURN: return error(Error::closed, place, "the peer ended the connection");
    case SSL_ERROR_SYSCALL: {
      broken_ = true;
      ERR_clear_error();
      return error(Error::closed, place, why_broken_);
    }
    default: break;
  }
  broken_ = true;
  const bool is_cut = ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
  std::string reason = openssl_reason();
  if (is_cut || !why_broken_.empty())
    return error(Error::closed, place, is_cut ? "the connection was cut" : why_broken_);
  return error(Error::denied, place, std::move(reason));
}

Result<void> TlsStream::flush_some() {
  if (unsent_.empty()) return {};
  const Result<std::size_t> sent = inner_->write_some(unsent_);
  if (!sent) return fail(sent);
  unsent_.erase(0, *sent);
  if (unsent_.empty()) unsent_ = std::string();  // an idle stream holds nothing
  return {};
}

Task<Result<void>> TlsStream::flush(SteadyTime until) {
  for (;;) {
    const Result<void> flushed = flush_some();
    if (!flushed || unsent_.empty()) co_return flushed;
    const Result<void> room = co_await inner_->wait_writable(until);
    if (!room) co_return fail(room);
  }
}

Task<Result<void>> TlsStream::handshake(SteadyTime until, Signal* stop) {
  for (;;) {
    ERR_clear_error();
    allowance_octets_ = kTlsTurnOctets;
    const int outcome = SSL_do_handshake(ssl_.get());
    const Result<void> judged = judge(outcome, "tls.handshake");
    const Result<void> flushed = co_await flush(until);  // also when it failed: the alert tells the peer why
    if (!judged) co_return fail(judged);
    if (!flushed) co_return fail(flushed);
    if (outcome == 1) {
      silent_octets_ = 0;
      co_return Result<void>{};
    }
    const Result<Ready> ready = co_await inner_->wait_readable(until, stop);
    if (!ready) co_return fail(ready);
    if (*ready == Ready::signalled) co_return error(Error::cancelled, "tls.handshake");
  }
}

Task<Result<Ready>> TlsStream::wait_readable(SteadyTime until, Signal* signal) {
  for (bool came = SSL_has_pending(ssl_.get()) == 1;; came = true) {
    if (signal != nullptr && signal->is_set()) co_return Ready::signalled;
    if (closed_) co_return error(Error::closed, "net.wait");
    if (broken_ || (came && can_read())) co_return Ready::readable;
    const Result<Ready> ready = co_await inner_->wait_readable(until, signal);
    if (!ready || *ready == Ready::signalled) co_return ready;
  }
}

bool TlsStream::can_read() {
  ERR_clear_error();
  char first = 0;
  allowance_octets_ = kTlsTurnOctets;
  const int peeked = SSL_peek(ssl_.get(), &first, 1);
  if (peeked > 0) silent_octets_ = 0;
  const Result<void> judged = judge(peeked, "net.read");
  const Result<void> flushed = flush_some();  // an answer to a key update
  return peeked > 0 || !judged || !flushed;
}

Result<std::size_t> TlsStream::read_some(std::span<char> into) {
  if (closed_ || broken_) return error(Error::closed, "net.read", why_broken_);
  std::size_t done = 0;
  allowance_octets_ = into.size() + kTlsTurnOctets;
  while (done < into.size()) {
    ERR_clear_error();
    std::size_t got = 0;
    const int outcome = SSL_read_ex(ssl_.get(), into.data() + done, into.size() - done, &got);
    if (outcome == 1) {
      done += got;
      silent_octets_ = 0;
      continue;
    }
    Result<void> judged = judge(outcome, "net.read");
    if (!judged && done == 0) {
      // A record that is none is the end as well: whoever reads can do nothing else about it.
      judged.error().code = Error::closed;
      return fail(judged);
    }
    break;
  }
  const Result<void> flushed = flush_some();  // an answer to a key update; a failure is seen by who writes next
  (void)flushed;
  return done;
}

Result<std::size_t> TlsStream::write_some(std::string_view octets) {
  if (closed_ || broken_) return error(Error::closed, "net.write", why_broken_);
  std::size_t done = 0;
  for (;;) {
    const Result<void> flushed = flush_some();
    if (!flushed) return fail(flushed);
    if (!unsent_.empty() || done == octets.size()) return done;
    ERR_clear_error();
    std::size_t taken = 0;
    const int outcome = SSL_write_ex(ssl_.get(), octets.data() + done, octets.size() - done, &taken);
    if (outcome != 1) {
      Result<void> judged = judge(outcome, "net.write");
      if (judged) return done;
      judged.error().code = Error::closed;
      return fail(judged);
    }
    done += taken;
  }
}

Task<Result<void>> TlsStream::write(std::string_view octets, SteadyTime until) {
  for (;;) {
    const Result<std::size_t> some = write_some(octets);
    if (!some) co_return fail(some);
    octets.remove_prefix(*some);
    if (octets.empty() && unsent_.empty()) co_return Result<void>{};
    const Result<void> room = co_await inner_->wait_writable(until);
    if (!room) co_return fail(room);
  }
}

Task<Result<void>> TlsStream::wait_writable(SteadyTime until) {
  if (closed_ || broken_) co_return error(Error::closed, "net.write", why_broken_);
  const Result<void> flushed = co_await flush(until);
  if (!flushed) co_return flushed;
  co_return co_await inner_->wait_writable(until);
}

void TlsStream::close() {
  if (std::exchange(closed_, true)) return;
  if (!broken_ && SSL_is_init_finished(ssl_.get()) == 1) {
    ERR_clear_error();
    (void)SSL_shutdown(ssl_.get());  // close_notify (8446 §6.1); the peer's is not waited for
    ERR_clear_error();
  }
  const Result<void> flushed = flush_some();
  (void)flushed;  // it is the end either way
  inner_->close();
}

std::optional<TlsFacts> TlsStream::tls() const {
  const SSL_CIPHER* const cipher = SSL_get_current_cipher(ssl_.get());
  const char* const name = cipher == nullptr ? nullptr : SSL_CIPHER_standard_name(cipher);
  return TlsFacts{.version = SSL_get_version(ssl_.get()), .cipher = name == nullptr ? "" : name, .verified = verified_};
}

namespace {

/// 9266: in TLS 1.2 only with the extended master secret (7627); the context is empty, which there is "none" to every
/// peer that does this.
Result<std::string> exporter_of(SSL* ssl) {
  constexpr std::string_view kLabel = "EXPORTER-Channel-Binding";
  if (SSL_version(ssl) < TLS1_3_VERSION && SSL_get_extms_support(ssl) != 1)
    return error(Error::unsupported, "net.channel_binding", "TLS 1.2 without the extended master secret");
  std::array<unsigned char, 32> value{};
  if (SSL_export_keying_material(ssl, value.data(), value.size(), kLabel.data(), kLabel.size(), nullptr, 0, 0) != 1)
    return error(Error::unsupported, "net.channel_binding", openssl_reason());
  return std::string(value.begin(), value.end());
}

/// 5929 §4.1: the certificate under the hash of its signature; SHA-256 for MD5 and SHA-1.
Result<std::string> hash_of(X509* certificate) {
  int digest = NID_undef;
  if (X509_get_signature_info(certificate, &digest, nullptr, nullptr, nullptr) != 1 || digest == NID_undef)
    return error(Error::unsupported, "net.channel_binding", "the certificate's signature has no hash of its own");
  if (digest == NID_md5 || digest == NID_sha1) digest = NID_sha256;
  std::array<unsigned char, EVP_MAX_MD_SIZE> value{};
  unsigned size = 0;
  if (X509_digest(certificate, EVP_get_digestbynid(digest), value.data(), &size) != 1)
    return error(Error::unsupported, "net.channel_binding", openssl_reason());
  return std::string(value.begin(), value.begin() + size);
}

}  // namespace

Result<std::string> TlsStream::channel_binding(ChannelBinding kind) const {
  SSL* const ssl = ssl_.get();
  if (closed_ || broken_) return error(Error::unsupported, "net.channel_binding", "the connection has ended");
  if (kind == ChannelBinding::tls_exporter) return exporter_of(ssl);
  if (SSL_is_server(ssl) == 0) {
    const Owned<x509_st> peer(SSL_get1_peer_certificate(ssl));
    if (peer == nullptr) return error(Error::unsupported, "net.channel_binding", "no certificate was shown");
    return hash_of(peer.get());
  }
  // A resumed session showed no certificate: which one the client remembers we do not know.
  X509* const mine = SSL_session_reused(ssl) == 1 ? nullptr : SSL_get_certificate(ssl);
  if (mine == nullptr) return error(Error::unsupported, "net.channel_binding", "no certificate was shown");
  return hash_of(mine);
}

}  // namespace postrider::net
