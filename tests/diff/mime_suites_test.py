#!/usr/bin/env python3
"""`mime dump` against what stalwart's mail-parser made of the same messages (../shared/testdata/mime-mailparser)."""
import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SUITE = ROOT.parent / "shared/testdata/mime-mailparser"
COMMAND = os.environ.get("POSTRIDER_BINARY", str(ROOT / "build/dev/postrider"))
SKIPPED = 77

# Where we differ and stay: file → {what: why}. `what` is a path in the tree with what is compared there.
OCTETS = "octets over 127 without a charset that knows them: the suite gives U+FFFD, we read windows-1252 as people meant"
UUENCODE = "the suite leaves uuencode as it is, we decode it"
LINE_ENDS = "the suite makes LF of the CRLF of 7bit parts, we give the octets as they are"
PATH = "the backslashes of a path in quotes: the suite takes them for quoted pairs (C:TEMPname), we for a path that is cut off"
ONE_WORD = "an address without a domain: the suite reads one word as a display name, we as a local part (as Dovecot does)"
ENCODED_MESSAGE = "2046 §5.2.1 forbids base64 for message/rfc822: the suite decodes and parses it, for us it is a leaf with a defect"
ARGUED = {
    "legacy/010.eml": {"subject": OCTETS, "to": OCTETS},
    "legacy/016.eml": {"2 octets": LINE_ENDS, "3 octets": LINE_ENDS, "3 filename": OCTETS},
    "legacy/017.eml": {"2 octets": UUENCODE, "3 octets": UUENCODE, "to": OCTETS},
    "legacy/020.eml": {"subject": OCTETS, "to": OCTETS},
    "legacy/022.eml": {"subject": OCTETS, "to": OCTETS},
    "legacy/023.eml": {"4 filename": OCTETS},
    "legacy/026.eml": {"2 filename": OCTETS, "2 text": UUENCODE},
    "legacy/027.eml": {"subject": OCTETS, "to": OCTETS},
    "legacy/035.eml": {"1.2.2 filename": PATH, "1.2.3 filename": PATH},
    "legacy/039.eml": {"1.2 filename": PATH, "1.3 filename": PATH},
    "legacy/048.eml": {"2 octets": UUENCODE, "3 octets": UUENCODE, "4 octets": UUENCODE},
    "legacy/052.eml": {"1 text": OCTETS, "subject": OCTETS, "to": OCTETS},
    "rfc/001.eml": {"from": ONE_WORD, "to": ONE_WORD},
    "rfc/004.eml": {"from": ONE_WORD, "to": ONE_WORD},
    "rfc/008.eml": {"2 message": ENCODED_MESSAGE},
}


def run(*words):
    done = subprocess.run([COMMAND, *(word if isinstance(word, bytes) else str(word) for word in words)], capture_output=True, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.decode().splitlines()]


def header(part, name):
    """The value of the last field of that name, as the suite has it: a dictionary with one key, its kind."""
    values = [field["value"] for field in part["headers"] if field["name"] == name]
    return values[-1] if values else None


def content_type(part):
    value = header(part, "content_type")
    if not isinstance(value, dict) or not value.get("ContentType"):
        return None, {}
    found = value["ContentType"]
    if not found.get("c_subtype"):
        return None, {}
    return f"{found['c_type']}/{found['c_subtype']}".lower(), attributes(found)


def attributes(value):
    return {one["name"].lower(): one["value"] for one in value.get("attributes") or []}


def filename(part):
    value = header(part, "content_disposition")
    names = attributes(value["ContentType"]) if isinstance(value, dict) and value.get("ContentType") else {}
    return names.get("filename") or content_type(part)[1].get("name")


def flat(text):
    """Blanks at the ends and the kind of line ends do not count."""
    return text.replace("\r\n", "\n").strip()


class Comparison:
    """Walks both trees and notes what differs."""

    def __init__(self):
        self.found = {}
        self.compared = 0

    def same(self, where, ours, theirs):
        self.compared += 1
        if ours != theirs:
            self.found[where] = f"ours {ours!r:.300}, theirs {theirs!r:.300}"

    def message(self, ours, theirs):
        self.part(ours, theirs, 0)

    def part(self, ours, message, number):
        theirs = message["parts"][number]
        where = ours["path"] or "-"
        kind, body = next(iter(theirs["body"].items()))
        declared, _ = content_type(theirs)
        if declared:
            self.same(f"{where} type", ours["type"], declared)
        self.same(f"{where} filename", ours["filename"], (filename(theirs) or "").replace("\\", "/").split("/")[-1].strip() or None)
        if kind == "Multipart":
            self.same(f"{where} parts", len(ours["children"]), len(body))
            for child, index in zip(ours["children"], body):
                self.part(child, message, index)
        elif kind == "Message":
            self.same(f"{where} message", len(ours["children"]), 1)
            if ours["children"]:
                self.message(ours["children"][0], body)
        elif kind in ("Text", "Html") and "text" in ours:
            self.same(f"{where} text", flat(ours["text"]), flat(body))
        elif kind in ("Binary", "InlineBinary"):
            self.same(f"{where} octets", ours["decoded_octets"], len(body))


def addresses(value):
    """[(name, address)] of the suite's value of an address field, groups opened."""
    found = value.get("Address") if isinstance(value, dict) else None
    if not found:
        return []
    entries = found.get("List") or [one for group in found.get("Group", []) for one in group["addresses"]]
    return [(one.get("name") or "", one.get("address") or "") for one in entries]


def raw_field(path, name):
    """The octets of the last field of that name."""
    section = re.split(rb"\r?\n\r?\n", path.read_bytes(), maxsplit=1)[0] + b"\n"
    return re.findall(rb"(?mi)^" + name.encode() + rb":((?:[^\n]*\n[ \t])*[^\n]*)\n", section)[-1]


class MailParser(unittest.TestCase):
    """Each difference is in ARGUED with its reason; what is there and does not differ is taken out."""

    def compare(self, path):
        theirs = json.loads(path.with_suffix(".json").read_text())
        code, dumped = run("mime", "dump", path, "--json", "--bodies")
        self.assertEqual((code, len(dumped)), (0, 1))
        comparison = Comparison()
        comparison.message(dumped[0]["parts"][0], theirs)
        root = theirs["parts"][0]
        fields = {}
        for field in dumped[0]["headers"]:
            fields[field["name"].lower()] = field
        subject = header(root, "subject")
        if isinstance(subject, dict) and "Text" in subject:
            comparison.same("subject", fields["subject"]["text"].split(), subject["Text"].split())
        for name in ("from", "to", "cc", "sender"):
            if name not in fields:
                continue
            _, listed = run("address", "list", "--json", "--header", raw_field(path, name))
            ours = [(one["name"], one["local"] + ("@" + one["domain"] if one["domain"] else "")) for one in listed[0]["mailboxes"]]
            comparison.same(name, [(n, a.lower()) for n, a in ours], [(n, a.lower()) for n, a in addresses(header(root, name))])
        return comparison

    def test_every_message(self):
        compared = 0
        for path in sorted(SUITE.glob("*/*.eml")):
            with self.subTest(message=str(path.relative_to(SUITE))):
                comparison = self.compare(path)
                compared += comparison.compared
                argued = ARGUED.get(str(path.relative_to(SUITE)), {})
                self.assertEqual({where: how for where, how in comparison.found.items() if where not in argued}, {})
                self.assertEqual([where for where in argued if where not in comparison.found], [], "no longer different")
        self.assertGreater(compared, 500)


if __name__ == "__main__":
    if not SUITE.is_dir():
        print(f"skipped: no {SUITE}", file=sys.stderr)
        sys.exit(SKIPPED)
    unittest.main(verbosity=1)
