#!/usr/bin/env python3
"""Mail goes out over TLS, and logs in: to Postfix with certificates of every kind, to a second Postrider as the provider, to a smart
host of our own that breaks what it can, and past somebody in the middle who says things in the clear (SECURITY R5)."""
import base64
import json
import re
import ssl

from harness import BINARY, DOMAIN, FRIEND, Postrider, TestCase, main, message, need, run, send
from peers import Postfix
from smart_host import LOGIN, PASSWORD, WRONG_PASSWORD, SmartHost, authority

ALICE = f"alice@{DOMAIN}"
RETRY = '[queue]\nretry = ["1h"]\n'
TLS_1_3 = r"^TLSv1\.3 TLS_[A-Z0-9_]+$"
VERIFIED = r"^TLSv1\.3 TLS_[A-Z0-9_]+, verified$"
NOT_BEGUN = "451 4.7.5 TLS could not be begun"


def route(domain, via, **keys):
    return f'[[route]]\ndomain = "{domain}"\nvia = "{via}"\n' + "".join(f'{key} = "{value}"\n' for key, value in keys.items())


def secret(folder, name, username, password):
    path = folder / f"{name}.password"
    path.touch(0o600)
    path.write_text(password + "\n")
    return f'[secret.{name}]\nusername = "{username}"\npassword_file = "{path}"\n'


def b64(text):
    return base64.b64encode(text.encode()).decode()


class Out(TestCase):
    def relay(self, to, content=None, sender=ALICE):
        with self.server.smtp(FRIEND) as client:
            return send(client, sender, to, content or message("over TLS"))

    def relayed(self, to, content=None, sender=ALICE):
        """What protected it: `tls` of the log; empty: nothing."""
        return self.server.wait_outcome(self.relay(to, content, sender), "relayed").get("tls", "")

    def deferred(self, to, sender=ALICE):
        event = self.server.wait_outcome(self.relay(to, message("waits", From=sender), sender), "deferred")
        return event["reply"]


class ToPostfix(Out):
    """One Postfix for each certificate. It verifies ours, where we show one."""

    @classmethod
    def prepare(cls):
        keys = authority(cls.folder / "keys")
        cls.peers, sections = {}, RETRY
        for name in ("right", "wrong", "over"):
            ways = ("opportunistic", "required", "verified", "shown")
            extra = f"smtpd_tls_security_level = may\nsmtpd_tls_chain_files = {keys}/{name}.key, {keys}/{name}.pem\n" \
                    f"smtpd_tls_received_header = yes\nsmtpd_tls_ask_ccert = yes\nsmtpd_tls_CAfile = {keys}/ca.pem\n" \
                    f"virtual_mailbox_domains = {', '.join(f'{way}-{name}.test' for way in ways)}\n"
            peer = cls.peers[name] = Postfix(cls.folder / f"postfix-{name}", extra)
            cls.addClassCleanup(peer.stop)
            more = {"verified": {"tls_name": "right.test", "tls_ca": keys / "ca.pem"},
                    "shown": {"client_certificate": keys / "right.pem", "client_key": keys / "right.key"}}
            for way in ways:
                sections += route(f"{way}-{name}.test", f"127.0.0.1:{peer.port}", tls="required" if way == "shown" else way, **more.get(way, {}))
        cls.config = {"sections": sections}

    def received(self, name, subject):
        return self.peers[name].delivered(lambda mail: f"Subject: {subject}".encode() in mail).decode().replace("\n\t", " ")

    def test_any_certificate_will_do_where_none_is_verified(self):
        for way in ("opportunistic", "required"):
            for name in ("right", "wrong", "over"):
                with self.subTest(way=way, name=name):
                    tls = self.relayed(f"x@{way}-{name}.test", message(f"{way} {name}"))
                    self.assertRegex(tls, TLS_1_3)
                    version, cipher = tls.split()
                    self.assertRegex(self.received(name, f"{way} {name}"), rf"\(using {re.escape(version)} with cipher {cipher} \(")

    def test_a_certificate_is_verified(self):
        self.assertRegex(self.relayed("x@verified-right.test"), VERIFIED)
        for name, why in (("wrong", "mismatch"), ("over", "expired")):
            with self.subTest(name=name):
                reply = self.deferred(f"x@verified-{name}.test")
                self.assertIn(NOT_BEGUN, reply)
                self.assertIn(why, reply)
                self.assertFalse([mail for mail in self.peers[name].maildir() if b"verified-" in mail])

    def test_a_certificate_of_ours_is_shown(self):
        self.relayed("x@shown-right.test", message("shown"))
        self.assertRegex(self.received("right", "shown"), r'\(Client CN "right\.test", Issuer "test CA" \(verified OK\)\)')


class ToSmartHosts(Out):
    @classmethod
    def prepare(cls):
        cls.keys = keys = authority(cls.folder / "keys")
        hosts = {"good": {}, "busy": {}, "smtps": {"from_start": True}, "broken": {"breaks": True}, "brokensmtps": {"from_start": True, "breaks": True},
                 "older": {"newest": ssl.TLSVersion.TLSv1_2}, "ancient": {"newest": ssl.TLSVersion.TLSv1_1}, "expired": {"name": "over"},
                 "plain": {"clear": ("HELP",)}, "forgetful": {"clear": ("STARTTLS", "AUTH PLAIN", "SIZE 1"), "offers": ("HELP",)}}
        cls.hosts = {name: SmartHost(keys, **what) for name, what in hosts.items()}
        cls.trust = {"tls_name": "right.test", "tls_ca": keys / "ca.pem"}
        sections = RETRY + secret(keys, "right", LOGIN, PASSWORD) + secret(keys, "bad", LOGIN, WRONG_PASSWORD) + route("held.test", "hold")
        for name, host in cls.hosts.items():
            cls.addClassCleanup(host.close)
            at = ("smtps://" if host.from_start else "") + f"127.0.0.1:{host.port}"
            sections += route(f"{name}.test", at) + route(f"required.{name}.test", at, tls="required")
            sections += route(f"login.{name}.test", at, auth="right", **cls.trust) + route(f"bad.{name}.test", at, auth="bad", **cls.trust)
        cls.config = {"sections": sections}

    def command(self, name, *words):
        return run(BINARY, "send", "--server", f"127.0.0.1:{self.hosts[name].port}", "--from", ALICE, "--to", "x@send.test", *words)

    def test_it_logs_in_over_verified_tls_and_there_only(self):
        for name in ("good", "smtps"):
            with self.subTest(name=name):
                host = self.hosts[name]
                self.assertRegex(self.relayed(f"x@login.{name}.test"), VERIFIED)
                self.assertIn((True, f"AUTH PLAIN {b64(chr(0) + LOGIN + chr(0) + PASSWORD)}"), host.heard("AUTH"))
                self.assertTrue(all(protected for protected, _ in host.heard("AUTH") + host.heard("MAIL") + host.messages))

    def test_nobody_logs_in_where_tls_is_not_what_is_asked_for(self):
        for name, why in (("broken", NOT_BEGUN), ("expired", "expired"), ("plain", "451 4.7.4 TLS is required and not offered")):
            with self.subTest(name=name):
                self.assertIn(why, self.deferred(f"x@login.{name}.test"))
                self.assertEqual(self.hosts[name].heard("AUTH"), [])

    def test_a_wrong_password_waits_and_is_in_no_log(self):
        since = self.server.mark()
        self.assertIn("454 4.7.8 ", self.deferred("x@bad.good.test"))
        bad = [line for _, line in self.hosts["good"].heard("AUTH") if b64(chr(0) + LOGIN + chr(0) + WRONG_PASSWORD) in line]
        self.assertEqual(len(bad), 1, "each try may lock the account")
        log = "".join(self.server.process.lines[since:])
        for word in (WRONG_PASSWORD, b64(chr(0) + LOGIN + chr(0) + WRONG_PASSWORD)):
            self.assertNotIn(word, log)

    def test_a_broken_handshake_leads_into_the_clear_only_where_it_may(self):
        host = self.hosts["broken"]
        before = len(host.heard("STARTTLS"))
        self.assertEqual(self.relayed("x@broken.test"), "")
        self.assertEqual([protected for protected, _ in host.messages], [False])
        self.assertEqual(len(host.heard("STARTTLS")), before + 1)
        for to in ("x@required.broken.test", "x@brokensmtps.test", "x@required.brokensmtps.test"):
            self.assertIn(NOT_BEGUN, self.deferred(to))
        self.assertEqual(len(host.messages), 1)
        self.assertEqual(self.hosts["brokensmtps"].sessions.count([]), len(self.hosts["brokensmtps"].sessions))

    def test_without_starttls_only_what_may_goes_in_the_clear(self):
        self.assertEqual(self.relayed("x@plain.test"), "")
        self.assertIn("451 4.7.4 TLS is required and not offered", self.deferred("x@required.plain.test"))
        self.assertEqual([protected for protected, _ in self.hosts["plain"].messages], [False])

    def test_tls_1_2_will_do_and_nothing_older(self):
        self.assertRegex(self.relayed("x@required.older.test"), r"^TLSv1\.2 TLS_ECDHE_[A-Z0-9_]+$")
        self.assertIn(NOT_BEGUN, self.deferred("x@required.ancient.test"))
        self.assertEqual(self.relayed("x@ancient.test"), "", "opportunistic")

    def test_what_was_offered_before_tls_is_forgotten(self):
        self.assertRegex(self.relayed("x@forgetful.test"), TLS_1_3)  # SIZE 1 would have refused it
        self.assertIn("454 4.7.4 ", self.deferred("x@login.forgetful.test"))
        self.assertEqual(self.hosts["forgetful"].heard("AUTH"), [])

    def test_a_connection_carries_several_messages_after_one_handshake_and_one_login(self):
        host = self.hosts["busy"]
        for number in range(8):
            self.assertRegex(self.relayed("x@login.busy.test", message(f"number {number}")), VERIFIED, "also what an earlier handshake protects")
        carried = [sum(line.startswith("MAIL") for _, line in lines) for lines in host.sessions]
        self.assertEqual(sum(carried), 8)
        self.assertGreater(max(carried), 1, carried)  # how many, is for the clock to say: a connection waits 2 s for more
        self.assertEqual(host.handshakes, len(host.sessions))
        self.assertEqual(len(host.heard("AUTH")), len(host.sessions))

    def test_version_and_cipher_are_in_the_trace(self):
        identifier = self.relay(["x@login.good.test", "y@held.test"])  # the second keeps it in the queue
        tls = self.server.wait_outcome(identifier, "relayed")["tls"]
        self.assertRegex(tls, VERIFIED)
        done = self.server.command("queue", "show", "--json", identifier)
        self.assertEqual(done.returncode, 0, done.stderr)
        details = [one["detail"] for one in json.loads(done.stdout)["trace"]]
        self.assertTrue(any(detail.endswith(f" over {tls}") for detail in details), details)
        self.assertIn(f" over {tls}", self.server.command("queue", "show", identifier).stdout)

    def test_send_never_goes_on_in_the_clear(self):
        for name, words, why in (("broken", ("--tls", "starttls"), NOT_BEGUN), ("brokensmtps", ("--tls", "implicit"), NOT_BEGUN),
                                 ("plain", ("--tls", "starttls"), "451 4.7.4 "),
                                 ("good", ("--tls", "starttls", "--verify", "--tls-name", "right.test"), "certificate"),
                                 ("good", ("--tls", "starttls", "--verify", "--tls-name", "wrong.test", "--ca", self.keys / "ca.pem"), "mismatch"),
                                 ("expired", ("--tls", "starttls", "--verify", "--tls-name", "right.test", "--ca", self.keys / "ca.pem"), "expired")):
            with self.subTest(name=name, words=words):
                done = self.command(name, *words)
                self.assertEqual(done.returncode, 75, done.stdout + done.stderr)
                self.assertIn(why, done.stdout)
                self.assertNotIn("x@send.test", "".join(line for _, line in self.hosts[name].heard("RCPT")))
        done = self.command("expired", "--tls", "starttls", "--json")  # unverified, any will do
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(json.loads(done.stdout)["tls"], TLS_1_3)


class ToOurOwn(Out):
    """A second Postrider is the provider: submissions and submission with STARTTLS, SCRAM bound to the connection, and PLAIN."""
    PROVIDER = "provider.test"
    ANN, BOB = f"alice@{PROVIDER}", f"bob@{PROVIDER}"

    @classmethod
    def prepare(cls):
        cls.keys = keys = authority(cls.folder / "keys")
        listen = "".join(f'[[listen]]\nservice = "{service}"\naddress = "127.0.0.1:0"\n' for service in ("submission", "submissions"))
        cls.provider = Postrider(cls.folder / "provider", domain=cls.PROVIDER, smtp="scram_plus = true",
                                 sections=listen + f'[tls]\ncertificate = "{keys}/right.pem"\nprivate_key = "{keys}/right.key"\n')
        cls.addClassCleanup(lambda: cls.provider.running and cls.provider.kill())
        cls.provider.start()
        trust = {"tls_name": "right.test", "tls_ca": keys / "ca.pem"}
        sections = RETRY + secret(keys, "right", cls.ANN, cls.provider.passwords[cls.ANN]) + secret(keys, "bad", cls.ANN, WRONG_PASSWORD)
        for name, scheme, service in (("smtps", "smtps://", "submissions"), ("starttls", "", "submission")):
            via = f"{scheme}127.0.0.1:{cls.provider.ports[service]}"
            for way, auth in (("right", "right"), ("again", "right"), ("bad", "bad")):  # another `helo`, another connection
                sections += route(cls.PROVIDER, via, sender=cls.sender(way, name), auth=auth, helo=f"{way}.test", **trust)
        cls.config = {"sections": sections}

    @classmethod
    def sender(cls, way, name):
        return f"alice+{way}.{name}@{cls.PROVIDER}"

    def arrives(self, way, name, mechanism):
        since, sender = self.provider.mark(), self.sender(way, name)
        tls = self.relayed(self.BOB, message(f"{way} {name}", From=sender), sender)
        self.assertRegex(tls, VERIFIED)
        login = self.provider.wait_event("auth.succeeded", since, account=self.ANN)
        self.assertEqual((login["account"], login["mechanism"], login["tls"]), (self.ANN, mechanism, "TLSv1.3"))
        self.provider.wait_event("delivery.attempt", since, outcome="delivered")
        mail = next(mail for mail in self.provider.messages("bob") if f"Subject: {way} {name}\r\n".encode() in mail)
        self.assertIn(f" with ESMTPSA ({tls.removesuffix(', verified')}) id ", mail.decode().replace("\r\n\t", " "))

    def command(self, service, password, *words):
        return run(BINARY, "send", "--server", f"127.0.0.1:{self.provider.ports[service]}", "--tls", "starttls" if service == "submission" else "implicit",
                   "--verify", "--ca", self.keys / "ca.pem", "--tls-name", "right.test", "--auth", self.ANN, "--password-file",
                   self.keys / f"{password}.password", "--from", self.ANN, "--to", self.BOB, *words)

    def test_it_logs_in_by_the_strongest_mechanism_in_common(self):
        for name in ("smtps", "starttls"):
            self.arrives("right", name, "SCRAM-SHA-256-PLUS")
        # As long as the password of one account is known by a foreign hash only, SCRAM is not offered.
        made = run("openssl", "passwd", "-6", "-stdin", stdin="hers\n").stdout
        done = self.provider.command("account", "add", f"carol@{self.PROVIDER}", "--password-hash-stdin", stdin=made)
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in ("smtps", "starttls"):
            self.arrives("again", name, "PLAIN")
        done = self.provider.command("account", "remove", f"carol@{self.PROVIDER}")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_wrong_password_waits(self):
        for name in ("smtps", "starttls"):
            since = self.provider.mark()
            reply = self.deferred(self.BOB, self.sender("bad", name))
            self.assertIn("454 4.7.8 The next hop does not let us log in: 535 5.7.8", reply)
            self.assertEqual(self.provider.wait_event("auth.failed", since)["login"], self.ANN)
            self.assertEqual(len([line for line in self.provider.process.lines[since:] if '"auth.failed"' in line]), 1)

    def test_send_logs_in(self):
        for service in ("submission", "submissions"):
            with self.subTest(service=service):
                since = self.provider.mark()
                done = self.command(service, "right", "--json")
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                said = json.loads(done.stdout)
                self.assertEqual(said["accepted"], 1)
                self.assertRegex(said["tls"], VERIFIED)
                self.assertEqual(self.provider.wait_event("auth.succeeded", since)["mechanism"], "SCRAM-SHA-256-PLUS")
                done = self.command(service, "right", "-v")
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                self.assertRegex(done.stdout, r"(?m)^> AUTH \S+ \*\*\*$")
                password = self.provider.passwords[self.ANN]
                for word in (password, b64(f"\0{self.ANN}\0{password}")):
                    self.assertNotIn(word, done.stdout + done.stderr)
                done = self.command(service, "bad")
                self.assertEqual(done.returncode, 75, done.stdout + done.stderr)
                self.assertIn("454 4.7.8 ", done.stdout)


class InTheMiddle(Out):
    """What is said in the clear behind the 220, before the server's hello, and among what TLS protects, has no effect."""
    SAID = (b"250 2.0.0 ok\r\n" * 6, b"250-evil.test\r\n250-AUTH PLAIN LOGIN\r\n250 SIZE 1\r\n", b"554 5.7.1 go away\r\n", b"421 4.3.2 later\r\n",
            b"220 go\r\n", b"2", b"\r\n", b"\x16\x03\x03\x00\x05hello", b"334 \r\n235 2.7.0 in\r\n")

    @classmethod
    def prepare(cls):
        keys = authority(cls.folder / "keys")
        sections = RETRY + secret(keys, "right", LOGIN, PASSWORD)
        cls.hosts = {}
        for where in ("behind", "between", "among"):
            for number, said in enumerate(cls.SAID):
                host = cls.hosts[where, number] = SmartHost(keys, **{where: said})
                cls.addClassCleanup(host.close)
                at, name = f"127.0.0.1:{host.port}", f"{where}{number}.test"
                sections += route(f"may.{name}", at) + route(f"must.{name}", at, tls="required")
                sections += route(f"login.{name}", at, auth="right", tls_name="right.test", tls_ca=keys / "ca.pem")
        cls.config = {"sections": sections}

    def test_nothing_of_it_is_believed(self):
        for (where, number), host in self.hosts.items():
            if where == "among":
                continue
            with self.subTest(where=where, said=self.SAID[number]):
                for way in ("must", "login"):
                    reply = self.deferred(f"x@{way}.{where}{number}.test")
                    wanted = "451 4.7.0 Octets came in the clear behind the reply to STARTTLS" if where == "behind" else NOT_BEGUN
                    self.assertIn(wanted, reply)
                self.assertEqual((host.heard("AUTH"), host.heard("MAIL"), host.messages), ([], [], []))
                self.assertEqual(self.relayed(f"x@may.{where}{number}.test"), "", "opportunistic: over a new connection, without STARTTLS")
                self.assertEqual([protected for protected, _ in host.messages], [False])
                self.assertEqual([line for _, line in host.sessions[-1]][:2], ["EHLO mx.example.test", f"MAIL FROM:<{ALICE}>"])

    def test_nor_among_what_tls_protects(self):
        for (where, number), host in self.hosts.items():
            if where != "among" or len(self.SAID[number]) < 5:  # the start of a record that does not end
                continue
            with self.subTest(said=self.SAID[number]):
                for way in ("may", "must", "login"):
                    self.assertTrue(self.deferred(f"x@{way}.{where}{number}.test").startswith("451 4.4.2 "))
                self.assertEqual(host.messages, [])
                self.assertTrue(all(protected for protected, _ in host.heard("AUTH") + host.heard("MAIL")))


if __name__ == "__main__":
    main()
