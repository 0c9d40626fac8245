#!/usr/bin/env python3
"""Mail goes on to next hops by static routes, and comes from a previous hop: smtp-sink, Postfix, and a sink of our own."""
import email
import json
import re
import signal
import smtplib

from harness import DOMAIN, FRIEND, TestCase, free_port, main, message, need, send
from peers import Postfix, SmtpSink
from sink import Sink

ALICE, BOB = f"alice@{DOMAIN}", f"bob@{DOMAIN}"
RETRY = '[queue]\nretry = ["1s"]\n'


def route(port, domain="*"):
    return f'[[route]]\ndomain = "{domain}"\nvia = "127.0.0.1:{port}"\n'


class ToOurSink(TestCase):
    @classmethod
    def prepare(cls):
        cls.put_off = set()
        cls.sink = Sink(cls.answer)
        cls.addClassCleanup(cls.sink.close)
        cls.old = Sink(lambda verb, *_: "502 5.5.1 no EHLO here" if verb == "EHLO" else None, extensions=())
        cls.addClassCleanup(cls.old.close)
        cls.unused = free_port()
        cls.config = {"sections": RETRY + route(cls.sink.port, "sink.test") + route(cls.old.port, "old.test")
                      + f'[[route]]\ndomain = "second.test"\nvia = ["127.0.0.1:{cls.unused}", "127.0.0.1:{cls.sink.port}"]\n'
                      + '[[route]]\ndomain = "refused.test"\nvia = "error:5.1.2 we do not write to them"\n'}

    @classmethod
    def answer(cls, verb, argument, _session):
        if verb == "RCPT" and "refused" in argument:
            return "550 5.1.1 no such user over here"
        if verb == "RCPT" and "later" in argument and argument not in cls.put_off:
            cls.put_off.add(argument)
            return "451 4.2.0 try again"
        return None

    def relay(self, to, content, sender=ALICE):
        with self.server.smtp(FRIEND) as client:
            return send(client, sender, to, content)

    def received(self, to, sink=None):
        return (sink or self.sink).wait_message(lambda got: to in got[1])

    def test_the_content_arrives_as_it_came_below_a_received_field_and_our_signatures(self):
        content = message("relayed", body="..\r\n.\r\n.x\r\nGr\u00fc\u00dfe\r\n")
        identifier = self.relay("x@sink.test", content)
        sender, recipients, got = self.received("x@sink.test")
        self.assertEqual((sender, recipients), (ALICE, ["x@sink.test"]))
        self.assertTrue(got.endswith(content), got)
        added = got[:-len(content)].decode()
        fold = r"[^\r]*\r\n(?:[\t ][^\r]*\r\n)*"
        self.assertRegex(added, rf"\AReceived: from client\.test {fold}(?:DKIM-Signature: {fold}){{2}}\Z")  # RSA and Ed25519
        self.assertIn(identifier, added)
        event = self.server.wait_outcome(identifier, "relayed")
        self.assertEqual((event["to"], event["reply"][:3]), ("x@sink.test", "250"))
        self.assertIn("127.0.0.1", event["remote"])

    def test_the_null_reverse_path_stays_null(self):
        self.relay("null@sink.test", message("null"), sender="")
        self.assertEqual(self.received("null@sink.test")[0], "")

    def test_recipients_of_one_domain_share_a_transaction(self):
        recipients = [f"{number}@sink.test" for number in range(60)]
        self.relay(recipients, message("many recipients"))
        groups = []
        while sum(map(len, groups)) < 60:
            groups.append(self.sink.wait_message(lambda got: b"many recipients" in got[2] and got[1] not in groups)[1])
        self.assertEqual(sorted(sum(groups, [])), sorted(recipients))
        self.assertLessEqual(max(map(len, groups)), 50)
        self.assertLessEqual(len(groups), 3)

    def test_a_transient_refusal_is_tried_again(self):
        identifier = self.relay(["later@sink.test", "now@sink.test"], message("later"))
        self.server.wait_outcome(identifier, "relayed", to="now@sink.test")
        self.server.wait_outcome(identifier, "deferred", to="later@sink.test")
        self.assertEqual(self.received("later@sink.test")[1], ["later@sink.test"])
        self.server.wait_outcome(identifier, "relayed", to="later@sink.test")

    def test_a_permanent_refusal_is_reported_to_a_friend(self):
        mark = self.server.mark()
        with self.server.smtp(FRIEND) as client:
            identifier = send(client, ALICE, ["refused@sink.test", "taken@sink.test"], message("half of it"))
        self.server.wait_outcome(identifier, "failed", to="refused@sink.test")
        self.server.wait_event("delivery.attempt", mark, to=ALICE, outcome="delivered")
        report = next(got for got in map(email.message_from_bytes, self.server.messages("alice")) if b"half of it" in got.as_bytes())
        self.assertEqual(report.get_content_type(), "multipart/report")
        self.assertEqual(report.get_param("report-type"), "delivery-status")
        self.assertEqual(report["Return-Path"], "<>")
        self.assertTrue(report["Auto-Submitted"].startswith("auto-"))
        text, status, original = report.get_payload()
        self.assertEqual((text.get_content_type(), status.get_content_type()), ("text/plain", "message/delivery-status"))
        self.assertIn(original.get_content_type(), ("message/rfc822", "text/rfc822-headers"))
        of_message, *of_recipients = status.get_payload()
        self.assertRegex(of_message["Reporting-MTA"], r"^dns; ?mx\.example\.test$")
        (recipient,) = of_recipients
        self.assertRegex(recipient["Final-Recipient"], r"^rfc822; ?refused@sink\.test$")
        self.assertEqual((recipient["Action"], recipient["Status"]), ("failed", "5.1.1"))
        self.assertIn("no such user over here", recipient["Diagnostic-Code"])
        self.assertIn("<half.of.it@client.test>", original.as_string())

    def test_an_old_server_gets_helo_and_no_parameters(self):
        self.relay("x@old.test", message("helo"))
        self.assertEqual(self.received("x@old.test", self.old)[0], ALICE)

    def test_eight_bits_are_not_sent_where_they_are_not_taken(self):
        identifier = self.relay("eight@old.test", message("eight bits", body="\u00e9\r\n"))
        event = self.server.wait_outcome(identifier, "failed")
        self.assertIn("5.6.3", event["reply"])

    def test_the_next_of_a_list_is_tried_when_the_first_is_down(self):
        self.relay("x@second.test", message("second hop"))
        self.assertEqual(self.received("x@second.test")[1], ["x@second.test"])

    def test_a_route_that_says_error(self):
        with self.server.smtp(FRIEND) as client:
            client.mail(ALICE)
            code, text = client.rcpt("x@refused.test")
            if code == 250:  # found out at the attempt
                identifier = re.search(rb"queued as (\w+)", client.data(message("route says no"))[1])[1].decode()
                self.assertIn("5.1.2", self.server.wait_outcome(identifier, "failed")["reply"])
            else:
                self.assertEqual((code, text[:5]), (550, b"5.1.2"))

    def test_a_stranger_s_message_that_fails_outside_is_held_for_postmaster(self):
        self.assertEqual(self.server.command("alias", "add", f"forward@{DOMAIN}", "refused.too@sink.test").returncode, 0)
        with self.server.smtp() as client:
            identifier = send(client, "forged@victim.test", f"forward@{DOMAIN}", message("backscatter"))
        self.server.wait_outcome(identifier, "failed")
        shown = self.server.command("queue", "show", identifier, "--json")
        self.assertEqual(shown.returncode, 0, shown.stderr)
        entry = json.loads(shown.stdout.splitlines()[0])
        self.assertEqual([recipient["state"] for recipient in entry["recipients"]], ["held"])
        self.assertFalse([got for got in self.sink.messages if "forged@victim.test" in got[1]])
        self.assertEqual(self.server.command("queue", "remove", identifier).returncode, 0)

    def test_a_loop_ends(self):
        content = b"".join(b"Received: from a by b; Wed, 25 Nov 2026 00:00:00 +0000\r\n" for _ in range(101)) + message("loop")
        with self.server.smtp(FRIEND) as client:
            client.mail(ALICE)
            client.rcpt("x@sink.test")
            code, text = client.data(content)
        self.assertEqual((code, text[:5]), (554, b"5.4.6"))


class ToSmtpSink(TestCase):
    @classmethod
    def prepare(cls):
        cls.sink = SmtpSink(cls.folder / "sink")
        cls.addClassCleanup(cls.sink.stop)
        cls.config = {"sections": RETRY + route(cls.sink.port)}

    def test_fifty_messages(self):
        with self.server.smtp(FRIEND) as client:
            for number in range(50):
                send(client, ALICE, "x@remote.test", message(f"number {number}"))
        self.server.wait_events("delivery.attempt", 50, outcome="relayed")
        dumps = self.sink.dumps()
        for number in range(50):
            self.assertEqual(len([dump for dump in dumps if f"Subject: number {number}\n" in dump]), 1, number)
        self.assertIn(f"X-Mail-Args: <{ALICE}>", dumps[0])


class ToPostfix(TestCase):
    """Postfix as the next hop for remote.test: it delivers into its own maildir."""

    @classmethod
    def prepare(cls):
        need("postfix")
        cls.postfix = Postfix(cls.folder / "postfix", "mynetworks =\n")
        cls.addClassCleanup(cls.postfix.stop)
        cls.config = {"sections": RETRY + route(cls.postfix.port)}

    def relay(self, content, to="box@remote.test"):
        with self.server.smtp(FRIEND) as client:
            return send(client, ALICE, to, content)

    def test_a_message(self):
        content = message("to Postfix", body=".dot\r\n\r\nGr\u00fc\u00dfe\r\n")
        identifier = self.relay(content)
        got = self.postfix.delivered(lambda mail: b"Subject: to Postfix\n" in mail)
        self.assertTrue(got.endswith(content.replace(b"\r\n", b"\n")), got)
        self.assertIn(f"Return-Path: <{ALICE}>".encode(), got)
        self.assertIn(identifier.encode(), got)
        self.assertRegex(self.server.wait_outcome(identifier, "relayed")["reply"], r"^250 2\.0\.0 Ok: (\d+ bytes )?queued as ")

    def test_a_message_of_ten_mebibytes(self):
        content = message("large for Postfix", body=("0123456789" * 7 + "\r\n") * 145_000)
        self.relay(content)
        got = self.postfix.delivered(lambda mail: b"Subject: large for Postfix\n" in mail)
        self.assertTrue(got.endswith(content.replace(b"\r\n", b"\n")))

    def test_what_postfix_refuses_is_reported(self):
        with self.server.smtp(FRIEND) as client:
            identifier = send(client, ALICE, "x@unrelated.test", message("not for Postfix"))
        event = self.server.wait_outcome(identifier, "failed")
        self.assertEqual(event["reply"][:9], "554 5.7.1")
        self.server.wait_event("delivery.attempt", outcome="delivered", to=ALICE)


class FromPostfix(TestCase):
    """Postfix as the previous hop: it relays everything into Postrider."""

    def setUp(self):
        need("postfix")
        extra = f"relayhost = [127.0.0.1]:{self.server.ports['smtp']}\nsmtp_bind_address = 127.0.0.1\n"
        self.postfix = Postfix(self.folder / self.id().rpartition(".")[2], extra)
        self.addCleanup(self.postfix.stop)

    def submit(self, to, content):
        with smtplib.SMTP("127.0.0.1", self.postfix.port) as client:
            self.assertEqual(client.sendmail("ann@client.test", to, content), {})

    def test_a_message_to_two(self):
        content = message("from Postfix", body=".\r\n..\r\nend\r\n")
        self.submit([ALICE, BOB], content)
        for address in (ALICE, BOB):
            self.server.wait_event("delivery.attempt", outcome="delivered", to=address)
        for account in ("alice", "bob"):
            (got,) = [got for got in self.server.messages(account) if b"from Postfix" in got]
            self.assertTrue(got.endswith(content))
            self.assertIn(b"by postfix.test (Postfix)", got)

    def test_a_refused_recipient_is_postfix_s_to_report(self):
        self.submit([f"nobody@{DOMAIN}"], message("unknown user"))
        line = self.postfix.process.wait_line(lambda line: "status=bounced" in line and line, "the refusal")
        self.assertIn("dsn=5.1.1", line)

    def test_mail_is_kept_by_postfix_while_we_are_down(self):
        self.server.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.server.process.wait(), 0)
        self.submit(BOB, message("while down"))
        self.postfix.process.wait_line(lambda line: "status=deferred" in line and "refused" in line, "a deferral")
        port = self.server.ports["smtp"]
        self.server.config.write_text(self.server.config.read_text().replace('"127.0.0.1:0"', f'"127.0.0.1:{port}"', 1))
        self.server.start()
        self.server.wait_event("delivery.attempt", outcome="delivered", to=BOB)


if __name__ == "__main__":
    main()
