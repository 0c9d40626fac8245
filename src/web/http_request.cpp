// The one file that includes Boost.Beast.
#include "web/http_request.hpp"

#include "core/numbers.hpp"
#include "core/text.hpp"
#include "web/http.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

#include <algorithm>
#include <utility>
#include <vector>

namespace postrider::web {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

std::string_view to_view(beast::string_view text) { return {text.data(), text.size()}; }

/// The values of all fields of that name.
std::vector<std::string_view> values_of(const http::fields& fields, http::field name) {
  std::vector<std::string_view> out;
  const auto range = fields.equal_range(name);
  for (auto field = range.first; field != range.second; ++field) out.push_back(to_view(field->value()));
  return out;
}

/// Beast's view of a whole header section; its body is not looked at.
template <bool kIsRequest>
bool read_fields(http::parser<kIsRequest, http::empty_body>& parser, std::string_view octets) {
  parser.header_limit(narrow<std::uint32_t>(kHttpHeaderOctetsMax));
  parser.body_limit(boost::none);
  parser.skip(true);
  boost::system::error_code failure;
  const std::size_t used = parser.put(boost::asio::buffer(octets.data(), octets.size()), failure);
  return !failure && used == octets.size() && parser.is_header_done();
}

/// 9112 §3.2: uri-host [ ":" port ]; may be empty. Only its octets are judged: nothing is decided by it.
bool is_host(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return is_alnum_ascii(c) || std::string_view("-._~%!$&'()*+,;=:[]").find(c) != std::string_view::npos;
  });
}

/// 9112 §3.2: the path and query of an origin-form or absolute-form target, or `*`.
std::optional<std::string> path_and_query_of(std::string_view target) {
  if (!std::ranges::all_of(target, [](char c) { return c > ' ' && c <= '~'; })) return std::nullopt;
  if (target == "*") return std::string(target);  // 9112 §3.2.4
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!istarts_with_ascii(target, scheme)) continue;
    const std::size_t slash = target.find_first_of("/?", scheme.size());  // 9112 §3.2.2
    target = slash == std::string_view::npos ? std::string_view() : target.substr(slash);
    if (!target.starts_with('/')) return "/" + std::string(target);
  }
  if (!target.starts_with('/')) return std::nullopt;
  return std::string(target);
}

/// The version at the end of the request line is well-formed, and none of ours.
bool is_other_version(std::string_view head) {
  const std::string_view line = head.substr(0, head.find('\r'));
  const std::size_t blank = line.rfind(' ');
  const std::string_view version = blank == std::string_view::npos ? std::string_view() : line.substr(blank + 1);
  return version.size() == 8 && version.starts_with("HTTP/") && is_digit_ascii(version[5]) && version[6] == '.' &&
         is_digit_ascii(version[7]) && version != "HTTP/1.0" && version != "HTTP/1.1";
}

/// How many octets of body follow the header section.
std::variant<std::size_t, HttpRefusal> body_length(const http::fields& fields) {
  const auto lengths = values_of(fields, http::field::content_length);
  const auto codings = values_of(fields, http::field::transfer_encoding);
  if (!codings.empty()) {
    if (!lengths.empty()) return HttpRefusal{400, "both Transfer-Encoding and Content-Length"};  // 9112 §6.3
    if (codings.size() > 1 || !iequals_ascii(codings.front(), "chunked")) {
      return HttpRefusal{501, "unknown transfer coding"};  // 9112 §6.1
    }
    return HttpRefusal{411, "send a Content-Length"};  // 9112 §6.3 lets us ask for it; we do: one framing, no smuggling
  }
  if (lengths.empty()) return std::size_t{0};
  if (lengths.size() > 1) return HttpRefusal{400, "more than one Content-Length"};
  const bool digits = !lengths.front().empty() && std::ranges::all_of(lengths.front(), is_digit_ascii);
  if (!digits) return HttpRefusal{400, "Content-Length is not a number"};
  const auto length = parse_number<std::size_t>(lengths.front(), {.max = kHttpBodyOctetsMax});
  if (!length) return HttpRefusal{413, "body too large"};
  return *length;
}

}  // namespace

std::variant<RequestReader::Head, HttpRefusal> RequestReader::parse_head(std::string_view octets) {
  if (is_other_version(octets)) return HttpRefusal{505, "HTTP/1.1 wanted"};
  http::request_parser<http::empty_body> parser;
  if (!read_fields(parser, octets)) return HttpRefusal{400, "malformed request"};
  const auto& message = parser.get();

  const auto hosts = values_of(message, http::field::host);
  if (hosts.size() > 1 || (hosts.empty() && message.version() >= 11)) return HttpRefusal{400, "one Host wanted"};
  if (!hosts.empty() && !is_host(hosts.front())) return HttpRefusal{400, "malformed Host"};  // 9112 §3.2

  const std::optional<std::string> target = path_and_query_of(to_view(message.target()));
  if (!target) return HttpRefusal{400, "malformed request target"};
  const auto length = body_length(message);
  if (const auto* refusal = std::get_if<HttpRefusal>(&length)) return *refusal;

  const auto [path, query] = split_once(*target, '?');
  Head head{.request = {.method = std::string(message.method_string()),
                        .path = std::string(path),
                        .query = std::string(query),
                        .host = std::string(hosts.empty() ? std::string_view() : hosts.front()),
                        .body = {},
                        .keep_alive = message.keep_alive()},
            .body_octets = std::get<std::size_t>(length)};
  for (const std::string_view expectation : values_of(message, http::field::expect)) {
    if (message.version() < 11) continue;  // 9110 §10.1.1: ignored in HTTP/1.0
    if (!iequals_ascii(expectation, "100-continue")) return HttpRefusal{417, "unknown expectation"};
    head.expects_continue = true;
  }
  return head;
}

void RequestReader::feed(std::string_view octets) {
  input_.erase(0, begin_);
  begin_ = 0;
  input_.append(octets);
}

/// Judges octet by octet, so that the first fault decides however the input is cut.
std::variant<std::size_t, RequestReader::NeedMore, HttpRefusal> RequestReader::find_head_end() {
  for (; begin_ + scanned_ < input_.size(); ++scanned_) {
    if (scanned_ == kHttpHeaderOctetsMax) return HttpRefusal{431, "header section too large"};
    const std::string_view head = std::string_view(input_).substr(begin_, scanned_ + 1);
    const char last = head.back();
    const char before = scanned_ > 0 ? head[scanned_ - 1] : '\0';
    if (last == '\0') return HttpRefusal{400, "NUL in the header section"};
    if ((last == '\n') != (before == '\r')) return HttpRefusal{400, "bare CR or LF"};             // 9112 §2.2
    if ((last == ' ' || last == '\t') && before == '\n') return HttpRefusal{400, "folded line"};  // 9112 §5.2
    if (head.ends_with("\r\n\r\n")) return head.size();
    if (head == "\r\n") {  // 9112 §2.2: one empty line before the request line
      if (empty_line_skipped_) return HttpRefusal{400, "empty lines"};
      empty_line_skipped_ = true;
      begin_ += 2;
      scanned_ = 0;
      return find_head_end();
    }
  }
  return NeedMore{};
}

RequestReader::Step RequestReader::next() {
  if (!head_) {
    const auto end = find_head_end();
    if (const auto* refusal = std::get_if<HttpRefusal>(&end)) return *refusal;
    if (std::holds_alternative<NeedMore>(end)) {
      if (is_idle()) {
        std::string().swap(input_);  // an idle connection holds no buffer; an assignment would keep it
        begin_ = 0;
      }
      return NeedMore{};
    }
    auto head = parse_head(std::string_view(input_).substr(begin_, std::get<std::size_t>(end)));
    if (const auto* refusal = std::get_if<HttpRefusal>(&head)) return *refusal;
    begin_ += std::get<std::size_t>(end);
    scanned_ = 0;
    empty_line_skipped_ = false;
    head_ = std::move(std::get<Head>(head));
  }
  if (input_.size() - begin_ < head_->body_octets) {
    if (std::exchange(head_->expects_continue, false)) return SendContinue{};
    return NeedMore{};
  }
  HttpRequest request = std::move(head_->request);
  request.body = input_.substr(begin_, head_->body_octets);
  begin_ += head_->body_octets;
  head_.reset();
  return request;
}

Result<ReplyHead> parse_reply_head(std::string_view octets, std::size_t body_octets_max) {
  http::response_parser<http::empty_body> parser;
  if (!read_fields(parser, octets)) return error(Error::malformed, "http.reply", "not a reply of HTTP/1.1");
  const auto lengths = values_of(parser.get(), http::field::content_length);
  if (lengths.size() != 1) return error(Error::malformed, "http.reply", "want one Content-Length");
  const auto length = parse_number<std::size_t>(lengths.front(), {.max = body_octets_max});
  if (!length) return fail(length);
  return ReplyHead{.status = parser.get().result_int(), .body_octets = *length};
}

}  // namespace postrider::web
