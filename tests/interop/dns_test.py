#!/usr/bin/env python3
"""Next hops from DNS: NSD with a zone of ours, asked directly and through Unbound; failures come back as reports."""
import email
import pathlib
import socket
import threading
import unittest

from harness import DOMAIN, FRIEND, TestCase, main, message, need, send, wait_until
from peers import Nsd, Unbound
from sink import Sink

ALICE = f"alice@{DOMAIN}"
SIX = socket.has_ipv6 and any(line.split()[-1] == "lo" for line in open("/proc/net/if_inet6", encoding="ascii")) if pathlib.Path("/proc/net/if_inet6").exists() else False
SILENT = 12
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
six MX 10 six-host
six-host AAAA ::1
both MX 10 both-host
both-host A 127.0.0.9
both-host AAAA ::1
busy MX 10 busy-host
busy MX 20 mx1
busy-host A 127.0.0.4
closed MX 10 closed-host
closed MX 20 mx1
closed-host A 127.0.0.5
renamed MX 10 renamed-host
renamed-host CNAME mx2
ourselves MX 10 mx.example
worse MX 10 dead
worse MX 20 mx.example
worse MX 30 mx1
better MX 10 mx1
better MX 20 mx.example
circle CNAME circle2
circle2 CNAME circle
mx.example A 127.0.0.1
""" + "".join(f"either{number} MX 10 mx1\neither{number} MX 10 mx2\n" for number in range(24))


class ByDns:
    """The tests; the classes below say whom the server asks."""

    @classmethod
    def prepare(cls):
        need("nsd")
        cls.sink = Sink()
        cls.addClassCleanup(cls.sink.close)
        # The same port everywhere: `port` of [outbound] is what MX hosts are asked on.
        cls.second = cls.sink_at("127.0.0.3")
        cls.six = cls.sink_at("::1") if SIX else None
        cls.busy = cls.sink_at("127.0.0.4", lambda verb, *_: "421 4.3.2 too busy" if verb == "CONNECT" else None)
        cls.closed = cls.sink_at("127.0.0.5", lambda verb, *_: "554 5.3.2 no mail here" if verb == "CONNECT" else None)
        cls.nsd = Nsd(cls.folder / "nsd", ZONE)
        cls.addClassCleanup(cls.nsd.stop)
        cls.config = {"outbound": f"port = {cls.sink.port}", "allow_private": '"127.0.0.0/8", "::1/128"', "sections": f'[queue]\nretry = ["1s"]\n[dns]\nservers = ["127.0.0.1:{cls.resolver()}"]\n'}

    @classmethod
    def sink_at(cls, address, answer=None):
        sink = Sink(answer, port=cls.sink.port, address=address)
        cls.addClassCleanup(sink.close)
        return sink

    @classmethod
    def resolver(cls):
        return cls.nsd.port

    def relay(self, to, subject=None):
        with self.server.smtp(FRIEND) as client:
            return send(client, ALICE, to, message(subject or to))

    def arrives(self, to, sink=None):
        identifier = self.relay(to)
        (sink or self.sink).wait_message(lambda got: got[1] == [to])
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

    def test_exchangers_of_one_preference_share_the_mail(self):
        for number in range(24):
            self.relay(f"x@either{number}.test")
        for number in range(24):
            wait_until(lambda: any(got[1] == [f"x@either{number}.test"] for sink in (self.sink, self.second) for got in sink.messages), f"message {number}")  # noqa: B023
        shares = [len({got[1][0] for got in sink.messages if "@either" in got[1][0]}) for sink in (self.sink, self.second)]
        self.assertEqual(sum(shares), 24)
        self.assertTrue(all(shares), shares)  # by chance once in 2^23

    @unittest.skipUnless(SIX, "no IPv6 on loopback")
    def test_an_exchanger_with_an_ipv6_address_only(self):
        self.assertIn("::1", self.arrives("x@six.test", self.six)["remote"])

    @unittest.skipUnless(SIX, "no IPv6 on loopback")
    def test_the_address_of_the_other_family_when_one_is_down(self):
        self.assertIn("::1", self.arrives("x@both.test", self.six)["remote"])

    def test_the_next_exchanger_when_the_first_is_busy(self):
        self.assertIn("mx1.test", self.arrives("x@busy.test")["remote"])
        self.assertFalse(self.busy.messages)

    def test_an_exchanger_that_takes_no_mail(self):
        """554 in place of a greeting is that host's word, not the domain's (5321 4.2.4.2 leaves it open): the next may take it."""
        mark = self.server.mark()
        identifier = self.relay("x@closed.test")
        self.assertIn(self.server.wait_event("delivery.attempt", mark, id=identifier)["outcome"], ("relayed", "failed"))
        self.assertFalse(self.closed.messages)

    def test_an_exchanger_that_is_an_alias(self):
        self.arrives("x@renamed.test", self.second)  # against RFC 2181 10.3, and common

    def test_an_alias_of_itself(self):
        identifier = self.relay("x@circle.test")
        self.assertIn(self.server.wait_event("delivery.attempt", id=identifier)["outcome"], ("deferred", "failed"))
        self.server.command("queue", "remove", identifier)

    def test_mail_that_leads_back_to_us_is_reported(self):
        self.fails("x@ourselves.test", "5.4.6")

    def test_exchangers_that_are_worse_than_we_are_do_not_count(self):
        identifier = self.relay("x@worse.test")
        self.server.wait_outcome(identifier, "deferred")  # `dead` may come back; mx1 is behind us
        self.assertFalse([got for got in self.sink.messages if got[1] == ["x@worse.test"]])
        self.assertEqual(self.server.command("queue", "remove", identifier).returncode, 0)

    def test_exchangers_that_are_better_than_we_are_do(self):
        self.assertIn("mx1.test", self.arrives("x@better.test")["remote"])

    def test_a_null_mx_found_at_the_attempt_is_reported(self):
        self.assertEqual(self.server.command("alias", "add", f"to-null@{DOMAIN}", "x@null.test").returncode, 0)
        mark = self.server.mark()
        identifier = self.relay(f"to-null@{DOMAIN}")
        self.assertIn("5.1.10", self.server.wait_outcome(identifier, "failed")["reply"])
        self.server.wait_event("delivery.attempt", mark, to=ALICE, outcome="delivered")
        self.assertTrue([got for got in self.server.messages("alice") if b"Status: 5.1.10\r\n" in got])

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


class WithoutPermission(TestCase):
    """R11: what DNS says is no way into our own network unless the configuration names it."""

    @classmethod
    def prepare(cls):
        need("nsd")
        cls.sink = Sink()
        cls.addClassCleanup(cls.sink.close)
        cls.nsd = Nsd(cls.folder / "nsd", ZONE)
        cls.addClassCleanup(cls.nsd.stop)
        cls.config = {"outbound": f"port = {cls.sink.port}", "allow_private": "", "sections": f'[dns]\nservers = ["127.0.0.1:{cls.nsd.port}"]\n'}

    def test_loopback_and_private_addresses_are_not_connected_and_it_is_reported(self):
        for domain in ("one", "outside", "six", "implicit"):
            to = f"x@{domain}.test"
            with self.server.smtp(FRIEND) as client:
                identifier = send(client, ALICE, to, message(f"to {domain}"))
            reply = self.server.wait_outcome(identifier, "failed", to=to)["reply"]
            wait_until(lambda: [got for got in self.server.messages("alice") if f"Final-Recipient: rfc822;{to}".encode() in got.replace(b"; ", b";")], f"a report on {to}: {reply}")  # noqa: B023
        self.assertFalse(self.sink.messages)


class Forgetful:
    """A name server that hands questions to another and never answers those for names with `word` in them."""

    def __init__(self, behind, word):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.behind, self.word = behind, word
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                question, who = self.socket.recvfrom(65_536)
            except OSError:
                return
            if self.word not in question.lower():
                threading.Thread(target=self._pass_on, args=(question, who), daemon=True).start()

    def _pass_on(self, question, who):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as upstream:
            upstream.settimeout(10)
            upstream.sendto(question, ("127.0.0.1", self.behind))
            try:
                self.socket.sendto(upstream.recv(65_536), who)
            except OSError:
                pass

    def close(self):
        self.socket.close()


class HalfDead(TestCase):
    """Some names get no answer at all."""

    @classmethod
    def prepare(cls):
        need("nsd")
        cls.sink = Sink()
        cls.addClassCleanup(cls.sink.close)
        cls.nsd = Nsd(cls.folder / "nsd", ZONE)
        cls.addClassCleanup(cls.nsd.stop)
        cls.dns = Forgetful(cls.nsd.port, b"silent")
        cls.addClassCleanup(cls.dns.close)
        cls.config = {"outbound": f"port = {cls.sink.port}", "sections": f'[dns]\nservers = ["127.0.0.1:{cls.dns.port}"]\n'}

    def test_a_name_without_an_answer_delays_no_other(self):
        with self.server.smtp(FRIEND) as client:
            send(client, ALICE, "x@one.test", message("first"))
            waiting = [send(client, ALICE, f"x@silent{number}.test", message(f"silent {number}")) for number in range(SILENT)]
            for number in range(20):
                send(client, ALICE, f"x{number}@one.test", message(f"heard {number}"))
        self.server.wait_events("delivery.attempt", 21, outcome="relayed")
        for identifier in waiting:  # 5 s a question, 20 s in all (LIMITS.md)
            self.server.wait_outcome(identifier, "deferred")


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
