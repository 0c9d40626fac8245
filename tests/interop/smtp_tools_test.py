#!/usr/bin/env python3
"""Mail comes in by programs that others wrote: swaks, Postfix's smtp-source, curl."""
import re

from harness import DOMAIN, TestCase, main, message, need, run

ALICE, BOB = f"alice@{DOMAIN}", f"bob@{DOMAIN}"


class Swaks(TestCase):
    @classmethod
    def prepare(cls):
        need("swaks")

    def swaks(self, *words, stdin=""):
        return run("swaks", "--server", f"127.0.0.1:{self.server.ports['smtp']}", "--from", "ann@client.test", "--ehlo", "client.test",
                   "--timeout", "30", *words, stdin=stdin)

    def delivered(self, done):
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        identifier = re.search(r"2\.0\.0 queued as (\w{18})", done.stdout)[1]
        self.server.wait_outcome(identifier, "delivered")
        return identifier

    def test_a_message(self):
        self.delivered(self.swaks("--to", BOB, "--header", "Subject: by swaks"))
        self.assertTrue(any(b"Subject: by swaks\r\n" in got for got in self.server.messages("bob")))

    def test_a_message_pipelined(self):
        done = self.swaks("--to", BOB, "--pipeline", "--header", "Subject: by swaks in a pipeline")
        self.delivered(done)

    def test_a_message_of_several_mebibytes(self):
        content = message("large", body=("0123456789abcdef" * 4 + "\r\n") * 80_000)
        path = self.folder / "large.eml"
        path.write_bytes(content.replace(b"\r\n", b"\n"))
        identifier = self.delivered(self.swaks("--to", BOB, "--data", f"@{path}", "--suppress-data"))
        found = [got for got in self.server.messages("bob") if identifier.encode() in got]
        self.assertTrue(found[0].rstrip().endswith(content.rstrip()), found[0][:1000])

    def test_two_recipients_one_of_them_unknown(self):
        done = self.swaks("--to", f"{ALICE},nobody@{DOMAIN}")
        self.assertRegex(done.stdout, r"<\*\* 550 5\.1\.1 ")
        self.assertIn("2.0.0 queued as", done.stdout)

    def test_relaying_is_denied(self):
        done = self.swaks("--to", "x@elsewhere.test")
        self.assertEqual(done.returncode, 24, done.stdout)  # swaks: no recipient was accepted
        self.assertRegex(done.stdout, r"<\*\* 550 5\.7\.1 ")

    def test_no_auth_is_offered(self):
        done = self.swaks("--to", BOB, "--auth", "PLAIN", "--auth-user", ALICE, "--auth-password", "x")
        self.assertEqual(done.returncode, 28, done.stdout)  # swaks: the server has no AUTH


class SmtpSource(TestCase):
    config = {"smtp": "max_connections_per_ip = 200", "sections": '[[route]]\ndomain = "*"\nvia = "hold"\n'}

    @classmethod
    def prepare(cls):
        need("smtp-source")

    def source(self, *words):
        return run("smtp-source", *words, "-f", "ann@client.test", "-M", "client.test", f"127.0.0.1:{self.server.ports['smtp']}", patience=120)

    def test_500_messages_over_20_sessions(self):
        before = len(self.server.messages("bob"))
        done = self.source("-s", "20", "-m", "500", "-l", "1024", "-t", BOB)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.wait_for_mail("bob", before + 500)

    def test_20_messages_a_session_to_several_recipients(self):
        before = len(self.server.messages("alice"))
        done = self.source("-d", "-s", "5", "-m", "100", "-l", "70000", "-t", ALICE)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.wait_for_mail("alice", before + 100)

    def wait_for_mail(self, account, count):
        """Every delivery is an event; then the mailbox has so many."""
        self.server.wait_events("delivery.attempt", count, outcome="delivered", to=f"{account}@{DOMAIN}")
        messages = self.server.messages(account)
        self.assertEqual(len(messages), count)
        identifiers = [re.search(rb"with E?SMTP id (\w{18})", got)[1] for got in messages]
        self.assertEqual(len(set(identifiers)), count)


class Curl(TestCase):
    @classmethod
    def prepare(cls):
        need("curl")

    def test_mail_in_and_out(self):
        content = message("by curl")
        path = self.folder / "curl.eml"
        path.write_bytes(content)
        done = run("curl", "-sS", "--url", f"smtp://127.0.0.1:{self.server.ports['smtp']}/client.test", "--mail-from", "ann@client.test",
                   "--mail-rcpt", BOB, "--upload-file", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.server.wait_event("delivery.attempt", outcome="delivered", to=BOB)
        login = f"{BOB}:{self.server.passwords[BOB]}"
        done = run("curl", "-sS", "--user", login, f"pop3://127.0.0.1:{self.server.ports['pop3']}/1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Subject: by curl", done.stdout)
        done = run("curl", "-sS", "--user", login, f"pop3://127.0.0.1:{self.server.ports['pop3']}/", "-l", "--request", "UIDL")
        self.assertRegex(done.stdout, r"^1 \S+")


if __name__ == "__main__":
    main()
