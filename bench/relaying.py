"""bench/run's figures of mail that goes on: relay, relay100k, mailboxes; and the sink that bench/scale.py uses too."""
import datetime
import json
import pathlib
import statistics
import subprocess
import time

from harness import DOMAIN, Postrider, Process, run, wait_until
from peers import Postfix

BOB = f"bob@{DOMAIN}"
CONNECTIONS, MESSAGES, WARM = 10, 20, 5
PATIENCE_SECONDS = 300
# All that slows a burst is off; the rest is Postfix's own choice.
POSTFIX = """
default_process_limit = 200
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_message_rate_limit = 0
smtpd_client_recipient_rate_limit = 0
in_flow_delay = 0
max_use = 10000
"""


class Sink:
    """postrider_smtp_sink at `places`, in a process of its own."""

    def __init__(self, build, *places, log=None, port=0, delay_ms=10_000, refuse=None):
        words = [*(["--log", log] if log else []), *(["--refuse", refuse] if refuse else [])]
        self.process = Process([build / "postrider_smtp_sink", port, *places, "--delay", delay_ms, *words], stdin=subprocess.PIPE)
        self.port = self.process.wait_line(lambda line: line.startswith("{") and json.loads(line), "its port")["port"]

    def stats(self):
        seen = len(self.process.lines)
        self.process.popen.stdin.write(b"stats\n")
        self.process.popen.stdin.flush()
        return self.process.wait_line(lambda line: line.startswith("{") and json.loads(line), "its counts", seen)

    def wait(self, messages, patience=PATIENCE_SECONDS):
        """Its counts, once it has taken that many."""
        return wait_until(lambda: (now := self.stats())["messages"] >= messages and now, f"{messages} messages at the sink", patience, lambda: str(self.stats()))

    def stop(self):
        self.process.popen.stdin.close()
        self.process.wait()


def loader(build, port, *words, may_fail=False, **options):
    """postrider_smtp_load; `options` are its options."""
    words = [*words, *(str(word) for name, value in options.items() for word in (f"--{name}", value))]
    done = run(build / "postrider_smtp_load", f"127.0.0.1:{port}", *words, patience=1800)
    if done.returncode != 0 and not may_fail:
        raise SystemExit(f"bench: postrider_smtp_load ended with {done.returncode}: {done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def processor_seconds(master):
    """What a process and all that it started have used: those that live, and those that it has waited for."""
    total, stats = 0.0, {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
            fields = text.rpartition(")")[2].split()
            stats[int(path.parent.name)] = fields
            if int(path.parent.name) == master or int(fields[3]) == master:  # the session is the master's
                total += sum(int(task.read_text().split()[0]) for task in path.parent.glob("task/*/schedstat")) / 1e9
        except (OSError, ValueError):
            continue  # it has just ended
    return total + (int(stats[master][13]) + int(stats[master][14])) / 100


def servers(folder, sink_port, postfix=""):
    """Postrider and Postfix, both with remote.test for the sink."""
    route = f'[[route]]\ndomain = "remote.test"\nvia = "127.0.0.1:{sink_port}"\n' if sink_port else ""
    postrider = Postrider(folder / "postrider", smtp="max_connections_per_ip = 10000", relay_from='"127.0.0.1", "127.0.0.2"', sections=route).start()
    extra = f"virtual_mailbox_domains =\nrelayhost = [127.0.0.1]:{sink_port}\n" if sink_port else ""
    return {"postrider": postrider, "postfix": Postfix(folder / "postfix", POSTFIX + extra + postfix, processes="200")}


def ports_of(both):
    return {"postrider": both["postrider"].ports["smtp"], "postfix": both["postfix"].port}


def compare(both, pairs, send):
    """`send(name)` gives (messages, seconds); pairs in alternating order, after one to warm up each."""
    masters = {name: server.process.pid for name, server in both.items()}
    for name in both:
        for _ in range(WARM):
            send(name)
    found = []
    for number in range(pairs):
        pair = {}
        for name in sorted(both, reverse=number % 2 == 1):
            before = processor_seconds(masters[name])
            messages, seconds = send(name)
            used = processor_seconds(masters[name]) - before
            pair[name] = {"rate": messages / seconds, "cpu_ms": used * 1000 / messages}
        pair["ratio"] = pair["postrider"]["rate"] / pair["postfix"]["rate"]
        found.append(pair)
    return found


def relay(folder, build, pairs, size=1024):
    """From the first connection to us until the sink has the last message."""
    folder = folder / f"relay-{size}"
    folder.mkdir()
    sink = Sink(build, "127.0.0.1")
    ceiling = loader(build, sink.port, **{"from": "ann@client.test"}, to="x@remote.test", connections=CONNECTIONS, messages=MESSAGES * 10, size=size)["rate"]
    both = servers(folder, sink.port)
    ports = ports_of(both)

    def send(name):
        before = sink.stats()["messages"]
        began = loader(build, ports[name], **{"from": "ann@client.test"}, to="x@remote.test", connections=CONNECTIONS, messages=MESSAGES, size=size)["began"]
        return CONNECTIONS * MESSAGES, sink.wait(before + CONNECTIONS * MESSAGES)["last"] - began
    found = compare(both, pairs, send)
    for server in both.values():
        server.stop()
    sink.stop()
    return {"pairs": found, "sink": ceiling, "size": size}


def mailboxes(folder, build, pairs):
    """From the first connection until the last message lies in a mailbox: of ours by the log, in Postfix's maildir by the file's time."""
    folder = folder / "mailboxes"
    folder.mkdir()
    both = servers(folder, None)
    ports = ports_of(both)
    to = {"postrider": BOB, "postfix": "box@remote.test"}
    new = both["postfix"].folder / "mail/box/new"
    sent = {"postrider": 0, "postfix": 0}

    def last(name):
        """When the last of them was delivered, by the clock on the wall."""
        if name == "postrider":
            event = both[name].wait_events("delivery.attempt", sent[name], outcome="delivered", to=BOB)[-1]
            return datetime.datetime.fromisoformat(event["time"]).timestamp()
        entries = wait_until(lambda: new.is_dir() and len(found := list(new.iterdir())) >= sent[name] and found, "all in the maildir", PATIENCE_SECONDS)
        return max(path.stat().st_ctime_ns for path in entries) / 1e9

    def send(name):
        wall = time.time() - time.monotonic()
        sent[name] += CONNECTIONS * MESSAGES
        began = loader(build, ports[name], **{"from": "ann@client.test"}, to=to[name], connections=CONNECTIONS, messages=MESSAGES, size=1024)["began"]
        return CONNECTIONS * MESSAGES, last(name) - wall - began
    found = compare(both, pairs, send)
    for server in both.values():
        server.stop()
    return {"pairs": found, "size": 1024}


def rows(name, found):
    """What bench/run's table says of them."""
    median = lambda pick: statistics.median(pick(pair) for pair in found["pairs"])  # noqa: E731
    what = {"relay": "relayed", "relay100k": "relayed", "mailboxes": "into mailboxes"}[name]
    lines = []
    for side in ("postrider", "postfix"):
        rate, cpu = median(lambda pair: pair[side]["rate"]), median(lambda pair: pair[side]["cpu_ms"])  # noqa: B023
        lines.append((f"{what}, {found['size']} octets, {CONNECTIONS} × {MESSAGES}: {side.capitalize()}",
                      f"{rate:.0f}/s, {cpu:.2f} ms CPU a message: {1000 / cpu:.0f}/s and core", "≤ 0.3 ms" if (name, side) == ("relay", "postrider") else ""))
    lines.append((f"ratio (median of {len(found['pairs'])} interleaved pairs)", f"{median(lambda pair: pair['ratio']):.2f}", {"relay": "≥ 6", "mailboxes": "≥ 5"}.get(name, "")))
    if "sink" in found:
        lines.append(("what the sink takes when sent to directly", f"{found['sink']:.0f}/s", ""))
    return lines
