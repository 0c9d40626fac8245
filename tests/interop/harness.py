"""A Postrider of one's own: in a directory of its own, on ports that the system gave it, and what a test needs to talk to it.

Nothing here sleeps. Tests wait for a line of the server's log, or for the end of a process, each with a deadline; a wait that
is over says what came instead. The binary is $POSTRIDER_BINARY, or build/release/postrider.
"""
import json
import os
import pathlib
import poplib
import re
import select
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = pathlib.Path(os.environ.get("POSTRIDER_BINARY", ROOT / "build/release/postrider"))
PATIENCE_SECONDS = float(os.environ.get("POSTRIDER_PATIENCE", "60"))
SKIPPED = 77  # SKIP_RETURN_CODE in CMakeLists.txt
DOMAIN = "example.test"
STRANGER = "127.0.0.1"  # a client address without rights
FRIEND = "127.0.0.2"    # one in relay_from

CONFIG = """
hostname = "mx.{domain}"
data_dir = "data"
{top}
[[listen]]
service = "smtp"
address = "127.0.0.1:{port}"
[[listen]]
service = "pop3"
address = "127.0.0.1:0"
plaintext_auth = true
[[listen]]
service = "http"
address = "127.0.0.1:0"
serve = ["health", "metrics"]
[smtp]
relay_from = [{relay_from}]
{smtp}
[log]
format = "json"
[outbound]
allow_private = [{allow_private}]
{outbound}
{sections}
"""


class Process:
    """A program in a session of its own that dies with us. Its output is kept line by line and can be waited on."""

    def __init__(self, command, **options):
        self.name = pathlib.Path(str(command[0])).name
        self.lines = []
        self.changed = threading.Condition()
        self.ended = False
        # setpriv: should this test be killed, what it started must not stay behind.
        self.popen = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *map(str, command)], stdout=options.pop("stdout", subprocess.PIPE),
                                      stderr=subprocess.STDOUT if "stderr" not in options else options.pop("stderr"),
                                      stdin=options.pop("stdin", subprocess.DEVNULL), start_new_session=True, **options)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    @property
    def pid(self):
        return self.popen.pid

    def _read(self):
        stream = self.popen.stdout if self.popen.stdout is not None else self.popen.stderr
        for raw in stream:
            with self.changed:
                self.lines.append(raw.decode("utf-8", "replace").rstrip("\n"))
                self.changed.notify_all()
        stream.close()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait_line(self, matches, what, since=0, patience=PATIENCE_SECONDS):
        """The first value of `matches(line)` that is true, of the lines from number `since` on."""
        return self.wait_lines(matches, 1, what, since, patience)[0]

    def wait_lines(self, matches, count, what, since=0, patience=PATIENCE_SECONDS):
        """The first `count` values of `matches(line)` that are true."""
        deadline = time.monotonic() + patience
        found = []
        number = since
        with self.changed:
            while True:
                while number < len(self.lines) and len(found) < count:
                    value = matches(self.lines[number])
                    number += 1
                    if value:
                        found.append(value)
                if len(found) == count:
                    return found
                left = deadline - time.monotonic()
                if self.ended or left <= 0:
                    tail = "\n".join(self.lines[-30:])
                    raise AssertionError(f"{self.name} {'ended' if self.ended else 'was silent'} before {what}; it said:\n{tail}")
                self.changed.wait(left)

    def send_signal(self, number):
        if self.popen.poll() is None:
            self.popen.send_signal(number)

    def wait(self, patience=PATIENCE_SECONDS):
        try:
            status = self.popen.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end in {patience} s; it said:\n" + "\n".join(self.lines[-30:])) from None
        self._end_group()
        return status

    def stop(self, number=signal.SIGTERM):
        self.send_signal(number)
        return self.wait()

    def kill(self):
        self.send_signal(signal.SIGKILL)
        self.popen.wait()
        self._end_group()

    def _end_group(self):
        """Children that outlive it hold our end of the pipe."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.reader.join(PATIENCE_SECONDS)


class Postrider:
    """A server in `folder` with the accounts alice and bob. `config` gives the parts of CONFIG by name."""

    def __init__(self, folder, accounts=("alice", "bob"), domain=DOMAIN, **config):
        self.folder = pathlib.Path(folder)
        self.config = self.folder / "postrider.toml"
        words = [word for account in accounts for word in ("--account", account)]
        done = run(BINARY, "init", self.folder, "--domain", domain, "--hostname", f"mx.{domain}", *words)
        if done.returncode != 0:
            raise AssertionError(f"init ended with {done.returncode}: {done.stdout}{done.stderr}")
        self.passwords = dict(re.findall(r"^account (\S+) password (\S+)$", done.stdout, re.MULTILINE))
        self.process = None
        self.ports = {}
        self.domain = domain
        self.configure(**config)

    def configure(self, top="", smtp="", outbound="", sections="", allow_private='"127.0.0.0/8"', relay_from=f'"{FRIEND}"', port=0):
        self.config.write_text(CONFIG.format(top=top, smtp=smtp, outbound=outbound, sections=sections, allow_private=allow_private,
                                             relay_from=relay_from, port=port, domain=self.domain))

    def start(self, *words, before=()):
        """`before`: words of a command that starts it, as prlimit."""
        process = Process([*before, BINARY, "-c", self.config, "serve", *words])
        self.process = process
        process.wait_line(lambda line: line == "ready", "the line \"ready\"")
        self.ports = {}
        for line in list(process.lines):
            event = parse_event(line)
            if event.get("event") == "server.listening" and ":" in event["at"] and not event["at"].startswith("unix:"):
                self.ports[event["service"]] = int(event["at"].rpartition(":")[2])
        return self

    def stop(self):
        """SIGTERM; gives the exit code."""
        return self.process.stop()

    def kill(self):
        self.process.kill()

    @property
    def running(self):
        return self.process is not None and self.process.popen.poll() is None

    def mark(self):
        """For `wait_event(since=…)`: the log up to here does not count."""
        return len(self.process.lines)

    def wait_event(self, name, since=0, **fields):
        return self.wait_events(name, 1, since, **fields)[0]

    def wait_events(self, name, count, since=0, **fields):
        """The first `count` events of that name with these fields."""
        def matches(line):
            event = parse_event(line)
            return event if event.get("event") == name and all(event.get(key) == value for key, value in fields.items()) else None
        return self.process.wait_lines(matches, count, f"{count} {name} {fields}", since)

    def wait_outcome(self, queue_id, outcome, since=0, **fields):
        return self.wait_event("delivery.attempt", since, id=queue_id, outcome=outcome, **fields)

    def command(self, *words, stdin=""):
        return run(BINARY, "-c", self.config, *words, stdin=stdin)

    def smtp(self, source=STRANGER):
        client = smtplib.SMTP("127.0.0.1", self.ports["smtp"], local_hostname="client.test", timeout=PATIENCE_SECONDS,
                              source_address=(source, 0))
        client.ehlo()
        return client

    def pop3(self, account="alice", password=None):
        client = poplib.POP3("127.0.0.1", self.ports["pop3"], timeout=PATIENCE_SECONDS)
        address = account if "@" in account else f"{account}@{self.domain}"
        client.user(address)
        client.pass_(password or self.passwords[address])
        return client

    def messages(self, account="alice"):
        """All messages of the mailbox as octets, in order."""
        client = self.pop3(account)
        try:
            return [retrieve(client, number + 1) for number in range(client.stat()[0])]
        finally:
            client.quit()

    def lines(self, service="smtp", source=STRANGER):
        return LineClient(self.ports[service], source)


class LineClient:
    """A client that writes what it is told, octet by octet, and reads replies: for what proper clients never do."""

    def __init__(self, port, source=STRANGER, greeting=True):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS, (source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.socket.makefile("rb")
        self.greeting = self.reply() if greeting else None

    def send(self, octets):
        self.socket.sendall(octets)

    def line(self):
        return self.stream.readline()

    def reply(self):
        """code, lines of one SMTP reply; 0 and nothing when the peer hung up."""
        lines = []
        while True:
            raw = self.stream.readline()
            if not raw:
                return 0, lines
            lines.append(raw.rstrip(b"\r\n")[4:].decode("utf-8", "replace"))
            if raw[3:4] != b"-":
                return int(raw[:3]), lines

    def ask(self, command):
        self.send(command.encode("utf-8") + b"\r\n")
        return self.reply()

    def close(self):
        self.stream.close()
        self.socket.close()


class TestCase(unittest.TestCase):
    """One directory and one server for all tests of a class; `config` gives parts of CONFIG, or is a method that does."""
    config = {}
    start_server = True

    @classmethod
    def setUpClass(cls):
        cls.folder = temporary_folder(cls)
        cls.prepare()
        cls.server = Postrider(cls.folder / "postrider", **cls.config)
        cls.addClassCleanup(lambda: cls.server.running and cls.server.kill())
        if cls.start_server:
            cls.server.start()

    @classmethod
    def prepare(cls):
        """Starts peers, before the server's configuration is made."""


def temporary_folder(case):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="postrider-"))
    folder.chmod(0o755)  # peers run as other users
    add = case.addClassCleanup if isinstance(case, type) else case.addCleanup
    add(shutil.rmtree, folder, ignore_errors=True)
    return folder


def run(*command, stdin="", patience=PATIENCE_SECONDS):
    return subprocess.run([str(word) for word in command], input=stdin, capture_output=True, text=True, timeout=patience,
                          env={**os.environ, "LC_ALL": "C"})


def parse_event(line):
    """A line of the log in JSON; {} for other lines."""
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def free_port(kind=socket.SOCK_STREAM):
    """A port that is free now: for peers that cannot say which one they took."""
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def free_dns_port():
    """The same for a name server, which wants it by UDP and by TCP."""
    while True:
        port = free_port()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            try:
                taken.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def wait_until(happened, what, patience=PATIENCE_SECONDS, explain=lambda: ""):
    """The first true value of `happened()`: for what a program does without saying so, as a file that it writes."""
    deadline = time.monotonic() + patience
    while True:
        value = happened()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"no sign of {what} in {patience} s {explain()}")
        select.select((), (), (), 0.01)  # a breath, not a guess at how long it takes


def retrieve(client, number):
    return b"".join(line + b"\r\n" for line in client.retr(number)[1])


def message(subject, body="Hello.\r\n", **fields):
    """A message as octets with CRLF."""
    head = {"Date": "Wed, 25 Nov 2026 09:00:00 +0000", "From": f"alice@{DOMAIN}", "To": f"bob@{DOMAIN}", "Subject": subject, "Message-ID": f"<{subject.replace(' ', '.')}@client.test>"}
    head.update({name.replace("_", "-"): value for name, value in fields.items()})
    text = "".join(f"{name}: {value}\r\n" for name, value in head.items()) + "\r\n" + body
    return text.encode("utf-8")


def send(client, sender, recipients, content):
    """One message by smtplib; gives the queue id of the 250."""
    client.ehlo_or_helo_if_needed()
    options = [f"size={len(content)}"] + (["body=8bitmime"] if any(octet > 127 for octet in content) else [])
    expect(client.mail(sender, options), 250)
    for recipient in [recipients] if isinstance(recipients, str) else recipients:
        expect(client.rcpt(recipient), 250)
    return queue_id(client.data(content))


def expect(reply, code):
    if reply[0] != code:
        raise AssertionError(f"wanted {code}, got {reply}")
    return reply


def queue_id(reply):
    text = reply[1] if isinstance(reply[1], str) else b" ".join([reply[1]]).decode() if isinstance(reply[1], bytes) else " ".join(reply[1])
    found = re.search(r"2\.0\.0 queued as ([0-9bcdfghjklmnpqrstvwxyz]{18})", text)
    if reply[0] != 250 or not found:
        raise AssertionError(f"wanted 250 2.0.0 queued as …, got {reply}")
    return found[1]


def need(*programs):
    """Skips the whole file where a peer is missing."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise unittest.SkipTest(f"not installed: {', '.join(missing)} (packages/test.txt)")


def main():
    """Runs the tests of the calling file. Exit 0: all good; 1: not; 77: none could run, the reasons are shown."""
    if not BINARY.is_file():
        print(f"no binary at {BINARY}: build it, or set POSTRIDER_BINARY", file=sys.stderr)
        sys.exit(1)
    poplib._MAXLINE = 1 << 20  # poplib takes lines of 2,048 octets only; mail has longer ones
    result = unittest.main(exit=False, verbosity=2, warnings="ignore").result
    for test, reason in result.skipped:
        print(f"skipped {test}: {reason}", file=sys.stderr)
    if not result.wasSuccessful():
        sys.exit(1)
    ran = result.testsRun - len([test for test, _ in result.skipped if isinstance(test, unittest.TestCase)])
    sys.exit(SKIPPED if result.skipped and ran <= 0 else 0)
