// The HTTP service over the simulated network.
#include "web/http.hpp"

#include "core/random.hpp"
#include "core/test_run.hpp"
#include "net/sim_network.hpp"
#include "web/admin_json.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace postrider::web {
namespace {

using namespace std::chrono_literals;

class Control final : public core::ServerControl {
 public:
  [[nodiscard]] bool ready() const override { return is_ready; }
  void drain() override {}
  [[nodiscard]] core::ReloadReport reload() override { return {}; }
  [[nodiscard]] std::string metrics() const override { return "postrider_up 1\n"; }
  bool is_ready = true;
};

Task<void> accept_one(const HttpService* service, net::Listener* listener, net::ScratchPool* pool, Signal* drain) {
  Result<std::unique_ptr<net::Stream>> stream = co_await listener->accept(nullptr);
  if (stream) co_await serve_http(service, std::move(*stream), pool, drain);
}

/// Writes the pieces, each after a moment, then reads until the server ends.
Task<std::string> talk(net::Stream* stream, Clock* clock, std::vector<std::string> pieces, Duration pause,
                       Signal* never) {
  for (const std::string& piece : pieces) {
    const Result<void> written = co_await stream->write(piece, clock->steady() + 60s);
    if (!written) break;
    const Result<void> waited = co_await never->wait(clock->steady() + pause);
    EXPECT_FALSE(waited);
  }
  std::string got;
  std::string chunk(4096, '\0');
  for (;;) {
    const Result<net::Ready> ready = co_await stream->wait_readable(clock->steady() + 600s, nullptr);
    if (!ready) co_return got;
    const Result<std::size_t> octets = stream->read_some(chunk);
    if (!octets) co_return got;
    got.append(chunk, 0, *octets);
  }
}

class Http : public testing::Test {
 protected:
  Http() {
    service_.control = &control_;
    service_.clock = &world_.clock;
    service_.admin = &admin_;
    service_.health = true;
    service_.metrics = true;
  }
  ~Http() override { world_.run_until_still(); }

  std::unique_ptr<net::Stream> connect() {
    std::array<Shard*, 1> shards{&world_.shard};
    const net::Endpoint at{.address = net::Address::v4({192, 0, 2, 1}), .port = ++port_, .unix_path = {}};
    auto listeners = network_.host(at.address)->listen(at, shards);
    check(listeners.has_value(), "listen");
    listeners_.push_back(std::move(listeners->front()));
    spawn(&world_.shard, "http", accept_one(&service_, listeners_.back().get(), &pool_, &drain_));
    const SteadyTime until = world_.clock.steady() + 10s;
    auto stream = test::run(world_, network_.host(net::Address::v4({192, 0, 2, 2}))->dial(at, std::nullopt, until));
    check(stream.has_value(), "dial");
    return std::move(*stream);
  }
  std::string ask(std::vector<std::string> pieces, Duration pause = 1ms) {
    const std::unique_ptr<net::Stream> stream = connect();
    return test::run(world_, talk(stream.get(), &world_.clock, std::move(pieces), pause, &never_));
  }
  std::string ask_one(std::string_view method, std::string_view path, std::string_view body = {}) {
    return ask({fmt::format("{} {} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{}", method,
                            path, body.size(), body)});
  }

  test::World world_;
  SeededRandom random_{7};
  net::SimNetwork network_{&random_};
  net::ScratchPool pool_;
  Signal drain_;
  Signal never_;
  Control control_;
  Admin admin_{AdminRooms{.directory = nullptr, .mailboxes = nullptr, .queue = nullptr, .clock = &world_.clock}};
  HttpService service_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  std::uint16_t port_ = 8000;
};

std::size_t count(std::string_view text, std::string_view what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) ++found;
  return found;
}

TEST_F(Http, AnswersHealth) {
  EXPECT_EQ(ask_one("GET", "/healthz"),
            "HTTP/1.1 200 OK\r\nDate: Thu, 28 May 2026 20:26:40 GMT\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Content-Length: 3\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: "
            "close\r\n\r\nok\n");
}

TEST_F(Http, AnswersByPathAndMethod) {
  struct Row {
    std::string_view method, path, status, end;
  };
  for (const Row& row : std::vector<Row>{
           {"GET", "/readyz", "200 OK", "\r\n\r\nready\n"},
           {"GET", "/metrics", "200 OK", "\r\n\r\npostrider_up 1\n"},
           {"GET", "/metrics?x=y", "200 OK", "\r\n\r\npostrider_up 1\n"},
           {"HEAD", "/metrics", "200 OK", "keep-alive\r\n\r\n"},
           {"POST", "/metrics", "405 Method Not Allowed", "\r\nAllow: GET, HEAD\r\n\r\nmethod not allowed\n"},
           {"BREW", "/healthz", "405 Method Not Allowed", "\r\nAllow: GET, HEAD\r\n\r\nmethod not allowed\n"},
           {"GET", "/v1/admin", "405 Method Not Allowed", "\r\nAllow: POST\r\n\r\nmethod not allowed\n"},
           {"GET", "/", "404 Not Found", "\r\n\r\nnot found\n"},
           {"GET", "/healthz/", "404 Not Found", "\r\n\r\nnot found\n"},
           {"GET", "/%68ealthz", "404 Not Found", "\r\n\r\nnot found\n"},
           {"OPTIONS", "*", "404 Not Found", "\r\n\r\nnot found\n"},
       }) {
    const std::string reply = ask({fmt::format("{} {} HTTP/1.1\r\nHost: a\r\n\r\n", row.method, row.path)});
    EXPECT_TRUE(reply.starts_with(fmt::format("HTTP/1.1 {}\r\n", row.status))) << row.path << ": " << reply;
    EXPECT_TRUE(reply.ends_with(row.end)) << row.path << ": " << reply;
  }
  EXPECT_NE(ask_one("GET", "/metrics").find("\r\nContent-Type: text/plain; version=0.0.4"), std::string::npos);
  EXPECT_NE(ask_one("HEAD", "/metrics").find("\r\nContent-Length: 15\r\n"), std::string::npos);
}

TEST_F(Http, SaysWhenItIsNotReady) {
  control_.is_ready = false;
  EXPECT_TRUE(ask_one("GET", "/readyz").starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
  EXPECT_TRUE(ask_one("GET", "/healthz").starts_with("HTTP/1.1 200 OK\r\n"));
}

TEST_F(Http, OffersOnlyWhatTheListenerServes) {
  service_.admin = nullptr;
  service_.metrics = false;
  service_.health = false;
  for (const std::string_view path : {"/v1/admin", "/metrics", "/healthz", "/readyz"}) {
    EXPECT_TRUE(ask_one("POST", path).starts_with("HTTP/1.1 404 Not Found\r\n")) << path;
  }
}

TEST_F(Http, AnswersPipelinedRequestsInOrder) {
  std::string all;
  for (const std::string_view path : {"/healthz", "/nowhere", "/readyz", "/metrics"}) {
    all += fmt::format("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", path);
  }
  const std::string reply = ask({all});
  EXPECT_EQ(count(reply, "HTTP/1.1 200 OK\r\n"), 3U);
  EXPECT_LT(reply.find("\nok\n"), reply.find("\nnot found\n"));
  EXPECT_LT(reply.find("\nnot found\n"), reply.find("\nready\n"));
  EXPECT_LT(reply.find("\nready\n"), reply.find("\npostrider_up 1\n"));
}

TEST_F(Http, AnswersARequestThatIsCutAnywhere) {
  const std::string body = R"({"name":"nothing.here"})";
  const std::string request = fmt::format(
      "POST /v1/admin HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{}", body.size(), body);
  const std::string whole = ask({request});
  const std::string why = "nothing here: no such command (there are domain, account, alias, ban and queue)";
  EXPECT_TRUE(whole.ends_with(R"({"v":1,"exit":2,"lines":[],"error":")" + why + R"(","next":"","question":""})"))
      << whole;
  const std::size_t body_at = whole.find("\r\n\r\n");
  for (std::size_t at = 1; at < request.size(); ++at) {
    const std::string cut = ask({request.substr(0, at), request.substr(at)});
    EXPECT_EQ(cut.substr(cut.find("\r\n\r\n")), whole.substr(body_at)) << at;
  }
}

TEST_F(Http, RefusesAndCloses) {
  struct Row {
    std::string octets;
    std::string_view status;
  };
  for (const Row& row : std::vector<Row>{
           {"GET / HTTP/1.1\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", "400 Bad Request"},
           {"POST /v1/admin HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n" + std::string(300'000, 'x'),
            "413 Content Too Large"},
           {"GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(20'000, 'x'), "431 Request Header Fields Too Large"},
           {"POST /v1/admin HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "411 Length Required"},
           {"GET / HTTP/3.0\r\nHost: a\r\n\r\n", "505 HTTP Version Not Supported"},
       }) {
    const std::string reply = ask({row.octets});
    EXPECT_TRUE(reply.starts_with(fmt::format("HTTP/1.1 {}\r\n", row.status))) << reply;
    EXPECT_EQ(count(reply, "\r\nDate: "), 1U);
    EXPECT_NE(reply.find("\r\nConnection: close\r\n"), std::string::npos);
  }
}

TEST_F(Http, AutoconfigIsThereWhereItIsServed) {
  const std::string_view outlook = "<x/>";
  EXPECT_TRUE(ask_one("POST", "/autodiscover/autodiscover.xml", outlook).starts_with("HTTP/1.1 404 "));
  const MailSettings settings{.hostname = "mx", .services = {}, .autodiscover_url = {}};
  service_.autoconfig = &settings;
  for (const std::string_view path : {"/autodiscover/autodiscover.xml", "/Autodiscover/Autodiscover.xml"}) {
    const std::string reply = ask_one("POST", path, outlook);
    EXPECT_TRUE(reply.starts_with("HTTP/1.1 200 OK\r\n")) << reply;
    EXPECT_NE(reply.find("<ErrorCode>600</ErrorCode>"), std::string::npos);
  }
  const std::string refused = ask_one("POST", "/mail/config-v1.1.xml");
  EXPECT_NE(refused.find("405 Method Not Allowed"), std::string::npos) << refused;
  EXPECT_TRUE(ask_one("GET", "/Mail/config-v1.1.xml").starts_with("HTTP/1.1 404 "));
}

TEST_F(Http, SaysContinueWhenAskedTo) {
  const std::string reply = ask(
      {"POST /v1/admin HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
       "{}"});
  EXPECT_TRUE(reply.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 Bad Request\r\n")) << reply;
}

TEST_F(Http, EndsIdleConnectionsSilentlyAndSlowRequestsWith408) {
  const SteadyTime start = world_.clock.steady();
  EXPECT_EQ(ask({}), "");
  EXPECT_GE(world_.clock.steady() - start, service_.wait_request);
  EXPECT_LT(world_.clock.steady() - start, service_.wait_request + 1s);

  // One octet every ten seconds does not renew the deadline of the request.
  const std::vector<std::string> drops(10, "G");
  const std::string reply = ask(drops, 10s);
  EXPECT_TRUE(reply.empty() || reply.starts_with("HTTP/1.1 408 Request Timeout\r\n")) << reply;
  EXPECT_EQ(ask({"GET / HT"}).substr(0, 32), "HTTP/1.1 408 Request Timeout\r\nDa");
}

TEST_F(Http, EndsBetweenRequestsWhenDraining) {
  const std::unique_ptr<net::Stream> stream = connect();
  Signal never;
  world_.shard.poll();
  drain_.set();
  const SteadyTime start = world_.clock.steady();
  EXPECT_EQ(test::run(world_, talk(stream.get(), &world_.clock, {}, 0s, &never)), "");
  EXPECT_LT(world_.clock.steady() - start, 1s);
}

Task<bool> say(net::Stream* stream, std::string octets, SteadyTime until) {
  const Result<void> written = co_await stream->write(octets, until);
  co_return written.has_value();
}

TEST_F(Http, FinishesTheRequestThatItIsInWhenDraining) {
  const std::unique_ptr<net::Stream> stream = connect();
  const SteadyTime until = world_.clock.steady() + 5s;
  EXPECT_TRUE(test::run(world_, say(stream.get(), "GET /healthz HTTP/1.1\r\nHo", until)));
  while (world_.shard.poll() > 0) {
  }
  drain_.set();
  const std::string reply = test::run(world_, talk(stream.get(), &world_.clock, {"st: a\r\n\r\n"}, 1ms, &never_));
  EXPECT_TRUE(reply.starts_with("HTTP/1.1 200 OK\r\n")) << reply;
  EXPECT_NE(reply.find("\r\nConnection: close\r\n"), std::string::npos);
}

TEST_F(Http, CallsAdminAndReadsTheReply) {
  const std::unique_ptr<net::Stream> stream = connect();
  AdminRequest request;
  request.name = "domain.list";
  request.words = {"too"};
  const Result<AdminReply> reply =
      test::run(world_, call_admin(stream.get(), std::move(request), world_.clock.steady() + 10s));
  ASSERT_TRUE(reply) << describe(reply.error());
  EXPECT_EQ(reply->exit_code, 2);
  EXPECT_EQ(reply->error, "domain list: too many words (usage: domain list)");
}

TEST_F(Http, CallAdminSaysWhenNobodyOfOursAnswers) {
  service_.admin = nullptr;
  const std::unique_ptr<net::Stream> stream = connect();
  AdminRequest request;
  request.name = "queue.list";
  const Result<AdminReply> reply =
      test::run(world_, call_admin(stream.get(), std::move(request), world_.clock.steady() + 10s));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, Error::malformed);
}

}  // namespace
}  // namespace postrider::web
