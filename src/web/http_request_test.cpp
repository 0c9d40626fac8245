#include "web/http_request.hpp"

#include "core/overloaded.hpp"
#include "web/http.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace postrider::web {
namespace {

/// What a reader makes of `octets`, fed in pieces of `piece` octets: one word a request, and the refusal's status.
std::string read_all(std::string_view octets, std::size_t piece) {
  RequestReader reader;
  std::string out;
  for (std::size_t at = 0; at < octets.size(); at += piece) {
    reader.feed(octets.substr(at, piece));
    for (bool more = true; more;) {
      const RequestReader::Step step = reader.next();
      if (const auto* refusal = std::get_if<HttpRefusal>(&step)) return out + fmt::format("{}", refusal->status);
      if (const auto* request = std::get_if<HttpRequest>(&step)) {
        out += fmt::format("[{} {} {}{}]", request->method, request->path, request->body,
                           request->keep_alive ? "" : " close");
      }
      more = !std::holds_alternative<RequestReader::NeedMore>(step);
    }
  }
  return out + (reader.is_idle() ? "" : "…");
}

struct Row {
  std::string_view name;
  std::string octets;
  std::string_view want;
};

const std::vector<Row>& rows() {
  static const std::vector<Row> kRows = {
      {"plain", "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", "[GET /healthz ]"},
      {"old", "GET /healthz HTTP/1.0\r\n\r\n", "[GET /healthz  close]"},
      {"old, kept", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "[GET / ]"},
      {"closing", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "[GET /  close]"},
      {"body", "POST /v1/admin HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", "[POST /v1/admin abc]"},
      {"two", "GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b?c HTTP/1.1\r\nHost: a\r\n\r\n", "[GET /a ][GET /b ]"},
      {"body, then another",
       "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxyGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
       "[POST /a xy][GET /b ]"},
      {"an empty line first", "\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
       "[GET /a ][GET /b ]"},
      {"absolute-form", "GET http://a.test/x?y HTTP/1.1\r\nHost: a.test\r\n\r\n", "[GET /x ]"},
      {"absolute-form without a path", "GET http://a.test?y HTTP/1.1\r\nHost: a.test\r\n\r\n", "[GET / ]"},
      {"asterisk-form", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "[OPTIONS * ]"},
      {"an own method", "BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n", "[BREW /pot ]"},
      {"an empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "[GET / ]"},
      {"expecting", "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\nx", "[PUT / x]"},
      {"expecting in 1.0", "PUT / HTTP/1.0\r\nExpect: tea\r\nContent-Length: 1\r\n\r\nx", "[PUT / x close]"},
      {"cut in the head", "GET / HTTP/1.1\r\nHo", "…"},
      {"cut in the body", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", "…"},
      {"two empty lines", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"no host", "GET / HTTP/1.1\r\n\r\n", "400"},
      {"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400"},
      {"a host that is none", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400"},
      {"a list of hosts", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400"},
      {"bare LF", "GET / HTTP/1.1\nHost: a\n\n", "400"},
      {"bare LF in a field", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", "400"},
      {"bare CR", "GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", "400"},
      {"NUL", std::string("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", 29), "400"},
      {"folded", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", "400"},
      {"folded by a tab", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n", "400"},
      {"folded at once", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", "400"},
      {"a blank before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400"},
      {"no colon", "GET / HTTP/1.1\r\nHost\r\n\r\n", "400"},
      {"an empty name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", "400"},
      {"a control in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", "400"},
      {"two lengths", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", "400"},
      {"unlike lengths", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", "400"},
      {"a list of lengths", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx", "400"},
      {"a length with a sign", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx", "400"},
      {"a negative length", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nx", "400"},
      {"a hexadecimal length", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\nx", "400"},
      {"an empty length", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", "400"},
      {"a length over all bounds", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n", "4"},
      {"a length over the limit", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n", "413"},
      {"chunked", "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "411"},
      {"chunked and length", "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
       "400"},
      {"length and chunked", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
       "400"},
      {"another coding", "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", "501"},
      {"two codings", "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "501"},
      {"hidden coding", "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", "501"},
      {"another expectation", "PUT / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", "417"},
      {"0.9", "GET /\r\n\r\n", "400"},
      {"2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505"},
      {"the preface of 2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"},
      {"no version", "GET / HTTX/1.1\r\nHost: a\r\n\r\n", "400"},
      {"lower-case version", "GET / http/1.1\r\nHost: a\r\n\r\n", "400"},
      {"two blanks", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a blank in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a target without a slash", "GET healthz HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"authority-form", "CONNECT a.test:443 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"eight bits in the target", "GET /\xC3\xA9 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a blank first", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"TLS", std::string("\x16\x03\x01\x02\x00\x01\r\n\r\n", 10), "400"},
      {"SMTP", "EHLO a\r\n\r\n", "400"},
      {"a good one, then a bad one", "GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b\n", "[GET /a ]400"},
  };
  return kRows;
}

TEST(RequestReader, GivesTheQueryAndTheHost) {
  for (const auto& [target, path, query] :
       {std::tuple{"/a?b=%20&c?d", "/a", "b=%20&c?d"}, std::tuple{"/a?", "/a", ""}, std::tuple{"/a", "/a", ""},
        std::tuple{"http://x/a?b", "/a", "b"}, std::tuple{"http://x?b", "/", "b"}}) {
    RequestReader reader;
    reader.feed(fmt::format("GET {} HTTP/1.1\r\nHost: a.test:80\r\n\r\n", target));
    const RequestReader::Step step = reader.next();
    const auto* request = std::get_if<HttpRequest>(&step);
    ASSERT_NE(request, nullptr) << target;
    EXPECT_EQ(request->path, path);
    EXPECT_EQ(request->query, query);
    EXPECT_EQ(request->host, "a.test:80");
  }
}

TEST(RequestReader, TakesWhatIsStrictlyHttpHoweverItIsCut) {
  for (const Row& row : rows()) {
    for (const std::size_t piece : {row.octets.size(), std::size_t{1}, std::size_t{2}, std::size_t{7}}) {
      const std::string got = read_all(row.octets, piece);
      if (row.name == "a length over all bounds") {
        EXPECT_TRUE(got == "400" || got == "413") << got;  // Beast's or ours: no number of ours can hold it
        continue;
      }
      EXPECT_EQ(got, row.want) << row.name << ", in pieces of " << piece;
    }
  }
}

TEST(RequestReader, GivesTheSameForEveryCut) {
  for (const Row& row : rows()) {
    const std::string whole = read_all(row.octets, row.octets.size());
    for (std::size_t at = 1; at < row.octets.size(); ++at) {
      EXPECT_EQ(read_all(row.octets, at), whole) << row.name << ", cut at " << at;
    }
  }
}

TEST(RequestReader, HoldsToTheLimitOfTheHeaderSection) {
  const std::string start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
  const std::string fits = start + std::string(kHttpHeaderOctetsMax - start.size() - 4, 'x') + "\r\n\r\n";
  const std::string over = start + std::string(kHttpHeaderOctetsMax - start.size() - 3, 'x') + "\r\n\r\n";
  for (const std::size_t piece : {std::size_t{1}, std::size_t{4096}, over.size()}) {
    EXPECT_EQ(read_all(fits, piece), "[GET / ]");
    EXPECT_EQ(read_all(over, piece), "431");
  }
}

TEST(RequestReader, HoldsToTheLimitOfTheBody) {
  const std::string head = fmt::format("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", kHttpBodyOctetsMax);
  const std::string got = read_all(head + std::string(kHttpBodyOctetsMax, 'x'), 64 * 1024);
  EXPECT_EQ(got.size(), kHttpBodyOctetsMax + std::string("[PUT / ]").size());
}

TEST(RequestReader, AsksForTheBodyOnceAndOnlyWhenItIsNotThere) {
  RequestReader reader;
  reader.feed("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_TRUE(std::holds_alternative<RequestReader::SendContinue>(reader.next()));
  EXPECT_TRUE(std::holds_alternative<RequestReader::NeedMore>(reader.next()));
  reader.feed("a");
  EXPECT_TRUE(std::holds_alternative<RequestReader::NeedMore>(reader.next()));
  reader.feed("b");
  EXPECT_TRUE(std::holds_alternative<HttpRequest>(reader.next()));
  EXPECT_TRUE(reader.is_idle());
}

TEST(ReplyHead, WantsOneLength) {
  const auto read = [](std::string_view octets) { return parse_reply_head(octets, 100); };
  const Result<ReplyHead> good = read("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
  ASSERT_TRUE(good);
  EXPECT_EQ(good->status, 200U);
  EXPECT_EQ(good->body_octets, 100U);
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n").error().code, Error::too_long);
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\n\r\n").error().code, Error::malformed);
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n").error().code, Error::malformed);
  EXPECT_EQ(read("HTTP/1.1 20 OK\r\nContent-Length: 1\r\n\r\n").error().code, Error::malformed);
  EXPECT_EQ(read("220 mx ESMTP\r\n\r\n").error().code, Error::malformed);
}

}  // namespace
}  // namespace postrider::web
