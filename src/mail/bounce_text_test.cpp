#include "mail/bounce_text.hpp"

#include "mail/html_text.hpp"

#include <gtest/gtest.h>

#include <array>

namespace postrider::mail {
namespace {

/// `a@x|original|reason` of each, behind one another.
std::string shown(const BounceText& read) {
  std::string out;
  for (const TextRecipient& one : read.recipients)
    out += (out.empty() ? "" : "; ") + one.address + '|' + one.original + '|' + one.reason;
  return out;
}

struct Case {
  std::string_view name;
  std::string_view text;
  std::string_view recipients;
};

constexpr auto kCases = std::to_array<Case>({
    {"address in brackets, reason below",
     "Could not be delivered.\n\n<a@x.test>:\nno such user.\n\n<b@x.test>:\nfull\n",
     "a@x.test||no such user.; b@x.test||full"},
    {"indented details quote another address",
     "failed:\n\n  a@x.test\n    host mx.test: 550 <c@y.test>: unknown\n    <c@y.test> is gone\n",
     "a@x.test||host mx.test: 550 <c@y.test>: unknown <c@y.test> is gone"},
    {"one line with its reason", "recipients:\n\na@x.test: 550 5.1.1 unknown\n", "a@x.test||550 5.1.1 unknown"},
    {"reason in brackets", "errors---\n\na@x.test [User unknown]\n", "a@x.test||[User unknown]"},
    {"address behind words", "There was an error delivering your mail to <a@x.test>.\n\nnot found\n",
     "a@x.test||There was an error delivering your mail to <a@x.test>. not found"},
    {"where an alias led", "failed:\n\n  a@x.test\n    (generated from b@x.test)\n    no\n",
     "a@x.test|b@x.test|(generated from b@x.test) no"},
    {"an alias over two lines", "<a@x.test> (expanded from\n    <b@x.test>): gone\n",
     "a@x.test|b@x.test|(expanded from <b@x.test>): gone"},
    {"a transcript only", ">>> RCPT To:<a@x.test>\n<<< 550 unknown\n554 <b@x.test>... host unknown\n",
     "a@x.test||>>> RCPT To:<a@x.test> <<< 550 unknown; b@x.test||554 <b@x.test>... host unknown"},
    {"fields of the message are no recipients",
     "Your message\n  To: c@x.test\n  From: d@x.test\nfailed:\n\na@x.test on Monday\n", "a@x.test||on Monday"},
    {"whom the message is from", "A message sent by\n\n  <s@x.test>\n\nfailed:\n\n  a@x.test\n    no\n",
     "a@x.test||no"},
    {"the same one twice", "a@x.test: no\n\nb@x.test: no\n\nA@X.TEST: really\n", "a@x.test||no really; b@x.test||no"},
    {"nothing", "hello\n", ""},
    {"empty", "", ""},
});

TEST(BounceText, FindsWhomItIsAbout) {
  for (const Case& c : kCases) EXPECT_EQ(shown(read_bounce_text(c.text)), c.recipients) << c.name;
}

TEST(BounceText, EndsWhereTheMessageBegins) {
  for (const std::string_view mark :
       {"--- Below this line is a copy of the message.\n\n", "------ This is a copy of the message, ... ------\n",
        "----- Original message -----\n", "Message headers follow.\n", "   ----- Unsent message follows -----\n"}) {
    const std::string text = "<a@x.test>: no\n" + std::string(mark) + "To: <b@x.test>\n\n<c@x.test>\n";
    const BounceText read = read_bounce_text(text);
    EXPECT_EQ(shown(read), "a@x.test||no") << mark;
    EXPECT_TRUE(read.returned.contains("To: <b@x.test>")) << mark;
  }
  EXPECT_EQ(read_bounce_text("<a@x.test>: no\nReceived: from x\nTo: <b@x.test>\n").returned,
            "Received: from x\nTo: <b@x.test>\n");
}

TEST(BounceText, KnowsFailureDelayAndTranscript) {
  EXPECT_TRUE(read_bounce_text("Your message could not be delivered").failure);
  EXPECT_TRUE(read_bounce_text("it has been delayed").delay);
  EXPECT_TRUE(read_bounce_text(">>> RCPT TO:<a@x>\n<<< 550 no\n").transcript);
  const BounceText other = read_bounce_text("See you at 550 Main Street");
  EXPECT_FALSE(other.failure || other.delay || other.transcript);
}

TEST(BounceText, HasLimits) {
  std::string many;
  for (std::size_t i = 0; i < kBounceRecipientsMax + 10; ++i) many += "u" + std::to_string(i) + "@x.test: no\n";
  EXPECT_EQ(read_bounce_text(many).recipients.size(), kBounceRecipientsMax);
  std::string lines;
  for (std::size_t i = 0; i < kBounceLinesMax; ++i) lines += "x\n";
  EXPECT_EQ(read_bounce_text(lines + "a@x.test: no\n").recipients.size(), 0U);
  EXPECT_EQ(read_bounce_text(std::string(kBounceTextOctetsMax, ' ') + "\na@x.test: no\n").recipients.size(), 0U);
  EXPECT_EQ(read_bounce_text(std::string(kBounceLineOctetsMax, ' ') + "a@x.test: no\n").recipients.size(), 0U);
}

TEST(HtmlText, IsWhatPeopleRead) {
  for (const auto& [html, text] : std::to_array<std::pair<std::string_view, std::string_view>>({
           {"<p>a <b>b</b></p><style>x{}</style>c", "\na b\nc"},
           {"a&lt;b&#64;x&gt;&amp;&nbsp;&copy;", "a<b@x>& &copy;"},
           {"<!-- <p> -->a<script>if (a<b) {}</script>b", "ab"},
           {"a<br>b<BR/>c", "a\nb\nc"},
           {"a<unclosed", "a"},
           {"", ""},
       })) {
    EXPECT_EQ(text_of_html(html), text) << html;
  }
}

}  // namespace
}  // namespace postrider::mail
