#!/usr/bin/env python3
"""What `sign dkim` signs is verified by dkimpy (RSA and Ed25519) and by opendkim (RSA), over every message of ../shared/testdata.

The messages are sent as SMTP wants them: every line ends in CRLF. Signed are those with one From whose header section ends in an empty
line; this file finds out by itself which they are, and the others must be refused.
"""
import base64
import email
import email.utils
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import pathlib
import unittest

try:
    import dkim
except ImportError:
    if sys.executable != "/usr/bin/python3" and os.path.exists("/usr/bin/python3"):
        os.execv("/usr/bin/python3", ["/usr/bin/python3", "-B", *sys.argv])
    dkim = None

from harness import BINARY, ROOT, main

sys.path.insert(0, str(ROOT / "tests/corpus"))
from messages import messages, without_mbox_line  # noqa: E402

CORPUS = (ROOT / "../shared/testdata").resolve()
DOMAIN = "example.test"
FIELD = re.compile(rb"[!-9;-~]+[ \t]*:")
MESSAGE = b"From: Ann <ann@example.test>\r\nTo: bob@example.test\r\nSubject: a  b\r\n\r\nHello  world \r\n\r\n"


def run(*words, stdin=b""):
    return subprocess.run([BINARY, "sign", "dkim", *words], input=stdin, capture_output=True, timeout=60, check=False)


def normal(octets):
    """Every line ends in CRLF, the last one too."""
    octets = re.sub(rb"\r\n|\r|\n", b"\r\n", without_mbox_line(octets))
    return octets if octets.endswith(b"\r\n") or not octets else octets + b"\r\n"


def for_opendkim(octets, signed):
    """Without the signatures of others, which its test mode stumbles over when they are no good."""
    head, _, body = octets.partition(b"\r\n\r\n")
    head = re.sub(rb"(?im)^dkim-signature[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*", b"", head + b"\r\n")
    return signed.removesuffix(octets) + head + b"\r\n" + body


def can_be_read_by_opendkim(octets):
    """It wants an address in From, and reads texts up to a NUL (which the server refuses to take: SECURITY R1)."""
    values = email.message_from_bytes(octets).get_all("from", [])
    return any("@" in address for _, address in email.utils.getaddresses([str(value) for value in values])) and b"\0" not in octets


def can_be_signed(octets):
    """One From, and nothing but fields up to the empty line (or the end)."""
    head = octets.partition(b"\r\n\r\n")[0] if not octets.startswith(b"\r\n") else b""
    lines = head.removesuffix(b"\r\n").split(b"\r\n")
    whole = all(FIELD.match(line) or (number > 0 and line[:1] in (b" ", b"\t")) for number, line in enumerate(lines))
    return whole and sum(re.match(rb"(?i)from[ \t]*:", line) is not None for line in lines) == 1


class Keys:
    """A key of each kind by openssl, and their records."""

    def __init__(self, folder):
        self.folder = folder
        self.rsa, self.ed = folder / "rsa.pem", folder / "ed.pem"
        for file, how in ((self.rsa, ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]), (self.ed, ["-algorithm", "ED25519"])):
            subprocess.run(["openssl", "genpkey", *how, "-out", file], check=True, capture_output=True)
        public = {file: subprocess.run(["openssl", "pkey", "-in", file, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
                  for file in (self.rsa, self.ed)}
        self.records = {
            f"r._domainkey.{DOMAIN}": b"v=DKIM1; k=rsa; p=" + base64.b64encode(public[self.rsa]),
            f"e._domainkey.{DOMAIN}": b"v=DKIM1; k=ed25519; p=" + base64.b64encode(public[self.ed][-32:]),
        }

    def options(self):
        return ["--domain", DOMAIN, "--selector", "r", "--key", self.rsa, "--selector", "e", "--key", self.ed]

    def txt(self, name, timeout=5):
        return self.records.get(name.decode().rstrip("."), None)


class Dkim(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.keys = Keys(cls.folder)

    def verify_by_dkimpy(self, octets):
        """Both of our signatures, which stand first."""
        verifier = dkim.DKIM(octets, minkey=1024)
        return [verifier.verify(idx=index, dnsfunc=self.keys.txt) for index in (0, 1)]

    def verify_by_opendkim(self, files):
        """{file: the words about our RSA signature}"""
        table, config = self.folder / "dns", self.folder / "opendkim.conf"
        table.write_text("".join(f"{name} {value.decode()}\n" for name, value in self.keys.records.items()))
        config.write_text(f"TestDNSData file:{table}\nMode v\nSyslog no\n")
        found, files = {}, list(files)
        for first in range(0, len(files), 20):
            some = files[first:first + 20]
            done = subprocess.run(["opendkim", "-x", config, "-v", "-t", ",".join(map(str, some))], capture_output=True, timeout=60, check=False)
            said = (done.stdout + done.stderr).decode("latin-1")
            for file in some:
                words = re.search(rf"{file}: verification \(s=r,? d=example\.test, 2048-bit key[^)]*\) (\w+)", said)
                found[file] = words[1] if words else said[-2000:]
        return found

    def test_every_message_that_can_be_signed_is_verified(self):
        if not CORPUS.is_dir():
            self.skipTest(f"no corpora at {CORPUS}")
        if dkim is None or shutil.which("opendkim") is None:
            self.skipTest("python3-dkim or opendkim is missing")
        signed, passed, refused, wrong = {}, 0, 0, []
        for number, path in enumerate(messages(CORPUS)):
            octets = path.read_bytes()
            done = run(path, *self.keys.options())
            if not can_be_signed(normal(octets)):
                refused += 1
                if done.returncode != 1 or done.stdout or not done.stderr:
                    wrong.append(f"{path}: should be refused, exit {done.returncode}")
                continue
            if done.returncode != 0 or not done.stdout.endswith(normal(octets)):
                wrong.append(f"{path}: exit {done.returncode} {done.stderr.decode()}")
                continue
            passed += 1
            if can_be_read_by_opendkim(normal(octets)):
                file = self.folder / f"{number}.eml"
                file.write_bytes(for_opendkim(normal(octets), done.stdout))
                signed[file] = path
            try:
                results = self.verify_by_dkimpy(done.stdout)
            except Exception as failure:  # pylint: disable=broad-except
                results = failure
            if results != [True, True]:
                wrong.append(f"{path}: dkimpy {results!r}")
        for file, words in self.verify_by_opendkim(signed).items():
            if words != "succeeded":
                wrong.append(f"{signed[file]}: opendkim {words}")
        print(f"{passed} messages signed; {passed} given to dkimpy, {len(signed)} to opendkim; {refused} refused", file=sys.stderr)
        self.assertEqual(wrong, [])
        self.assertGreater(len(signed), 600)

    def test_a_change_is_seen(self):
        """The verifiers of this test can fail; and fields that are sealed cannot be added."""
        if dkim is None or shutil.which("opendkim") is None:
            self.skipTest("python3-dkim or opendkim is missing")
        signed = run("-", *self.keys.options(), stdin=MESSAGE).stdout
        self.assertEqual(self.verify_by_dkimpy(signed), [True, True])
        files = {}
        for name, changed in {
            "body": signed.replace(b"Hello", b"Hallo"),
            "subject": signed.replace(b"a  b", b"a  c"),
            "second_from": signed.replace(b"From: Ann", b"From: Eve <e@evil.test>\r\nFrom: Ann"),
            "second_subject": signed.replace(b"Subject:", b"Subject: buy\r\nSubject:"),
            "a_reply_to": signed.replace(b"To: bob", b"Reply-To: eve@evil.test\r\nTo: bob"),
        }.items():
            with self.subTest(name):
                self.assertNotEqual(changed, signed)
                results = []
                for index in (0, 1):
                    try:
                        results.append(dkim.DKIM(changed).verify(idx=index, dnsfunc=self.keys.txt))
                    except dkim.DKIMException:  # more than one From
                        results.append(False)
                self.assertEqual(results, [False, False])
                files[self.folder / name] = name
                (self.folder / name).write_bytes(changed)
        for file, words in self.verify_by_opendkim(files).items():
            self.assertEqual(words, "failed", file)
        # What may happen on the way does no harm.
        for harmless in (signed.replace(b"a  b", b"a \t b  "), signed.replace(b"Hello  world ", b"Hello\tworld"), signed + b"\r\n\r\n",
                         b"Received: by x\r\n" + signed):
            self.assertTrue(dkim.DKIM(harmless).verify(dnsfunc=self.keys.txt), harmless)

    def test_fields(self):
        done = run("-", *self.keys.options(), "--headers", "From : to:subject:subject", "--time", "1700000000", "--json", stdin=MESSAGE)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(done.returncode, 0)
        self.assertEqual([(row["d"], row["s"], row["a"]) for row in rows],
                         [(DOMAIN, "r", "rsa-sha256"), (DOMAIN, "e", "ed25519-sha256")])
        for row in rows:
            self.assertEqual(row["h"], ["from", "to", "subject", "subject"])
            self.assertIn("t=1700000000;", row["field"])
            self.assertTrue(row["field"].startswith("DKIM-Signature: v=1;") and row["field"].endswith("\r\n"))
        if dkim is not None:
            self.assertEqual(self.verify_by_dkimpy("".join(row["field"] for row in rows).encode() + MESSAGE), [True, True])

    def test_domains_that_are_no_ascii(self):
        done = run("-", "--domain", "b\u00fccher.example", "--selector", "e", "--key", self.keys.ed, "--json", stdin=MESSAGE)
        self.assertIn("d=xn--bcher-kva.example;", json.loads(done.stdout)["field"])

    def test_refused_and_used_wrongly(self):
        good = ["--domain", DOMAIN, "--selector", "e", "--key", self.keys.ed]
        (self.folder / "no.pem").write_text("hello\n")
        for code, words, stdin in [
            (1, ["-", *good], b"To: a@b.test\r\n\r\nx\r\n"),
            (1, ["-", *good], b"From: a@b.test\r\nFrom: c@b.test\r\n\r\nx\r\n"),
            (1, ["-", *good], b"From: a@b.test\r\nno field\r\n\r\nx\r\n"),
            (1, ["-", *good], b"X: " + b"x" * 300_000 + b"\r\nFrom: a@b.test\r\n\r\n"),
            (1, ["-", *good], b""),
            (1, ["-", *good, "--headers", "to"], MESSAGE),
            (1, ["-", *good, "--headers", "from:a b"], MESSAGE),
            (2, ["/nonexistent", *good], b""),
            (2, [*good], b""),
            (2, ["-", "--domain", "[192.0.2.1]", *good[2:]], MESSAGE),
            (2, ["-", "--domain", DOMAIN, "--selector", "a;b", *good[4:]], MESSAGE),
            (2, ["-", *good[:4], "--key", "/nonexistent"], MESSAGE),
            (2, ["-", *good[:4], "--key", self.folder / "no.pem"], MESSAGE),
            (2, ["-", *good, "--selector", "f"], MESSAGE),
            (2, ["-", *good, "--time", "yesterday"], MESSAGE),
        ]:
            with self.subTest(words=words, stdin=stdin[:40]):
                done = run(*words, stdin=stdin)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertEqual(done.stdout, b"")
                self.assertTrue(done.stderr.startswith(b"postrider: "), done.stderr)


if __name__ == "__main__":
    main()
