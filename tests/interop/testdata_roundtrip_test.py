#!/usr/bin/env python3
"""Every message of ../shared/testdata goes in by DATA and by BDAT and comes out of POP3 as the same octets.

SMTP demands CRLF: the files are sent with every line end made so. What comes back is the message behind the fields that delivery put on top;
only an earlier Return-Path is gone (RFC 5321 4.4: at final delivery there is one, ours). Refused are those that the rules refuse, and
REFUSED says which and with what.
"""
import poplib
import re
import sys
import unittest

from harness import DOMAIN, ROOT, TestCase, main, queue_id

sys.path.insert(0, str(ROOT / "tests/corpus"))
from messages import messages, without_mbox_line  # noqa: E402

CORPUS = (ROOT / "../shared/testdata").resolve()
POP3_ANSWER_MAX = 1 << 28
NULS = "550 5.5.2"  # R1: NUL has no place in text (RFC 5321 4.5.2, RFC 5322 2.1)
# Beside what holds a NUL, which is seen in the file itself: file: (reply, why)
REFUSED = {}


def corpus():
    return [path.relative_to(CORPUS).as_posix() for path in messages(CORPUS)]


def as_smtp_wants(octets):
    """Only CRLF, at the end too; without the line that an mbox has before a message."""
    octets = re.sub(rb"\r\n|\r|\n", b"\r\n", without_mbox_line(octets))
    return octets if octets.endswith(b"\r\n") else octets + b"\r\n"


def without_return_path(octets):
    """As final delivery leaves the header section."""
    head, blank, body = octets.partition(b"\r\n\r\n")
    head = re.sub(rb"(?im)^return-path[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*", b"", head + blank[:2])
    return head + blank[2:] + body


class Roundtrip(TestCase):
    config = {"smtp": "max_connections_per_ip = 10"}

    @classmethod
    def prepare(cls):
        if not CORPUS.is_dir():
            raise unittest.SkipTest(f"no corpora at {CORPUS}")

    def test_by_data(self):
        self.there_and_back("alice", self.by_data)

    def test_by_bdat(self):
        self.there_and_back("bob", self.by_bdat)

    def test_the_table_of_refusals_names_files_that_are_there(self):
        self.assertLessEqual(set(REFUSED), set(corpus()))

    def there_and_back(self, account, give):
        """All messages over a session each 50, then one look into the mailbox."""
        to = f"{account}@{DOMAIN}"
        sent, wrong = {}, []
        client = None
        for number, name in enumerate(corpus()):
            if number % 50 == 0:
                client = self.session(client)
            content = as_smtp_wants((CORPUS / name).read_bytes())
            want = REFUSED[name][0] if name in REFUSED else NULS if b"\0" in content else "250 2.0.0"
            code, lines = give(client, to, content)
            got = f"{code} {lines[0]}" if lines else str(code)
            if not got.startswith(want):
                wrong.append(f"{name}: {got}, wanted {want}")
            if code == 250:
                sent[queue_id((code, lines))] = (name, content)
            elif code in (0, 421):
                client = self.session(client)
        client.close()
        self.assertFalse(wrong, "\n" + "\n".join(wrong))
        self.assertGreater(len(sent), 500)
        self.server.wait_events("delivery.attempt", len(sent), outcome="delivered", to=to)
        got = self.mailbox(account)
        self.assertEqual(len(got), len(sent))
        for octets in got:
            identifier, content = self.cut(octets)
            name, original = sent.pop(identifier)
            if content != without_return_path(original):
                wrong.append(f"{name}: came back as other octets")
        self.assertFalse(wrong, "\n" + "\n".join(wrong))
        self.assertFalse(sent)

    def session(self, before):
        if before is not None:
            before.close()
        client = self.server.lines()
        self.assertEqual(client.ask("EHLO client.test")[0], 250)
        return client

    def envelope(self, client, to):
        client.send(f"MAIL FROM:<ann@client.test> BODY=8BITMIME\r\nRCPT TO:<{to}>\r\n".encode())
        self.assertEqual([client.reply()[0], client.reply()[0]], [250, 250])

    def by_data(self, client, to, content):
        self.envelope(client, to)
        self.assertEqual(client.ask("DATA")[0], 354)
        client.send(re.sub(rb"(?m)^\.", b"..", content) + b".\r\n")
        return client.reply()

    def by_bdat(self, client, to, content):
        """In three chunks, cut where it happens; the last one is empty."""
        self.envelope(client, to)
        middle = len(content) // 3
        for chunk in (content[:middle], content[middle:]):
            client.send(b"BDAT %d\r\n" % len(chunk) + chunk)
            reply = client.reply()
            if reply[0] != 250:
                client.ask("RSET")
                return reply
        return client.ask("BDAT 0 LAST")

    def mailbox(self, account):
        client = self.server.pop3(account)
        try:
            return [b"\r\n".join(client.retr(number + 1)[1]) + b"\r\n" for number in range(client.stat()[0])]
        finally:
            client.quit()

    def cut(self, octets):
        """The queue id, and the octets behind our Received field: it is the last of those that delivery put on top."""
        found = re.match(rb"Return-Path: [^\n]*\n(?:Delivered-To|Authentication-Results): (?:[^\n]*\n(?:[ \t][^\n]*\n)*)(?:Authentication-Results: [^\n]*\n(?:[ \t][^\n]*\n)*)?"
                         rb"Received: [^\n]*\n(?:[ \t][^\n]*\n)*", octets)
        self.assertIsNotNone(found, octets[:400])
        return re.search(rb"\bid (\w{18})\b", found[0])[1].decode(), octets[found.end():]


if __name__ == "__main__":
    poplib._MAXLINE = POP3_ANSWER_MAX
    main()
