#!/usr/bin/env python3
"""`domain dns` and `domain dkim`: NSD takes the records as a zone, --check finds them, keys are rotated, with a server and without."""
import json
import os
import shutil
import smtplib
import subprocess
import sys
import unittest

try:
    import dkim
except ImportError:
    if sys.executable != "/usr/bin/python3" and os.path.exists("/usr/bin/python3"):
        os.execv("/usr/bin/python3", ["/usr/bin/python3", "-B", *sys.argv])
    dkim = None

from harness import DOMAIN, PATIENCE_SECONDS, TestCase, main, temporary_folder, wait_until

LISTEN = '[[listen]]\nservice = "submission"\naddress = "127.0.0.1:0"\nplaintext_auth = true\n'
SUBMITTED = {
    "plain": f"From: Alice <alice@{DOMAIN}>\r\nTo: bob@{DOMAIN}\r\nSubject: plain\r\n\r\nHello  world \r\n\r\n\r\n".encode(),
    "utf8": f"From: alice@{DOMAIN}\r\nTo: bob@{DOMAIN}\r\nBcc: bob@{DOMAIN}\r\nSubject: utf8\r\nMIME-Version: 1.0\r\n"
            f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\u00fc\u00dfe\r\n.\r\n".encode(),
    "empty": f"From: alice@{DOMAIN}\r\nTo: bob@{DOMAIN}\r\nSubject: empty\r\n\r\n".encode(),
    "long": f"From: alice@{DOMAIN}\r\nTo: bob@{DOMAIN}\r\nSubject: long\r\n\r\n".encode() + b"\tA line  with blanks. \r\n" * 10000,
}

ZONE = f"$TTL 60\n{DOMAIN}. SOA ns.{DOMAIN}. admin.{DOMAIN}. 1 3600 600 86400 60\n{DOMAIN}. NS ns.{DOMAIN}.\nns.{DOMAIN}. A 127.0.0.1\n"


class DomainDns(TestCase):
    config = {"sections": LISTEN}

    def good(self, *words):
        done = self.server.command(*words)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("PRIVATE", done.stdout)
        return done.stdout

    def rows(self, *words):
        return [json.loads(line) for line in self.good(*words, "--json").splitlines()]

    def records(self):
        return [line for line in self.good("domain", "dns", DOMAIN).splitlines() if line and not line.startswith(";")]

    def as_file(self, records):
        """For --dns, with an address of the host that MX names."""
        file = temporary_folder(self) / "dns"
        host = next(row["data"].split()[1] for row in self.rows("domain", "dns", DOMAIN) if row["type"] == "MX")
        file.write_text("".join(line.replace(" 3600 IN ", " ") + "\n" for line in records) + f"{host} A 192.0.2.1\n")
        return file

    def test_nsd_takes_the_records(self):
        if shutil.which("nsd-checkzone") is None:
            self.skipTest("nsd is missing")
        file = temporary_folder(self) / "zone"
        lines = self.good("domain", "dns", DOMAIN).splitlines()
        inside = [line for line in lines if line.startswith(";") or line.split()[0].rstrip(".").endswith(DOMAIN)]
        file.write_text(ZONE + "\n".join(inside) + "\n")
        done = subprocess.run(["nsd-checkzone", DOMAIN, file], capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        file.write_text(file.read_text() + "broken.\n")
        self.assertNotEqual(subprocess.run(["nsd-checkzone", DOMAIN, file], capture_output=True, timeout=30, check=False).returncode, 0)

    def test_what_is_published_is_found_with_and_without_a_server(self):
        for running in (True, False):
            with self.subTest(running=running):
                if self.server.running != running:
                    self.assertEqual(self.server.stop(), 0)
                records = self.records()
                rows = self.rows("domain", "dns", DOMAIN, "--check", "--dns", self.as_file(records))
                self.assertEqual({row["status"] for row in rows}, {"ok"})
                self.assertEqual(len(rows), len(records) + 1)
                without = self.as_file([line for line in records if "_domainkey" not in line])
                done = self.server.command("domain", "dns", DOMAIN, "--check", "--dns", without)
                self.assertEqual(done.returncode, 1)
                self.assertIn("missing   TXT  ", done.stdout)
        self.server.start()
        self.assertEqual(self.server.command("domain", "dns", DOMAIN, "--check", "--dns", "/nonexistent").returncode, 2)

    def test_what_is_submitted_is_signed_by_the_keys_that_are_published(self):
        if dkim is None:
            self.skipTest("python3-dkim is missing")
        texts = {row["name"] + ".": row["text"].encode() for row in self.rows("domain", "dkim", DOMAIN) if row["active"]}
        self.assertEqual(len(texts), 2)
        with smtplib.SMTP("127.0.0.1", self.server.ports["submission"], timeout=PATIENCE_SECONDS) as client:
            client.login(f"alice@{DOMAIN}", self.server.passwords[f"alice@{DOMAIN}"])
            for content in SUBMITTED.values():
                client.sendmail(f"alice@{DOMAIN}", [f"bob@{DOMAIN}"], content)
        wait_until(lambda: len(self.server.messages("bob")) == len(SUBMITTED), "all are delivered")
        seen = set()
        for content in self.server.messages("bob"):
            self.assertEqual(content.lower().count(b"\r\ndkim-signature:"), 2)
            self.assertNotIn(b"\r\nBcc:", content)
            for index in (0, 1):
                verifier = dkim.DKIM(content)
                self.assertTrue(verifier.verify(idx=index, dnsfunc=lambda name, timeout=5: texts.get(name.decode())), (index, content[:2000]))
                seen.add(verifier.signature_fields[b"a"])
        self.assertEqual(seen, {b"rsa-sha256", b"ed25519-sha256"})

    def test_keys_are_rotated(self):
        old = self.rows("domain", "dkim", DOMAIN)
        self.assertEqual([(row["algorithm"], row["active"]) for row in old], [("rsa", True), ("ed25519", True)])
        new = self.rows("domain", "dkim", DOMAIN, "add")
        self.assertEqual([(row["algorithm"], row["active"]) for row in new], [("rsa", False), ("ed25519", False)])
        for row in new:
            self.good("domain", "dkim", DOMAIN, "activate", row["selector"])
        for row in old:
            self.good("domain", "dkim", DOMAIN, "retire", row["selector"])
            self.good("domain", "dkim", DOMAIN, "remove", row["selector"])
            self.assertEqual(self.server.command("domain", "dkim", DOMAIN, "remove", row["selector"]).returncode, 3)
        self.assertEqual([(row["selector"], row["active"]) for row in self.rows("domain", "dkim", DOMAIN)],
                         [(row["selector"], True) for row in new])

    def test_keys_go_with_their_domain(self):
        self.good("domain", "add", "short.test", "--dkim", "ed25519")
        self.assertEqual(len(self.rows("domain", "dkim", "short.test")), 1)
        self.good("domain", "remove", "short.test")
        self.assertEqual(self.server.command("domain", "dkim", "short.test").returncode, 3)
        self.good("domain", "add", "short.test", "--dkim", "none")
        self.assertEqual(self.rows("domain", "dkim", "short.test"), [])


if __name__ == "__main__":
    main()
