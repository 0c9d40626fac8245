#include "mail/dsn_parse.hpp"

#include "core/text.hpp"
#include "mail/dsn.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>

namespace postrider::mail {
namespace {

/// `kind about; final original action status code class category …`
std::string shown(std::string_view message) {
  const ParsedReport report = parse_report(message);
  std::string out(name_of(report.kind));
  if (!report.original_message_id.empty()) out += ' ' + report.original_message_id;
  for (const ReportedRecipient& one : report.recipients)
    out += fmt::format("; {} {} {} {} {} {} {}", one.final, one.original.empty() ? "-" : one.original,
                       one.action.empty() ? "-" : one.action, one.status.empty() ? "-" : one.status, one.code,
                       name_of(one.bounce_class), name_of(one.category));
  return out;
}

std::string report_of(std::string_view type, std::string_view part, std::string_view text = "") {
  return fmt::format(
      "From: MAILER-DAEMON@mx.test\r\nSubject: report\r\nMIME-Version: 1.0\r\n"
      "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\r\n{}\r\n--b\r\nContent-Type: {}\r\n\r\n{}\r\n"
      "--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <m@x.test>\r\nTo: <t@x.test>\r\n\r\nhi\r\n--b--\r\n",
      text, type, part);
}

struct Case {
  std::string_view name;
  std::string message;
  std::string_view want;
};

std::string fields(std::string_view rest) { return "Reporting-MTA: dns; mx.test\r\n\r\n" + std::string(rest); }

TEST(DsnParse, ReadsTheFieldsOf3464) {
  const std::string_view type = "message/delivery-status";
  for (const Case& c : std::to_array<Case>({
           {"as it should be",
            report_of(type,
                      fields("Original-Recipient: rfc822;b@y.test\r\nFinal-Recipient: rfc822;a@y.test\r\n"
                             "Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 User unknown\r\n")),
            "dsn m@x.test; a@y.test b@y.test failed 5.1.1 550 hard user_unknown"},
           {"utf-8 addresses",
            report_of("message/global-delivery-status",
                      fields("Final-Recipient: utf-8; j\\x{F6}rg@y.test\r\nAction: delayed\r\nStatus: 4.4.1\r\n")),
            "dsn m@x.test; j\xc3\xb6rg@y.test - delayed 4.4.1 0 soft network"},
           {"the remote is more exact",
            report_of(type,
                      fields("Final-Recipient: rfc822; a@y.test\r\nAction: failed\r\nStatus: 5.0.0 (permanent)\r\n"
                             "Diagnostic-Code: smtp; 552 5.2.2 x\r\n")),
            "dsn m@x.test; a@y.test - failed 5.2.2 552 hard mailbox_full"},
           {"no status: by the reply, by the action",
            report_of(type, fields("Final-Recipient: rfc822; a@y.test\r\nDiagnostic-Code: 450 later\r\n\r\n"
                                   "Final-Recipient: rfc822; b@y.test\r\nAction: relayed\r\n")),
            "dsn m@x.test; a@y.test - - 4.0.0 450 soft other; b@y.test - relayed 2.0.0 0 unknown delivered"},
           {"a comment of the status says why",
            report_of(type,
                      fields("Final-Recipient: rfc822; a@y.test\r\nAction: failed\r\nStatus: 4.2.2 (Over quota)\r\n")),
            "dsn m@x.test; a@y.test - failed 4.2.2 0 soft mailbox_full"},
           {"the text says why",
            report_of(type, fields("Final-Recipient: rfc822; a@y.test\r\nAction: failed\r\nStatus: 5.0.0\r\n"),
                      "<a@y.test>: host mx said: 550 5.7.1 Relay access denied"),
            "dsn m@x.test; a@y.test - failed 5.7.1 550 hard relay"},
           {"another kind of address",
            report_of(type, fields("Final-Recipient: x400; /S=ann/\r\nAction: failed\r\nStatus: 5.1.1\r\n")),
            "dsn m@x.test; /S=ann/ - failed 5.1.1 0 hard user_unknown"},
           {"nothing in it, and nothing said", report_of(type, "X: y\r\n"), "none"},
       })) {
    EXPECT_EQ(shown(c.message), c.want) << c.name;
  }
}

TEST(DsnParse, ReadsFieldsThatLostTheirPart) {
  EXPECT_EQ(shown("From: postmaster@mx.test\nSubject: Returned mail\n\nhello\n\nFinal-Recipient: rfc822; a@y.test\n"
                  "Action: failed\nStatus: 5.1.1\n"),
            "dsn; a@y.test - failed 5.1.1 0 hard user_unknown");
}

TEST(DsnParse, ReadsDispositionsAndFeedback) {
  EXPECT_EQ(shown(report_of(
                "message/disposition-notification",
                "Original-Recipient: rfc822;a@y.test\r\nFinal-Recipient: rfc822;b@y.test\r\n"
                "Original-Message-ID: <o@x.test>\r\nDisposition: manual-action/MDN-sent-manually; displayed\r\n")),
            "mdn o@x.test; b@y.test a@y.test displayed - 0 unknown disposition");
  EXPECT_EQ(shown(report_of("message/feedback-report",
                            "Feedback-Type: abuse\r\nOriginal-Rcpt-To: <a@y.test>\r\nOriginal-Rcpt-To: b@y.test\r\n")),
            "arf m@x.test; a@y.test - abuse - 0 unknown feedback; b@y.test - abuse - 0 unknown feedback");
  EXPECT_EQ(shown(report_of("message/feedback-report", "Feedback-Type: auth-failure\r\n")),
            "arf m@x.test; t@x.test - auth-failure - 0 unknown feedback");
}

TEST(DsnParse, ReadsFreeText) {
  for (const Case& c : std::to_array<Case>({
           {"by its text",
            "From: MAILER-DAEMON@mx.test\nTo: me@x.test\nSubject: failure notice\n\nI wasn't able to deliver it.\n\n"
            "<a@y.test>:\nno mailbox here by that name. (#5.1.1)\n\n--- Below this line is a copy of the message.\n\n"
            "Received: from x\nMessage-ID: <m@x.test>\nTo: a@y.test\n",
            "bounce m@x.test; a@y.test - failed 5.1.1 0 hard user_unknown"},
           {"by its header",
            "From: Mailer-Daemon@mx.test\nSubject: Mail delivery failed\nX-Failed-Recipients: a@y.test,\n b@y.test\n\n"
            "failed:\n\n  a@y.test\n    452 4.2.2 over quota\n  b@y.test\n    550 unknown user\n",
            "bounce; a@y.test - failed 4.2.2 452 soft mailbox_full; b@y.test - failed 5.0.0 550 hard user_unknown"},
           {"a delay",
            "From: Mailer-Daemon@mx.test\nSubject: Warning: message x delayed 24 hours\n\nhas not yet been "
            "delivered:\n\n"
            "  a@y.test\n    host mx.y.test: 421 try later\n",
            "bounce; a@y.test - delayed 4.0.0 421 soft delayed"},
           {"whom it is about only the returned message says",
            "From: MAILER-DAEMON@mx.test\nSubject: Returned mail\n\n421 y.test... Deferred: Connection timed out\n\n"
            "   ----- Unsent message follows -----\nTo: <a@y.test>\nMessage-ID: <m@x.test>\n\nhi\n",
            "bounce m@x.test; a@y.test - failed 4.0.0 421 soft network"},
           {"a report that another returned",
            "From: MAILER-DAEMON@gw.test\nSubject: Returned mail: User unknown\nContent-Type: multipart/mixed; "
            "boundary=o\n\n"
            "--o\n\nThe following addresses had permanent delivery errors:\n\n--o\nContent-Type: message/rfc822\n\n" +
                report_of("message/delivery-status",
                          fields("Final-Recipient: rfc822; a@y.test\r\nAction: failed\r\nStatus: 5.1.1\r\n")) +
                "\n--o--\n",
            "dsn m@x.test; a@y.test - failed 5.1.1 0 hard user_unknown"},
           {"a returned header section with a broken fold",
            "From: POSTMASTER@mx.test\nSubject: Undeliverable message\n\n---- Failure Reasons ----\n\nMaximum hop "
            "count\n\n"
            "---- Returned Message ----\nReceived: from x\nby y\nMessage-Id: <m@x.test>\nTo: A <a@y.test>\n",
            "bounce m@x.test; a@y.test - failed 5.0.0 0 hard loop"},
           {"in HTML",
            "From: postmaster@mx.test\nSubject: Undeliverable: x\nContent-Type: text/html\n\n<p>Delivery has failed to:"
            "</p><p>a@y.test</p><p>550 5.1.1 not found</p>",
            "bounce; a@y.test - failed 5.1.1 550 hard user_unknown"},
       })) {
    EXPECT_EQ(shown(c.message), c.want) << c.name;
  }
}

TEST(DsnParse, ReadsNoticesOfAmazon) {
  EXPECT_EQ(
      shown("From: no-reply@sns.test\nSubject: Notification\n\n{\"Message\":\"{\\\"notificationType\\\":\\\"Bounce\\\","
            "\\\"bounce\\\":{\\\"bouncedRecipients\\\":[{\\\"emailAddress\\\":\\\"a@y.test\\\",\\\"action\\\":"
            "\\\"failed\\\","
            "\\\"status\\\":\\\"5.1.1\\\",\\\"diagnosticCode\\\":\\\"smtp; 550 5.1.1 no\\\"},{\\\"emailAddress\\\":\n"
            "\\\"b@y.test\\\"}]}}\"}\n"),
      "dsn; a@y.test - failed 5.1.1 550 hard user_unknown; b@y.test - failed 5.0.0 0 hard other");
  EXPECT_EQ(shown("Subject: x\n\n{\"notificationType\":\"Delivery\",\"delivery\":{\"recipients\":[\"a@y.test\"],"
                  "\"smtpResponse\":\"250 2.6.0 ok\"}}\n"),
            "dsn; a@y.test - delivered 2.6.0 250 unknown delivered");
}

TEST(DsnParse, TellsAutomaticRepliesAndOtherMail) {
  EXPECT_EQ(
      shown("From: Ann <a@y.test>\nAuto-Submitted: auto-replied\nIn-Reply-To: <m@x.test>\nSubject: x\n\nI am away\n"),
      "autoreply m@x.test; a@y.test - - - 0 unknown autoreply");
  EXPECT_EQ(shown("From: a@y.test\nSubject: Automatic reply: x\n\nI am away\n"),
            "autoreply; a@y.test - - - 0 unknown autoreply");
  for (const std::string_view other :
       {"", "\n", "From: a@y.test\nSubject: hello\n\nSee you\n",
        "From: postmaster@y.test\nSubject: lunch\n\n<b@y.test>: are you coming?\n",
        "From: a@y.test\nSubject: Re: my mail\n\nIt could not be delivered to <b@y.test>: 550 user unknown\n",
        "From: news@y.test\nAuto-Submitted: auto-generated\nSubject: your weekly digest\n\nnews\n"}) {
    EXPECT_EQ(shown(other), "none") << other;
  }
}

TEST(DsnParse, HasLimits) {
  std::string many;
  for (std::size_t i = 0; i < kReportRecipientsMax + 10; ++i)
    many += fmt::format(
        "Final-Recipient: rfc822; u{}@y.test\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: {}\r\n\r\n", i,
        i == 0 ? std::string(3000, 'x') : "x");
  const ParsedReport report = parse_report(report_of("message/delivery-status", fields(many)));
  ASSERT_EQ(report.recipients.size(), kReportRecipientsMax);
  EXPECT_EQ(report.recipients[0].diagnostic.size(), kReportDiagnosticOctetsMax);
  EXPECT_EQ(report.recipients[999].final, "u999@y.test");
  std::string parts = "Content-Type: multipart/mixed; boundary=b\n\n";
  for (std::size_t i = 0; i < kReportPartsMax; ++i) parts += "--b\n\nx\n";
  EXPECT_EQ(
      shown(parts + "--b\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822; a@y\nStatus: 5.1.1\n"),
      "none");
}

}  // namespace
}  // namespace postrider::mail
