#include "core/await.hpp"
#include "web/admin_json.hpp"
#include "web/http.hpp"
#include "web/http_request.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace postrider::web {
namespace {

constexpr std::size_t kReadOctets = 64 * 1024;

struct Incoming {
  std::string octets;
  std::optional<ReplyHead> head;  // its octets are taken off
};

/// Takes the head off when it is there. True: the reply is whole.
Result<bool> is_whole(Incoming& incoming) {
  if (!incoming.head) {
    const std::size_t end = incoming.octets.find("\r\n\r\n");
    if (end == std::string::npos) {
      if (incoming.octets.size() < kHttpHeaderOctetsMax) return false;
      return error(Error::malformed, "http.reply", "header section too large");
    }
    const std::string_view octets = std::string_view(incoming.octets).substr(0, end + 4);
    const Result<ReplyHead> head = parse_reply_head(octets, kHttpReplyOctetsMax + kHttpHeaderOctetsMax);
    if (!head) return fail(head);
    incoming.head = *head;
    incoming.octets.erase(0, end + 4);
  }
  return incoming.octets.size() >= incoming.head->body_octets;
}

Result<AdminReply> to_admin_reply(const Incoming& incoming) {
  Result<AdminReply> reply = parse_admin_lines(std::string_view(incoming.octets).substr(0, incoming.head->body_octets));
  if (reply) return reply;
  return error(Error::malformed, "http.reply",
               fmt::format("status {}, {}", incoming.head->status, reply.error().detail));
}

}  // namespace

Task<Result<AdminReply>> call_admin(net::Stream* stream, AdminRequest request, SteadyTime until) {
  const Result<std::string> body = to_json(request);
  if (!body) {
    // The secret is not text: used wrongly, whoever runs the command.
    co_return AdminReply{.exit_code = 2, .lines = {}, .error = body.error().detail};
  }
  const std::string wire = fmt::format(
      "POST /v1/admin/lines HTTP/1.1\r\nHost: control\r\nContent-Type: application/json\r\nContent-Length: {}\r\n"
      "Connection: close\r\n\r\n{}",
      body->size(), *body);
  const Result<void> written = co_await stream->write(wire, until);
  if (!written) co_return fail(written);

  Incoming incoming;
  std::string chunk(kReadOctets, '\0');
  for (;;) {
    const Result<bool> whole = is_whole(incoming);
    if (!whole) co_return fail(whole);
    if (*whole) co_return to_admin_reply(incoming);
    const Result<net::Ready> ready = co_await stream->wait_readable(until, nullptr);
    if (!ready) co_return fail(ready);
    const Result<std::size_t> got = stream->read_some(chunk);
    if (!got) co_return fail(got);
    incoming.octets.append(chunk, 0, *got);
  }
}

}  // namespace postrider::web
