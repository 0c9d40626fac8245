"""TLS as clients that are not ours see it: Python's ssl, openssl s_client, sslscan; certificates replaced under a running server."""
import json
import os
import pathlib
import poplib
import re
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import unittest
import xml.etree.ElementTree as ElementTree

from harness import BINARY, DOMAIN, PATIENCE_SECONDS, Postrider, TestCase, main, need, run, temporary_folder

HOST = f"mx.{DOMAIN}"
CONFINE = pathlib.Path(__file__).with_name("confine.py")
PROTECTED = ("submissions", "pop3s", "https")  # TLS from the start
SECTIONS = """
[[listen]]
service = "submission"
address = "127.0.0.1:0"
[[listen]]
service = "submissions"
address = "127.0.0.1:0"
[[listen]]
service = "pop3s"
address = "127.0.0.1:0"
[[listen]]
service = "https"
address = "127.0.0.1:0"
serve = ["health"]
[tls]
certificate = "{folder}/fullchain.pem"
private_key = "{folder}/key.pem"
"""


def make_certificate(folder, names=(HOST,), key=("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")):
    """A new pair, put in place by rename as certificate tools do; gives its serial."""
    folder.mkdir(exist_ok=True)
    new = folder / "new"
    alternatives = ",".join(f"DNS:{name}" for name in names)
    done = run("openssl", "req", "-x509", *key, "-nodes", "-days", "30", "-subj", f"/CN={names[0]}", "-addext",
               f"subjectAltName={alternatives}", "-keyout", f"{new}.key", "-out", f"{new}.pem")
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    os.replace(f"{new}.key", folder / "key.pem")
    os.replace(f"{new}.pem", folder / "fullchain.pem")
    return serial_in(folder / "fullchain.pem")


def serial_in(file):
    return run("openssl", "x509", "-in", file, "-noout", "-serial").stdout.strip().partition("=")[2]


def trusting(certificate):
    context = ssl.create_default_context(cafile=certificate)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT if hasattr(ssl, "VERIFY_X509_STRICT") else ~0
    return context


def connect(port, context, name=HOST):
    plain = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
    return context.wrap_socket(plain, server_hostname=name)


def serial_shown(port):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with connect(port, context) as client:
        octets = client.getpeercert(binary_form=True)
    done = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-serial"], input=octets, capture_output=True, check=True)
    return done.stdout.decode().strip().partition("=")[2]


class TlsCase(TestCase):
    @classmethod
    def prepare(cls):
        need("openssl")
        cls.certificates = cls.folder / "certificates"
        make_certificate(cls.certificates)
        cls.config = {"sections": SECTIONS.format(folder=cls.certificates)}

    @property
    def context(self):
        return trusting(self.certificates / "fullchain.pem")


class Handshakes(TlsCase):
    def test_every_service_verifies_and_speaks_its_protocol(self):
        for service, begins, alpn in (("submissions", b"220 ", "smtp"), ("pop3s", b"+OK ", "pop3"), ("https", b"HTTP/1.1 200", "http/1.1")):
            context = self.context
            context.set_alpn_protocols([alpn])
            with connect(self.server.ports[service], context) as client:
                if service == "https":
                    client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertTrue(client.recv(4096).startswith(begins), service)
                self.assertEqual((client.version(), client.selected_alpn_protocol()), ("TLSv1.3", alpn))

    def test_starttls_and_stls_verify(self):
        with smtplib.SMTP("127.0.0.1", self.server.ports["submission"], timeout=PATIENCE_SECONDS) as client:
            client._host = HOST  # smtplib verifies the name that it connected to
            client.ehlo()
            self.assertTrue(client.has_extn("starttls"))
            self.assertEqual(client.starttls(context=self.context)[0], 220)
            client.ehlo()
            self.assertFalse(client.has_extn("starttls"))
            self.assertEqual(client.sock.version(), "TLSv1.3")
        client = poplib.POP3("127.0.0.1", self.server.ports["pop3"], timeout=PATIENCE_SECONDS)
        client.host = HOST
        self.assertIn("STLS", client.capa())
        client.stls(self.context)
        self.assertNotIn("STLS", client.capa())
        client.quit()

    def test_swaks_does_it_both_ways(self):
        need("swaks")
        for service, option in (("smtp", "--tls"), ("submissions", "--tls-on-connect")):
            done = run("swaks", option, "--server", f"127.0.0.1:{self.server.ports[service]}", "--helo", "client.test", "--from", "a@client.test",
                       "--to", f"alice@{DOMAIN}", "--quit-after", "HELO")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("TLS started with cipher TLSv1.3:", done.stdout)

    def test_versions_below_1_2_and_another_protocol_are_refused(self):
        old = self.context
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        other = self.context
        other.set_alpn_protocols(["http/1.1"])
        since = self.server.mark()
        for context in (old, other):
            with self.assertRaises(ssl.SSLError):
                connect(self.server.ports["submissions"], context)
        self.server.wait_event("tls.handshake_failed", since, error="no application protocol")
        middle = self.context
        middle.maximum_version = ssl.TLSVersion.TLSv1_2
        with connect(self.server.ports["submissions"], middle) as client:
            self.assertEqual(client.version(), "TLSv1.2")

    def test_handshakes_are_counted(self):
        with connect(self.server.ports["pop3s"], self.context) as client:
            client.recv(100)
        page = run("curl", "-s", f"http://127.0.0.1:{self.server.ports['http']}/metrics").stdout
        self.assertRegex(page, r'postrider_tls_handshakes_total\{version="TLSv1.3"\} [1-9]')

    def test_what_is_no_hello_ends_and_the_service_goes_on(self):
        with socket.create_connection(("127.0.0.1", self.server.ports["submissions"]), PATIENCE_SECONDS) as client:
            client.sendall(b"EHLO client.test\r\n")
            heard = b""
            while octets := client.recv(100):
                heard += octets
        self.assertFalse(heard.startswith(b"220"), heard)
        with connect(self.server.ports["submissions"], self.context) as client:
            self.assertTrue(client.recv(100).startswith(b"220 "))


class Reload(TlsCase):
    """A certificate is replaced by rename; a session that stands goes on."""

    def open_session(self):
        client = connect(self.server.ports["pop3s"], self.context)
        self.addCleanup(client.close)
        self.assertTrue(client.recv(100).startswith(b"+OK"))
        return client

    def goes_on(self, client):
        client.sendall(b"CAPA\r\n")
        self.assertTrue(client.recv(1000).startswith(b"+OK"))

    def shown(self):
        return {serial_shown(self.server.ports[service]) for service in PROTECTED}

    def test_reload_shows_the_new_serial_and_leaves_sessions_alone(self):
        client = self.open_session()
        serial = make_certificate(self.certificates)
        self.assertNotEqual(self.shown(), {serial}, "before the reload")
        done = self.server.command("reload")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn(f"serial {serial},", done.stdout)
        self.assertEqual(self.shown(), {serial})
        self.goes_on(client)
        again = self.server.command("reload", "--json")
        self.assertEqual((again.returncode, json.loads(again.stdout)), (0, {"v": 1, "reloaded": "nothing has changed"}))

    def test_sighup_does_the_same(self):
        client = self.open_session()
        serial = make_certificate(self.certificates, key=("-newkey", "rsa:2048"))
        since = self.server.mark()
        self.server.process.send_signal(signal.SIGHUP)
        event = self.server.wait_event("config.reloaded", since)
        self.assertIn(f"serial {serial},", event["what"])
        self.assertEqual(self.shown(), {serial})
        self.goes_on(client)

    def test_half_a_change_is_refused_and_the_old_one_stays(self):
        serial, = self.shown()
        (self.certificates / "key.pem").write_text("not a key\n")
        done = self.server.command("reload")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("key.pem: holds no private key", done.stderr)
        check = self.server.command("config", "check")
        self.assertEqual(check.returncode, 1)
        self.assertRegex(check.stderr, r"postrider\.toml:\d+:\d+: .*key\.pem: holds no private key")
        self.assertEqual(self.shown(), {serial})
        make_certificate(self.certificates)
        self.assertEqual(self.server.command("reload").returncode, 0)

    def test_other_keys_refuse_it_by_name(self):
        before = self.server.config.read_text()
        self.addCleanup(self.server.config.write_text, before)
        serial, = self.shown()
        other = make_certificate(self.certificates)
        self.server.config.write_text(before.replace('[log]', 'max_recipients = 7\n[log]') + '[queue]\nwarn_after = "1h"\n')
        done = self.server.command("reload")
        self.assertEqual(done.returncode, 1)
        self.assertIn("max_recipients needs a restart", done.stderr)
        self.assertIn("[queue] warn_after needs a restart", done.stderr)
        self.assertEqual(self.shown(), {serial}, "all or nothing")
        self.server.config.write_text(before)
        self.assertEqual(self.server.command("reload").returncode, 0)
        self.assertEqual(self.shown(), {other})

    def test_a_name_gets_a_certificate_of_its_own_without_a_restart(self):
        more = self.folder / "more"
        serial = make_certificate(more, ("mail.other.test",))
        before = self.server.config.read_text()
        self.server.config.write_text(before + f'[[certificate]]\nnames = ["*.other.test"]\ncertificate = "{more}/fullchain.pem"\nprivate_key = "{more}/key.pem"\n')
        done = self.server.command("reload")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"*.other.test, serial {serial},", done.stdout)
        with connect(self.server.ports["submissions"], trusting(more / "fullchain.pem"), "mail.other.test") as client:
            self.assertTrue(client.recv(100).startswith(b"220 "))
        self.server.config.write_text(before)
        self.assertEqual(self.server.command("reload").returncode, 0)


class Confined(Reload):
    """The same where the server sees nothing but its data and the directories of configuration and certificates."""
    start_server = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        (cls.server.folder / "data").mkdir(exist_ok=True)
        (cls.folder / "more").mkdir()
        probe = run(sys.executable, CONFINE, "--", "/usr/bin/cat", cls.certificates / "key.pem")
        if probe.returncode == 77:
            raise unittest.SkipTest(probe.stderr)
        if probe.returncode == 0:
            raise AssertionError("Landlock does not confine")
        cls.server.start(before=(sys.executable, CONFINE, "--write", cls.server.folder / "data", "--read", cls.server.folder,
                                 "--read", cls.certificates, "--read", cls.folder / "more", "--"))


WEAK_CIPHER = re.compile(r"(?!.*(GCM|CHACHA20|POLY1305|CCM))|NULL|EXP|RC4|DES|MD5|ADH|AECDH")


def faults(test):
    """What is weak in sslscan's answer about one host."""
    for protocol in test.findall("protocol"):
        weak = protocol.get("type") == "ssl" or protocol.get("version") in ("1.0", "1.1")
        if weak and protocol.get("enabled") == "1":
            yield f"{protocol.get('type')} {protocol.get('version')}"
    for cipher in test.findall("cipher"):
        if int(cipher.get("bits")) < 128 or WEAK_CIPHER.match(cipher.get("cipher")):
            yield f"cipher {cipher.get('cipher')}"
        if cipher.get("cipher").startswith("DHE") and int(cipher.get("dhebits")) < 2048:
            yield f"DH of {cipher.get('dhebits')} bits"
        if cipher.get("sslversion") == "TLSv1.2" and "ECDHE" not in cipher.get("cipher"):
            yield f"no forward secrecy: {cipher.get('cipher')}"
    for heartbleed in test.findall("heartbleed"):
        if heartbleed.get("vulnerable") != "0":
            yield f"heartbleed with {heartbleed.get('sslversion')}"
    for compression in test.findall("compression"):
        if compression.get("supported") != "0":
            yield "compression"
    for renegotiation in test.findall("renegotiation"):
        if renegotiation.get("supported") == "1" and renegotiation.get("secure") != "1":
            yield "insecure renegotiation"
    for group in test.findall("group"):
        if int(group.get("bits")) < 112:
            yield f"group {group.get('name')}"


class Scan(TlsCase):
    """sslscan finds nothing weak."""

    def scan(self, service, *options):
        need("sslscan")
        file = self.folder / f"{service}.xml"
        done = run("sslscan", "--no-colour", f"--xml={file}", "--show-sigs", *options, f"--sni-name={HOST}",
                   f"127.0.0.1:{self.server.ports[service]}")
        test = ElementTree.parse(file).find("ssltest")
        self.assertIsNotNone(test, done.stdout + done.stderr)
        seen = {cipher.get("sslversion") for cipher in test.findall("cipher")}
        self.assertEqual(seen, {"TLSv1.2", "TLSv1.3"}, done.stdout)
        self.assertGreaterEqual(len(test.findall("protocol")), 6)
        self.assertEqual(list(faults(test)), [], done.stdout)

    def test_smtp_with_starttls(self):
        self.scan("smtp", "--starttls-smtp")

    def test_submission_with_starttls(self):
        self.scan("submission", "--starttls-smtp")

    def test_pop3_with_stls(self):
        self.scan("pop3", "--starttls-pop3")

    def test_submissions(self):
        self.scan("submissions")

    def test_pop3s(self):
        self.scan("pop3s")

    def test_https(self):
        self.scan("https")

    def test_the_scan_would_find_what_is_weak(self):
        weak = ElementTree.fromstring(
            '<ssltest><protocol type="tls" version="1.0" enabled="1"/><protocol type="ssl" version="3" enabled="0"/>'
            '<renegotiation supported="1" secure="0"/><compression supported="1"/><heartbleed sslversion="TLSv1.2" vulnerable="1"/>'
            '<cipher sslversion="TLSv1.2" bits="256" cipher="ECDHE-RSA-AES256-SHA384"/>'
            '<cipher sslversion="TLSv1.2" bits="256" cipher="DHE-RSA-AES256-GCM-SHA384" dhebits="1024"/>'
            '<cipher sslversion="TLSv1.2" bits="128" cipher="ECDHE-RSA-AES128-GCM-SHA256"/></ssltest>')
        self.assertEqual(len(list(faults(weak))), 7)


if __name__ == "__main__":
    main()
