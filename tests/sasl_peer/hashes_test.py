#!/usr/bin/env python3
"""Password hashes that Dovecot, crypt(3) and OpenSSL make: ours verifies them, and denies other passwords."""
import os
import shutil
import subprocess
import sys
import unittest
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import crypt

VERIFIER = os.environ["POSTRIDER_HASH_VERIFIER"]
PASSWORDS = ["secret", "with blanks and, =", "p\u00e4ssw\u00f6rt", "\u4e2d\u6587 \U0001f419", "x" * 70]
TEXT = ["CRYPT", "MD5-CRYPT", "SHA256-CRYPT", "SHA512-CRYPT", "BLF-CRYPT", "ARGON2I", "ARGON2ID", "PBKDF2", "SCRAM-SHA-1", "SCRAM-SHA-256"]
DIGESTS = ["SHA", "SHA1", "SSHA", "SHA256", "SSHA256", "SHA512", "SSHA512"]
UNKNOWN = ["PLAIN", "CLEARTEXT", "PLAIN-MD5", "SMD5", "CRAM-MD5", "DIGEST-MD5", "LDAP-MD5", "DES-CRYPT"]


def verified(rows):
    """What the verifier says of each (hash, password)."""
    text = "".join(f"{made}\t{password}\n" for made, password in rows)
    return subprocess.run([VERIFIER], input=text, capture_output=True, text=True, check=True).stdout.split("\n")[:-1]


def doveadm(scheme, password, *more):
    return subprocess.run(["doveadm", "-c", "/dev/null", "pw", "-s", scheme, "-p", password, *more],
                          capture_output=True, text=True, check=True).stdout.strip()


class Hashes(unittest.TestCase):
    def judge(self, rows):
        self.assertEqual([(made, "right") for made, _ in rows], list(zip([made for made, _ in rows], verified(rows), strict=True)))
        wrong = [(made, password + "x") for made, password in rows]
        # bcrypt reads 72 octets: of a longer password the rest does not count
        self.assertEqual({"denied"}, set(verified([row for row in wrong if len(row[1].encode()) < 72])))

    @unittest.skipUnless(shutil.which("doveadm"), "no doveadm")
    def test_dovecots(self):
        rows = []
        for scheme in TEXT + DIGESTS:
            for suffix in ["", ".HEX", ".B64"]:
                for password in PASSWORDS if suffix == "" and not scheme.startswith("ARGON") else PASSWORDS[:1]:
                    if scheme.startswith("SCRAM") and not password.isascii():
                        continue  # doveadm does not prepare the password
                    rows.append((doveadm(scheme + suffix, password), password))
        self.judge(rows)

    @unittest.skipUnless(shutil.which("doveadm"), "no doveadm")
    def test_rounds_of_dovecots(self):
        rows = [(doveadm("SHA512-CRYPT", "secret", "-r", "20000"), "secret"), (doveadm("BLF-CRYPT", "secret", "-r", "10"), "secret"),
                (doveadm("PBKDF2", "secret", "-r", "50000"), "secret"), (doveadm("ARGON2ID", "secret", "-r", "4"), "secret")]
        self.judge(rows[:3])
        self.assertIn(verified(rows[3:]), (["right"], ["exhausted"]))

    @unittest.skipUnless(shutil.which("doveadm"), "no doveadm")
    def test_those_that_ours_does_not_take(self):
        for scheme in UNKNOWN:
            with self.subTest(scheme):
                self.assertEqual(["unsupported"], verified([(doveadm(scheme, "secret", "-u", "ann"), "secret")]))

    def test_of_crypt(self):
        rows = []
        for salt in ["$1$salt", "$5$salt", "$5$rounds=1234$sixteen.letters/", "$6$salt", "$6$rounds=12345$s", "$2b$05$abcdefghijklmnopqrstuu",
                     "$2a$05$abcdefghijklmnopqrstuu", "$2y$05$abcdefghijklmnopqrstuu", "$y$j9T$abcdefghijklmnop$", "$y$j75$abcdefghijklmnopqrstu/"]:
            made = crypt.crypt("secret", salt)
            self.assertTrue(made and not made.startswith("*"), salt)
            rows.append((made, "secret"))
        self.judge(rows)

    def test_of_openssl(self):
        rows = []
        for method in ["-1", "-5", "-6"]:
            for password in PASSWORDS:
                made = subprocess.run(["openssl", "passwd", method, "-stdin"], input=password + "\n", capture_output=True, text=True, check=True)
                rows.append((made.stdout.strip(), password))
        self.judge(rows)


if __name__ == "__main__":
    if not shutil.which("openssl") and not shutil.which("doveadm"):
        print("skipped: neither openssl nor doveadm")
        sys.exit(77)
    unittest.main(verbosity=2)
