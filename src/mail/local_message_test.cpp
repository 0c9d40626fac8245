#include "mail/local_message.hpp"

#include <gtest/gtest.h>

namespace postrider::mail {
namespace {

Domain origin() { return Domain::parse("here.test").value(); }

TEST(WithDomains, CompletesWhatHasNoDomain) {
  struct Row {
    const char* value;
    const char* want;
  };
  const std::vector<Row> rows = {
      {" root", " root@here.test"},
      {" root (Cron Daemon)", " root@here.test (Cron Daemon)"},
      {" \"root\" <root>", " \"root\" <root@here.test>"},
      {" Ann <ann>, bob,carl@far.test", " Ann <ann@here.test>, bob@here.test,carl@far.test"},
      {" ann,\r\n bob\r\n", " ann@here.test,\r\n bob@here.test\r\n"},
      {" \"a b\"", " \"a b\"@here.test"},
      {" \"a\".b", " \"a\".b@here.test"},
      {" friends: ann, bob;", " friends: ann@here.test, bob@here.test;"},
      {" friends:;", " friends:;"},
      {" undisclosed-recipients:;", " undisclosed-recipients:;"},
      {" <@relay.test:ann@far.test>", " <@relay.test:ann@far.test>"},
      {" \"ann@home\" <ann>", " \"ann@home\" <ann@here.test>"},
      {" (a comment) ann (b, c@d)", " (a comment) ann@here.test (b, c@d)"},
      {" Ann Smith", " Ann Smith"},  // no address
      {" <>", " <>"},
      {"", ""},
      {" ann <", " ann <"},
      {" (never ends", " (never ends"},
      {" \"never ends", " \"never ends"},
      {" ann <b> \"never ends\r\n", " ann <b@here.test> \"never ends\r\n"},
      {" \"never ends\r\n", " \"never ends\r\n"},
      {" <ann> bob", " <ann@here.test> bob"},
      {" a@b@c", " a@b@c"},
  };
  for (const Row& row : rows) EXPECT_EQ(with_domains(row.value, origin()), row.want) << row.value;
}

TEST(ParseRecipients, TakesNamesAndBareUsers) {
  const auto texts = [](std::string_view text) {
    std::string out;
    const Result<std::vector<Address>> got = parse_recipients(text, origin());
    if (!got) return "error " + got.error().detail;
    for (const Address& address : *got) out += address.text() + " ";
    return out;
  };
  EXPECT_EQ(texts("ann"), "ann@here.test ");
  EXPECT_EQ(texts("Ann <ann@far.test>, bob, bob"), "ann@far.test bob@here.test ");
  EXPECT_EQ(texts("friends: ann, bob;"), "ann@here.test bob@here.test ");
  EXPECT_TRUE(texts("Ann Smith <").starts_with("error"));
  EXPECT_TRUE(texts("a@b..c").starts_with("error"));
}

LocalMessageForm form() {
  return {.origin = origin(),
          .from_user = "cron",
          .full_name = "Cron Daemon",
          .recipients_from_header = true,
          .dot_ends = true,
          .completes = true};
}

TEST(LocalMessage, EndsLinesInCrlfAndStopsAtTheDot) {
  const Result<LocalMessage> made = make_local_message("To: ann\nSubject: x\n\none\ntwo\n.\nthree\n", form());
  ASSERT_TRUE(made);
  EXPECT_EQ(made->content,
            "From: Cron Daemon <cron@here.test>\r\nTo: ann@here.test\r\nSubject: x\r\n\r\none\r\ntwo\r\n");
  ASSERT_EQ(made->recipients.size(), 1U);
  LocalMessageForm whole = form();
  whole.dot_ends = false;
  const Result<LocalMessage> all = make_local_message("To: ann\n\none\n.\nthree", whole);
  ASSERT_TRUE(all);
  EXPECT_TRUE(all->content.ends_with("\r\n\r\none\r\n.\r\nthree\r\n"));
}

TEST(LocalMessage, TakesRecipientsOfToCcAndBccOnce) {
  const Result<LocalMessage> made =
      make_local_message("From: a@b.test\nTo: ann,\n bob\nCc: Ann <ann@here.test>\nBcc: carl\n\nx\n", form());
  ASSERT_TRUE(made);
  ASSERT_EQ(made->recipients.size(), 3U);
  EXPECT_EQ(made->recipients[1].text(), "bob@here.test");
  EXPECT_EQ(made->recipients[2].text(), "carl@here.test");
  EXPECT_TRUE(made->content.starts_with("From: a@b.test\r\nTo: ann@here.test,\r\n bob@here.test\r\n"));
}

TEST(LocalMessage, ResentFieldsNameTheRecipients) {
  const Result<LocalMessage> made =
      make_local_message("From: a@b.test\nTo: ann\nResent-To: bob\nResent-Bcc: carl\n\nx\n", form());
  ASSERT_TRUE(made);
  ASSERT_EQ(made->recipients.size(), 2U);
  EXPECT_EQ(made->recipients[0].text(), "bob@here.test");
}

TEST(LocalMessage, TextWithoutHeaderSectionGetsOne) {
  LocalMessageForm plain = form();
  plain.recipients_from_header = false;
  const Result<LocalMessage> made = make_local_message("hello there\n", plain);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->content, "From: Cron Daemon <cron@here.test>\r\n\r\nhello there\r\n");
  EXPECT_TRUE(made->recipients.empty());
  const Result<LocalMessage> empty = make_local_message("", plain);
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->content, "From: Cron Daemon <cron@here.test>\r\n\r\n");
}

TEST(LocalMessage, DropsTheLineOfAMailboxFile) {
  const Result<LocalMessage> made =
      make_local_message("From ann Mon Jan  1 00:00:00 2026\nFrom: a@b.test\n\nx\n", form());
  ASSERT_TRUE(made);
  EXPECT_EQ(made->content, "From: a@b.test\r\n\r\nx\r\n");
  EXPECT_TRUE(make_local_message("From ann", form()));
}

TEST(LocalMessage, TellsWhatTheContentHas) {
  const Result<LocalMessage> body = make_local_message("From: a@b.test\n\nj\xc3\xb6rg\n", form());
  ASSERT_TRUE(body);
  EXPECT_TRUE(body->has_eight_bit);
  EXPECT_FALSE(body->has_utf8_header);
  const Result<LocalMessage> header = make_local_message("From: a@b.test\nSubject: j\xc3\xb6rg\n\nx\n", form());
  ASSERT_TRUE(header);
  EXPECT_TRUE(header->has_utf8_header);
}

TEST(LocalMessage, RefusesWhatIsNoRecipient) {
  const Result<LocalMessage> made = make_local_message("To: a@b..c\n\nx\n", form());
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Error::malformed);
  EXPECT_FALSE(make_local_message(std::string(kLocalMessageOctetsMax + 1, 'x'), form()));
}

}  // namespace
}  // namespace postrider::mail
