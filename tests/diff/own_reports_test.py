#!/usr/bin/env python3
"""The reports that we write, of every kind, as Python's email and `dsn parse` read them: what they were made from."""
import email
import email.policy
import email.utils
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("POSTRIDER_BINARY", ROOT / "build/release/postrider"))
SAMPLES = os.environ.get("POSTRIDER_DSN_SAMPLES", str(ROOT / "build/dev/tests/diff/dsn_samples"))
ARRIVAL = "Mon, 4 May 2026 07:11:04 +0000"
UNTIL = "Thu, 14 May 2026 07:11:04 +0000"
STATUS_TYPES = {"delivery-status": "message/delivery-status", "global-delivery-status": "message/global-delivery-status"}
PARTS_BEHIND = {"message/delivery-status": "text/rfc822-headers", "message/global-delivery-status": "message/global-headers"}


def unescaped(address):
    """RFC 6533 3: what stands behind `utf-8;` in a report of ASCII."""
    return re.sub(r"\\x\{([0-9A-Fa-f]+)\}", lambda found: chr(int(found[1], 16)), address)


def typed(value):
    kind, _, rest = value.partition(";")
    return kind, unescaped(rest) if kind == "utf-8" else rest


def groups_of(part, octets):
    """The groups of fields. Of message/global-delivery-status Python makes a message of the first: that part is read from its octets."""
    if part.get_content_type() == "message/delivery-status":
        return part.get_payload()
    body = octets.split(b"Content-Type: message/global-delivery-status\r\n", 1)[1].split(b"\r\n\r\n", 1)[1].split(b"\r\n--", 1)[0]
    policy = email.policy.default.clone(utf8=True)
    return [email.message_from_bytes(group + b"\r\n", policy=policy) for group in body.split(b"\r\n\r\n")]


class OwnReports(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        subprocess.run([SAMPLES, cls.folder.name], check=True)
        cls.paths = sorted(pathlib.Path(cls.folder.name).glob("*.eml"))
        run = subprocess.run([BINARY, "dsn", "parse", "--json", *map(str, cls.paths)], capture_output=True, check=True)
        cls.ours = [json.loads(line) for line in run.stdout.decode().splitlines()]

    def each(self):
        self.assertEqual(len(self.paths), len(self.ours))
        self.assertGreaterEqual(len(self.paths), 10)
        for path, ours in zip(self.paths, self.ours):
            rows = [line.split("\t") for line in path.with_suffix(".tsv").read_text("utf-8").splitlines()]
            yield path.read_bytes(), ours, rows[0], rows[1:]

    def test_dsn_parse_reads_what_they_were_made_from(self):
        for _, ours, (_, message_id), rows in self.each():
            self.assertEqual((ours["kind"], ours["original_message_id"]), ("dsn", message_id.strip("<>")))
            got = [[one[name] or "" for name in ("final", "original", "action", "status")] for one in ours["recipients"]]
            self.assertEqual(got, [row[:4] for row in rows])
            for one, row in zip(ours["recipients"], rows):
                self.assertEqual(" ".join((one["diagnostic"] or "").split()), " ".join(row[4].split()))

    def test_python_reads_what_they_were_made_from(self):
        for octets, _, (envelope_id, message_id), rows in self.each():
            message = email.message_from_bytes(octets)
            self.assertEqual(message.get_content_type(), "multipart/report")
            text, status, returned = message.get_payload()
            self.assertEqual(status.get_content_type(), STATUS_TYPES[message.get_param("report-type")])
            self.assertEqual((text.get_content_type(), returned.get_content_type()), ("text/plain", PARTS_BEHIND[status.get_content_type()]))
            self.assertFalse([part.defects for part in message.walk() if part.defects])
            self.assertEqual((message["In-Reply-To"], message["References"]), (message_id, message_id))
            self.assertTrue(message["Auto-Submitted"].startswith("auto-"))
            of_message, *of_recipients = groups_of(status, octets)
            self.assertEqual((of_message["Original-Envelope-Id"], of_message["Arrival-Date"]), (envelope_id, ARRIVAL))
            self.assertEqual(of_message["Reporting-MTA"], "dns;mx.example.test")
            self.assertEqual(len(of_recipients), len(rows))
            for fields, row in zip(of_recipients, rows):
                self.recipient(fields, *row)

    def recipient(self, fields, final, original, action, status, diagnostic, remote):
        kind, address = typed(fields["Final-Recipient"])
        self.assertEqual((kind, address), ("rfc822" if final.isascii() else "utf-8", final))
        self.assertEqual(fields["Original-Recipient"], "rfc822;" + original if original else None)
        self.assertEqual((fields["Action"], fields["Status"]), (action, status))
        self.assertEqual(fields["Diagnostic-Code"], "smtp;" + diagnostic.rstrip() if diagnostic else None)
        self.assertEqual(fields["Remote-MTA"], "dns;" + remote if remote else None)
        self.assertEqual(fields["Final-Log-ID"], "q1")
        self.assertEqual(fields["Will-Retry-Until"], UNTIL if action == "delayed" else None)
        self.assertIsNotNone(email.utils.parsedate_to_datetime(fields["Last-Attempt-Date"]))

    def test_people_read_of_every_recipient(self):
        for octets, _, _, rows in self.each():
            text = email.message_from_bytes(octets, policy=email.policy.default).get_payload()[0].get_content()
            for row in rows:
                self.assertIn(f"<{row[0]}>", unescaped(text))
            self.assertLessEqual(max(map(len, octets.split(b"\r\n"))), 998)


if __name__ == "__main__":
    unittest.main(verbosity=2)
