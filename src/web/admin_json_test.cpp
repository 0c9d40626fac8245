#include "web/admin_json.hpp"

#include <gtest/gtest.h>

namespace postrider::web {
namespace {

TEST(AdminJson, CarriesARequest) {
  AdminRequest request;
  request.name = "domain.add";
  request.words = {"example.test", "a \"quoted\" \\ word\n"};
  request.options = {{"catch-all", "a@example.test"}, {"catch-all", "b@example.test"}};
  request.secret = Secret("gr\xC3\xBC\xC3\x9F");
  request.format = OutputFormat::json;
  request.cursor = "act - 1 2";
  const Result<std::string> text = to_json(request);
  ASSERT_TRUE(text);
  const Result<AdminRequest> back = parse_admin_request(*text);
  ASSERT_TRUE(back) << describe(back.error());
  EXPECT_EQ(back->name, request.name);
  EXPECT_EQ(back->words, request.words);
  EXPECT_EQ(back->options, request.options);
  EXPECT_EQ(back->secret.reveal(), request.secret.reveal());
  EXPECT_EQ(back->format, request.format);
  EXPECT_EQ(back->cursor, request.cursor);
}

TEST(AdminJson, RefusesAPasswordThatIsNotUtf8) {
  AdminRequest request;
  request.name = "account.add";
  request.secret = Secret("gr\xFC\xDF");
  EXPECT_EQ(to_json(request).error().code, Error::malformed);
}

TEST(AdminJson, CarriesAReplyAndItsLinesAsTheyAre) {
  const AdminReply reply{
      .exit_code = 75, .lines = {"one", "", "{\"v\":1}"}, .error = "why", .next = "act - 0 0", .question = "really"};
  const Result<AdminReply> back = parse_admin_lines(to_lines(reply));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->exit_code, 75);
  EXPECT_EQ(back->lines, reply.lines);
  EXPECT_EQ(back->error, "why");
  EXPECT_EQ(back->next, "act - 0 0");
  EXPECT_EQ(back->question, "really");
  EXPECT_EQ(to_json(reply),
            R"({"v":1,"exit":75,"lines":["one","","{\"v\":1}"],"error":"why","next":"act - 0 0","question":"really"})");
}

TEST(AdminJson, RefusesWhatIsNoRequest) {
  for (const std::string_view text :
       {"", "x", "[]", "{}", R"({"name":1})", R"({"name":""})", R"({"name":"a","words":"b"})",
        R"({"name":"a","words":[1]})", R"({"name":"a","options":{"b":"c"}})", R"({"name":"a","options":[["b"]]})",
        R"({"name":"a","options":[["b","c","d"]]})", R"({"name":"a","secret":null})", R"({"name":"a","format":"xml"})",
        R"({"name":"a","wrods":[]})", R"({"name":"a"} x)", R"({"name":"a","words":[[[[[[[]]]]]]]})",
        "{\"name\":\"\xFF\"}"}) {
    const Result<AdminRequest> request = parse_admin_request(text);
    ASSERT_FALSE(request) << text;
    EXPECT_EQ(request.error().code, Error::malformed);
    EXPECT_FALSE(request.error().detail.empty()) << text;
  }
}

TEST(AdminJson, RefusesWhatIsNoReply) {
  for (const std::string_view text : {"", "{}", "{}\n", R"({"exit":0,"error":"","next":"","question":""})",
                                      "{\"exit\":0,\"error\":\"\",\"next\":\"\"}\n",
                                      "{\"exit\":256,\"error\":\"\",\"next\":\"\",\"question\":\"\"}\n",
                                      "{\"exit\":-1,\"error\":\"\",\"next\":\"\",\"question\":\"\"}\n",
                                      "{\"exit\":\"0\",\"error\":\"\",\"next\":\"\",\"question\":\"\"}\n",
                                      "{\"exit\":0,\"error\":1,\"next\":\"\",\"question\":\"\"}\n",
                                      "{\"exit\":0,\"error\":\"\",\"next\":\"\",\"question\":\"\"}\nno end"}) {
    EXPECT_FALSE(parse_admin_lines(text)) << text;
  }
}

}  // namespace
}  // namespace postrider::web
