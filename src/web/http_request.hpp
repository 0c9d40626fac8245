// Requests out of octets, strictly by 9112 (SECURITY R12), and the head of a reply. Pure: no stream, clock or log.
#pragma once

#include "core/result.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace postrider::web {

/// One request, whole.
struct HttpRequest {
  std::string method;       ///< a token in its case, `GET`
  std::string path;         ///< `/metrics`, or `*`; without query, not decoded
  std::string query;        ///< what is behind its `?`; not decoded
  std::string host;         ///< of the Host field, with its port
  std::string body;         ///< at most kHttpBodyOctetsMax
  bool keep_alive = false;  ///< the client wants another request on this connection (9112 §9.3)
};

/// Not a request that we take; the connection must be closed behind the answer.
struct HttpRefusal {
  unsigned status = 400;
  std::string_view reason;  ///< a literal
  friend bool operator==(const HttpRefusal&, const HttpRefusal&) = default;
};

/// Cuts what a client sends into requests. Where the input is cut does not change what comes out (but for
/// SendContinue). Holds at most one request, and what was fed behind it.
class RequestReader {
 public:
  struct NeedMore {};
  /// The client waits for `100 Continue` before it sends the body (9110 §10.1.1). Comes at most once a request.
  struct SendContinue {};
  using Step = std::variant<NeedMore, SendContinue, HttpRequest, HttpRefusal>;

  void feed(std::string_view octets);
  /// What the input so far amounts to. To be asked until it says NeedMore, and never again after a refusal.
  /// Refusals  400: not 9112, or its length or host is in doubt · 411: chunked · 413: body over the limit · 417:
  /// another expectation · 431: header section over the limit · 501: a transfer coding · 505: not HTTP/1.0 or 1.1.
  [[nodiscard]] Step next();
  /// Nothing of a request has come.
  [[nodiscard]] bool is_idle() const { return !head_ && begin_ == input_.size(); }

 private:
  struct Head {
    HttpRequest request;
    std::size_t body_octets = 0;
    bool expects_continue = false;
  };
  [[nodiscard]] static std::variant<Head, HttpRefusal> parse_head(std::string_view octets);
  [[nodiscard]] std::variant<std::size_t, NeedMore, HttpRefusal> find_head_end();

  std::string input_;
  std::size_t begin_ = 0;    // of what is not consumed
  std::size_t scanned_ = 0;  // octets of the header section that are judged, from begin_
  bool empty_line_skipped_ = false;
  std::optional<Head> head_;  // its octets are consumed; the body is not
};

struct ReplyHead {
  unsigned status = 0;
  std::size_t body_octets = 0;
};

/// Reads the header section of a reply, with the empty line at its end.
/// Errors  malformed: not 9112, or without one Content-Length; too_long: the body is over `body_octets_max`.
[[nodiscard]] Result<ReplyHead> parse_reply_head(std::string_view octets, std::size_t body_octets_max);

}  // namespace postrider::web
