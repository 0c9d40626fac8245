#!/usr/bin/env python3
"""Next hops from DNS: NSD with a zone of ours, asked directly and through Unbound; failures come back as reports."""
import email

from harness import DOMAIN, FRIEND, TestCase, main, message, need, send
from peers import Nsd, Unbound
from sink import Sink

ALICE = f"alice@{DOMAIN}"
ZONE = """
mx1 A 127.0.0.1
mx2 A 127.0.0.3
one MX 10 mx1
preferred MX 10 mx1
preferred MX 20 mx2
fallback MX 10 dead
fallback MX 20 mx1
dead A 127.0.0.9
implicit A 127.0.0.1
null MX 0 .
nothing TXT "no mail here"
nowhere MX 10 absent
aliased CNAME one
outside MX 10 private
private A 10.255.255.1
"""


class ByDns:
    """The tests; the classes below say whom the server asks."""

    @classmethod
    def prepare(cls):
        need("nsd")
        cls.sink = Sink()
        cls.addClassCleanup(cls.sink.close)
        cls.nsd = Nsd(cls.folder / "nsd", ZONE)
        cls.addClassCleanup(cls.nsd.stop)
        cls.config = {"outbound": f"port = {cls.sink.port}", "sections": f'[queue]\nretry = ["1s"]\n[dns]\nservers = ["127.0.0.1:{cls.resolver()}"]\n'}

    @classmethod
    def resolver(cls):
        return cls.nsd.port

    def relay(self, to, subject=None):
        with self.server.smtp(FRIEND) as client:
            return send(client, ALICE, to, message(subject or to))

    def arrives(self, to):
        identifier = self.relay(to)
        self.sink.wait_message(lambda got: got[1] == [to])
        return self.server.wait_outcome(identifier, "relayed")

    def fails(self, to, status):
        mark = self.server.mark()
        identifier = self.relay(to)
        self.assertIn(status, self.server.wait_outcome(identifier, "failed", to=to)["reply"])
        self.server.wait_event("delivery.attempt", mark, to=ALICE, outcome="delivered")
        reports = [report for report in map(email.message_from_bytes, self.server.messages("alice")) if to in report.as_string()]
        self.assertEqual([report.get_content_type() for report in reports], ["multipart/report"])
        _, status_part, _ = reports[0].get_payload()
        fields = status_part.get_payload()[1]
        self.assertEqual((fields["Action"], fields["Status"]), ("failed", status))

    def test_one_exchanger(self):
        self.assertIn("mx1.test", self.arrives("x@one.test")["remote"])

    def test_the_preferred_exchanger_is_taken(self):
        self.assertIn("mx1.test", self.arrives("x@preferred.test")["remote"])

    def test_the_next_exchanger_when_the_first_is_down(self):
        self.assertIn("mx1.test", self.arrives("x@fallback.test")["remote"])

    def test_an_address_without_mx_is_an_implicit_exchanger(self):
        self.assertIn("implicit.test", self.arrives("x@implicit.test")["remote"])

    def test_an_alias_is_followed(self):
        self.arrives("x@aliased.test")

    def test_a_domain_with_a_null_mx_is_refused_at_rcpt(self):
        with self.server.smtp(FRIEND) as client:
            client.ehlo()
            client.mail(ALICE)
            code, text = client.rcpt("x@null.test")
        self.assertEqual((code, text[:6]), (556, b"5.1.10"))

    def test_a_name_that_does_not_exist_is_reported(self):
        self.fails("x@nxdomain.test", "5.1.2")

    def test_a_name_without_mail_is_reported(self):
        self.fails("x@nothing.test", "5.4.4")

    def test_a_private_address_from_dns_is_not_connected(self):
        identifier = self.relay("x@outside.test")
        event = self.server.wait_event("delivery.attempt", id=identifier)
        self.assertIn(event["outcome"], ("deferred", "failed"))
        self.assertEqual(self.server.command("queue", "remove", identifier).returncode, 0) if event["outcome"] == "deferred" else None


class AskingNsd(ByDns, TestCase):
    pass


class ThroughUnbound(ByDns, TestCase):
    @classmethod
    def resolver(cls):
        need("unbound")
        cls.unbound = Unbound(cls.folder / "unbound", cls.nsd.port)
        cls.addClassCleanup(cls.unbound.stop)
        return cls.unbound.port


class WithoutAnyServer(TestCase):
    """Nobody answers: that is no proof of anything, so mail waits."""

    @classmethod
    def prepare(cls):
        cls.config = {"sections": '[dns]\nservers = ["127.0.0.1:9"]\n'}

    def test_mail_is_put_off(self):
        with self.server.smtp(FRIEND) as client:
            identifier = send(client, ALICE, "x@one.test", message("no resolver"))
        self.server.wait_outcome(identifier, "deferred")


if __name__ == "__main__":
    main()
