#!/usr/bin/env python3
"""The queue at size. Prints one JSON object; exit 1: a recipient was lost, or reported and delivered.

  scale.py destinations [--recipients N] [--destinations N] [--dead N] [--slow-ms N] [--kills N] [--no-compare]
      recipients over many destinations, found by MX in a zone of NSD, in one sink; a third of the dead ones refuses connections, a third
      never answers a SYN, a third takes --slow-ms for each reply. The wait of a recipient is from the 250 of its message until the sink
      has it. Without --no-compare the same is done without dead ones first. With --kills the server is killed (-9) that often on the
      way. At the end every recipient that was accepted is looked for: at the sink, in a report, in the queue.
  scale.py queued [--recipients N] [--recipients-a-message N]
      held recipients: resident memory, time of `queue list`, and from a start with all of them until one that waits is delivered.
"""
import argparse
import json
import os
import pathlib
import random
import re
import shutil
import sys
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests/interop"), str(ROOT / "bench")]
sys.dont_write_bytecode = True
arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
arguments.add_argument("figure", choices=["destinations", "queued"])
arguments.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
arguments.add_argument("--recipients", type=int)
arguments.add_argument("--recipients-a-message", type=int)
arguments.add_argument("--destinations", type=int, default=1000)
arguments.add_argument("--dead", type=int, default=100)
arguments.add_argument("--slow-ms", type=int, default=10_000)
arguments.add_argument("--kills", type=int, default=0)
arguments.add_argument("--seed", type=int, default=1)
arguments.add_argument("--patience", type=int, default=1800, help="seconds for the healthy destinations")
arguments.add_argument("--no-compare", action="store_true")
arguments = arguments.parse_args()
os.environ.setdefault("POSTRIDER_BINARY", str(arguments.build / "postrider"))
from harness import DOMAIN, FRIEND, SKIPPED, Postrider, free_port, wait_until  # noqa: E402  (reads POSTRIDER_BINARY)
from peers import Nsd  # noqa: E402
from relaying import Sink, loader  # noqa: E402

ALICE = f"alice@{DOMAIN}"
LIMITS = "max_connections_per_ip = 10000"
CLIENTS = f'"127.0.0.1", "{FRIEND}"'
RUN = 5  # recipients of a message in one domain
REFUSED = "37"  # every hundredth recipient does not exist over there; none of them is in a dead destination
LOADERS = 4


def say(text):
    print(text, file=sys.stderr, flush=True)


def status_octets(pid, kind):
    return int(re.search(rf"(?m)^{kind}:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) * 1024


class Places:
    """Which destination is where: address by number, healthy or not."""

    def __init__(self, with_dead):
        self.kinds = {}
        every = arguments.destinations // max(1, arguments.dead)
        for number in range(arguments.dead):
            self.kinds[number * every] = ("refused", "hole", "slow")[number % 3]
        self.alive = with_dead is False
        self.healthy = [number for number in range(arguments.destinations) if number not in self.kinds]

    def address(self, number):
        kind = "healthy" if self.alive else self.kinds.get(number, "healthy")
        return f"127.{ {'healthy': 10, 'slow': 11, 'hole': 12, 'refused': 13}[kind]}.{number // 250}.{number % 250 + 1}"

    def listeners(self):
        words = {"healthy": "", "slow": "slow:", "hole": "hole:"}
        for number in range(arguments.destinations):
            kind = "healthy" if self.alive else self.kinds.get(number, "healthy")
            if kind in words:
                yield words[kind] + self.address(number)

    def zone(self):
        return "".join(f"d{number} MX 10 h{number}\nh{number} A {self.address(number)}\n" for number in range(arguments.destinations))


class Run:
    """One filling and emptying."""

    def __init__(self, folder, with_dead, kills):
        self.folder, self.kills, self.random = folder, kills, random.Random(arguments.seed)
        folder.mkdir()
        self.places = Places(with_dead)
        self.a_message = arguments.recipients_a_message or 100
        self.messages = (arguments.recipients or 200_000) // self.a_message
        self.sink = Sink(arguments.build, *self.places.listeners(), log=folder / "taken", delay_ms=arguments.slow_ms, refuse=REFUSED)
        self.nsd = Nsd(folder / "nsd", self.places.zone())
        self.server = Postrider(folder / "postrider", smtp=LIMITS, relay_from=CLIENTS, port=free_port(), outbound=f"port = {self.sink.port}",
                                sections=f'[dns]\nservers = ["127.0.0.1:{self.nsd.port}"]\n')
        self.next = 0  # number of the next recipient
        self.resident = 0
        self.server.start()

    def domain_of(self, number):
        return number // RUN % arguments.destinations

    def accepted(self):
        """{number of a recipient: when it was accepted}"""
        found = {}
        path = self.folder / "accepted"
        for line in path.read_text().splitlines() if path.exists() else ():
            at, first, count = line.split()
            found.update((number, float(at)) for number in range(int(first), int(first) + int(count)))
        return found

    def taken(self):
        """{number: [when it was taken, …]} of the sink."""
        self.sink.stats()  # its log is complete up to here
        found = {}
        for line in (self.folder / "taken").read_text().splitlines():
            at, _, recipient = line.partition(" ")
            found.setdefault(int(recipient[1:recipient.index("@")]), []).append(float(at))
        return found

    def kill(self):
        self.resident = max(self.resident, status_octets(self.server.process.pid, "VmHWM"))
        self.server.kill()
        self.server.start()

    def send(self, messages):
        """A thread that sends so many, with numbers of their own."""
        each = max(1, messages // LOADERS)
        sending = threading.Thread(target=loader, args=(arguments.build, self.server.ports["smtp"]), kwargs={
            "from": ALICE, "to": "r{n}@d{d}.test", "connections": LOADERS, "messages": each, "recipients": self.a_message, "first": self.next,
            "run": RUN, "domains": arguments.destinations, "log": self.folder / "accepted", "may_fail": True})
        self.next += each * LOADERS * self.a_message
        sending.start()
        return sending

    def fill(self):
        """In as many parts as there are kills, half of which come while a part is sent, the others after it; then what was refused or lost."""
        parts = max(1, self.kills)
        for part in range(parts):
            before = self.sink.stats()["recipients"]
            messages = self.messages * (part + 1) // parts - self.messages * part // parts
            sending = self.send(messages)
            if self.kills and part % 2 == 0:  # in the middle of the part
                wanted = before + self.random.randint(0, messages * self.a_message // 2)
                wait_until(lambda: not sending.is_alive() or self.sink.stats()["recipients"] >= wanted, "some deliveries", 600)  # noqa: B023
                self.kill()
            sending.join()
            if self.kills and part % 2 == 1:
                self.kill()
        missing = self.messages - len(self.accepted()) // self.a_message
        if missing > 0:
            self.send(missing).join()

    def healthy(self, accepted):
        healthy = set(self.places.healthy)
        return {number for number in accepted if self.domain_of(number) in healthy and not str(number).endswith(REFUSED)}

    def wait_healthy(self, accepted):
        wanted = self.healthy(accepted)
        seen = 0

        def done():
            nonlocal seen
            now = self.sink.stats()["recipients"]
            if now < len(wanted) or now == seen:
                return False
            seen = now
            return wanted <= self.taken().keys()
        wait_until(done, "the mail of all healthy destinations", arguments.patience, lambda: f"{len(wanted - self.taken().keys())} of {len(wanted)} are missing")

    def queue(self):
        """{number: state}; None stands for reports on their way."""
        found = {}
        for line in self.server.command("queue", "list", "--json").stdout.splitlines():
            for recipient in json.loads(line)["recipients"]:
                name = recipient["recipient"]
                found[int(name[1:name.index("@")]) if re.match(r"r\d+@d", name) else None] = recipient["state"]
        return {number: state for number, state in found.items() if state not in ("done", "delivered", "relayed")}

    def reported(self):
        found = re.findall(rb"(?mi)^Final-Recipient: *rfc822; *r(\d+)@d", b"".join(self.server.messages("alice")))
        return [int(number) for number in found]

    def ledger(self, accepted):
        """Where everything is. The queue is looked at first: what leaves it then is found later."""
        queue = self.queue()
        taken, reported = self.taken(), self.reported()
        places = {"sink": set(taken), "reports": set(reported), "queue": {number for number in queue if number is not None}}
        lost = accepted.keys() - places["sink"] - places["reports"] - places["queue"]
        states = {state: sum(1 for number, one in queue.items() if one == state and number in accepted) for state in set(queue.values())}
        return {"accepted": len(accepted), "delivered": len(places["sink"] & accepted.keys()), "reported": len(places["reports"] & accepted.keys()), "queued": states,
                "lost": len(lost), "delivered_and_queued": len(places["sink"] & places["queue"]), "delivered_and_reported": len(places["sink"] & places["reports"]),
                "delivered_twice": sum(1 for times in taken.values() if len(times) > 1), "reported_twice": len(reported) - len(places["reports"])}

    def __call__(self):
        began = time.monotonic()
        self.fill()
        accepted = self.accepted()
        filled = time.monotonic()
        self.wait_healthy(accepted)
        taken = self.taken()
        healthy = self.healthy(accepted)
        waits = sorted(max(0.0, taken[number][0] - accepted[number]) for number in healthy)
        emptied = max(taken[number][0] for number in healthy)
        # Reports on their way have no place of their own.
        ledger = wait_until(lambda: (found := self.ledger(accepted))["lost"] == 0 and found, "a whole ledger", 60, lambda: str(self.ledger(accepted)))
        part = lambda share: round(waits[int((len(waits) - 1) * share)], 4)  # noqa: E731
        result = {"fill_seconds": round(filled - began, 2), "healthy": len(waits), "healthy_seconds": round(emptied - began, 2), "wait_p50": part(0.5), "wait_p99": part(0.99),
                  "wait_max": part(1), "kills": self.kills, "resident_max": max(self.resident, status_octets(self.server.process.pid, "VmHWM")), **ledger}
        self.server.kill()
        self.nsd.stop()
        self.sink.stop()
        if ledger["delivered_and_reported"] or ledger["reported_twice"]:
            raise SystemExit(f"scale: a wrong report: {result}")
        return result


def destinations(folder):
    results = {}
    if not arguments.no_compare:
        results["without_dead"] = Run(folder / "without", False, 0)()
        say(f"without dead ones: {results['without_dead']}")
        results["with_dead"] = Run(folder / "with", True, 0)()
        say(f"with dead ones: {results['with_dead']}")
        results["p99_ratio"] = round(results["with_dead"]["wait_p99"] / results["without_dead"]["wait_p99"], 2)
    if arguments.kills or arguments.no_compare:
        results["killed"] = Run(folder / "killed", True, arguments.kills)()
        say(f"with {arguments.kills} kills: {results['killed']}")
    return results


def queued(folder):
    recipients, a_message = arguments.recipients or 1_000_000, arguments.recipients_a_message or 1000
    sink_port = free_port()
    server = Postrider(folder / "postrider", smtp=LIMITS, relay_from=CLIENTS, port=free_port(),
                       sections='[[route]]\ndomain = "held.test"\nvia = "hold"\n'
                       f'[[route]]\ndomain = "*"\nvia = "127.0.0.1:{sink_port}"\nretry = ["1s"]\n').start()
    results = {"recipients": recipients, "resident_before": status_octets(server.process.pid, "VmRSS")}
    each = recipients // a_message // LOADERS
    done = loader(arguments.build, server.ports["smtp"], **{"from": ALICE}, to="r{n}@held.test", connections=LOADERS, messages=each, recipients=a_message, seconds=1800)
    results |= {"fill_seconds": done["seconds"], "resident": status_octets(server.process.pid, "VmRSS")}
    say(f"filled: {results}")
    began = time.monotonic()
    listed = server.command("queue", "list", "--json", "--limit", max(1, 100_000 // a_message)).stdout
    results |= {"list_seconds": round(time.monotonic() - began, 3), "listed": listed.count('"recipient":')}
    say(f"listed: {results}")
    began = time.monotonic()
    server.command("queue", "summary", "--json")
    results["summary_seconds"] = round(time.monotonic() - began, 3)
    loader(arguments.build, server.ports["smtp"], **{"from": ALICE}, to="first@later.test")
    server.wait_event("delivery.attempt", to="first@later.test", outcome="deferred")
    began = time.monotonic()
    server.stop()
    results["stop_seconds"] = round(time.monotonic() - began, 3)
    sink = Sink(arguments.build, "127.0.0.1", port=sink_port)
    began = time.monotonic()
    server.start()
    results["ready_seconds"] = round(time.monotonic() - began, 3)
    results["first_delivery_seconds"] = round(sink.wait(1)["last"] - began, 3)
    results["resident_after_start"] = status_octets(server.process.pid, "VmRSS")
    server.stop()
    sink.stop()
    return results


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="postrider-scale-"))
    folder.chmod(0o755)
    try:
        results = {"destinations": destinations, "queued": queued}[arguments.figure](folder)
    except unittest.SkipTest as reason:  # of a peer that is not installed
        say(f"skipped: {reason}")
        sys.exit(SKIPPED)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
