#!/usr/bin/env python3
"""The real binary under kill -9, again and again: nothing that was acknowledged is lost, nothing is delivered twice locally.

Each round: the server starts on the data it has; several clients send, pipelined, to two local mailboxes and to a relayed
domain (a sink of ours, which notes what it took before it says so); after a random while the server is killed. A client
notes a message as acknowledged when it has read the 250 after the dot. At the end a clean run drains the queue, and the
mailboxes and the sink's notes are compared with what was acknowledged.

  POSTRIDER_CRASH_ROUNDS=N   rounds (8)
  POSTRIDER_CRASH_SEED=N     the moments of the kills and the sizes (1)
"""
import collections
import os
import pathlib
import random
import re
import shutil
import socket
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))
import harness  # noqa: E402
from harness import DOMAIN, FRIEND, LineClient, Postrider, parse_event  # noqa: E402
from sink import Sink  # noqa: E402

ROUNDS = int(os.environ.get("POSTRIDER_CRASH_ROUNDS", "8"))
SEED = int(os.environ.get("POSTRIDER_CRASH_SEED", "1"))
CLIENTS = 6
ALIVE_SECONDS = (0.05, 1.2)  # from "ready" to the kill
DRAIN_SECONDS = 120
LARGE_OCTETS = 200_000  # over the 64 KiB that lie inline in a transaction
MARK = re.compile(rb"^Message-ID: <(\S+)>\r?$", re.MULTILINE)


class Client(threading.Thread):
    """Sends message after message until its server is gone."""

    def __init__(self, server, name, seed):
        super().__init__(daemon=True)
        self.server, self.prefix, self.random = server, name, random.Random(seed)
        self.acknowledged = {}  # Message-ID → recipients
        self.sent = 0

    def run(self):
        try:
            client = LineClient(self.server.ports["smtp"], FRIEND)
            client.ask("EHLO client.test")
            while self.send(client):
                pass
        except (OSError, ValueError):
            pass  # killed in the middle of something: the point of it all

    def send(self, client):
        self.sent += 1
        identifier = f"{self.prefix}.{self.sent}@crash.test"
        choices = [f"alice@{DOMAIN}", f"bob@{DOMAIN}", f"{self.prefix}.{self.sent}@relayed.test"]
        recipients = self.random.sample(choices, self.random.randint(1, 3))
        size = LARGE_OCTETS if self.random.random() < 0.1 else self.random.randint(1, 3000)
        body = b"x" * 70 + b"\r\n"
        content = f"Message-ID: <{identifier}>\r\nSubject: crash\r\n\r\n".encode() + body * (size // 72 + 1)
        envelope = "MAIL FROM:<ann@client.test>\r\n" + "".join(f"RCPT TO:<{to}>\r\n" for to in recipients) + "DATA\r\n"
        client.send(envelope.encode())
        for _ in recipients:
            client.reply()
        if client.reply()[0] != 250 or client.reply()[0] != 354:
            return False
        client.send(content + b".\r\n")
        if client.reply()[0] != 250:
            return False
        self.acknowledged[identifier] = recipients
        return True


def one_round(server, number, chance):
    server.start()
    clients = [Client(server, f"r{number}c{index}", chance.random()) for index in range(CLIENTS)]
    for client in clients:
        client.start()
    # Not a wait for something to happen: the moment of the kill is the input of this test.
    threading.Event().wait(chance.uniform(*ALIVE_SECONDS))
    server.kill()
    acknowledged = {}
    for client in clients:
        client.join(harness.PATIENCE_SECONDS)
        acknowledged.update(client.acknowledged)
    return acknowledged


def drain(server):
    """A clean run until the queue is empty; every look at it costs a command, so none is taken in a hurry."""
    server.start()
    deadline = time.monotonic() + DRAIN_SECONDS
    while True:
        listed = server.command("queue", "list", "--json")
        if listed.returncode != 0:
            raise AssertionError(f"queue list: {listed.returncode} {listed.stderr}")
        if not listed.stdout:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"the queue is not empty after {DRAIN_SECONDS} s:\n{listed.stdout[:2000]}")


def fetch_all(server, account):
    """The Message-IDs of a mailbox, fetched and deleted a session after another: one shows 10,000 messages at most."""
    found = []
    while True:
        client = server.pop3(account)
        count = client.stat()[0]
        for number in range(1, count + 1):
            found.append(MARK.search(harness.retrieve(client, number))[1].decode())
            client.dele(number)
        client.quit()
        if count == 0:
            return found


def compare(acknowledged, mailboxes, relayed):
    """What is wrong, as lines."""
    wrong = []
    kept = {account: collections.Counter(found) for account, found in mailboxes.items()}
    for identifier, recipients in acknowledged.items():
        for recipient in recipients:
            local, _, domain = recipient.partition("@")
            there = identifier in kept[local] if domain == DOMAIN else (identifier, recipient) in relayed
            if not there:
                wrong.append(f"lost: {identifier} for {recipient}")
    for account, found in kept.items():
        wrong += [f"{count} times: {identifier} in the mailbox of {account}" for identifier, count in found.items() if count > 1]
    return wrong


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="postrider-crash-"))
    chance = random.Random(SEED)
    sink = Sink()
    server = Postrider(folder / "postrider", sections=f'[queue]\nretry = ["1s"]\n[[route]]\ndomain = "relayed.test"\nvia = "127.0.0.1:{sink.port}"\n')
    good = False
    try:
        acknowledged = {}
        for number in range(ROUNDS):
            new = one_round(server, number, chance)
            acknowledged.update(new)
            print(f"round {number}: {len(new)} messages acknowledged, {len(acknowledged)} in all", flush=True)
        drain(server)
        mailboxes = {account: fetch_all(server, account) for account in ("alice", "bob")}
        status = server.stop()
        relayed = [(MARK.search(content)[1].decode(), to) for _, recipients, content in sink.messages for to in recipients]
        wrong = compare(acknowledged, mailboxes, set(relayed))
        corrupt = [line for line in server.process.lines if "corrupt" in parse_event(line).get("event", "")]
        for line in wrong[:50] + corrupt[:50]:
            print(line)
        copies = len(relayed) - len(set(relayed))
        print(f"seed {SEED}: {ROUNDS} kills, {len(acknowledged)} messages acknowledged; {sum(map(len, mailboxes.values()))} in mailboxes, "
              f"{len(set(relayed))} relayed ({copies} of them again after a kill); {len(wrong)} lost or twice, exit {status}")
        good = not wrong and not corrupt and status == 0 and len(acknowledged) >= ROUNDS
        return 0 if good else 1
    finally:
        if server.running:
            server.kill()
        sink.close()
        if good:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(f"kept for a look: {folder}")


if __name__ == "__main__":
    socket.setdefaulttimeout(harness.PATIENCE_SECONDS)
    harness.poplib._MAXLINE = 1 << 20
    sys.exit(main())
