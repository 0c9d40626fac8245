#!/usr/bin/env python3
"""Mail programs that are not ours send and fetch with their default settings: AUTH inside TLS on submission and submissions, POP3S.

Each of them verifies the certificate, logs in, and sends from alice to bob; bob's mailbox then holds what it sent.
"""
import json
import pathlib
import poplib
import shutil
import smtplib
import unittest

from harness import DOMAIN, PATIENCE_SECONDS, TestCase, main, message, need, retrieve, run
from tls_test import HOST, make_certificate, trusting

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
[tls]
certificate = "{folder}/fullchain.pem"
private_key = "{folder}/key.pem"
"""
ALICE = f"alice@{DOMAIN}"
BOB = f"bob@{DOMAIN}"
HERE = pathlib.Path(__file__).resolve().parent
NODEMAILER = """
const { createTransport } = require("nodemailer");
const { readFileSync } = require("fs");
const given = JSON.parse(readFileSync(0, "utf8"));
const transport = createTransport({ host: "localhost", port: given.port, secure: given.secure, requireTLS: true,
  auth: { user: given.user, pass: given.password }, tls: { ca: [readFileSync(given.ca)] } });
transport.sendMail(given.mail).then(() => transport.close(), (error) => { console.error(error.message); process.exitCode = 1; });
"""


class ClientCase(TestCase):
    @classmethod
    def prepare(cls):
        need("openssl")
        cls.certificates = cls.folder / "certificates"
        make_certificate(cls.certificates, names=(HOST, "localhost"))
        cls.ca = cls.certificates / "fullchain.pem"
        cls.config = {"sections": SECTIONS.format(folder=cls.certificates)}

    @property
    def password(self):
        return self.server.passwords[ALICE]

    def run_client(self, *command, stdin="", status=0):
        environment = ["env", f"HOME={self.folder}", f"SSL_CERT_FILE={self.ca}"]
        done = run(*environment, *command, stdin=stdin)
        self.assertEqual(done.returncode == 0, status == 0, f"{command[0]} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def each_way(self):
        """Both protected services; each with the mark behind which its delivery is to be seen."""
        for service in ("submissions", "submission"):
            yield service, self.server.ports[service], self.server.mark()

    def arrived(self, subject, since):
        """What bob got, as octets."""
        self.server.wait_event("delivery.attempt", since, outcome="delivered")
        (got,) = [octets for octets in self.server.messages("bob") if f"Subject: {subject}\r\n".encode() in octets]
        head = got.partition(b"\r\n\r\n")[0].lower()
        for name in (b"\r\nfrom:", b"\r\ndate:", b"\r\nmessage-id:"):
            self.assertEqual(head.count(name), 1, got)
        self.assertIn(b" with esmtpsa ", b" ".join(head.split()))
        self.assertNotIn(b"\r\nbcc:", head)
        return got


class Senders(ClientCase):
    def test_smtplib(self):
        for service, port, since in self.each_way():
            context = trusting(self.ca)
            if service == "submissions":
                client = smtplib.SMTP_SSL("localhost", port, timeout=PATIENCE_SECONDS, context=context)
            else:
                client = smtplib.SMTP("localhost", port, timeout=PATIENCE_SECONDS)
                client.starttls(context=context)
            client.login(ALICE, self.password)
            client.sendmail(ALICE, [BOB], message(f"smtplib {service}", **{"From": ALICE}))
            client.quit()
            self.arrived(f"smtplib {service}", since)

    def test_swaks(self):
        need("swaks")
        for service, port, since in self.each_way():
            self.run_client("swaks", "--server", f"localhost:{port}", "--from", ALICE, "--to", BOB, "--header", f"Subject: swaks {service}", "--auth-user", ALICE,
                            "--auth-password", self.password, "--tls-verify", "--tls-ca-path", self.ca, "--auth", "--tlsc" if service == "submissions" else "--tls")
            self.arrived(f"swaks {service}", since)

    def test_curl(self):
        need("curl")
        for service, port, since in self.each_way():
            scheme = "smtps" if service == "submissions" else "smtp"
            text = f"From: {ALICE}\r\nTo: {BOB}\r\nSubject: curl {service}\r\n\r\nHello.\r\n"
            self.run_client("curl", "--silent", "--show-error", "--ssl-reqd", "--cacert", self.ca, "--user", f"{ALICE}:{self.password}", "--mail-from", ALICE,
                            "--mail-rcpt", BOB, "--upload-file", "-", f"{scheme}://localhost:{port}", stdin=text)
            self.arrived(f"curl {service}", since)

    def test_msmtp(self):
        need("msmtp")
        for service, port, since in self.each_way():
            rc = self.folder / f"msmtp-{service}"
            rc.write_text(f"account default\nhost localhost\nport {port}\ntls on\ntls_starttls {'off' if service == 'submissions' else 'on'}\n"
                          f"tls_trust_file {self.ca}\nauth on\nuser {ALICE}\npassword {self.password}\nfrom {ALICE}\n")
            rc.chmod(0o600)
            self.run_client("msmtp", "-C", rc, BOB, stdin=f"From: {ALICE}\nTo: {BOB}\nSubject: msmtp {service}\n\nHello.\n")
            self.arrived(f"msmtp {service}", since)

    def test_mutt(self):
        """Mutt 2.2.12 with gsasl would take SCRAM-SHA-256-PLUS were it offered, without a binding: why `scram_plus` is off."""
        need("mutt")
        for service, port, since in self.each_way():
            rc = self.folder / f"muttrc-{service}"
            scheme = "smtps" if service == "submissions" else "smtp"
            user = ALICE.replace("@", "%40")
            rc.write_text(f'set from="{ALICE}"\nset use_from=yes\nset copy=no\nset record=""\nset ssl_force_tls=yes\nset ssl_ca_certificates_file="{self.ca}"\n'
                          f'set certificate_file="{self.folder}/mutt-certificates"\nset smtp_url="{scheme}://{user}@localhost:{port}/"\nset smtp_pass="{self.password}"\n')
            self.run_client("mutt", "-n", "-F", rc, "-s", f"mutt {service}", BOB, stdin="Hello.\n")
            self.arrived(f"mutt {service}", since)

    def test_s_nail(self):
        need("s-nail")
        for service, port, since in self.each_way():
            scheme = "smtps" if service == "submissions" else "smtp"
            more = [] if service == "submissions" else ["-S", "smtp-use-starttls"]
            user = ALICE.replace("@", "%40")
            self.run_client("s-nail", "-:/", "-S", "v15-compat=yes", "-S", "sendwait", "-S", f"mta={scheme}://{user}:{self.password}@localhost:{port}",
                            "-S", f"tls-ca-file={self.ca}", "-S", "tls-verify=strict", "-S", f"from={ALICE}", *more, "-s", f"s-nail {service}", BOB, stdin="Hello.\n")
            self.arrived(f"s-nail {service}", since)

    def modules(self):
        """NODE_PATH with Nodemailer: by npm as package-lock.json says, else Debian's."""
        if shutil.which("npm"):
            folder = self.folder / "node"
            folder.mkdir(exist_ok=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / "node" / name, folder)
            done = run("npm", "ci", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
            if done.returncode == 0:
                return folder / "node_modules"
        debians = pathlib.Path("/usr/share/nodejs")
        if not (debians / "nodemailer").is_dir():
            self.skipTest("npm ci did not get Nodemailer, and there is no node-nodemailer (packages/test.txt)")
        return debians

    def test_nodemailer(self):
        need("node")
        modules = self.modules()
        script = self.folder / "send.js"
        script.write_text(NODEMAILER)
        for service, port, since in self.each_way():
            mail = {"from": f"Alice <{ALICE}>", "to": BOB, "subject": f"nodemailer {service}", "text": "Hello.", "html": "<p>Hello.</p>"}
            given = {"port": port, "secure": service == "submissions", "user": ALICE, "password": self.password, "ca": str(self.ca), "mail": mail}
            self.run_client("env", f"NODE_PATH={modules}", "node", script, stdin=json.dumps(given))
            self.arrived(f"nodemailer {service}", since)

    def test_a_wrong_password_is_refused(self):
        need("curl")
        for service, port, _ in self.each_way():
            scheme = "smtps" if service == "submissions" else "smtp"
            done = self.run_client("curl", "--silent", "--show-error", "--ssl-reqd", "--cacert", self.ca, "--user", f"{ALICE}:wrong", "--mail-from", ALICE, "--mail-rcpt", BOB,
                                   "--upload-file", "-", f"{scheme}://localhost:{port}", stdin="Subject: x\r\n\r\n", status=1)
            self.assertEqual(done.returncode, 67)  # login denied


class Readers(ClientCase):
    def setUp(self):
        since = self.server.mark()
        with smtplib.SMTP_SSL("localhost", self.server.ports["submissions"], timeout=PATIENCE_SECONDS, context=trusting(self.ca)) as client:
            client.login(ALICE, self.password)
            client.sendmail(ALICE, [BOB], message("to fetch", **{"From": ALICE}))
        self.server.wait_event("delivery.attempt", since, outcome="delivered")

    def test_poplib(self):
        client = poplib.POP3_SSL("localhost", self.server.ports["pop3s"], timeout=PATIENCE_SECONDS, context=trusting(self.ca))
        client.user(BOB)
        client.pass_(self.server.passwords[BOB])
        self.assertIn(b"Subject: to fetch\r\n", retrieve(client, 1))
        client.quit()
        client = poplib.POP3("localhost", self.server.ports["pop3"], timeout=PATIENCE_SECONDS)
        client.stls(context=trusting(self.ca))
        client.user(BOB)
        client.pass_(self.server.passwords[BOB])
        self.assertGreaterEqual(client.stat()[0], 1)
        client.quit()

    def test_curl(self):
        need("curl")
        for more in ([], ["--login-options", "AUTH=PLAIN"], ["--login-options", "AUTH=LOGIN"]):
            done = self.run_client("curl", "--silent", "--show-error", "--cacert", self.ca, "--user", f"{BOB}:{self.server.passwords[BOB]}", *more,
                                   f"pop3s://localhost:{self.server.ports['pop3s']}/1")
            self.assertIn("Subject: to fetch", done.stdout)


if __name__ == "__main__":
    main()
