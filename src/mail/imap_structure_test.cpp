#include "mail/imap_structure.hpp"

#include <gtest/gtest.h>

namespace postrider::mail {
namespace {

std::string envelope(std::string_view message) { return imap_envelope(message, parse_mime(message).root); }
std::string structure(std::string_view message, Extension extension) {
  return imap_body_structure(message, parse_mime(message).root, extension);
}

TEST(ImapEnvelope, KeepsTheRulesOf9051) {
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"},
      {"Subject:\nDate: \nMessage-ID:\n\n", R"(("" "" NIL NIL NIL NIL NIL NIL NIL ""))"},
      {"From: Ann <a@x.test>\nTo: b@y.test\n\n",
       R"((NIL NIL (("Ann" NIL "a" "x.test")) (("Ann" NIL "a" "x.test")) (("Ann" NIL "a" "x.test")) )"
       R"(((NIL NIL "b" "y.test")) NIL NIL NIL NIL))"},
      {"From: a@x.test\nSender: s@x.test\nReply-To:\n\n",
       R"((NIL NIL ((NIL NIL "a" "x.test")) ((NIL NIL "s" "x.test")) ((NIL NIL "a" "x.test")) NIL NIL NIL NIL NIL))"},
      {"To: Team: a@x.test, B <b@x.test>;, c@x.test\nCc: none:;\n\n",
       R"((NIL NIL NIL NIL NIL ((NIL NIL "Team" NIL)(NIL NIL "a" "x.test")("B" NIL "b" "x.test")(NIL NIL NIL NIL))"
       R"((NIL NIL "c" "x.test")) ((NIL NIL "none" NIL)(NIL NIL NIL NIL)) NIL NIL NIL))"},
      {"To: a@x.test\nTo: b@x.test\n\n",
       R"((NIL NIL NIL NIL NIL ((NIL NIL "a" "x.test")(NIL NIL "b" "x.test")) NIL NIL NIL NIL))"},
      {"To: <@r.test:\"a b\"@x.test>, \"Q \\\"x\\\" \\\\\" <q@x.test>, alone\n\n",
       R"((NIL NIL NIL NIL NIL ((NIL "@r.test" "a b" "x.test")("Q \"x\" \\" NIL "q" "x.test")(NIL NIL "alone" "")) )"
       R"(NIL NIL NIL NIL))"},
      // encoded-words stay as they are; folds go; what is not ASCII is a literal
      {"Subject: =?utf-8?Q?=C3=A4?=\n fold\nFrom: =?utf-8?Q?=C3=A4?= <a@x.test>\nSender: s@x.test\nReply-To: "
       "r@x.test\n\n",
       R"((NIL "=?utf-8?Q?=C3=A4?= fold" (("=?utf-8?Q?=C3=A4?=" NIL "a" "x.test")) ((NIL NIL "s" "x.test")) )"
       R"(((NIL NIL "r" "x.test")) NIL NIL NIL NIL NIL))"},
      {"Subject: \xe4\n\n", "(NIL {1}\r\n\xe4 NIL NIL NIL NIL NIL NIL NIL NIL)"},
      {"Date: d\nIn-Reply-To: <1@x>\nMessage-ID: <2@x>\n\n", R"(("d" NIL NIL NIL NIL NIL NIL NIL "<1@x>" "<2@x>"))"},
  };
  for (const auto& [message, want] : rows) EXPECT_EQ(envelope(message), want) << message;
}

TEST(ImapBodyStructure, KeepsTheRulesOf9051) {
  const std::string_view part_of_all =
      "Content-Type: text/plain; charset=utf-8; format=flowed\nContent-Transfer-Encoding: 8bit\nContent-ID: <i@x>\n"
      "Content-Description: d\nContent-MD5: m\nContent-Disposition: attachment; filename=\"a b\"\n"
      "Content-Language: de, en\nContent-Location: l\n\nx\ny";
  const std::string_view mixed =
      "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b\nContent-Type: message/rfc822\n\n"
      "Subject: s\n\nin\n--b\nContent-Type: image/png; name*=utf-8''%C3%A4\nContent-Transfer-Encoding: base64\n\nQQ==\n"
      "--b--\n";
  const std::string_view rows[][3] = {
      {"\nx\n", R"(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 2 1))",
       R"(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 2 1 NIL NIL NIL NIL))"},
      {part_of_all, R"(("text" "plain" ("charset" "utf-8" "format" "flowed") "<i@x>" "d" "8bit" 3 2))",
       R"(("text" "plain" ("charset" "utf-8" "format" "flowed") "<i@x>" "d" "8bit" 3 2 "m" )"
       R"(("attachment" ("filename" "a b")) ("de" "en") "l"))"},
      {mixed,
       R"((("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1 1)("message" "rfc822" NIL NIL NIL "7bit" 14 )"
       R"((NIL "s" NIL NIL NIL NIL NIL NIL NIL NIL) ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 2 1) 3))"
       R"(("image" "png" ("name*" "utf-8''%C3%A4") NIL NIL "base64" 4) "mixed"))",
       R"((("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1 1 NIL NIL NIL NIL)("message" "rfc822" NIL NIL NIL )"
       R"("7bit" 14 (NIL "s" NIL NIL NIL NIL NIL NIL NIL NIL) ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 2 1 )"
       R"(NIL NIL NIL NIL) 3 NIL NIL NIL NIL)("image" "png" ("name*" "utf-8''%C3%A4") NIL NIL "base64" 4 NIL NIL NIL NIL) )"
       R"("mixed" ("boundary" "b") NIL NIL NIL))"},
      {"Content-Type: multipart/mixed; boundary=b\n\nnone",
       R"((("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0) "mixed"))",
       R"((("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0) "mixed" ("boundary" "b") NIL NIL NIL))"},
      {"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nQQ==\n",
       R"(("message" "rfc822" NIL NIL NIL "base64" 5 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) )"
       R"(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0) 1))",
       R"(("message" "rfc822" NIL NIL NIL "base64" 5 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) )"
       R"(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0) 1 NIL NIL NIL NIL))"},
  };
  for (const auto& [message, body, body_structure] : rows) {
    EXPECT_EQ(structure(message, Extension::without), body) << message;
    EXPECT_EQ(structure(message, Extension::with), body_structure) << message;
  }
}

}  // namespace
}  // namespace postrider::mail
