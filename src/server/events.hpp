// What the server says in the log.
#pragma once

#include "core/events.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace postrider::server {

struct SessionRefused {
  static constexpr std::string_view kName = "session.refused";
  static constexpr Level kLevel = Level::warn;
  std::string ip;
  std::string_view service;
  std::string_view why;
  void fields(FieldSink& sink) const {
    sink.add("ip", ip);
    sink.add("service", service);
    sink.add("why", why);
  }
};

struct RecipientRefused {
  static constexpr std::string_view kName = "smtp.recipient_refused";
  static constexpr Level kLevel = Level::info;
  std::string_view ip;
  int code;
  std::string_view rule;
  std::string from;
  std::string to;
  std::string_view hello;
  std::string_view detail;  ///< what the next hop said; empty: nobody was asked
  void fields(FieldSink& sink) const {
    sink.add("ip", ip);
    sink.add("code", code);
    sink.add("rule", rule);
    sink.add("from", from);
    sink.add("to", to);
    sink.add("hello", hello);
    if (!detail.empty()) sink.add("detail", detail);
  }
};

struct MessageAccepted {
  static constexpr std::string_view kName = "smtp.accepted";
  static constexpr Level kLevel = Level::info;
  std::string_view id;
  std::string_view ip;
  std::uint64_t size_octets;
  std::size_t recipients;
  std::string_view tls;  ///< version and cipher; empty: not protected
  std::string login;     ///< whose account it is; empty: nobody has logged in
  std::string from;
  std::string_view hello;
  std::string_view message_id;
  void fields(FieldSink& sink) const {
    sink.add("id", id);
    sink.add("ip", ip);
    sink.add("size", size_octets);
    sink.add("recipients", recipients);
    if (!tls.empty()) sink.add("tls", tls);
    if (!login.empty()) sink.add("login", login);
    sink.add("from", from);
    sink.add("hello", hello);
    sink.add("message_id", message_id);
  }
};

/// A message that a user of this host left in the drop directory.
struct DropTaken {
  static constexpr std::string_view kName = "drop.taken";
  static constexpr Level kLevel = Level::info;
  std::uint32_t user;
  std::string_view file;
  void fields(FieldSink& sink) const {
    sink.add("user", user);
    sink.add("file", file);
  }
};

/// It stays for the next look, or is put aside for the postmaster (`drop/refused`).
struct DropRefused {
  static constexpr std::string_view kName = "drop.refused";
  static constexpr Level kLevel = Level::warn;
  std::string_view file;
  std::string_view what;  ///< "kept" or "put aside"
  std::string why;
  void fields(FieldSink& sink) const {
    sink.add("file", file);
    sink.add("what", what);
    sink.add("why", why);
  }
};

struct MessageRefused {
  static constexpr std::string_view kName = "smtp.refused";
  static constexpr Level kLevel = Level::info;
  std::string_view ip;
  int code;
  std::string_view why;
  std::string from;
  std::string_view hello;
  void fields(FieldSink& sink) const {
    sink.add("ip", ip);
    sink.add("code", code);
    sink.add("why", why);
    sink.add("from", from);
    sink.add("hello", hello);
  }
};

struct LoginSucceeded {
  static constexpr std::string_view kName = "auth.succeeded";
  static constexpr Level kLevel = Level::info;
  std::string_view ip;
  std::uint16_t port;  ///< the peer's
  std::string_view service;
  std::string_view mechanism;
  std::string_view tls;  ///< version; "none"
  std::string account;
  std::string_view credential;  ///< the name of an app password; empty: the account's own
  void fields(FieldSink& sink) const {
    sink.add("ip", ip);
    sink.add("port", port);
    sink.add("service", service);
    sink.add("mechanism", mechanism);
    sink.add("tls", tls);
    sink.add("account", account);
    if (!credential.empty()) sink.add("credential", credential);
  }
};

struct LoginFailed {
  static constexpr std::string_view kName = "auth.failed";
  static constexpr Level kLevel = Level::warn;
  std::string_view ip;
  std::uint16_t port;  ///< the peer's
  std::string_view service;
  std::string_view mechanism;
  std::string_view tls;
  std::string_view why;  ///< "denied", "malformed", "banned", or why the directory cannot be asked
  std::string_view login;
  void fields(FieldSink& sink) const {
    sink.add("ip", ip);
    sink.add("port", port);
    sink.add("service", service);
    sink.add("mechanism", mechanism);
    sink.add("tls", tls);
    sink.add("why", why);
    sink.add("login", login);
  }
};

/// What let a session in was taken back; it ends.
struct LoginRevoked {
  static constexpr std::string_view kName = "auth.revoked";
  static constexpr Level kLevel = Level::info;
  std::string_view ip;
  std::string_view service;
  std::string account;
  void fields(FieldSink& sink) const {
    sink.add("ip", ip);
    sink.add("service", service);
    sink.add("account", account);
  }
};

/// Nobody logs in from there for a while, but who did before (gate::LoginGuard).
struct NetworkBanned {
  static constexpr std::string_view kName = "auth.banned";
  static constexpr Level kLevel = Level::warn;
  std::string_view network;
  unsigned failures;
  std::string until;
  void fields(FieldSink& sink) const {
    sink.add("network", network);
    sink.add("failures", failures);
    sink.add("until", until);
  }
};

/// A login has sent as much as it may in a day. Once a day.
struct SendingCapReached {
  static constexpr std::string_view kName = "submission.cap";
  static constexpr Level kLevel = Level::warn;
  std::string_view login;
  std::string_view cap;
  std::uint32_t limit;
  bool refused;  ///< false: it is only told of, in the account's first days
  void fields(FieldSink& sink) const {
    sink.add("login", login);
    sink.add("cap", cap);
    sink.add("limit", limit);
    sink.add("refused", refused ? "yes" : "no");
  }
};

/// A login sends so much in a short time that the rest is held. Once a day.
struct SendingBurst {
  static constexpr std::string_view kName = "submission.burst";
  static constexpr Level kLevel = Level::warn;
  std::string_view login;
  void fields(FieldSink& sink) const { sink.add("login", login); }
};

struct ListeningAt {
  static constexpr std::string_view kName = "server.listening";
  static constexpr Level kLevel = Level::info;
  std::string_view service;
  std::string at;
  void fields(FieldSink& sink) const {
    sink.add("service", service);
    sink.add("at", at);
  }
};

/// The client and we do not come together, or it does not trust us.
struct HandshakeFailed {
  static constexpr std::string_view kName = "tls.handshake_failed";
  static constexpr Level kLevel = Level::info;
  std::string_view ip;
  std::string_view alpn;
  std::string_view error;
  void fields(FieldSink& sink) const {
    sink.add("ip", ip);
    sink.add("alpn", alpn);
    sink.add("error", error);
  }
};

/// The client went away, or said nothing: port scanners do.
struct HandshakeEnded {
  static constexpr std::string_view kName = "tls.handshake_ended";
  static constexpr Level kLevel = Level::debug;
  std::string_view ip;
  std::string_view alpn;
  std::string_view why;
  void fields(FieldSink& sink) const {
    sink.add("ip", ip);
    sink.add("alpn", alpn);
    sink.add("why", why);
  }
};

struct AcceptFailed {
  static constexpr std::string_view kName = "server.accept_failed";
  static constexpr Level kLevel = Level::error;
  std::string_view service;
  std::string error;
  void fields(FieldSink& sink) const {
    sink.add("service", service);
    sink.add("error", error);
  }
};

/// The store can not commit any more; the process ends, and starts again on what is on disk.
struct StoreFailed {
  static constexpr std::string_view kName = "store.failed";
  static constexpr Level kLevel = Level::error;
  void fields(FieldSink& sink) const { sink.add("what", "a write or sync failed; stopping"); }
};

}  // namespace postrider::server
