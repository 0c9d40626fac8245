#!/usr/bin/env python3
"""A small crowd of slow and abusive sessions, and more connections than descriptors: who behaves is served (bench/run crowd has the times)."""
import json
import pathlib
import socket
import subprocess
import sys
import urllib.request

from harness import DOMAIN, PATIENCE_SECONDS, LineClient, Process, TestCase, main, message, send

HERE = pathlib.Path(__file__).resolve().parent
BOB = f"bob@{DOMAIN}"
SLOW, ABUSIVE, GOOD_SECONDS = 200, 20, 5
DESCRIPTORS = 256
FEW = ("prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}")
CERTAINLY_SERVED = 32  # of those who come first
CPU_SECONDS_MAX = 10  # of a server that can open nothing more: one that spins uses all there is


class SmallCrowd(TestCase):
    def test_who_behaves_is_served_and_nobody_else_gets_mail_in(self):
        port = self.server.ports["smtp"]
        load = Process(["nice", "-n", "5", sys.executable, "-B", HERE / "crowd.py", "load", port, SLOW, ABUSIVE], stdin=subprocess.PIPE)
        self.addCleanup(lambda: load.popen.poll() is None and load.kill())
        load.wait_line(lambda line: line == "ready", "the line \"ready\"")
        done = subprocess.run([sys.executable, "-B", str(HERE / "crowd.py"), "good", str(port), BOB, str(GOOD_SECONDS)], capture_output=True,
                              text=True, timeout=120, check=True)
        seen = json.loads(done.stdout)
        self.assertEqual(seen["failures"], [])
        self.assertGreater(len(seen["times"]), 0)
        load.popen.stdin.close()
        counts = load.wait_line(lambda line: line.startswith("{") and json.loads(line), "its counts")
        self.assertEqual(load.wait(), 0)
        self.assertEqual(counts["slow greeted 220"], SLOW, counts)
        self.server.wait_events("delivery.attempt", len(seen["times"]), outcome="delivered", to=BOB)
        got = self.server.messages("bob")
        self.assertEqual(len(got), len(seen["times"]))
        self.assertFalse([mail for mail in got if b"Subject: good " not in mail])


class FewDescriptors(TestCase):
    """The server has DESCRIPTORS descriptors and gets far more connections."""
    config = {"smtp": "max_connections_per_ip = 10000"}
    start_server = False

    def test_the_rest_waits_or_is_put_off_and_all_goes_on_after(self):
        self.server.start(before=FEW)
        pid = self.server.process.pid
        before = cpu_seconds(pid)
        crowd = []
        self.addCleanup(lambda: [peer.close() for peer in crowd])
        for number in range(DESCRIPTORS + 100):
            peer = socket.socket()
            crowd.append(peer)
            peer.bind((f"127.3.0.{number % 200 + 1}", 0))
            peer.settimeout(PATIENCE_SECONDS)
            peer.connect(("127.0.0.1", self.server.ports["smtp"]))
        greeted, put_off = [], []
        for number, peer in enumerate(crowd):
            if number >= CERTAINLY_SERVED:
                peer.settimeout(0.01)
            try:
                said = peer.recv(4)
            except TimeoutError:
                self.assertGreaterEqual(number, CERTAINLY_SERVED)
                continue  # it waits in the backlog
            except ConnectionError:
                said = b""
            self.assertIn(said, (b"220 ", b"421 ", b""))
            (greeted if said == b"220 " else put_off).append(peer)
        self.assertGreaterEqual(len(greeted), CERTAINLY_SERVED)
        self.assertLess(len(greeted), DESCRIPTORS)
        # Those inside are served on.
        greeted[0].sendall(b"NOOP\r\n")
        self.assertEqual(self.rest_of_greeting_and_reply(greeted[0]), b"250")
        spent = cpu_seconds(pid) - before
        self.assertLess(spent, CPU_SECONDS_MAX)
        for peer in crowd:
            peer.close()
        crowd.clear()
        # And whoever comes after is served by all of it.
        with self.server.smtp() as client:
            identifier = send(client, "ann@client.test", BOB, message("after the crowd"))
        self.server.wait_outcome(identifier, "delivered")
        self.assertTrue(any(b"after the crowd" in got for got in self.server.messages("bob")))
        with urllib.request.urlopen(f"http://127.0.0.1:{self.server.ports['http']}/healthz", timeout=PATIENCE_SECONDS) as health:
            self.assertEqual(health.status, 200)

    def rest_of_greeting_and_reply(self, peer):
        stream = peer.makefile("rb")
        stream.readline()
        return stream.readline()[:3]


class FewDescriptorsElsewhere(TestCase):
    """All descriptors but the reserve are gone to SMTP: the other listeners still answer."""
    config = {"smtp": "max_connections_per_ip = 10000"}
    start_server = False

    def test_pop3_and_health_are_served_while_smtp_is_full(self):
        self.server.start(before=FEW)
        pop3 = LineClient(self.server.ports["pop3"], greeting=False)  # was there before
        self.addCleanup(pop3.close)
        self.assertTrue(pop3.line().startswith(b"+OK"))
        crowd = []
        self.addCleanup(lambda: [peer.close() for peer in crowd])
        for number in range(DESCRIPTORS + 50):
            crowd.append(socket.create_connection(("127.0.0.1", self.server.ports["smtp"]), PATIENCE_SECONDS, (f"127.3.0.{number % 200 + 1}", 0)))
        pop3.send(b"CAPA\r\n")
        self.assertTrue(pop3.line().startswith(b"+OK"))
        with urllib.request.urlopen(f"http://127.0.0.1:{self.server.ports['http']}/healthz", timeout=PATIENCE_SECONDS) as health:
            self.assertEqual(health.status, 200)
        late = LineClient(self.server.ports["pop3"], greeting=False)
        self.addCleanup(late.close)
        self.assertTrue(late.line().startswith(b"+OK"))


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


if __name__ == "__main__":
    main()
