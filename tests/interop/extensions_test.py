#!/usr/bin/env python3
"""SMTPUTF8 (RFC 6531) and DSN (RFC 3461) as smtplib says them; what is passed on is seen at a next hop of our own.

swaks of Debian 12 knows neither, so it is not asked.
"""
import email.message
import email.policy

from harness import DOMAIN, FRIEND, TestCase, expect, main, message, queue_id
from sink import Sink

ALICE, BOB = f"alice@{DOMAIN}", f"bob@{DOMAIN}"


class Smtputf8(TestCase):
    def test_a_sender_and_fields_in_utf8(self):
        content = message("Grüße", From="Jörg <jörg@client.test>")
        with self.server.smtp() as client:
            self.assertTrue(client.has_extn("smtputf8"))
            client.command_encoding = "utf-8"
            expect(client.mail("jörg@client.test", ["SMTPUTF8", "BODY=8BITMIME"]), 250)
            expect(client.rcpt(BOB), 250)
            identifier = queue_id(client.data(content))
        self.server.wait_outcome(identifier, "delivered")
        got = next(got for got in self.server.messages("bob") if identifier.encode() in got)
        self.assertTrue(got.endswith(content))
        self.assertTrue(got.startswith("Return-Path: <jörg@client.test>\r\n".encode()), got[:100])
        self.assertRegex(got, rb"with UTF8SMTP id")  # 6531 4.3

    def test_an_address_in_utf8_without_the_word(self):
        with self.server.smtp() as client:
            client.command_encoding = "utf-8"
            self.assertIn(client.mail("jörg@client.test")[0], (501, 550, 553))  # 6531 3.1, 3.5

    def test_send_message(self):
        """smtplib asks for SMTPUTF8 by itself when an address wants it."""
        mail = email.message.EmailMessage(policy=email.policy.SMTPUTF8)
        mail["From"], mail["To"], mail["Subject"] = "jürgen@client.test", BOB, "von Jürgen"
        mail.set_content("Grüße\n")
        with self.server.smtp() as client:
            self.assertEqual(client.send_message(mail), {})
        self.server.wait_event("smtp.accepted", **{"from": "jürgen@client.test"})


class Dsn(TestCase):
    @classmethod
    def prepare(cls):
        cls.said = []
        cls.knows = Sink(lambda verb, argument, session: cls.said.append((verb, argument)), extensions=("PIPELINING", "DSN"))
        cls.addClassCleanup(cls.knows.close)
        cls.without = Sink(lambda verb, argument, session: "550 5.1.1 no" if verb == "RCPT" and "gone" in argument else None)
        cls.addClassCleanup(cls.without.close)
        cls.config = {"sections": f'[[route]]\ndomain = "dsn.test"\nvia = "127.0.0.1:{cls.knows.port}"\n'
                                  f'[[route]]\ndomain = "old.test"\nvia = "127.0.0.1:{cls.without.port}"\n'}

    def give(self, to, subject, mail=(), rcpt=()):
        with self.server.smtp(FRIEND) as client:
            self.assertTrue(client.has_extn("dsn"))
            expect(client.mail(ALICE, list(mail)), 250)
            expect(client.rcpt(to, list(rcpt)), 250)
            return queue_id(client.data(message(subject)))

    def report(self, envelope_id):
        """The report that alice gets, found by its Original-Envelope-Id."""
        seen = 0
        while True:
            for got in self.server.messages("alice"):
                if f"Original-Envelope-Id: {envelope_id}\r\n".encode() in got:
                    return got
            seen += 1
            self.server.wait_events("delivery.attempt", seen, outcome="delivered", to=ALICE)

    def test_success_at_a_mailbox(self):
        self.give(BOB, "notify success", ["RET=HDRS", "ENVID=local-1"], ["NOTIFY=SUCCESS", "ORCPT=rfc822;Bob@Elsewhere.test"])
        got = self.report("local-1")
        self.assertIn(b"Action: delivered\r\n", got)
        self.assertIn(b"Original-Recipient: rfc822;Bob@Elsewhere.test\r\n", got)
        self.assertIn(b"Return-Path: <>\r\n", got)
        self.assertNotIn(b"\r\nHello.\r\n", got)  # RET=HDRS

    def test_parameters_are_passed_on(self):
        self.give("x@dsn.test", "passed on", ["RET=FULL", "ENVID=a+2Bb"], ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;x+2By@dsn.test"])
        self.knows.wait_message(lambda got: b"passed on" in got[2])
        mails = [argument.upper() for verb, argument in self.said if verb == "MAIL"]
        rcpts = [argument for verb, argument in self.said if verb == "RCPT"]
        self.assertTrue(any("RET=FULL" in mail and "ENVID=A+2BB" in mail for mail in mails), mails)
        self.assertTrue(any("NOTIFY=SUCCESS,FAILURE" in rcpt and "ORCPT=rfc822;x+2By@dsn.test" in rcpt for rcpt in rcpts), rcpts)

    def test_a_next_hop_that_knows_no_dsn(self):
        self.give("x@old.test", "to the old", ["ENVID=relayed-1"], ["NOTIFY=SUCCESS"])
        self.assertIn(b"Action: relayed\r\n", self.report("relayed-1"))  # 3461 5.2.2

    def test_failure_and_never(self):
        identifier = self.give("gone@old.test", "never", ["ENVID=never-1"], ["NOTIFY=NEVER"])
        self.server.wait_outcome(identifier, "failed")
        self.give("gone@old.test", "failure", ["ENVID=failure-1"], ["NOTIFY=FAILURE"])
        self.assertIn(b"Action: failed\r\n", self.report("failure-1"))
        self.assertFalse([got for got in self.server.messages("alice") if b"never-1" in got])

    def test_errors(self):
        with self.server.smtp(FRIEND) as client:
            for option in ("RET=BOTH", "ENVID=a+2", "ENVID=a=b", "ENVID=" + "x" * 101, "RET=FULL RET=FULL"):
                self.assertEqual(client.mail(ALICE, [option])[0], 501, option)
            expect(client.mail(ALICE), 250)
            for option in ("NOTIFY=NEVER,SUCCESS", "NOTIFY=OFTEN", "NOTIFY=", "ORCPT=bob", "ORCPT=rfc822;a=b", "NOTIFY=NEVER NOTIFY=NEVER"):
                self.assertEqual(client.rcpt(BOB, [option])[0], 501, option)
            self.assertEqual(client.rcpt(BOB, ["XYZZY=1"])[0], 555)


if __name__ == "__main__":
    main()
