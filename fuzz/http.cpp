// rooms: core mail net store directory mailbox queue web
// What the request reader makes of its input does not depend on where the input is cut, and stays within its limits.
#include "web/http.hpp"

#include "core/check.hpp"
#include "web/http_request.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace {

using postrider::check;
using postrider::web::HttpRefusal;
using postrider::web::HttpRequest;
using postrider::web::RequestReader;

std::string read_all(std::string_view octets, std::size_t piece) {
  RequestReader reader;
  std::string out;
  for (std::size_t at = 0; at < octets.size(); at += piece) {
    reader.feed(octets.substr(at, piece));
    for (bool more = true; more;) {
      const RequestReader::Step step = reader.next();
      if (const auto* refusal = std::get_if<HttpRefusal>(&step)) {
        check(refusal->status >= 400 && refusal->status < 600, "a refusal has a status");
        return out + std::to_string(refusal->status) + std::string(refusal->reason);
      }
      if (const auto* request = std::get_if<HttpRequest>(&step)) {
        check(request->body.size() <= postrider::web::kHttpBodyOctetsMax, "the body is within its limit");
        check(request->path == "*" || request->path.starts_with('/'), "the path starts with a slash");
        check(request->path.find_first_of(std::string_view("\r\n ?\0", 5)) == std::string::npos,
              "nothing of the framing is in the path");
        out +=
            request->method + '\n' + request->path + '\n' + request->body + (request->keep_alive ? "\n+\n" : "\n-\n");
      }
      more = !std::holds_alternative<RequestReader::NeedMore>(step);
    }
  }
  return out + (reader.is_idle() ? "." : "…");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::size_t piece = data[0] % 97U + 1U;
  const std::string_view octets(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string whole = read_all(octets, octets.size() + 1);
  check(read_all(octets, 1) == whole, "octet by octet is the same as whole");
  check(read_all(octets, piece) == whole, "in pieces is the same as whole");
  return 0;
}
