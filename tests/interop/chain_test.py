#!/usr/bin/env python3
"""Three Postriders in a row (mail from example.test by way of b.test to c.test), and two that send mail in a circle."""
import email
import email.utils
import re
import unittest

from harness import DOMAIN, FRIEND, STRANGER, Postrider, expect, free_port, main, message, queue_id, temporary_folder, wait_until

ALICE, CARL = f"alice@{DOMAIN}", "carl@c.test"
RETRY = '[queue]\nretry = ["1s"]\n'
BODY = ".\r\n..\r\nGr\u00fc\u00dfe\r\n" + "l" * 3_000 + "\r\nblanks  \r\n\r\n"


def route(domain, port):
    return f'[[route]]\ndomain = "{domain}"\nvia = "127.0.0.1:{port}"\n'


class Chain(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = temporary_folder(cls)
        domains = (DOMAIN, "b.test", "c.test")
        ports = [free_port() for _ in domains]
        onwards = (ports[1], None, ports[1])  # the middle knows both ends
        cls.hops = []
        for number, domain in enumerate(domains):
            routes = route("*", onwards[number]) if onwards[number] else route(DOMAIN, ports[0]) + route("c.test", ports[2])
            if number < 2:  # in circle.test nobody is at home
                routes = route("circle.test", ports[1 - number]) + routes
            hop = Postrider(folder / domain, ("alice", "bob", "carl"), domain, port=ports[number], relay_from=f'"{FRIEND}", "{STRANGER}"', sections=RETRY + routes)
            cls.addClassCleanup(lambda hop=hop: hop.running and hop.kill())
            cls.hops.append(hop.start())
        cls.first, cls.middle, cls.last = cls.hops

    def give(self, content, to=CARL, mail=(), rcpt=()):
        with self.first.smtp(FRIEND) as client:
            expect(client.mail(ALICE, ["BODY=8BITMIME", *mail]), 250)
            expect(client.rcpt(to, list(rcpt)), 250)
            return queue_id(client.data(content))

    def arrived(self, subject):
        line = f"\r\nSubject: {subject}\r\n".encode()
        return wait_until(lambda: [got for got in self.last.messages("carl") if line in got], subject, explain=lambda: "\n".join(self.middle.process.lines[-10:]))

    def reports(self, about):
        """Those of alice's reports with `about` in them."""
        return [report for report in map(email.message_from_bytes, self.first.messages("alice"))
                if report.get_content_type() == "multipart/report" and about in report.as_string()]

    def settled(self):
        """No hop has anything left to do."""
        return all(not hop.command("queue", "list", "--json").stdout.strip() for hop in self.hops)

    def test_the_content_arrives_as_it_came_and_the_way_can_be_read(self):
        content = message("by three hops", body=BODY)
        identifier = self.give(content)
        got, = self.arrived("by three hops")
        self.assertTrue(got.endswith(content), got)
        added = email.message_from_bytes(got[:-len(content)] + b"\r\n")
        received = [re.sub(r"\s+", " ", field) for field in added.get_all("Received")]
        self.assertEqual([re.search(r" by (\S+)", field)[1] for field in received], ["mx.c.test", "mx.b.test", f"mx.{DOMAIN}"])
        self.assertEqual([re.search(r"^from (\S+)", field)[1] for field in received], ["mx.b.test", f"mx.{DOMAIN}", "client.test"])
        self.assertIn(identifier, received[2])
        times = [email.utils.parsedate_to_datetime(field.rpartition(";")[2].strip()) for field in received]
        self.assertEqual(times, sorted(times, reverse=True))
        self.assertEqual(added["Return-Path"], f"<{ALICE}>")
        self.assertEqual([name.lower() for name in added.keys() if name.lower() not in ("return-path", "delivered-to", "received", "authentication-results")],
                         ["dkim-signature"] * 2)  # by the first one, RSA and Ed25519

    def test_the_report_of_success_comes_back_with_what_the_sender_asked_for(self):
        self.give(message("tell of success"), mail=["RET=HDRS", "ENVID=way+2Bback"], rcpt=["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;Carl+2Bc@elsewhere.test"])
        self.arrived("tell of success")
        report, = wait_until(lambda: self.reports("tell.of.success@client.test"), "the report")
        of_message, of_carl = report.get_payload()[1].get_payload()
        self.assertRegex(of_message["Reporting-MTA"], r"^dns; ?mx\.c\.test$")
        self.assertEqual(of_message["Original-Envelope-Id"], "way+back")
        self.assertEqual(of_carl["Original-Recipient"].replace(" ", ""), "rfc822;Carl+c@elsewhere.test")
        self.assertEqual(of_carl["Action"], "delivered")
        self.assertEqual(report.get_payload()[2].get_content_type(), "text/rfc822-headers")
        self.assertEqual([re.search(r"\bby (\S+)", field)[1] for field in report.get_all("Received")][:2], [f"mx.{DOMAIN}", "mx.b.test"])

    def test_a_failure_at_the_last_hop_is_reported_by_the_one_before(self):
        self.give(message("no such carl", body=BODY), "nobody@c.test", ["RET=FULL", "ENVID=failed-1"], ["NOTIFY=FAILURE", "ORCPT=rfc822;nobody@c.test"])
        report, = wait_until(lambda: self.reports("failed-1"), "the report")
        of_message, of_nobody = report.get_payload()[1].get_payload()
        self.assertRegex(of_message["Reporting-MTA"], r"^dns; ?mx\.b\.test$")
        self.assertEqual((of_nobody["Action"], of_nobody["Status"]), ("failed", "5.1.1"))
        self.assertRegex(of_nobody["Remote-MTA"], r"^dns; ?\S+$")
        wait_until(self.settled, "empty queues")
        self.assertEqual(len(self.reports("failed-1")), 1)

    def test_who_wants_no_report_gets_none(self):
        identifier = self.give(message("do not tell"), "nobody@c.test", ["ENVID=never-1"], ["NOTIFY=NEVER"])
        self.first.wait_outcome(identifier, "relayed")
        self.middle.wait_event("delivery.attempt", outcome="failed", to="nobody@c.test")
        wait_until(self.settled, "empty queues")
        self.assertFalse(self.reports("never-1"))

    def test_a_circle_ends_with_one_report(self):
        self.give(message("round and round"), "x@circle.test")
        report, = wait_until(lambda: self.reports("round.and.round@client.test"), "the report")
        _, of_x = report.get_payload()[1].get_payload()
        self.assertEqual((of_x["Action"], of_x["Status"]), ("failed", "5.4.6"))
        wait_until(self.settled, "empty queues")
        self.assertEqual(len(self.reports("round.and.round@client.test")), 1)


if __name__ == "__main__":
    main()
