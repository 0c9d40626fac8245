#!/usr/bin/env python3
"""`dsn parse` on the bounces of ../shared/testdata/dsn-*: who failed, and how, as other readers have it.

What is wanted of the status class comes from expected.tsv (the first digit of its status, else of its reply code). What is wanted of the
final recipient is read here by Python's email, from Final-Recipient, Original-Recipient or X-Failed-Recipients; where a message has none
of them, nothing independent says it, and only its class counts. A difference needs a row `file index what why` in reports_misses.tsv, and a
row without its difference fails too. `reports_test.py --list` prints all of them.
"""
import collections
import csv
import email
import email.utils
import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BINARY = pathlib.Path(os.environ.get("POSTRIDER_BINARY", ROOT / "build/release/postrider"))
CORPUS = pathlib.Path(os.environ.get("POSTRIDER_CORPUS", ROOT / "../shared/testdata")).resolve()
SISIMAI = CORPUS / "dsn-sisimai"
FLANKER = CORPUS / "dsn-flanker"
MISSES = HERE / "reports_misses.tsv"
GOAL = 0.95
KINDS = {"feedback": "arf", "vacation": "autoreply"}
STATUS_TYPES = ("message/delivery-status", "message/global-delivery-status")

# What the files of dsn-flanker are, which has no table: kind, status class of each recipient.
FLANKER_WANTED = {
    "bounce/broken-mime.eml": ("bounce", "5"), "bounce/delayed.eml": ("dsn", "4"), "bounce/delayed-broken.eml": ("dsn", "4"),
    "bounce/gmail-invalid-address.eml": ("bounce", "5"), "bounce/gmail-no-dns.eml": ("bounce", "5"),
    "bounce/mailbox-full.eml": ("dsn", "5"), "bounce/no-mx.eml": ("dsn", "4"), "bounce/office365.eml": ("dsn", "5"),
    "bounce/zed.eml": ("dsn", "5"), "complaints/aol.eml": ("arf", ""), "complaints/yahoo.eml": ("arf", ""),
}


def postrider(paths):
    """One object a path."""
    run = subprocess.run([BINARY, "dsn", "parse", "--json", *map(str, paths)], capture_output=True, check=False)
    lines = [json.loads(line) for line in run.stdout.decode().splitlines()]
    assert len(lines) == len(paths), run.stderr.decode()
    return lines


def bare(value):
    """The address of a typed field (RFC 3464 2.3.1), lower case; empty: none."""
    value = " ".join(str(value).split())
    value = value.split(";", 1)[1].strip() if re.match(r"[\w-]+\s*;", value) else value
    value = value.strip("<> ")
    value = re.sub(r"^@[^:]+:", "", value)
    return value.lower() if re.match(r"[^@]+@.", value) else ""


def own_parts(message):
    """The parts of the report, those of what it returns not."""
    yield message
    if message.get_content_maintype() == "multipart" and message.is_multipart():
        for part in message.get_payload():
            yield from own_parts(part)


def status_groups(message):
    """The groups of recipient fields, as Python's parser finds them."""
    for part in own_parts(message):
        if part.get_content_type() in STATUS_TYPES:
            payload = part.get_payload()
            groups = payload if isinstance(payload, list) else [email.message_from_string(payload)]
            for group in groups:
                if group["Final-Recipient"] or group["Original-Recipient"]:
                    yield group


def recipients_by_python(path):
    message = email.message_from_bytes(path.read_bytes())
    found = [bare(group["Final-Recipient"] or "") or bare(group["Original-Recipient"] or "") for group in status_groups(message)]
    if not any(found):
        found = [address.lower() for _, address in email.utils.getaddresses(message.get_all("X-Failed-Recipients", []))]
    return found if all(found) else []


def sisimai_rows():
    rows = collections.defaultdict(list)
    with open(SISIMAI / "expected.tsv", encoding="utf-8", newline="") as table:
        for row in csv.DictReader(table, delimiter="\t"):
            rows[row["file"]].append(row)
    return rows


def class_wanted(row):
    return (row["status"] or row["replycode"])[:1]


class Comparison:
    """differences: {(file, index, what): (ours, wanted)}; counted: {what: how many were compared}."""

    def __init__(self):
        self.differences = {}
        self.counted = collections.Counter()
        rows = sisimai_rows()
        wanted = {SISIMAI / "bsd" / name: ([KINDS.get(row["reason"]) for row in rows[name]], [class_wanted(row) for row in rows[name]])
                  for name in sorted(rows)}
        for name, (kind, status) in FLANKER_WANTED.items():
            wanted[FLANKER / name] = ([kind], [status])
        for path, ours in zip(wanted, postrider(wanted)):
            self.compare(path, ours, *wanted[path])

    def compare(self, path, ours, kinds, classes):
        name = path.relative_to(CORPUS).as_posix()
        self.note(name, 0, "kind", ours["kind"] if kinds[0] else ours["kind"] not in ("none", "mdn", "arf", "autoreply"), kinds[0] or True)
        got = ours["recipients"]
        self.note(name, 0, "count", len(got), len(classes))
        for index, digit in enumerate(classes):
            status = (got[index]["status"] or "")[:1] if index < len(got) else None
            if digit:
                self.note(name, index, "class", status, digit)
        for index, address in enumerate(recipients_by_python(path)):
            final = (got[index]["final"] or "").lower() if index < len(got) else None
            self.note(name, index, "final", final, address)

    def note(self, name, index, what, ours, wanted):
        self.counted[what] += 1
        if ours != wanted:
            self.differences[(name, str(index), what)] = (ours, wanted)


def table():
    rows = {}
    for line in MISSES.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            file, index, what, why = line.split("\t")
            rows[(file, index, what)] = why
    return rows


class Reports(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.found = Comparison()
        cls.table = table()

    def test_there_is_a_corpus(self):
        self.assertGreater(self.found.counted["class"], 280)
        self.assertGreater(self.found.counted["final"], 180)

    def test_every_miss_is_argued(self):
        new = [f"{' '.join(key)}: ours {ours!r}, wanted {wanted!r}" for key, (ours, wanted) in self.found.differences.items()
               if key not in self.table]
        self.assertFalse(new, "\n" + "\n".join(new))

    def test_every_argument_has_its_miss(self):
        self.assertFalse(sorted(set(self.table) - set(self.found.differences)))

    def test_nearly_all_is_right(self):
        for what in ("class", "final", "kind"):
            missed = sum(1 for key in self.found.differences if key[2] == what)
            self.assertGreaterEqual(1 - missed / self.found.counted[what], GOAL, what)

    def test_exit_tells_whether_it_is_a_report(self):
        def run(*args, octets=b""):
            return subprocess.run([BINARY, "dsn", "parse", *args], input=octets, capture_output=True, check=False).returncode
        self.assertEqual(run(str(next(iter((SISIMAI / "bsd").glob("*.eml"))))), 0)
        self.assertEqual(run("-", octets=b"Subject: hello\r\n\r\nHow are you?\r\n"), 1)
        self.assertEqual(run("/nonexistent/file"), 2)

    def test_ordinary_mail_is_no_report(self):
        paths = sorted((CORPUS / "mime-mailparser").rglob("*.eml")) + sorted((CORPUS / "dkim-verifier").rglob("*.eml"))
        wrong = [str(path.relative_to(CORPUS)) for path, ours in zip(paths, postrider(paths))
                 if ours["kind"] != "none" and b"report" not in path.read_bytes().lower()]
        self.assertGreater(len(paths), 10)
        self.assertFalse(wrong)


def main():
    for needed in (SISIMAI / "expected.tsv", FLANKER):
        if not needed.exists():
            print(f"skipped: no corpus at {needed}", file=sys.stderr)
            sys.exit(77)
    if "--list" in sys.argv:
        found = Comparison()
        for (name, index, what), (ours, wanted) in found.differences.items():
            print(f"{name}\t{index}\t{what}\tours {ours!r} wanted {wanted!r}")
        print(dict(found.counted), dict(collections.Counter(key[2] for key in found.differences)))
        return
    unittest.main(verbosity=2)


if __name__ == "__main__":
    main()
