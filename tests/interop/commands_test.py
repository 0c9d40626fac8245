#!/usr/bin/env python3
"""The commands and the server as a process: what an administrator does."""
import http.client
import json
import os
import pathlib
import pwd
import re
import signal
import smtplib
import subprocess
import unittest

from harness import (BINARY, DOMAIN, FRIEND, LineClient, PATIENCE_SECONDS, Process, TestCase, expect, free_port, main, message,
                     parse_event, queue_id, run, send, temporary_folder)
from sink import Sink

ALICE, BOB = f"alice@{DOMAIN}", f"bob@{DOMAIN}"
HOLD = '[[route]]\ndomain = "held.test"\nvia = "hold"\n'


def json_lines(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


class Commands(TestCase):
    config = {"sections": HOLD}

    def test_domains_accounts_and_aliases_with_and_without_a_server(self):
        for running in (True, False):
            with self.subTest(running=running):
                if self.server.running != running:
                    self.assertEqual(self.server.stop(), 0)
                self.directory_commands("one" if running else "two")
        self.server.start()
        with self.server.smtp() as client:
            for name in ("one", "two"):
                expect(client.mail("ann@client.test"), 250)
                expect(client.rcpt(f"carol@{name}.test"), 250)
                expect(client.rcpt(f"team@{name}.test"), 250)
                self.assertEqual(client.rcpt(f"gone@{name}.test")[0], 550)
                client.rset()
        for name in ("one", "two"):
            self.server.pop3(f"carol@{name}.test", "another secret").quit()

    def directory_commands(self, name):
        do = self.server.command
        carol, gone = f"carol@{name}.test", f"gone@{name}.test"
        self.good(do("domain", "add", f"{name}.test"))
        self.assertIn(f"{name}.test", [row.get("domain") or row.get("name") for row in json_lines(self.good(do("domain", "list", "--json")))])
        self.assertNotEqual(do("domain", "add", f"{name}.test").returncode, 0)
        self.good(do("account", "add", carol, stdin="a secret\n"))
        self.good(do("account", "add", gone, stdin="a secret\n"))
        self.assertEqual(do("account", "add", carol, stdin="a secret\n").returncode, 1)
        self.good(do("account", "passwd", carol, stdin="another secret\n"))
        self.good(do("account", "disable", carol))
        self.good(do("account", "enable", carol))
        self.assertIn(carol, self.good(do("account", "list")).stdout)
        self.good(do("account", "remove", gone))
        self.assertEqual(do("account", "remove", gone).returncode, 3)
        self.good(do("alias", "add", f"team@{name}.test", carol, "outside@held.test"))
        self.assertIn("outside@held.test", self.good(do("alias", "list")).stdout)
        self.good(do("alias", "remove", f"team@{name}.test", "outside@held.test"))
        self.assertNotIn("outside@held.test", self.good(do("alias", "list")).stdout)
        self.assertEqual(do("account", "add", f"x@unknown-{name}.test", stdin="a secret\n").returncode, 3)
        self.assertEqual(do("account", "add", "not an address", stdin="a secret\n").returncode, 2)
        self.assertEqual(do("frobnicate").returncode, 2)

    def good(self, done):
        self.assertEqual(done.returncode, 0, f"{done.args[3:]}: {done.stdout}{done.stderr}")
        return done

    def test_a_disabled_account_reads_like_none(self):
        self.good(self.server.command("account", "add", f"dis@{DOMAIN}", stdin="a secret\n"))
        self.good(self.server.command("account", "disable", f"dis@{DOMAIN}"))
        with self.server.smtp() as client:
            expect(client.mail("ann@client.test"), 250)
            disabled, unknown = client.rcpt(f"dis@{DOMAIN}"), client.rcpt(f"nobody@{DOMAIN}")
        strip = lambda reply: re.sub(rb"\[s-\w+\]|dis@|nobody@", b"", reply[1])  # noqa: E731
        self.assertEqual((disabled[0], strip(disabled)), (unknown[0], strip(unknown)))

    def test_the_queue(self):
        with self.server.smtp(FRIEND) as client:
            first = send(client, ALICE, "x@held.test", message("first held"))
            second = send(client, ALICE, ["x@held.test", "y@held.test"], message("second held"))
        self.assertLess(first, second)
        for running in (True, False, True):
            if running != self.server.running:
                self.server.start() if running else self.assertEqual(self.server.stop(), 0)
            with self.subTest(running=running):
                rows = json_lines(self.good(self.server.command("queue", "list", "--json")))
                self.assertEqual([row["id"] for row in rows], [first, second])
                self.assertTrue(all(row["v"] == 1 for row in rows))
                self.assertEqual(rows[1]["reverse_path"], ALICE)
                self.assertEqual(sorted(one["recipient"] for one in rows[1]["recipients"]), ["x@held.test", "y@held.test"])
                self.assertIn(first, self.good(self.server.command("queue", "show", first)).stdout)
        self.good(self.server.command("queue", "retry", first))
        self.good(self.server.command("queue", "remove", first, second))
        self.assertEqual(self.server.command("queue", "remove", first).returncode, 3)
        self.assertEqual(self.server.command("queue", "list").stdout, "")
        self.assertEqual(self.server.command("queue", "show", "bad id").returncode, 2)

    def test_a_second_server_on_the_same_data_is_refused(self):
        done = run(BINARY, "-c", self.server.config, "serve")
        self.assertEqual(done.returncode, 75, done.stderr)

    def test_health_and_metrics(self):
        with self.server.smtp() as client:
            identifier = send(client, "ann@client.test", BOB, message("metrics"))
        self.server.wait_outcome(identifier, "delivered")
        web = http.client.HTTPConnection("127.0.0.1", self.server.ports["http"], timeout=PATIENCE_SECONDS)
        web.request("GET", "/healthz")
        answer = web.getresponse()
        self.assertEqual(answer.status, 200)
        answer.read()
        web.request("GET", "/readyz")
        answer = web.getresponse()
        self.assertEqual(answer.status, 200)
        answer.read()
        web.request("GET", "/metrics")
        answer = web.getresponse()
        text = answer.read().decode()
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.getheader("Content-Type").startswith("text/plain"))
        self.assertRegex(text, r'(?m)^postrider_sessions_total\{service="smtp"\} [1-9]')
        self.assertRegex(text, r"(?m)^postrider_messages_accepted_total [1-9]")
        self.assertRegex(text, r'(?m)^postrider_delivery_attempts_total\{outcome="delivered"\} [1-9]')
        for line in text.splitlines():
            self.assertRegex(line, r"^(# (HELP|TYPE) \w+ .+|\w+(\{[^}]*\})? -?[0-9.e+]+)$")
        web.request("GET", "/admin")
        answer = web.getresponse()
        self.assertEqual(answer.status, 404)
        answer.read()

    def test_send_is_a_client(self):
        at = f"127.0.0.1:{self.server.ports['smtp']}"
        done = run(BINARY, "send", "--server", at, "--from", "ann@client.test", "--to", BOB, "--count", "20", "--connections", "4", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json_lines(done)[0]["accepted"], 20)
        done = run(BINARY, "send", "--server", at, "--from", "<>", "--to", f"nobody@{DOMAIN}")
        self.assertEqual(done.returncode, 1)
        self.assertIn("550 5.1.1", done.stdout)

    def test_version(self):
        self.assertRegex(run(BINARY, "version").stdout, r"^postrider \d+\.\d+\.\d+\n$")


class ConfigCheck(TestCase):
    start_server = False

    def check(self, text):
        path = self.folder / "mistakes.toml"
        path.write_text(text)
        return path, run(BINARY, "-c", path, "config", "check")

    def test_every_mistake_at_once_with_its_place(self):
        path, done = self.check('hostname = "mx.example.test"\ndata_dir = "data"\nhostnam = "x"\n[smtp]\n  max_message_size = "50 parsecs"\n'
                                'relay_from = ["0.0.0.0/0"]\n[[listen]]\nservice = "smtp"\naddress = "nowhere"\n')
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, rf'(?m)^(postrider: )?{re.escape(str(path))}:3:1: .*hostnam.*hostname')
        self.assertRegex(done.stderr, rf'(?m)^(postrider: )?{re.escape(str(path))}:5:\d+: .*max_message_size')
        self.assertRegex(done.stderr, rf'(?m)^(postrider: )?{re.escape(str(path))}:6:\d+: .*open relay')
        self.assertRegex(done.stderr, rf'(?m)^(postrider: )?{re.escape(str(path))}:9:\d+: ')

    def test_what_is_no_toml(self):
        path, done = self.check('hostname = "mx\n')
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, rf"{re.escape(str(path))}:1:\d+: ")

    def test_everybody_as_a_relay_network_is_refused_in_every_form(self):
        for network in ("0.0.0.0/0", "::/0"):
            _, done = self.check(f'hostname = "mx.example.test"\ndata_dir = "d"\n[smtp]\nrelay_from = ["192.0.2.0/24", "{network}"]\n')
            self.assertEqual(done.returncode, 1, network)

    def test_passwords_in_the_clear_off_loopback_are_refused(self):
        _, done = self.check('hostname = "mx.example.test"\ndata_dir = "d"\n[[listen]]\nservice = "pop3"\naddress = "192.0.2.1:110"\nplaintext_auth = true\n')
        self.assertEqual(done.returncode, 1)
        self.assertIn("plaintext_auth", done.stderr)

    def test_what_init_writes_is_good_and_show_gives_it_back(self):
        done = self.server.command("config", "check")
        self.assertEqual(done.returncode, 0, done.stderr)
        shown = self.server.command("config", "show")
        self.assertEqual(shown.returncode, 0)
        again = self.folder / "shown.toml"
        again.write_text(shown.stdout)
        self.assertEqual(run(BINARY, "-c", again, "config", "check").returncode, 0, shown.stdout)

    def test_a_file_that_is_not_there(self):
        self.assertEqual(run(BINARY, "-c", self.folder / "absent.toml", "serve").returncode, 3)

    def test_init_twice(self):
        folder = self.server.folder
        self.assertEqual(run(BINARY, "init", folder, "--domain", DOMAIN).returncode, 1)
        done = run(BINARY, "init", folder, "--domain", DOMAIN, "--account", "alice", "--account", "dave", "--if-missing")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(re.findall(r"^account (\S+) password \S+$", done.stdout, re.MULTILINE), [f"dave@{DOMAIN}"])


class Ending(TestCase):
    """SIGTERM, restarts, and what they leave."""

    def test_sigterm_lets_a_message_in_progress_end(self):
        idle, busy = self.server.lines(), self.server.lines()
        for client in (idle, busy):
            self.addCleanup(client.close)
            expect(client.ask("EHLO client.test"), 250)
        busy.send(f"MAIL FROM:<ann@client.test>\r\nRCPT TO:<{BOB}>\r\nDATA\r\n".encode())
        self.assertEqual([busy.reply()[0] for _ in range(3)], [250, 250, 354])
        busy.send(b"Subject: in progress\r\n\r\nfirst half\r\n")
        self.server.process.send_signal(signal.SIGTERM)
        self.assertEqual(idle.reply()[0], 421)
        self.assertEqual(idle.line(), b"")
        with self.assertRaises(OSError):
            LineClient(self.server.ports["smtp"])
        busy.send(b"second half\r\n.\r\n")
        identifier = queue_id(busy.reply())
        self.assertIn(busy.reply()[0], (421, 0))
        self.assertEqual(self.server.process.wait(), 0)
        self.server.start()
        if not any(identifier.encode() in got for got in self.server.messages("bob")):
            self.server.wait_outcome(identifier, "delivered")

    def test_sigterm_ends_a_session_that_does_not_come_to_an_end(self):
        self.server.configure(top='drain_timeout = "1s"')
        self.server.stop()
        self.server.start()
        stuck = self.server.lines()
        self.addCleanup(stuck.close)
        stuck.send(f"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<{BOB}>\r\nDATA\r\n".encode())
        self.assertEqual([stuck.reply()[0] for _ in range(4)], [250, 250, 250, 354])
        self.server.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.server.process.wait(10), 0)
        self.server.start()

    def test_the_queue_stays_over_a_restart_and_goes_on_then(self):
        port = free_port()
        self.server.configure(sections=f'[queue]\nretry = ["1h"]\n[[route]]\ndomain = "down.test"\nvia = "127.0.0.1:{port}"\n')
        self.server.stop()
        self.server.start()
        content = message("over a restart", body="x" * 60 + "\r\n" + ("y" * 70 + "\r\n") * 2000)  # inline bodies end at 64 KiB
        with self.server.smtp(FRIEND) as client:
            small = send(client, ALICE, "x@down.test", message("small over a restart"))
            large = send(client, ALICE, "x@down.test", content)
        for identifier in (small, large):
            self.server.wait_outcome(identifier, "deferred")
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        sink = Sink(port=port)
        self.addCleanup(sink.close)
        self.assertEqual(self.server.command("queue", "retry", small, large).returncode, 0)
        got = sink.wait_message(lambda got: b"Subject: over a restart\r\n" in got[2])
        self.assertTrue(got[2].endswith(content))
        for identifier in (small, large):
            self.server.wait_outcome(identifier, "relayed")
        shown = self.server.command("queue", "show", small)
        self.assertEqual(shown.returncode, 3)
        for word in ("accepted", "deferred", "relayed"):
            self.assertIn(word, shown.stdout)

    def test_sighup_and_sigpipe_do_not_end_it(self):
        self.server.process.send_signal(signal.SIGPIPE)
        with self.server.smtp() as client:
            client.noop()


@unittest.skipUnless(os.geteuid() == 0, "only root can give itself up")
class AsAnotherUser(TestCase):
    config = {"top": 'user = "nobody"'}
    start_server = False

    def test_root_is_given_up_and_the_files_stay_the_user_s(self):
        nobody = pwd.getpwnam("nobody")
        data = self.server.folder / "data"
        for path in (data, *data.rglob("*")):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        self.server.start()
        status = pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text()
        self.assertRegex(status, rf"(?m)^Uid:(\t{nobody.pw_uid}){{4}}$")
        self.assertRegex(status, rf"(?m)^Gid:(\t{nobody.pw_gid}){{4}}$")
        with self.server.smtp() as client:
            identifier = send(client, "ann@client.test", BOB, message("as nobody", body="x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 2000))
        self.server.wait_outcome(identifier, "delivered")
        self.assertEqual(self.server.command("account", "add", f"eve@{DOMAIN}", stdin="a secret\n").returncode, 0)
        self.assertEqual(self.server.stop(), 0)
        done = self.server.command("account", "add", f"fay@{DOMAIN}", stdin="a secret\n")  # root, and no server runs
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([path.name for path in (data, *data.rglob("*")) if path.stat().st_uid != nobody.pw_uid], [])
        self.server.start()
        self.assertEqual(len(self.server.messages("bob")), 1)


class DiskFull(TestCase):
    config = {"sections": '[store]\nmin_free = "1000000GiB"\n'}

    def test_mail_is_put_off_and_reading_goes_on(self):
        with self.server.smtp() as client:
            code, text = client.mail("ann@client.test", ["size=100"])
            if code == 250:
                expect(client.rcpt(BOB), 250)
                code, text = client.data(message("no room"))
            self.assertEqual((code, text[:5]), (452, b"4.3.1"))
        self.server.pop3("bob").quit()
        self.server.configure()
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        with self.server.smtp() as client:
            send(client, "ann@client.test", BOB, message("room again"))


class Sandbox(TestCase):
    """The sandbox makes a directory of its own: no server of the class."""
    start_server = False

    @classmethod
    def setUpClass(cls):
        cls.folder = temporary_folder(cls)

    def sandbox(self, *words):
        environment = {**os.environ, "TMPDIR": str(self.folder)}
        process = Process([BINARY, "sandbox", "--ports", "auto", *words], stdin=subprocess.PIPE, env=environment)
        self.addCleanup(process.kill)
        ready = process.wait_line(lambda line: (event := parse_event(line)).get("ready") and event, "the line with \"ready\"")
        self.assertEqual(ready["v"], 1)
        self.personas = ready.get("personas")
        return process, ready["ports"]

    def test_it_catches_all_mail_and_ends_with_its_stdin(self):
        process, ports = self.sandbox("--user", "tester:secret")
        with smtplib.SMTP("127.0.0.1", ports["smtp"]) as client:
            send(client, "ann@client.test", ["anyone@anywhere.test"], message("caught"))
        got = []
        for _ in range(1000):  # it says nothing of a delivery: ask until it is there
            client = LineClient(ports["pop3"], greeting=False)
            client.send(b"USER tester\r\nPASS secret\r\nSTAT\r\nRETR 1\r\nQUIT\r\n")
            got = client.stream.read().split(b"\r\n")
            client.close()
            self.assertTrue(got[1:3] and got[2].startswith(b"+OK"), got)
            if any(b"Subject: caught" in line for line in got):
                break
        else:
            self.fail(f"not caught: {got}")
        self.assertEqual(len(list(self.folder.glob("postrider-sandbox-*"))), 1)
        process.popen.stdin.close()
        self.assertEqual(process.wait(), 0)
        self.assertEqual(list(self.folder.glob("postrider-sandbox-*")), [])

    def test_its_personas_misbehave_as_the_manual_says(self):
        process, ports = self.sandbox("--user", "tester:secret", "--deliver-to", "personas")
        self.assertGreater(len(self.personas), 30)
        with smtplib.SMTP("127.0.0.1", self.personas["plain"]) as client:
            client.ehlo()
            self.assertEqual(client.mail("ann@client.test")[0], 250)
            self.assertEqual(client.rcpt("rcpt-550@persona.test")[0], 550)
            self.assertEqual(client.rcpt("greylist@persona.test")[0], 450)
            self.assertEqual(client.rcpt("greylist@persona.test")[0], 250)
        with self.assertRaises(smtplib.SMTPConnectError):
            smtplib.SMTP("127.0.0.1", self.personas["greet-554"])
        with smtplib.SMTP("127.0.0.1", ports["smtp"]) as client:
            send(client, "tester@example.test", ["ann@no-extensions.persona.test", "ann@lmtp.persona.test",
                                                         "ann@helo-550.persona.test"], message("to personas"))
        got = []
        for _ in range(1000):  # the report comes to the mailbox
            client = LineClient(ports["pop3"], greeting=False)
            client.send(b"USER tester\r\nPASS secret\r\nSTAT\r\nRETR 1\r\nQUIT\r\n")
            got = client.stream.read()
            client.close()
            if b"Final-Recipient" in got:
                break
        self.assertIn(b"ann@helo-550.persona.test", got)
        self.assertNotIn(b"ann@no-extensions.persona.test", got)
        self.assertNotIn(b"ann@lmtp.persona.test", got)
        self.assertEqual(process.stop(), 0)

    def test_it_ends_on_sigterm(self):
        process, _ = self.sandbox()
        self.assertEqual(process.stop(), 0)

    def test_it_delivers_to_a_host_when_told(self):
        sink = Sink()
        self.addCleanup(sink.close)
        process, ports = self.sandbox("--deliver-to", f"127.0.0.1:{sink.port}")
        with smtplib.SMTP("127.0.0.1", ports["smtp"]) as client:
            send(client, "ann@client.test", "anyone@anywhere.test", message("let out"))
        sink.wait_message(lambda got: got[1] == ["anyone@anywhere.test"])
        process.stop()


if __name__ == "__main__":
    main()
