#!/usr/bin/env python3
"""The reports that the server sends, as Python's email and `dsn parse` read them: failure, success at a mailbox, relayed."""
import email
import json

from harness import DOMAIN, FRIEND, TestCase, expect, main, message, queue_id
from sink import Sink

ALICE, BOB = f"alice@{DOMAIN}", f"bob@{DOMAIN}"


class ReportsRead(TestCase):
    @classmethod
    def prepare(cls):
        cls.sink = Sink(lambda verb, argument, session: "550 5.1.1 no such user over here" if verb == "RCPT" and "gone" in argument else None)
        cls.addClassCleanup(cls.sink.close)
        cls.config = {"sections": f'[[route]]\ndomain = "old.test"\nvia = "127.0.0.1:{cls.sink.port}"\n'}

    def report(self, to, envelope_id, notify):
        """The report on one message, that alice gets."""
        with self.server.smtp(FRIEND) as client:
            expect(client.mail(ALICE, [f"ENVID={envelope_id}"]), 250)
            expect(client.rcpt(to, [f"NOTIFY={notify}", "ORCPT=rfc822;first@elsewhere.test"]), 250)
            queue_id(client.data(message(f"about {envelope_id}")))
        seen = 0
        while True:
            for got in self.server.messages("alice"):
                if f"Original-Envelope-Id: {envelope_id}\r\n".encode() in got:
                    return got
            seen += 1
            self.server.wait_events("delivery.attempt", seen, outcome="delivered", to=ALICE)

    def reads(self, to, envelope_id, notify, action, status, category):
        octets = self.report(to, envelope_id, notify)
        by_python = email.message_from_bytes(octets)
        text, fields, _ = by_python.get_payload()
        of_message, recipient = fields.get_payload()
        self.assertEqual(of_message["Original-Envelope-Id"], envelope_id)
        self.assertEqual((recipient["Final-Recipient"], recipient["Original-Recipient"]), (f"rfc822;{to}", "rfc822;first@elsewhere.test"))
        self.assertEqual((recipient["Action"], recipient["Status"][:2]), (action, status[:2]))
        self.assertEqual(by_python["In-Reply-To"], f"<about.{envelope_id}@client.test>")
        self.assertIn(f"<{to}>", text.get_payload())
        run = self.server.command("dsn", "parse", "--json", "-", stdin=octets.decode())
        self.assertEqual(run.returncode, 0, run.stderr)
        ours = json.loads(run.stdout)
        self.assertEqual((ours["kind"], ours["original_message_id"]), ("dsn", f"about.{envelope_id}@client.test"))
        (one,) = ours["recipients"]
        self.assertEqual((one["final"], one["original"], one["action"], one["category"]), (to, "first@elsewhere.test", action, category))
        self.assertEqual(one["status"][:2], status[:2])
        return one

    def test_a_failure(self):
        one = self.reads("gone@old.test", "failure-1", "FAILURE", "failed", "5.1.1", "user_unknown")
        self.assertEqual((one["code"], one["class"]), (550, "hard"))
        self.assertIn("no such user over here", one["diagnostic"])

    def test_success_at_a_mailbox(self):
        self.reads(BOB, "delivered-1", "SUCCESS", "delivered", "2.0.0", "delivered")

    def test_relayed_to_what_sends_no_reports(self):
        self.reads("x@old.test", "relayed-1", "SUCCESS", "relayed", "2.0.0", "delivered")


if __name__ == "__main__":
    main()
