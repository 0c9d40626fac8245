#!/usr/bin/env python3
"""LMTP (RFC 2033): smtplib and swaks over TCP and over a Unix socket, and Postfix's lmtp client, to recipients of mixed fate."""
import re
import smtplib

from harness import DOMAIN, PATIENCE_SECONDS, LineClient, TestCase, expect, main, message, need, queue_id, run
from peers import Postfix

ALICE, BOB, NOBODY = f"alice@{DOMAIN}", f"bob@{DOMAIN}", f"nobody@{DOMAIN}"
LISTEN = '[[listen]]\nservice = "lmtp"\naddress = ["127.0.0.1:0", "unix:lmtp.sock"]\n'


class Lmtp(TestCase):
    config = {"sections": LISTEN}

    @property
    def socket(self):
        return str(self.server.folder / "lmtp.sock")

    def has(self, account, subject):
        return any(subject.encode() in got for got in self.server.messages(account))


class Smtplib(Lmtp):
    def each(self, client, subject):
        """A reply for each accepted recipient, in their order (2033 4.2); smtplib reads the first by itself."""
        expect(client.ehlo("client.test"), 250)  # LHLO
        expect(client.mail("ann@client.test"), 250)
        expect(client.rcpt(ALICE), 250)
        self.assertEqual(client.rcpt(NOBODY)[0], 550)
        expect(client.rcpt(BOB), 250)
        replies = [client.data(message(subject)), client.getreply()]
        self.assertEqual([reply[0] for reply in replies], [250, 250], replies)
        self.server.wait_events("delivery.attempt", 2, outcome="delivered", id=queue_id(replies[0]))
        self.assertTrue(self.has("alice", subject) and self.has("bob", subject))
        self.assertEqual(client.quit()[0], 221)

    def test_over_tcp(self):
        self.each(smtplib.LMTP("127.0.0.1", self.server.ports["lmtp"], local_hostname="client.test"), "lmtp by tcp")

    def test_over_a_unix_socket(self):
        self.each(smtplib.LMTP(self.socket, local_hostname="client.test"), "lmtp by unix")

    def test_hello_and_ehlo_are_not_lmtp(self):
        client = LineClient(self.server.ports["lmtp"])
        self.addCleanup(client.close)
        for command in ("HELO client.test", "EHLO client.test"):
            self.assertEqual(client.ask(command)[0], 500)  # 2033 4.1

    def test_data_without_a_recipient(self):
        client = LineClient(self.server.ports["lmtp"])
        self.addCleanup(client.close)
        for command, code in (("LHLO client.test", 250), ("MAIL FROM:<ann@client.test>", 250), (f"RCPT TO:<{NOBODY}>", 550), ("DATA", 503)):
            self.assertEqual(client.ask(command)[0], code, command)  # 2033 4.2

    def test_lmtp_relays_for_nobody(self):
        client = LineClient(self.server.ports["lmtp"])
        self.addCleanup(client.close)
        expect(client.ask("LHLO client.test"), 250)
        expect(client.ask("MAIL FROM:<ann@client.test>"), 250)
        self.assertEqual(client.ask("RCPT TO:<x@elsewhere.test>")[0], 550)


class Swaks(Lmtp):
    @classmethod
    def prepare(cls):
        need("swaks")

    def deliver(self, subject, *where):
        done = run("swaks", "--protocol", "LMTP", *where, "--from", "ann@client.test", "--to", f"{ALICE},{NOBODY},{BOB}", "--ehlo", "client.test",
                   "--timeout", "30", "--header", f"Subject: {subject}")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"<\*\* 550 5\.1\.1 ")
        self.assertRegex(done.stdout, r"2\.0\.0 queued as \w{18}")
        identifier = re.search(r"queued as (\w{18})", done.stdout)[1]
        self.server.wait_events("delivery.attempt", 2, outcome="delivered", id=identifier)
        self.assertTrue(self.has("alice", subject) and self.has("bob", subject))

    def test_over_tcp(self):
        self.deliver("swaks by tcp", "--server", f"127.0.0.1:{self.server.ports['lmtp']}")

    def test_over_a_unix_socket(self):
        self.deliver("swaks by unix", "--socket", self.socket)


class ByPostfix(Lmtp):
    @classmethod
    def setUpClass(cls):
        need("postfix")
        super().setUpClass()
        cls.postfix = Postfix(cls.folder / "postfix", f"default_transport = lmtp:inet:[127.0.0.1]:{cls.server.ports['lmtp']}\n"
                              "lmtp_tls_security_level = none\nlmtp_destination_recipient_limit = 50\n")
        cls.addClassCleanup(cls.postfix.stop)

    def test_a_message_to_recipients_of_mixed_fate(self):
        with smtplib.SMTP("127.0.0.1", self.postfix.port, local_hostname="client.test", timeout=PATIENCE_SECONDS) as client:
            self.assertEqual(client.sendmail(f"alice@{DOMAIN}", [ALICE, NOBODY, BOB], message("by postfix")), {})
        for recipient, status in ((ALICE, "sent (250"), (BOB, "sent (250"), (NOBODY, "bounced")):
            self.postfix.process.wait_line(lambda line: "postfix/lmtp" in line and f"to=<{recipient}>" in line and f"status={status}" in line,  # noqa: B023
                                           f"{recipient} {status}")
        self.server.wait_events("delivery.attempt", 2, outcome="delivered")
        self.assertTrue(self.has("alice", "by postfix") and self.has("bob", "by postfix"))
        received = next(got for got in self.server.messages("bob") if b"by postfix" in got)
        self.assertRegex(received, rb"with LMTP id")  # RFC 3848


if __name__ == "__main__":
    main()
