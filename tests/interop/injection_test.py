"""STARTTLS and STLS under attack (SECURITY R5): octets put in front of, behind and among what TLS protects have no effect."""
import os
import socket
import ssl

from harness import DOMAIN, PATIENCE_SECONDS, TestCase, main, need, parse_event, run

HOST = f"mx.{DOMAIN}"
SECTIONS = """
[[listen]]
service = "submission"
address = "127.0.0.1:0"
[tls]
certificate = "{folder}/fullchain.pem"
private_key = "{folder}/key.pem"
"""
LOGIN = b"AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdAB3cm9uZw==\r\n"  # alice, with a wrong password
MAIL = b"MAIL FROM:<x@evil.test>\r\nRCPT TO:<alice@example.test>\r\n"
SMTP_SAID = (b"EHLO evil.test\r\n", b"NOOP\r\n", b"NO", b"\r\n", MAIL, MAIL + b"DATA\r\nSubject: x\r\n\r\nx\r\n.\r\n", LOGIN, b"STARTTLS\r\n",
             b"\x16\x03\x01\x00\x05hello", b"220 ready\r\n", b"RSET\r\n" * 500)
POP3_SAID = (b"CAPA\r\n", b"US", b"\r\n", b"USER alice@example.test\r\nPASS wrong\r\n", LOGIN, b"STLS\r\n", b"\x16\x03\x01\x00\x05hello", b"+OK\r\n")


class Protocol:
    def __init__(self, service, opening, start, ready, refusal, said, probe, answer):
        self.service, self.opening, self.start, self.ready, self.refusal, self.said = service, opening, start, ready, refusal, said
        self.probe, self.answer = probe, answer  # said inside, and how a session that knows nothing answers it


PROTOCOLS = (
    Protocol("smtp", (b"EHLO client.test", *MAIL.split(b"\r\n")[:2]), b"STARTTLS\r\n", b"220 2.0.0 ", b"554 5.5.1 ", SMTP_SAID,
             b"DATA\r\n", b"503 "),
    Protocol("submission", (b"EHLO client.test",), b"STARTTLS\r\n", b"220 2.0.0 ", b"554 5.5.1 ", SMTP_SAID, b"MAIL FROM:<x@evil.test>\r\n", b"530 "),
    Protocol("pop3", (b"USER alice@example.test",), b"STLS\r\n", b"+OK begin TLS", b"-ERR nothing goes with STLS", POP3_SAID,
             b"PASS wrong\r\n", b"-ERR USER first"),
)


class Client:
    """Reads octet by octet, so that nothing is taken away from the handshake."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def line(self):
        """Up to LF, or what there is at the end."""
        octets = b""
        while not octets.endswith(b"\n"):
            try:
                got = self.socket.recv(1)
            except ConnectionError:  # reset, because the server closed before it had read all
                got = b""
            if not got:
                break
            octets += got
        return octets

    def reply(self):
        line = self.line()
        while line[3:4] == b"-" and line[:1].isdigit():
            line = self.line()
        return line

    def say(self, octets):
        try:
            self.socket.sendall(octets)
        except ConnectionError:
            pass

    def rest(self):
        octets = b""
        while True:
            try:
                got = self.socket.recv(65536)
            except (ConnectionError, ssl.SSLError):
                got = b""
            if not got:
                return octets
            octets += got

    def protect(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket, server_hostname=HOST)

    def close(self):
        self.socket.close()


class Injection(TestCase):
    @classmethod
    def prepare(cls):
        need("openssl")
        folder = cls.folder / "certificates"
        folder.mkdir()
        done = run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
                   f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}", "-keyout", folder / "key.pem", "-out", folder / "fullchain.pem")
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        cls.config = {"sections": SECTIONS.format(folder=folder)}

    def connect(self, protocol):
        client = Client(self.server.ports[protocol.service])
        self.addCleanup(client.close)
        client.reply()
        for command in protocol.opening:
            client.say(command + b"\r\n")
            self.assertIn(client.reply()[:3], (b"250", b"530", b"+OK"))
        return client

    def begin(self, protocol):
        client = self.connect(protocol)
        client.say(protocol.start)
        self.assertTrue(client.reply().startswith(protocol.ready))
        return client

    def expect_no_handshake(self, client):
        with self.assertRaises((ssl.SSLError, OSError)):
            client.protect()

    def tearDown(self):
        events = [parse_event(line).get("event") for line in self.server.process.lines]
        for effect in ("smtp.accepted", "auth.succeeded", "auth.failed"):
            self.assertNotIn(effect, events)
        for protocol in PROTOCOLS:  # and it still serves
            client = self.begin(protocol)
            client.protect()
            client.say(b"QUIT\r\n")
            self.assertIn(client.reply()[:3], (b"221", b"+OK"))

    def test_octets_with_the_command(self):
        for protocol in PROTOCOLS:
            for said in protocol.said:
                with self.subTest(service=protocol.service, said=said[:40]):
                    client = self.connect(protocol)
                    client.say(protocol.start + said)
                    reply = client.reply()
                    if reply.startswith(protocol.ready):  # they came in another segment
                        self.expect_no_handshake(client)
                    else:
                        self.assertTrue(reply.startswith(protocol.refusal), reply)
                        self.assertEqual(client.rest(), b"")

    def test_octets_between_the_reply_and_the_handshake(self):
        for protocol in PROTOCOLS:
            for said in protocol.said:
                with self.subTest(service=protocol.service, said=said[:40]):
                    client = self.begin(protocol)
                    client.say(said)
                    self.expect_no_handshake(client)

    def test_plaintext_instead_of_a_hello_is_not_answered(self):
        for protocol in PROTOCOLS:
            with self.subTest(service=protocol.service):
                client = self.begin(protocol)
                client.say(protocol.said[0] * 3)
                rest = client.rest()
                self.assertEqual(rest[:1] or b"\x15", b"\x15", rest)  # an alert of TLS, if anything

    def test_what_was_said_before_means_nothing_inside(self):
        for protocol in PROTOCOLS:
            with self.subTest(service=protocol.service):
                client = self.begin(protocol)
                client.protect()
                client.say(protocol.probe)
                reply = client.reply()
                self.assertTrue(reply.startswith(protocol.answer), reply)
                client.say(protocol.start)  # once is enough
                self.assertIn(client.reply()[:4], (b"503 ", b"-ERR"))

    def test_octets_in_the_clear_among_protected_ones(self):
        for protocol in PROTOCOLS:
            for said in protocol.said:
                if len(said) < 5:
                    continue  # the start of a record that does not end
                with self.subTest(service=protocol.service, said=said[:40]):
                    client = self.begin(protocol)
                    outside = socket.socket(fileno=os.dup(client.socket.fileno()))
                    self.addCleanup(outside.close)
                    client.protect()
                    outside.sendall(said)
                    self.assertEqual(client.rest(), b"")


if __name__ == "__main__":
    main()
