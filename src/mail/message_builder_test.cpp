#include "mail/message_builder.hpp"

#include "core/text.hpp"
#include "mail/mime.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace postrider::mail {
namespace {

using namespace std::literals;

/// CRLF only, lines of at most `octets_max`, ASCII.
void expect_in_form(std::string_view message, std::size_t octets_max = 78) {
  EXPECT_TRUE(is_ascii(message)) << message;
  EXPECT_TRUE(message.ends_with("\r\n"));
  for (std::string_view line : split(message.substr(0, message.size() - 1), '\n')) {
    ASSERT_TRUE(line.ends_with('\r')) << line;
    line.remove_suffix(1);
    EXPECT_EQ(line.find('\r'), std::string_view::npos);
    EXPECT_LE(line.size(), octets_max) << line;
  }
}

HeaderMailbox box(std::string name, std::string local, std::string domain) {
  return {.name = std::move(name), .local = std::move(local), .domain = std::move(domain), .route = {}};
}

TEST(MessageBuilder, MakesAMessageOfOnePart) {
  const Result<Domain> host = Domain::parse("mx.example.test");
  const std::string message = MessageBuilder("boundary")
                                  .date(WallTime{})
                                  .message_id("a.b", *host)
                                  .addresses("From", {box("Ann", "a", "x.test")})
                                  .field("Subject", "Hello")
                                  .text("one\ntwo")
                                  .build();
  EXPECT_EQ(message,
            "Date: Thu, 1 Jan 1970 00:00:00 +0000\r\nMessage-ID: <a.b@mx.example.test>\r\nFrom: Ann <a@x.test>\r\n"
            "Subject: Hello\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n"
            "Content-Transfer-Encoding: 7bit\r\n\r\none\r\ntwo\r\n");
}

TEST(MessageBuilder, NoFieldCanBeInjected) {
  for (const std::string& bad : {"x\r\nBcc: y@z.test"s, "x\nBcc: y"s, "x\rBcc: y"s, "x\0y"s, "\r\n\r\nbody"s}) {
    const std::string message = MessageBuilder("b")
                                    .field("Subject", bad)
                                    .addresses("To", {box(bad, bad, bad), box(bad, "a", "x.test")})
                                    .attachment("x", "text/plain\r\nX: y", bad)
                                    .build();
    expect_in_form(message);
    const MimeTree tree = parse_mime(message);
    for (const MimeField& field : tree.root.fields) EXPECT_NE(field.name, "Bcc");
    EXPECT_EQ(tree.root.type, "application/octet-stream");
    EXPECT_EQ(decoded_body(message, tree.root).octets, "x");
  }
}

TEST(MessageBuilder, AddressesComeBack) {
  const std::vector<HeaderMailbox> mailboxes = {
      box("", "a", "x.test"),
      box("Ann Example", "ann", "x.test"),
      box("Example, \"Ann\" \\ (x)", "ann", "x.test"),
      box("J\u00f6rg \u65e5\u672c\u8a9e\u65e5\u672c\u8a9e\u65e5\u672c\u8a9e\u65e5\u672c\u8a9e\u65e5\u672c\u8a9e", "j",
          "x.test"),
      box("=?utf-8?Q?x?=", "q", "x.test"),
      box(std::string(300, 'n'), "long", "x.test"),
      box("", "a b", "x.test"),
      box("", ".a..", "x.test"),
      box("", "a", "[192.0.2.1]"),
  };
  const std::string message = MessageBuilder("b").addresses("To", mailboxes).text("x").build();
  expect_in_form(message);
  const MimeTree tree = parse_mime(message);
  const AddressList read = parse_address_list(octets_of(message, tree.root.fields.at(0).value));
  EXPECT_TRUE(read.errors.empty());
  EXPECT_EQ(read.mailboxes(), mailboxes);
}

TEST(MessageBuilder, LeavesOutWhatIsNoAddress) {
  const std::string message =
      MessageBuilder("b")
          .addresses("To", {box("x", "", "x.test"), box("x", "a", ""), box("", std::string(901, 'a'), "x.test"),
                            box("", "a", "x>,y.test"), box("", "a", "b\u00fccher.test")})
          .addresses("Cc", {box("x", "", "")})
          .build();
  EXPECT_EQ(message, "To: a@xn--bcher-kva.test\r\nMIME-Version: 1.0\r\n\r\n");
}

TEST(MessageBuilder, TextComesBackWhateverItIs) {
  const std::string rows[] = {
      "",
      "plain\r\n",
      "no end",
      "bare\rcr and\nlf",
      "na\u00efve\n",
      std::string(5'000, 'x'),
      "tr ailing \n.\nFrom x\n",
      std::string(3'000, '\x01') + "\u65e5\u672c\u8a9e",
      "\u65e5\u672c\u8a9e\n\u65e5\u672c\u8a9e\n",
      "\xff\xfe",
      "a\0b"s,
  };
  for (const std::string& text : rows) {
    const std::string message = MessageBuilder("b").text(text).build();
    expect_in_form(message, 998);
    const MimeTree tree = parse_mime(message);
    EXPECT_TRUE(tree.defects.empty());
    std::string want;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
      want += text[i] == '\r' || text[i] == '\n' ? "\r\n"s : text == "\xff\xfe" ? "\ufffd"s : std::string(1, text[i]);
    }
    if (!want.empty() && !want.ends_with("\r\n")) want += "\r\n";
    EXPECT_EQ(text_of(message, tree.root), want);
  }
}

TEST(MessageBuilder, SeveralPartsAreAMultipart) {
  const std::string octets = "\0\x01\xff"s;
  const std::string message = MessageBuilder("bound")
                                  .field("Subject", "parts")
                                  .text("hello")
                                  .text("<p>", "html")
                                  .attachment(octets, "image/png", "b\u00fccher und ein langer Name .png")
                                  .attachment("From: x\r\n\r\ny", "message/rfc822", "m.eml")
                                  .part("Content-Type: message/delivery-status\r\n", "Reporting-MTA: dns;x\r\n")
                                  .multipart("report", "; report-type=delivery-status")
                                  .build();
  expect_in_form(message);
  const MimeTree tree = parse_mime(message);
  EXPECT_TRUE(tree.defects.empty());
  EXPECT_EQ(tree.root.type, "multipart/report");
  ASSERT_EQ(tree.root.children.size(), 5U);
  EXPECT_EQ(octets_of(message, tree.root.children[0].body), "hello\r\n");
  EXPECT_EQ(tree.root.children[1].type, "text/html");
  EXPECT_EQ(decoded_body(message, tree.root.children[2]).octets, octets);
  EXPECT_EQ(tree.root.children[2].filename, "b\u00fccher und ein langer Name .png");
  EXPECT_EQ(tree.root.children[2].disposition, "attachment");
  EXPECT_EQ(tree.root.children[3].type, "application/octet-stream");
  EXPECT_EQ(octets_of(message, tree.root.children[4].body), "Reporting-MTA: dns;x\r\n");
  EXPECT_EQ(parse_mime(MessageBuilder("b").text("x").multipart("alternative").build()).root.children.size(), 1U);
}

}  // namespace
}  // namespace postrider::mail
