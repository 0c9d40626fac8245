#!/usr/bin/env python3
"""The same exchanges both ways with Postfix, Exim and OpenSMTPD: content, mixed fates, retries, size limits, DSN parameters."""
import email
import re
import smtplib

from harness import DOMAIN, FRIEND, PATIENCE_SECONDS, TestCase, expect, main, message, send, wait_until
from mtas import Exim, OpenSmtpd, PostfixToo

ALICE, BOB = f"alice@{DOMAIN}", f"bob@{DOMAIN}"
LIMIT = 1_048_576
# What a hop might touch: dots, lines of dots, octets over 127, blanks at ends, an empty last line.
BODY = ".\r\n..\r\n.x\r\n...\r\nGr\u00fc\u00dfe\r\n" + "l" * 998 + "\r\nblanks  \r\n\t\r\n\r\n.\r\n\r\n"
PEOPLE = ("alice", "bob", "carol", "dave", "erin")
LONG = "l" * 5_000 + "\r\n"


def reports_on(server, subject):
    """The delivery reports in alice's mailbox about the message with that subject."""
    return [report for report in map(email.message_from_bytes, server.messages("alice"))
            if report.get_content_type() == "multipart/report" and subject in report.as_string()]


def fates(report):
    """{recipient: (action, status)} of a report."""
    _, *recipients = report.get_payload()[1].get_payload()
    return {fields["Final-Recipient"].partition(";")[2].strip(): (fields["Action"], fields["Status"]) for fields in recipients}


class To:
    """Postrider relays to the peer for remote.test."""
    peer_class = None

    @classmethod
    def prepare(cls):
        cls.peer = cls.peer_class(cls.folder / "peer", size_limit=LIMIT)
        cls.addClassCleanup(cls.peer.stop)
        cls.config = {"sections": f'[queue]\nretry = ["1s"]\n[[route]]\ndomain = "*"\nvia = "127.0.0.1:{cls.peer.port}"\n'}

    def relay(self, content, *to):
        with self.server.smtp(FRIEND) as client:
            return send(client, ALICE, list(to), content)

    def test_the_content_arrives_as_it_came(self):
        for subject, body in (("as it came", BODY), ("long lines", LONG * 3), ("no body at all", "")):
            content = message(subject, body=body)
            identifier = self.relay(content, "box@remote.test")
            got = self.peer.delivered(lambda mail: f"Subject: {subject}\n".encode() in mail)  # noqa: B023
            self.assertTrue(got.endswith(content.replace(b"\r\n", b"\n")), got)
            added = got[:-len(content.replace(b"\r\n", b"\n"))].decode()
            self.assertIn(identifier, added)
            names = {line.partition(":")[0].lower() for line in added.splitlines() if line[:1] not in " \t"}
            self.assertLessEqual(names, {"return-path", "delivered-to", "x-original-to", "received", "dkim-signature"})
            self.assertEqual(added.lower().count("dkim-signature:"), 2)  # of our domain, by RSA and Ed25519
            self.assertEqual(self.server.wait_outcome(identifier, "relayed")["reply"][:3], "250")

    def test_two_of_three_are_taken(self):
        identifier = self.relay(message("two of three"), "box@remote.test", "refused@remote.test", "other@remote.test")
        for to, outcome in (("box", "relayed"), ("refused", "failed"), ("other", "relayed")):
            self.server.wait_outcome(identifier, outcome, to=f"{to}@remote.test")
        for user in ("box", "other"):
            self.peer.delivered(lambda mail: b"Subject: two of three\n" in mail, user)
        report, = wait_until(lambda: reports_on(self.server, "two of three"), "a report")
        (recipient, (action, status)), = fates(report).items()
        self.assertEqual((recipient, action), ("refused@remote.test", "failed"))
        self.assertRegex(status, r"^5\.")

    def test_later_means_later(self):
        identifier = self.relay(message("put off"), "later@remote.test", "box@remote.test")
        self.server.wait_outcome(identifier, "relayed", to="box@remote.test")
        deferred = self.server.wait_outcome(identifier, "deferred", to="later@remote.test")
        self.assertIn("try again", deferred["reply"])
        self.peer.open_later()
        self.server.wait_outcome(identifier, "relayed", to="later@remote.test")
        self.peer.delivered(lambda mail: b"Subject: put off\n" in mail, "later")
        self.assertFalse(reports_on(self.server, "put off"))

    def test_a_message_over_the_peer_s_limit_is_reported(self):
        identifier = self.relay(message("too large", body="0123456789\r\n" * (LIMIT // 12 + 1)), "box@remote.test", "other@remote.test")
        for to in ("box@remote.test", "other@remote.test"):
            self.server.wait_outcome(identifier, "failed", to=to)
        report, = wait_until(lambda: reports_on(self.server, "too large"), "a report")
        self.assertEqual({to: (action, status[:3]) for to, (action, status) in fates(report).items()},
                         {"box@remote.test": ("failed", "5.3"), "other@remote.test": ("failed", "5.3")})


class From:
    """The peer relays everything but remote.test to Postrider, in its own dialect."""
    peer_class = None
    long_lines = True
    config = {"smtp": 'max_message_size = "4MiB"\nmax_recipients = 3', "accounts": PEOPLE}

    def setUp(self):
        self.peer = self.peer_class(self.folder / self.id().rpartition(".")[2], onwards=self.server.ports["smtp"])
        self.addCleanup(self.peer.stop)

    def submit(self, content, *to, options=()):
        """As sendmail(), without its changes to the content."""
        with smtplib.SMTP("127.0.0.1", self.peer.port, local_hostname="client.test", timeout=PATIENCE_SECONDS) as client:
            expect(client.ehlo(), 250)
            expect(client.mail(ALICE, ["body=8bitmime", *options]), 250)
            for recipient in to:
                expect(client.rcpt(recipient), 250)
            expect(client.data(content), 250)

    def mail_of(self, account, subject):
        line = f"\r\nSubject: {subject}\r\n".encode()
        return wait_until(lambda: [got for got in self.server.messages(account) if line in got], f"{subject} for {account}", explain=lambda: "\n".join(self.peer.log.lines[-30:]))

    def report_of_the_peer(self, about):
        return wait_until(lambda: [got for got in map(email.message_from_bytes, self.server.messages("alice")) if about in got.as_string()],
                          "the peer's report", explain=lambda: "\n".join(self.peer.log.lines[-30:]))[0]

    def test_the_content_arrives_as_it_came(self):
        large = "0123456789abcdef\r\n" * 150_000  # several chunks where they are used
        for subject, body in (("as it came", BODY), ("large", large), ("no body at all", ""), *([("long lines", LONG * 3)] if self.long_lines else [])):
            content = message(subject, body=body)
            self.submit(content, ALICE, BOB)
            for account in ("alice", "bob"):
                got, = self.mail_of(account, subject)
                self.assertTrue(got.endswith(content), got[-300:])
                self.assertIn(self.of_the_peer, got[:-len(content)])

    def test_an_unknown_recipient_is_the_peer_s_to_report(self):
        self.submit(message("half known"), BOB, f"nobody@{DOMAIN}")
        self.mail_of("bob", "half known")
        report = self.report_of_the_peer("half.known@client.test")
        self.assertEqual(report["Return-Path"], "<>")
        self.assertIn(f"nobody@{DOMAIN}", report.as_string())
        self.assertIn("5.1.1", report.as_string())

    def test_a_message_over_our_limit_is_the_peer_s_to_report(self):
        self.submit(message("too much for us", body="0123456789\r\n" * 400_000), BOB, options=["RET=HDRS"])
        report = self.report_of_the_peer("too.much.for.us@client.test")
        self.assertEqual(report["Return-Path"], "<>")
        self.assertRegex(report.as_string(), r"5\.3\.4|size limit|too large|too big")

    def test_more_recipients_than_a_transaction_takes(self):
        """We say 452 to the fourth; the peer comes again with those."""
        self.submit(message("five of them"), *(f"{name}@{DOMAIN}" for name in PEOPLE))

        def arrived():
            self.peer.schedule()
            return all(any(b"\r\nSubject: five of them\r\n" in got for got in self.server.messages(name)) for name in PEOPLE)
        wait_until(arrived, "five copies", explain=lambda: "\n".join(self.peer.log.lines[-30:]))
        for name in PEOPLE:
            self.assertEqual(len([got for got in self.server.messages(name) if b"\r\nSubject: five of them\r\n" in got]), 1)

    def test_mail_waits_at_the_peer_while_we_are_down(self):
        port = self.server.ports["smtp"]
        self.assertEqual(self.server.stop(), 0)
        self.submit(message("while down"), BOB)
        self.peer.log.wait_line(lambda line: re.search(r"refused|deferred|TempFail|TempError", line), "a deferral")
        self.server.config.write_text(self.server.config.read_text().replace('"127.0.0.1:0"', f'"127.0.0.1:{port}"', 1))
        self.server.start()

        def arrived():
            self.peer.schedule()
            return [got for got in self.server.messages("bob") if b"Subject: while down\r\n" in got]
        self.assertEqual(len(wait_until(arrived, "the message", explain=lambda: "\n".join(self.peer.log.lines[-30:]))), 1)

    def test_what_the_sender_asked_for_comes_through(self):
        with smtplib.SMTP("127.0.0.1", self.peer.port, local_hostname="client.test", timeout=PATIENCE_SECONDS) as client:
            expect(client.ehlo(), 250)
            expect(client.docmd(f"MAIL FROM:<{ALICE}> RET=HDRS ENVID=e+2B17"), 250)
            expect(client.docmd(f"RCPT TO:<{BOB}> NOTIFY=SUCCESS ORCPT=rfc822;Bob+2BX@elsewhere.test"), 250)
            expect(client.data(message("tell me")), 250)
        report, = wait_until(lambda: reports_on(self.server, "tell.me@client.test"), "a report", explain=lambda: "\n".join(self.peer.log.lines[-30:]))
        of_message, of_bob = report.get_payload()[1].get_payload()
        self.assertEqual((of_bob["Action"], of_bob["Original-Recipient"].replace(" ", "")), ("delivered", "rfc822;Bob+X@elsewhere.test"))
        self.assertEqual(of_message["Original-Envelope-Id"], "e+17")
        self.assertEqual(report.get_payload()[2].get_content_type(), "text/rfc822-headers")


class ToPostfix(To, TestCase):
    peer_class = PostfixToo


class ToExim(To, TestCase):
    peer_class = Exim


class ToOpenSmtpd(To, TestCase):
    peer_class = OpenSmtpd


class FromPostfix(From, TestCase):
    peer_class = PostfixToo
    long_lines = False  # its client breaks them at 998 octets
    of_the_peer = b"by postfix.test (Postfix)"


class FromExim(From, TestCase):
    peer_class = Exim
    of_the_peer = b"by exim.test with esmtp"


class FromOpenSmtpd(From, TestCase):
    peer_class = OpenSmtpd
    of_the_peer = b"by opensmtpd.test (OpenSMTPD)"

    def test_a_message_over_our_limit_is_the_peer_s_to_report(self):
        """It heeds no RET=HDRS there: its report is as large, and so it is lost."""
        self.submit(message("too much for us", body="0123456789\r\n" * 400_000), BOB)
        self.peer.log.wait_line(lambda line: "to=<bob@example.test>" in line and "message too large for peer" in line, "the refusal")


if __name__ == "__main__":
    main()
