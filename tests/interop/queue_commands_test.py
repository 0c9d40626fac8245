#!/usr/bin/env python3
"""The queue's commands against the real binary: every one of them, by id and by selector, with and without a server."""
import json
import os
import pty
import select
import subprocess
import unittest

from harness import BINARY, DOMAIN, FRIEND, PATIENCE_SECONDS, TestCase, main, message, send
from sink import Sink

ALICE, BOB = f"alice@{DOMAIN}", f"bob@{DOMAIN}"


def json_lines(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


class QueueCommands(TestCase):
    """@down.test defers as nobody listens, @held.test is held by its route, @sink.test goes through."""

    @classmethod
    def prepare(cls):
        cls.sink = Sink()
        cls.addClassCleanup(cls.sink.close)
        cls.config = {"sections": '[queue]\nretry = ["1h"]\n'
                                  '[[route]]\ndomain = "held.test"\nvia = "hold"\n'
                                  '[[route]]\ndomain = "down.test"\nvia = "127.0.0.1:1"\n'
                                  f'[[route]]\ndomain = "sink.test"\nvia = "127.0.0.1:{cls.sink.port}"\n'}

    def setUp(self):
        if not self.server.running:
            self.server.start()
        for _ in range(100):  # what is in delivery is left alone
            if self.ask("remove", "--all", "--yes").returncode == 0 and self.statuses() == {}:
                return
        self.fail(f"the queue does not get empty: {self.statuses()}")

    def ask(self, *words, stdin=""):
        return self.server.command("queue", *words, stdin=stdin)

    def do(self, *words):
        done = self.ask(*words)
        self.assertEqual(done.returncode, 0, f"{words}: {done.stdout}{done.stderr}")
        return done

    def statuses(self, *words):
        """What a choice chooses: recipient → status."""
        return {one["recipient"]: one["status"] for row in json_lines(self.do("list", "--json", *words)) for one in row["recipients"]}

    def fill(self):
        """Three messages; gives their ids once all have been tried."""
        self.mark = self.server.mark()
        with self.server.smtp(FRIEND) as client:
            down = send(client, ALICE, ["a@down.test", "b@down.test"], message("down"))
            held = send(client, BOB, "c@held.test", message("held"))
            both = send(client, "<>", "d@down.test", message("bounce"))
        for identifier in (down, both):
            self.server.wait_outcome(identifier, "deferred", self.mark)
        self.server.wait_event("delivery.attempt", self.mark, id=held)
        return down, held, both

    def test_selectors_choose_with_and_without_a_server(self):
        down, held, both = self.fill()
        down_ones = {"a@down.test", "b@down.test", "d@down.test"}
        for running in (True, False):
            if not running:
                self.assertEqual(self.server.stop(), 0)
            for words, want in [
                ((), down_ones | {"c@held.test"}), (("--all",), down_ones | {"c@held.test"}),
                (("--domain", "DOWN.test"), down_ones), (("--to", "@held.test"), {"c@held.test"}), (("--to", "a@down.test"), {"a@down.test"}),
                (("--from", ALICE), {"a@down.test", "b@down.test"}), (("--from", "<>"), {"d@down.test"}), (("--from", f"@{DOMAIN}"), {"a@down.test", "b@down.test", "c@held.test"}),
                (("--status", "deferred", "--domain", "down.test"), down_ones), (("--status", "due"), set()), (("--status", "held"), {"c@held.test"}), (("--status", "held:route"), {"c@held.test"}), (("--status", "held:command"), set()), (("--mx", "127.0.0.1"), down_ones),
                (("--older-than", "1h"), set()), (("--older-than", "1ms"), down_ones | {"c@held.test"}),
                (("--reply", "(?i)REFUSED"), down_ones), (("--reply", "^5"), set()),
                ((held,), {"c@held.test"}), ((held, down, "--to", "a@down.test"), {"a@down.test"}),
                (("--limit", "1"), {"a@down.test", "b@down.test"}), (("--after", held), {"d@down.test"}),
            ]:
                with self.subTest(running=running, words=words):
                    self.assertEqual(set(self.statuses(*words)), want)
            with self.subTest(running=running):
                self.assertEqual(len(self.do("list").stdout.splitlines()), 3)
                self.assertEqual(self.do("show", "--domain", "held.test").stdout.count("id  "), 1)
                self.assertIn("last asked: 127.0.0.1", self.do("show", both).stdout)

    def test_used_wrongly(self):
        down, _, _ = self.fill()
        for words, why in [
            (("remove",), "nothing is chosen"), (("show",), "nothing is chosen"), (("thaw",), "nothing is chosen"),
            (("list", "--reply", "("), "not a regular expression"), (("list", "--older-than", "soon"), "not a time span"),
            (("list", "--status", "lost"), "not a status"), (("list", "--from", "a b"), "neither an address"), (("list", "--domain", "a..b"), "not a domain"),
            (("list", "--limit", "0"), "not a number"), (("remove", "--all", "--domain", "down.test"), "something else is chosen too"),
            (("remove", "nonsense"), "not a queue id"), (("redirect", down), "no target"), (("redirect", "--to", "b@down.test"), "TARGET"), (("list", "--dry-run"), "dry-run"), (("frobnicate",), ""),
        ]:
            with self.subTest(words=words):
                done = self.ask(*words)
                self.assertEqual(done.returncode, 2, done.stdout)
                self.assertIn(why, done.stderr)
                self.assertRegex(done.stderr, r"^postrider: ")
        self.assertEqual(self.ask("remove", "0" * 18).returncode, 3)
        self.assertEqual(len(self.statuses()), 4)

    def test_many_are_changed_with_a_yes_only(self):
        self.fill()
        for command in ("retry", "hold", "remove", "bounce"):
            with self.subTest(command=command):
                done = self.ask(command, "--domain", "down.test")
                self.assertEqual(done.returncode, 2, done.stdout)
                self.assertIn("would change 3 recipients of 2 messages (--yes does it, --dry-run shows them)", done.stderr)
                dry = self.do(command, "--domain", "down.test", "--dry-run", "--json")
                self.assertEqual([sorted(row["recipients"]) for row in json_lines(dry)], [["a@down.test", "b@down.test"], ["d@down.test"]])
                self.assertEqual(len(self.statuses()), 4)
        self.assertEqual(self.do("remove", "--all", "--dry-run", "--limit", "1").stdout.splitlines()[-1], "1 recipient of 1 message would be removed")
        self.assertEqual(self.do("remove", "--domain", "down.test", "--limit", "1").stdout.splitlines()[-1], "1 recipient of 1 message removed")
        self.assertEqual(set(self.statuses()), {"b@down.test", "c@held.test", "d@down.test"})
        self.do("remove", "--domain", "down.test", "--yes")
        self.assertEqual(set(self.statuses()), {"c@held.test"})

    def at_a_terminal(self, answer, *words):
        """The command with a terminal as its stdin; gives its exit code and what it said."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen([BINARY, "-c", self.server.config, "queue", *words], stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        os.close(theirs)
        said = b""
        while b"[y/N]" not in said:
            self.assertTrue(select.select([process.stderr], [], [], PATIENCE_SECONDS)[0], said)
            piece = os.read(process.stderr.fileno(), 4096)
            self.assertTrue(piece, said)
            said += piece
        os.write(ours, answer + b"\n")
        out, rest = process.communicate(timeout=PATIENCE_SECONDS)
        os.close(ours)
        return process.returncode, out.decode(), (said + rest).decode()

    def test_a_terminal_is_asked(self):
        self.fill()
        code, out, said = self.at_a_terminal(b"n", "remove", "--all")
        self.assertEqual((code, out), (1, ""), said)
        self.assertIn("queue remove: 4 recipients of 3 messages. Go on? [y/N]", said)
        self.assertIn("nothing was changed", said)
        self.assertEqual(len(self.statuses()), 4)
        code, out, said = self.at_a_terminal(b"y", "remove", "--all")
        self.assertEqual(code, 0, said)
        self.assertEqual(self.statuses(), {})

    def test_hold_release_and_retry(self):
        down, _, _ = self.fill()
        for running in (True, False):
            if not running:
                self.assertEqual(self.server.stop(), 0)
            with self.subTest(running=running):
                self.do("hold", down)
                self.assertEqual(set(self.statuses("--status", "held:command")), {"a@down.test", "b@down.test"})
                self.assertIn("by queue hold", self.do("show", down).stdout)
                self.assertIn("nothing to hold", self.do("hold", down).stdout)
                self.do("release", "--to", "a@down.test")
                self.assertEqual(set(self.statuses("--status", "held:command")), {"b@down.test"})
                self.do("release", down)
                self.assertEqual(self.statuses("--status", "held:command"), {})
        self.server.start()
        self.server.wait_outcome(down, "deferred")  # what was released is tried at once
        self.mark = self.server.mark()
        self.do("retry", down)
        self.server.wait_outcome(down, "deferred", self.mark)

    def test_bounce_sends_it_back(self):
        down, _, _ = self.fill()
        self.do("bounce", down)
        self.server.wait_outcome(down, "failed", self.mark)
        self.wait_mail("alice", b"a@down.test")
        self.assertEqual(set(self.statuses()) & {"a@down.test", "b@down.test"}, set())

    def wait_mail(self, account, words):
        """Until a message with these words is in the mailbox."""
        since = self.server.mark()
        while not any(words in got for got in self.server.messages(account)):
            self.server.process.wait_line(lambda line: line, "another event", since)
            since = self.server.mark()

    def test_redirect_goes_by_the_directory(self):
        down, held, _ = self.fill()
        unknown = self.ask("redirect", held, f"nobody@{DOMAIN}")
        self.assertEqual(unknown.returncode, 1)
        self.assertIn("no such user", unknown.stderr)
        self.do("redirect", held, BOB, "--dry-run")
        self.assertIn("c@held.test", self.statuses())
        self.do("redirect", held, BOB)
        self.server.wait_outcome(held, "delivered", self.mark)
        self.assertTrue(any(b"Subject: held" in got for got in self.server.messages("bob")))
        self.do("redirect", "--to", "b@down.test", "z@sink.test")
        self.assertEqual(set(self.statuses(down)) - {"z@sink.test"}, {"a@down.test"})
        got = self.sink.wait_message(lambda got: b"Subject: down\r\n" in got[2])
        self.assertIn("z@sink.test", str(got[1]))

    def test_freeze_and_thaw(self):
        self.do("freeze", "--domain", "sink.test")
        self.addCleanup(self.ask, "thaw", "--all")
        self.assertIn("--domain sink.test: frozen", self.do("freeze").stdout)
        with self.server.smtp(FRIEND) as client:
            frozen = send(client, ALICE, "f@sink.test", message("frozen"))
            local = send(client, ALICE, BOB, message("not frozen"))
        self.server.wait_outcome(local, "delivered")
        self.assertEqual(self.ask("thaw", "--domain", "other.test").returncode, 3)
        self.assertEqual(self.server.stop(), 0)
        self.assertIn("--domain sink.test: frozen", self.do("freeze").stdout)
        self.server.start()
        self.assertEqual(set(self.statuses()), {"f@sink.test"})
        self.assertIn("would be lifted", self.do("thaw", "--domain", "sink.test", "--dry-run").stdout)
        self.do("thaw", "--domain", "sink.test")
        self.assertEqual(self.do("freeze").stdout, "")
        self.server.wait_outcome(frozen, "relayed")
        self.sink.wait_message(lambda got: b"Subject: frozen\r\n" in got[2])

    def test_summary(self):
        self.fill()
        for running in (True, False):
            if not running:
                self.assertEqual(self.server.stop(), 0)
            with self.subTest(running=running):
                rows = json_lines(self.do("summary", "--json"))
                total = rows[0]
                self.assertEqual((total["kind"], total["messages"], total["recipients"]), ("total", 3, 4))
                self.assertEqual(total["due"] + total["deferred"] + total["held"], 4)
                by_name = {row["name"]: row for row in rows if row["kind"] == "destination"}
                self.assertEqual(by_name["down.test"]["deferred"], 3)
                replies = [row for row in rows if row["kind"] == "reply" and "refused" in row["name"].lower()]
                self.assertEqual([row["deferred"] for row in replies], [3])
                self.assertRegex(self.do("summary").stdout, r"(?m)^0 +3 +0 +\S+ +down\.test$")
                self.assertRegex(self.do("summary", "--domain", "held.test").stdout, "^1 message for 1 recipient ")


if __name__ == "__main__":
    main()
