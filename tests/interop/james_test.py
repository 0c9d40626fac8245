#!/usr/bin/env python3
"""The transcripts of Apache James (../shared/testdata/smtp-james) against the real server.

Their lines: `C: ` is sent, `S: ` must match what comes (a regular expression). They were written against James, so one thing is read by its meaning:
an S: line wants the reply's code, and where the text of a reply is laid down by an RFC (the extensions of EHLO) that too. Wording of
replies is free (RFC 5321 4.2). ARGUED has the lines that are not run and why; a row that no script has fails.
"""
import re
import unittest

from harness import ROOT, LineClient, TestCase, main

SCRIPTS = (ROOT / "../shared/testdata/smtp-james").resolve()
NO_LOGIN = "port 25 offers no AUTH (SECURITY.md R10): login is for the submission ports"
NO_TLS = "no certificate is configured: a server without one does not offer STARTTLS (RFC 3207 4)"
ARGUED = {
    ("authplain.test", "C: AUTH LOGIN"): NO_LOGIN,
    ("authplain.test", "S: 334 VXNlcm5hbWU6"): NO_LOGIN,
    ("authplain.test", "C: Ym9iQG15ZG9tYWluLnRsZA=="): NO_LOGIN,
    ("authplain.test", "S: 334 UGFzc3dvcmQ6"): NO_LOGIN,
    ("authplain.test", "C: c2VjcmV0"): NO_LOGIN,
    ("authplain.test", "S: 235 Authentication Successful"): NO_LOGIN,
    ("starttls.test", "S: 250-AUTH LOGIN PLAIN"): NO_LOGIN,
    ("starttls.test", "S: 250-AUTH=LOGIN PLAIN"): "the spelling with = is from before RFC 2554; no client in use needs it",
    ("starttls.test", "S: 250 STARTTLS"): NO_TLS,
    ("starttls.test", "C: starttls"): NO_TLS,
    ("starttls.test", "S: 220 2.0.0 Ready to start TLS"): NO_TLS,
}


class James(TestCase):
    """James's mydomain.tld is one more local domain here."""
    config = {"sections": '[[domain]]\nname = "mydomain.tld"\ncatch_all = "bob@example.test"\n'}

    @classmethod
    def prepare(cls):
        if not SCRIPTS.is_dir():
            raise unittest.SkipTest(f"no corpora at {SCRIPTS}")

    def test_helo(self):
        self.play("helo.test")
        self.server.wait_event("delivery.attempt", outcome="delivered")
        self.assertTrue(any(b"content\r\n" in got for got in self.server.messages("bob")))

    def test_authplain(self):
        self.play("authplain.test")

    def test_starttls(self):
        self.play("starttls.test")

    def test_every_argued_line_is_in_its_script(self):
        for name, line in ARGUED:
            self.assertIn(line, [raw.rstrip() for raw in (SCRIPTS / name).read_text().splitlines()], name)

    def play(self, name):
        """Sends runs of C: lines as they stand (they are pipelined) and reads a reply for each group of S: lines."""
        client = LineClient(self.server.ports["smtp"], greeting=False)
        self.addCleanup(client.close)
        extensions = None
        for raw in (SCRIPTS / name).read_text().splitlines():
            line = raw.rstrip()
            if not line or (name, line) in ARGUED:
                continue
            kind, _, text = line.partition(":")
            text = text.removeprefix(" ")
            if kind == "C":
                client.send(text.encode() + b"\r\n")
                continue
            code, wanted = text[:3], text[4:]
            if extensions is not None and text[3:4] in "- " and code == "250" and re.fullmatch(r"[A-Z0-9=. ]+", wanted):
                self.assertIn(wanted, extensions, line)  # RFC 5321 4.1.1.1: an extension a line, in any order
                continue
            got, lines = client.reply()
            self.assertEqual(str(got), code, f"{name}: {line}: {lines}")
            extensions = lines if text == "250.*" else None


if __name__ == "__main__":
    main()
