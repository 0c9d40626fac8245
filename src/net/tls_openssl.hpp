// What the files of TLS share of OpenSSL: owners of its objects, its errors as ours, and contexts as we want them. Its
// headers stay in the .cpp files.
#pragma once

#include "core/clock.hpp"
#include "core/result.hpp"

#include <memory>
#include <string>
#include <string_view>

struct ssl_st;
struct ssl_ctx_st;
struct x509_st;
struct x509_store_st;
struct evp_pkey_st;
struct bio_st;

namespace postrider::net {

struct OpenSslFree {
  void operator()(ssl_st* it) const;
  void operator()(ssl_ctx_st* it) const;
  void operator()(x509_st* it) const;
  void operator()(x509_store_st* it) const;
  void operator()(evp_pkey_st* it) const;
  void operator()(bio_st* it) const;
};
/// An object of OpenSSL's, owned.
template <class T>
using Owned = std::unique_ptr<T, OpenSslFree>;

/// The reason of the last failure on this thread, for people; empties the thread's queue of failures.
[[nodiscard]] std::string openssl_reason();

enum class TlsSide : std::uint8_t { server, client };

/// A context with what both sides and all peers have in common: versions from 1.2, no compression, no renegotiation,
/// buffers only while they hold something.
[[nodiscard]] Owned<ssl_ctx_st> make_context(TlsSide side);

/// Reads a PEM text. Errors  malformed.
[[nodiscard]] Owned<bio_st> read_from(std::string_view text);

}  // namespace postrider::net
