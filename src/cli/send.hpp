// `postrider send`: a client for one message, many times over many connections.
#pragma once

#include <string>
#include <vector>

namespace postrider::cli {

struct SendOptions {
  std::string server = "127.0.0.1:25";  ///< host or address, and port
  std::string from;                     ///< empty or "<>": the null reverse-path
  std::vector<std::string> to;
  std::string file;           ///< empty: a short message of our own; "-": stdin
  std::string hello;          ///< empty: the host's name
  std::string tls = "none";   ///< "starttls": required; "implicit": before anything is said
  bool verify = false;        ///< the certificate must be trusted, and for `tls_name`
  std::string ca;             ///< authorities in PEM; empty: the system's
  std::string tls_name;       ///< empty: the host of `server`
  std::string auth;           ///< who logs in; empty: nobody
  std::string password_file;  ///< with `auth`
  std::size_t count = 1;
  std::size_t connections = 1;
  bool verbose = false;  ///< the dialogue on stdout
  bool json = false;
};

/// Exit 0: every recipient of every message was accepted; 1: not; 75: only 4yz, or a lack of TLS, stood in the way.
[[nodiscard]] int run_send(const SendOptions& options);

}  // namespace postrider::cli
