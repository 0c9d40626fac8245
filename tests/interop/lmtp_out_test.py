#!/usr/bin/env python3
"""Routes by LMTP into Dovecot, over TCP and over a Unix socket: a reply for each recipient, and each has a fate of its own."""
import email

from harness import DOMAIN, FRIEND, TestCase, main, message, send, wait_until
from peers import Dovecot

ALICE = f"alice@{DOMAIN}"
BOX, OTHER, FULL, NOBODY = (f"{name}@remote.test" for name in ("box", "other", "full", "nobody"))
BODY = ".\r\n..\r\nGr\u00fc\u00dfe\r\n" + "l" * 5_000 + "\r\nblanks  \r\n\r\n"


class IntoDovecot:
    @classmethod
    def prepare(cls):
        cls.dovecot = Dovecot(cls.folder / "dovecot")
        cls.addClassCleanup(cls.dovecot.stop)
        cls.config = {"sections": f'[queue]\nretry = ["1s"]\n[[route]]\ndomain = "remote.test"\nvia = "{cls.via()}"\n'}

    def relay(self, content, *to):
        with self.server.smtp(FRIEND) as client:
            return send(client, ALICE, list(to), content)

    def report(self, subject):
        found = wait_until(lambda: [got for got in map(email.message_from_bytes, self.server.messages("alice"))
                                    if got.get_content_type() == "multipart/report" and subject in got.as_string()], f"a report on {subject}")
        self.assertEqual(len(found), 1)
        _, *recipients = found[0].get_payload()[1].get_payload()
        return {fields["Final-Recipient"].partition(";")[2].strip(): (fields["Action"], fields["Status"]) for fields in recipients}

    def test_the_content_arrives_as_it_came(self):
        content = message("by lmtp", body=BODY)
        identifier = self.relay(content, BOX, OTHER)
        for user in ("box", "other"):
            got = self.dovecot.delivered(lambda mail: b"Subject: by lmtp\n" in mail.replace(b"\r\n", b"\n"), user).replace(b"\r\n", b"\n")
            self.assertTrue(got.endswith(content.replace(b"\r\n", b"\n")), got)
            self.assertIn(identifier.encode(), got)
            self.assertIn(f"Return-Path: <{ALICE}>".encode(), got)
            event = self.server.wait_outcome(identifier, "relayed", to=f"{user}@remote.test")
            self.assertEqual(event["reply"][:9], "250 2.0.0")

    def test_one_who_is_full_fails_alone(self):
        """Dovecot says so after the content, for that recipient only (RFC 2033 4.2)."""
        identifier = self.relay(message("too much", body="0123456789\r\n" * 1_000), BOX, FULL, OTHER)
        for to, outcome in ((BOX, "relayed"), (FULL, "failed"), (OTHER, "relayed")):
            self.server.wait_outcome(identifier, outcome, to=to)
        self.assertEqual(self.report("too.much@client.test"), {FULL: ("failed", "5.2.2")})

    def test_one_who_is_unknown_fails_alone(self):
        identifier = self.relay(message("half known"), NOBODY, BOX)
        for to, outcome in ((BOX, "relayed"), (NOBODY, "failed")):
            self.server.wait_outcome(identifier, outcome, to=to)
        self.assertEqual(self.report("half.known@client.test"), {NOBODY: ("failed", "5.1.1")})

    def test_all_unknown(self):
        identifier = self.relay(message("nobody at all"), NOBODY, f"no.{NOBODY}")
        for to in (NOBODY, f"no.{NOBODY}"):
            self.server.wait_outcome(identifier, "failed", to=to)
        self.assertEqual(set(self.report("nobody.at.all@client.test")), {NOBODY, f"no.{NOBODY}"})

    def test_sixty_recipients(self):
        """More than a transaction holds; Dovecot drops what is behind a plus."""
        identifier = self.relay(message("sixty"), *(f"box+{number}@remote.test" for number in range(60)))
        events = self.server.wait_events("delivery.attempt", 60, id=identifier, outcome="relayed")
        self.assertEqual({event["to"] for event in events}, {f"box+{number}@remote.test" for number in range(60)})
        self.assertEqual(len({event["reply"] for event in events}), 60)  # each has one of its own


class OverTcp(IntoDovecot, TestCase):
    @classmethod
    def via(cls):
        return f"lmtp://127.0.0.1:{cls.dovecot.port}"


class OverASocket(IntoDovecot, TestCase):
    @classmethod
    def via(cls):
        return f"lmtp+unix:{cls.dovecot.path}"


if __name__ == "__main__":
    main()
