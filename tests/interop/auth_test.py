#!/usr/bin/env python3
"""Logins as clients that are not ours do them: smtplib, poplib, swaks and gsasl, over TLS and in the clear on loopback.

Each mechanism, what is refused and how, what is taken back under a running session, and guessers beside an owner: those wait
in real time here, so there are few of them; how long who waits is said by src/gate/login_guard_test.cpp.
"""
import base64
import hashlib
import hmac
import json
import poplib
import smtplib
import ssl
import time

from harness import DOMAIN, PATIENCE_SECONDS, LineClient, TestCase, main, need, parse_event, run

ALICE, BOB = f"alice@{DOMAIN}", f"bob@{DOMAIN}"
HOST = f"mx.{DOMAIN}"
OWNER = "127.0.0.9"  # where the owner logs in from; its /24 is not the guessers'
SECTIONS = """
[[listen]]
service = "submission"
address = "127.0.0.1:0"
{plain}
[[listen]]
service = "submissions"
address = "127.0.0.1:0"
[[listen]]
service = "pop3s"
address = "127.0.0.1:0"
[tls]
certificate = "tls/fullchain.pem"
private_key = "tls/key.pem"
"""
ANYBODY = ssl.create_default_context()
ANYBODY.check_hostname = False
ANYBODY.verify_mode = ssl.CERT_NONE


def b64(text):
    return base64.b64encode(text.encode()).decode()


def plain(login, password):
    return "AUTH PLAIN " + b64(f"\0{login}\0{password}")


def scram(client, mechanism, login, password, binding=None, flag="n"):
    """5802 as a client; the reply that ends it. -PLUS binds by tls-server-end-point (5929): the hash of the certificate."""
    header = b"%s,," % flag.encode()
    if mechanism.endswith("-PLUS"):
        header = b"p=tls-server-end-point,,"
        binding = binding or hashlib.sha256(client.sock.getpeercert(binary_form=True)).digest()
    bare = f"n={login},r=client-nonce-0123456789".encode()
    code, first = client.docmd(f"AUTH {mechanism} " + base64.b64encode(header + bare).decode())
    if code != 334:
        return code, first
    first = base64.b64decode(first)
    nonce, salt, rounds = (part[2:] for part in first.split(b","))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(rounds))
    key = hmac.digest(salted, b"Client Key", "sha256")
    last = b"c=" + base64.b64encode(header + (binding or b"")) + b",r=" + nonce
    signed = b",".join((bare, first, last))
    proof = bytes(a ^ b for a, b in zip(key, hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")))
    code, end = client.docmd(base64.b64encode(last + b",p=" + base64.b64encode(proof)).decode())
    if code != 334:
        return code, end
    signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), signed, "sha256")
    if base64.b64decode(end) != b"v=" + base64.b64encode(signature):
        raise AssertionError("the server does not know the password either")
    return client.docmd("")


class LoginCase(TestCase):
    plain = ""
    smtp = ""

    @classmethod
    def prepare(cls):
        cls.config = {"sections": SECTIONS.format(plain=cls.plain), "smtp": cls.smtp}

    def submission(self, source=OWNER, secured=True):
        client = smtplib.SMTP("127.0.0.1", self.server.ports["submission"], local_hostname="client.test", timeout=PATIENCE_SECONDS,
                              source_address=(source, 0))
        self.addCleanup(client.close)
        client.ehlo()
        if secured:
            client.starttls(context=ANYBODY)
            client.ehlo()
        return client

    def password(self, account=ALICE):
        return self.server.passwords[account]

    def command(self, *words, stdin=""):
        done = self.server.command(*words, stdin=stdin)
        self.assertEqual(done.returncode, 0, f"{words}: {done.stdout}{done.stderr}")
        return done.stdout


class OverTls(LoginCase):
    def test_nothing_is_offered_before_tls_and_nothing_on_port_25(self):
        client = self.submission(secured=False)
        self.assertNotIn("auth", client.esmtp_features)
        self.assertEqual(client.docmd(plain(ALICE, self.password()))[0] // 100, 5)
        self.assertEqual(client.mail(ALICE)[0], 530)
        self.assertNotIn("auth", self.server.smtp().esmtp_features)

    def test_what_is_offered(self):
        self.assertEqual(self.submission().esmtp_features["auth"].split(),
                         ["SCRAM-SHA-256", "PLAIN", "LOGIN"])

    def test_plain_and_login_by_smtplib(self):
        for name in ("PLAIN", "LOGIN"):
            with self.subTest(mechanism=name):
                client = self.submission()
                client.user, client.password = ALICE, self.password()
                method = getattr(client, f"auth_{name.lower()}")
                self.assertEqual(client.auth(name, method)[0], 235)
                since = self.server.mark()
                self.assertEqual(client.sendmail(ALICE, [BOB], f"From: {ALICE}\r\nSubject: {name}\r\n\r\nhello\r\n"), {})
                accepted = self.server.wait_event("smtp.accepted", since)
                self.assertEqual(accepted["login"], ALICE)
                self.assertRegex(accepted["tls"], r"^TLSv1\.[23] \S+$")
                self.server.wait_outcome(accepted["id"], "delivered", since)
        received = self.server.messages("bob")[-1].decode().replace("\r\n\t", " ")
        self.assertRegex(received, r"Received: from \S+ \(\[127\.0\.0\.9\]\) by \S+ with ESMTPSA \(TLSv1\.3 TLS_\w+\) id ")
        self.assertNotIn("login", received.partition("\r\n\r\n")[0])

    def test_swaks_with_its_mechanisms(self):
        need("swaks")
        for port, how in ((self.server.ports["submission"], "-tls"), (self.server.ports["submissions"], "-tlsc")):
            for mechanism in ("PLAIN", "LOGIN"):
                with self.subTest(mechanism=mechanism, how=how):
                    done = run("swaks", "--server", "127.0.0.1", "--port", port, how, "--auth", mechanism, "--auth-user", ALICE,
                               "--auth-password", self.password(), "--from", ALICE, "--to", BOB)
                    self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                    self.assertIn("235 2.7.0", done.stdout)
        done = run("swaks", "--server", "127.0.0.1", "--port", self.server.ports["submission"], "-tls", "--auth", "PLAIN", "--auth-user",
                   ALICE, "--auth-password", "wrong", "--from", ALICE, "--to", BOB)
        self.assertIn("535 5.7.8", done.stdout)

    def test_scram(self):
        for flag in "ny":
            with self.subTest(flag=flag):
                self.assertEqual(scram(self.submission(), "SCRAM-SHA-256", ALICE, self.password(), flag=flag)[0], 235)
                self.assertEqual(scram(self.submission(), "SCRAM-SHA-256", ALICE, "wrong", flag=flag)[0], 535)
        self.assertEqual(scram(self.submission(), "SCRAM-SHA-256-PLUS", ALICE, self.password())[0], 504, "not offered, not taken")

    def test_what_is_refused_and_how(self):
        client = self.submission()
        self.assertEqual(client.docmd("AUTH CRAM-MD5"), (504, b"5.5.4 Mechanism not known here"))
        self.assertEqual(client.docmd("AUTH PLAIN %%%")[0], 501)
        self.assertEqual(client.docmd("AUTH PLAIN " + b64("no NUL"))[0], 501)
        self.assertEqual(client.docmd("AUTH LOGIN")[0], 334)
        self.assertEqual(client.docmd("*")[0], 501)
        unknown = client.docmd(plain(f"nobody@{DOMAIN}", "x"))
        self.assertEqual(unknown, client.docmd(plain(BOB, "x")), "unknown logins hear what known ones do")
        self.assertEqual(unknown[0], 535)
        self.assertEqual(client.docmd("AUTH PLAIN " + b64(f"{BOB}\0{ALICE}\0{self.password()}"))[0], 535)
        self.assertEqual(client.docmd(plain(ALICE, self.password()))[0], 235)
        self.assertEqual(client.docmd(plain(ALICE, self.password()))[0], 503)

    def test_pop3_over_tls(self):
        client = poplib.POP3_SSL("127.0.0.1", self.server.ports["pop3s"], context=ANYBODY, timeout=PATIENCE_SECONDS)
        self.addCleanup(client.close)
        self.assertEqual(client.capa()["SASL"], ["SCRAM-SHA-256", "PLAIN", "LOGIN"])
        with self.assertRaisesRegex(poplib.error_proto, r"-ERR \[AUTH\]"):
            client.user(BOB), client.pass_("wrong")
        client.user(BOB)
        client.pass_(self.password(BOB))
        client.quit()

    def test_what_is_taken_back_ends_the_session(self):
        self.command("account", "add", f"carol@{DOMAIN}", stdin="a password\n")
        client = self.submission()
        self.assertEqual(client.docmd(plain(f"carol@{DOMAIN}", "a password"))[0], 235)
        self.command("account", "disable", f"carol@{DOMAIN}")
        self.assertEqual(client.docmd(f"MAIL FROM:<carol@{DOMAIN}>")[0], 421)
        self.assertEqual(self.submission().docmd(plain(f"carol@{DOMAIN}", "a password"))[0], 535)
        self.command("account", "enable", f"carol@{DOMAIN}")
        self.assertEqual(self.submission().docmd(plain(f"carol@{DOMAIN}", "a password"))[0], 235)


class ChannelBinding(LoginCase):
    smtp = "scram_plus = true"

    def test_what_is_offered(self):
        offered = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"]
        self.assertEqual(self.submission().esmtp_features["auth"].split(), offered)
        client = poplib.POP3_SSL("127.0.0.1", self.server.ports["pop3s"], context=ANYBODY, timeout=PATIENCE_SECONDS)
        self.addCleanup(client.close)
        self.assertEqual(client.capa()["SASL"], offered)

    def test_scram_with_and_without(self):
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"):
            with self.subTest(mechanism=mechanism):
                self.assertEqual(scram(self.submission(), mechanism, ALICE, self.password())[0], 235)
                self.assertEqual(scram(self.submission(), mechanism, ALICE, "wrong")[0], 535)
        client = self.submission()
        self.assertEqual(scram(client, "SCRAM-SHA-256-PLUS", ALICE, self.password(), binding=b"somebody in the middle")[0], 535)
        self.assertEqual(scram(client, "SCRAM-SHA-256", ALICE, self.password(), flag="y")[0], 535, "robbed of channel binding")


class Guessers(LoginCase):
    """Bounded in time: nobody waits more than a few seconds here."""
    plain = "plaintext_auth = true"

    def guess(self, source):
        """Seconds until the answer to a wrong password."""
        client = LineClient(self.server.ports["submission"], source)
        self.addCleanup(client.close)
        client.ask("EHLO guesser.test")
        begun = time.monotonic()
        code, text = client.ask(plain(ALICE, "guess"))
        self.assertIn(code, (535, 421), text)
        return time.monotonic() - begun

    def test_gsasl_with_its_mechanisms(self):
        need("gsasl")
        for mechanism in ("SCRAM-SHA-256", "PLAIN", "LOGIN"):
            for password, code in ((self.password(BOB), "235 2.7.0"), ("wrong", "535 5.7.8")):
                with self.subTest(mechanism=mechanism, code=code):
                    done = run("gsasl", "--smtp", "--connect", f"127.0.0.1:{self.server.ports['submission']}", "--mechanism", mechanism,
                               "--no-starttls", "--authentication-id", BOB, "--password", password)
                    self.assertIn(code, done.stdout + done.stderr)

    def test_they_are_slowed_while_the_owner_logs_in_and_all_of_it_can_be_seen_and_lifted(self):
        self.assertEqual(self.submission(secured=False).docmd(plain(ALICE, self.password()))[0], 235)  # known from there
        of_one = [self.guess("127.66.0.1") for _ in range(4)]
        self.assertGreater(of_one[2], 0.99)
        self.assertGreater(of_one[3], 1.99)
        for number in range(10):
            last = self.guess(f"127.77.{number}.1")
        self.assertGreater(last, 0.99, "a network that has guessed nothing yet waits where many have")
        # That the owner does not wait is said in simulated time: ServerLogin.GuessersOfOneAddressAndOfManyAreSlowed…
        self.assertEqual(self.submission(secured=False).docmd(plain(ALICE, self.password()))[0], 235)

        failed = [event for event in map(parse_event, list(self.server.process.lines))
                  if event.get("event") == "auth.failed" and event["login"] == ALICE]
        self.assertEqual(len(failed), 14)
        self.assertEqual(list(failed[0])[-7:], ["ip", "port", "service", "mechanism", "tls", "why", "login"])
        self.assertEqual((failed[0]["ip"], failed[0]["login"], failed[0]["why"]), ("127.66.0.1", ALICE, "denied"))
        bans = [json.loads(line) for line in self.command("ban", "list", "--json").splitlines()]
        self.assertIn(("127.66.0.0/24", ALICE, "slowed"), [(ban["network"], ban["login"], ban["state"]) for ban in bans])
        self.assertIn((None, ALICE), [(ban["network"], ban["login"]) for ban in bans])
        self.command("ban", "lift", ALICE)
        self.assertNotIn(ALICE, self.command("ban", "list"))
        self.assertEqual(self.server.command("ban", "lift", "127.66.0.1").returncode, 3)


class WithoutAServer(TestCase):
    start_server = False

    def test_ban_list_says_that_it_needs_one(self):
        done = self.server.command("ban", "list")
        self.assertEqual(done.returncode, 69)
        self.assertIn("no server runs", done.stderr)


if __name__ == "__main__":
    main()
