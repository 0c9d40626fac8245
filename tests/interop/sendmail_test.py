#!/usr/bin/env python3
"""sendmail, mailq and newaliases as programs on the host call them, by other users too, with and without a server."""
import os
import pwd
import shutil
import socket
import subprocess

from harness import BINARY, DOMAIN, PATIENCE_SECONDS, TestCase, main, need, temporary_folder, wait_until

NOBODY = pwd.getpwnam("nobody").pw_uid
HOLD = '[[route]]\ndomain = "held.test"\nvia = "hold"\n'


class Sendmail(TestCase):
    config = {"sections": HOLD}

    @classmethod
    def prepare(cls):
        """Links as a package makes them, to a binary that everybody can run."""
        cls.links = temporary_folder(cls)
        shutil.copy(BINARY, cls.links / "postrider")
        (cls.links / "postrider").chmod(0o755)
        for name in ("sendmail", "mailq", "newaliases"):
            (cls.links / name).symlink_to("postrider")

    def call(self, program, *words, stdin="", user=None):
        config = {"POSTRIDER_CONFIG": str(self.server.config), "LC_ALL": "C", "PATH": os.environ["PATH"]}
        return subprocess.run([str(self.links / program), *words], input=stdin.encode(), capture_output=True, env=config,
                              user=user, cwd="/", timeout=PATIENCE_SECONDS, check=False)

    def done(self, *words, stdin="", user=None, program="sendmail"):
        done = self.call(program, *words, stdin=stdin, user=user)
        self.assertEqual(done.returncode, 0, f"{words}: {done.stdout}{done.stderr}")
        return done.stdout.decode()

    def arrived(self, subject, account="alice"):
        def find():
            found = [one for one in self.server.messages(account) if f"Subject: {subject}\r\n".encode() in one]
            return found[0].decode("utf-8", "replace") if found else None
        return wait_until(find, f"{subject} in {account}'s mailbox")

    def test_as_cron_calls_it(self):
        self.done("-i", "-FCronDaemon", "-B8BITMIME", "-oem", "alice", user=NOBODY,
                  stdin="From: root (Cron Daemon)\nTo: alice\nSubject: cron <x>\nMIME-Version: 1.0\n"
                        "Content-Type: text/plain; charset=UTF-8\n\nline\n.\njörg\n")
        mail = self.arrived("cron <x>")
        self.assertIn(f"From: root@{DOMAIN} (Cron Daemon)\r\nTo: alice@{DOMAIN}\r\n", mail)
        self.assertTrue(mail.endswith("\r\n\r\nline\r\n.\r\njörg\r\n"), mail)
        self.assertIn(f"Return-Path: <nobody@{DOMAIN}>", mail)
        self.assertIn(f"(local user {NOBODY})", mail)

    def test_as_php_calls_it(self):
        self.done("-t", "-i", user=NOBODY,
                  stdin=f"To: alice@{DOMAIN}\nSubject: php\nX-PHP-Originating-Script: 33:x.php\nFrom: web@{DOMAIN}\n"
                        f"Bcc: bob@{DOMAIN}\n\nhello\n")
        self.assertIn("X-PHP-Originating-Script", self.arrived("php"))
        self.arrived("php", "bob")

    def test_text_alone_becomes_a_message(self):
        self.done("-f", f"script@{DOMAIN}", "-F", "A Script", "alice", stdin="Subject: alone\n\nhello\n")
        self.assertIn(f"From: A Script <script@{DOMAIN}>\r\n", self.arrived("alone"))

    def test_refusals_have_the_codes_of_sysexits(self):
        unknown = self.call("sendmail", "nobody-here", stdin="Subject: x\n\nx\n")
        self.assertEqual((unknown.returncode, b"5.1.1" in unknown.stderr), (67, True), unknown.stderr)
        self.assertEqual(self.call("sendmail", "-t", stdin="Subject: x\n\nx\n").returncode, 64)
        self.assertEqual(self.call("sendmail", "--no-such", "alice").returncode, 64)
        self.assertEqual(self.call("sendmail", "a@b..c", stdin="x\n").returncode, 65)
        self.assertEqual(self.call("sendmail", "-bd").returncode, 69)
        verified = self.call("sendmail", "-bv", "alice", "nobody-here")
        self.assertEqual(verified.returncode, 67)
        self.assertEqual(verified.stdout.decode(), f"alice@{DOMAIN}: deliverable\n")

    def test_mailq_and_newaliases(self):
        self.done("someone@held.test", stdin="Subject: waits\n\nx\n")
        wait_until(lambda: "someone@held.test" in self.done(program="mailq"), "the message in mailq")
        self.assertIn("someone@held.test", self.done("-bp"))
        self.assertIn("aliases", self.done(program="newaliases"))
        denied = self.call("mailq", user=NOBODY)
        self.assertEqual(denied.returncode, 77, denied.stderr)

    def test_a_session_on_stdin(self):
        need("swaks")
        done = subprocess.run(["swaks", "--pipe", f"{self.links / 'sendmail'} -bs", "--from", f"ann@{DOMAIN}", "--to",
                               f"alice@{DOMAIN}", "--header", "Subject: by pipe"], capture_output=True, text=True, check=False,
                              env={**os.environ, "POSTRIDER_CONFIG": str(self.server.config)}, timeout=PATIENCE_SECONDS)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.arrived("by pipe")

    def test_everybody_may_use_the_socket(self):
        for _ in range(20):  # what is on stdin from the start does not talk before the greeting
            self.assertTrue(self.call("sendmail", "-bs", stdin="QUIT\r\n", user=NOBODY).stdout.startswith(b"220 "))
        self.assertEqual(self.call("sendmail", "nobody-here", stdin="Subject: x\n\nx\n", user=NOBODY).returncode, 67, "no drop file")

    def test_one_user_does_not_take_all_sessions(self):
        def greeting():
            one = socket.socket(socket.AF_UNIX)
            self.addCleanup(one.close)
            one.settimeout(PATIENCE_SECONDS)
            one.connect(str(self.server.folder / "data" / "submit.sock"))
            return one.recv(3)
        self.assertEqual([greeting() for _ in range(51)], [b"220"] * 50 + [b"421"])
        self.done("-bv", "alice", user=NOBODY)
        self.done("alice", stdin="Subject: by the drop directory\n\nx\n")
        self.arrived("by the drop directory")

    def test_without_a_server_mail_waits_and_what_is_refused_comes_back(self):
        self.assertEqual(self.server.stop(), 0)
        self.done("-f", "alice", "-t", user=NOBODY, stdin="To: bob, nobody-here\nSubject: waited\n\nhello\n")
        for text in ("a\0b\n", "x" * 70000):
            self.assertEqual(self.call("sendmail", "alice", stdin=text, user=NOBODY).returncode, 65, "it can never be taken")
        drop = self.server.folder / "data" / "drop"
        self.assertEqual(len([name for name in os.listdir(drop) if name.startswith("m")]), 1)
        peek = subprocess.run(["ls", str(drop)], user=NOBODY, capture_output=True, check=False)
        self.assertNotEqual(peek.returncode, 0, "others must not see what waits")
        self.server.start()
        self.assertIn(f"(local user {NOBODY})", self.arrived("waited", "bob"))
        wait_until(lambda: any(b"nobody-here" in one and b"Action: failed" in one for one in self.server.messages("alice")),
                   "the report")
        wait_until(lambda: not [name for name in os.listdir(drop) if name.startswith("m")], "the file to be removed")

    def test_a_link_in_the_drop_directory_is_not_sent(self):
        self.assertEqual(self.server.stop(), 0)
        secret = self.server.folder / "secret"
        secret.write_text("of root")
        drop = self.server.folder / "data" / "drop"
        os.symlink(secret, drop / ("m" + "0" * 32))
        (drop / ("m" + "1" * 32)).write_bytes(b"rubbish")
        os.mkfifo(drop / ("m" + "2" * 32))
        self.server.start()
        for digit in "012":
            self.server.wait_event("drop.refused", 0, file="m" + digit * 32, what="put aside")
        self.assertEqual(secret.read_text(), "of root")
        self.assertEqual(sorted(os.listdir(drop)), ["refused"])


if __name__ == "__main__":
    main()
