#!/usr/bin/env python3
"""Who says whose connection it is: HAProxy with PROXY v1 and v2, swaks with XCLIENT; believed from named networks, never a right to relay."""
import re

from harness import DOMAIN, LineClient, TestCase, expect, main, message, need, queue_id, run
from peers import Haproxy

BOB = f"bob@{DOMAIN}"
CLIENT, PROXY, STRANGE_PROXY, FRIEND = "127.0.0.9", "127.0.0.3", "127.0.0.4", "127.0.0.2"
XCLIENT_FROM, XCLIENT_FRIEND = "127.0.0.5", "127.0.0.6"  # both may say it, the second one may relay for itself
LISTEN = f"""
[[listen]]
service = "smtp"
address = "127.0.0.1:0"
proxy_protocol_from = ["{PROXY}"]
xclient_from = ["{XCLIENT_FROM}", "{XCLIENT_FRIEND}"]
relay_from = ["{PROXY}", "{XCLIENT_FRIEND}", "{FRIEND}"]
"""
V2 = b"\r\n\r\n\0\r\nQUIT\n"  # the twelve octets that no text protocol begins with


class Front(TestCase):
    config = {"sections": LISTEN}

    def open(self, port, source):
        client = LineClient(port, source, greeting=False)
        self.addCleanup(client.close)
        return client

    def give(self, client, subject):
        """One message after the greeting; gives the Received field that it came in by."""
        self.assertEqual(client.ask("EHLO client.test")[0], 250)
        client.send(f"MAIL FROM:<ann@client.test>\r\nRCPT TO:<{BOB}>\r\nDATA\r\n".encode())
        self.assertEqual([client.reply()[0] for _ in range(3)], [250, 250, 354])
        client.send(message(subject) + b".\r\n")
        identifier = queue_id(client.reply())
        self.server.wait_outcome(identifier, "delivered")
        found = [got for got in self.server.messages("bob") if identifier.encode() in got]
        return re.search(rb"Received: (?:[^\n]*\n(?:[ \t][^\n]*\n)*)", found[0])[0].decode()

    def relay_code(self, client):
        expect(client.ask("MAIL FROM:<ann@client.test>"), 250)
        return client.ask("RCPT TO:<x@elsewhere.test>")


class ByHaproxy(Front):
    @classmethod
    def prepare(cls):
        need("haproxy")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        doors = (("send-proxy", PROXY), ("send-proxy-v2", PROXY), ("send-proxy", STRANGE_PROXY), ("send-proxy-v2", STRANGE_PROXY), ("", PROXY))
        cls.haproxy = Haproxy(cls.folder / "haproxy", cls.server.ports["smtp"], doors)
        cls.addClassCleanup(cls.haproxy.stop)

    def test_the_address_is_the_clients(self):
        for number in (0, 1):
            with self.subTest(version=number + 1):
                client = self.open(self.haproxy.ports[number], CLIENT)
                self.assertEqual(client.reply()[0], 220)
                received = self.give(client, f"by proxy {number + 1}")
                self.assertIn(CLIENT, received)
                self.assertNotIn(PROXY, received)

    def test_the_proxys_own_right_to_relay_is_not_its_clients(self):
        for number in (0, 1):
            with self.subTest(version=number + 1):
                client = self.open(self.haproxy.ports[number], CLIENT)
                self.assertEqual(client.reply()[0], 220)
                self.assertEqual(client.ask("EHLO client.test")[0], 250)
                self.assertEqual(self.relay_code(client)[0], 550)

    def test_from_a_network_not_named_it_is_no_header(self):
        for number in (2, 3):
            with self.subTest(version=number - 1):
                client = self.open(self.haproxy.ports[number], CLIENT)
                client.send(b"EHLO client.test\r\n")
                codes = []
                while (code := client.reply()[0]) != 0:
                    codes.append(code)
                    if len(codes) == 2:  # HAProxy's header was answered: it was a command that is none
                        break
                self.assertTrue(codes[1:] == [] or codes[1] >= 400, codes)

    def test_a_named_proxy_without_a_header_gets_nothing(self):
        client = self.open(self.haproxy.ports[4], CLIENT)
        client.send(b"EHLO client.test\r\n")
        self.assertNotEqual(client.reply()[0], 220)


class ByHand(Front):
    def test_a_header_in_pieces(self):
        client = self.open(self.server.ports["smtp"], PROXY)
        for octet in b"PROXY TCP4 192.0.2.77 192.0.2.1 55555 25\r\n":
            client.send(bytes([octet]))
        self.assertEqual(client.reply()[0], 220)
        self.assertIn("192.0.2.77", self.give(client, "pieces"))

    def test_v2_local_is_the_proxy_itself(self):
        client = self.open(self.server.ports["smtp"], PROXY)
        client.send(V2 + bytes([0x20, 0, 0, 0]))
        self.assertEqual(client.reply()[0], 220)
        self.assertIn(PROXY, self.give(client, "local"))

    def test_broken_headers_end_it(self):
        for header in (b"PROXY TCP4 192.0.2.77\r\n", b"PROXY TCP4 300.0.2.77 192.0.2.1 1 25\r\n", b"PROXY " + b"x" * 200, V2 + bytes([0x31, 0x11, 0, 0]),
                       V2 + bytes([0x21, 0x11, 0, 4]) + b"abcd"):
            with self.subTest(header=header):
                client = self.open(self.server.ports["smtp"], PROXY)
                client.send(header)
                self.assertNotEqual(client.reply()[0], 220)

    def test_xclient_is_offered_to_named_networks_only(self):
        for source, offered in ((XCLIENT_FROM, True), (CLIENT, False)):
            client = self.open(self.server.ports["smtp"], source)
            self.assertEqual(client.reply()[0], 220)
            _, extensions = client.ask("EHLO client.test")
            self.assertEqual(any(word.startswith("XCLIENT ") for word in extensions), offered, extensions)
            code, _ = client.ask("XCLIENT ADDR=192.0.2.7 NAME=mail.client.test")
            self.assertEqual(code == 220, offered, code)

    def test_xclient_never_grants_relay(self):
        """Not by saying an address in relay_from, and not by the right of who says it."""
        for source, address in ((XCLIENT_FROM, FRIEND), (XCLIENT_FROM, "127.0.0.1"), (XCLIENT_FRIEND, "192.0.2.7")):
            with self.subTest(source=source, address=address):
                client = self.open(self.server.ports["smtp"], source)
                self.assertEqual(client.reply()[0], 220)
                self.assertEqual(client.ask("EHLO client.test")[0], 250)
                expect(client.ask(f"XCLIENT ADDR={address}"), 220)
                self.assertEqual(client.ask("EHLO client.test")[0], 250)
                self.assertEqual(self.relay_code(client)[0], 550)


class BySwaks(Front):
    @classmethod
    def prepare(cls):
        need("swaks")

    def swaks(self, source, *words):
        return run("swaks", "--server", f"127.0.0.1:{self.server.ports['smtp']}", "--local-interface", source, "--from", "ann@client.test", "--to", BOB,
                   "--ehlo", "client.test", "--timeout", "30", "--xclient-addr", "192.0.2.7", "--xclient-name", "mail.client.test", *words)

    def test_xclient(self):
        done = self.swaks(XCLIENT_FROM, "--header", "Subject: by xclient")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        identifier = re.search(r"2\.0\.0 queued as (\w{18})", done.stdout)[1]
        self.server.wait_outcome(identifier, "delivered")
        found = [got for got in self.server.messages("bob") if identifier.encode() in got]
        self.assertIn(b"192.0.2.7", found[0])
        self.assertNotIn(XCLIENT_FROM.encode(), found[0])

    def test_xclient_from_elsewhere(self):
        done = self.swaks(CLIENT)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertNotIn("queued as", done.stdout)


if __name__ == "__main__":
    main()
