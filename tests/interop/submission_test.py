#!/usr/bin/env python3
"""What an account may submit: in whose name, what is added and dropped, what is refused at once, and a burst that is held.

Over loopback with plaintext_auth: what is said is the same over TLS, which other files show.
"""
import email
import email.policy
import json
import smtplib
import unittest

from harness import DOMAIN, PATIENCE_SECONDS, TestCase, main, message, queue_id
from sink import Sink

ALICE, BOB, APP = f"alice@{DOMAIN}", f"bob@{DOMAIN}", f"app@{DOMAIN}"
LISTEN = '[[listen]]\nservice = "submission"\naddress = "127.0.0.1:0"\nplaintext_auth = true\n'


class Submission(TestCase):
    @classmethod
    def prepare(cls):
        cls.sink = Sink()
        cls.addClassCleanup(cls.sink.close)
        cls.config = {"accounts": ("alice", "bob", "carol", "dave", "app"),
                      "sections": LISTEN + f'[[route]]\naccount = "carol@{DOMAIN}"\nvia = "error:5.7.1 not from carol"\n'
                                           f'[[route]]\ndomain = "sink.test"\nvia = "127.0.0.1:{cls.sink.port}"\n'
                                           f'[[alias]]\naddress = "sales@{DOMAIN}"\ntargets = ["{ALICE}"]\n'}

    def login(self, account=ALICE):
        client = smtplib.SMTP("127.0.0.1", self.server.ports["submission"], local_hostname="client.test", timeout=PATIENCE_SECONDS)
        client.ehlo()
        client.login(account, self.server.passwords[account])
        self.addCleanup(client.close)
        return client

    def submit(self, content, sender=ALICE, to=("x@sink.test",), account=ALICE, client=None):
        """The last reply: (code, text)."""
        session = client or self.login(account)
        reply = session.mail(sender)
        for one in to if reply[0] == 250 else ():
            reply = session.rcpt(one)
            if reply[0] != 250:
                break
        if reply[0] == 250:
            reply = session.data(content)
        else:
            session.rset()
        if client is None:
            session.quit()
        return reply[0], reply[1].decode()

    def arrived(self, token):
        got = self.sink.wait_message(lambda one: token.encode() in one[2])
        return got, email.message_from_bytes(got[2], policy=email.policy.default)

    def command(self, *words, stdin=""):
        done = self.server.command(*words, stdin=stdin)
        self.assertEqual(done.returncode, 0, f"{words}: {done.stdout}{done.stderr}")
        return done

    def test_nobody_without_a_login_submits(self):
        client = smtplib.SMTP("127.0.0.1", self.server.ports["submission"], local_hostname="client.test", timeout=PATIENCE_SECONDS)
        self.addCleanup(client.close)
        client.ehlo()
        self.assertEqual(client.mail(ALICE)[0], 530)

    def test_the_envelopes_sender_belongs_to_the_login(self):
        for sender, code in [(ALICE, 250), (f"alice+shop@{DOMAIN}", 250), (f"sales@{DOMAIN}", 250), ("", 250),
                             (BOB, 553), (f"postmaster@{DOMAIN}", 553), ("alice@away.test", 553)]:
            with self.subTest(sender=sender):
                reply = self.login().mail(sender)
                self.assertEqual(reply[0], code, reply)
                if code == 553:
                    self.assertIn(f"5.7.1 {ALICE} may not send as {sender}", reply[1].decode())

    def test_every_author_belongs_to_the_login(self):
        for head, wanted in [
            (f"From: Alice <{ALICE}>\r\n", "250"), (f"From: Sales <sales@{DOMAIN}>\r\n", "250"), (f"From:\r\n Alice\r\n <{ALICE}>\r\n", "250"),
            (f"From: =?utf-8?q?B=C3=B6b?= <{ALICE}>\r\n", "250"), (f"From: \"bob at work\" <{ALICE}>\r\n", "250"),
            (f"From: {BOB}\r\n", "550 5.7.1"), (f"From: Alice\r\n <{BOB}>\r\n", "550 5.7.1"), (f"From: {ALICE}, {BOB}\r\n", "550 5.7.1"),
            (f"From: Us: {ALICE}, {BOB};\r\n", "550 5.7.1"), (f"From: {BOB} <{ALICE}>\r\n", "550 5.7.1"), (f"From: \"{BOB}\" <{ALICE}>\r\n", "550 5.7.1"),
            (f"From: \"<{BOB}>\" <{ALICE}>\r\n", "550 5.7.1"), (f"From: bob @ {DOMAIN} <{ALICE}>\r\n", "550 5.7.1"), (f"From: \" [ <'{BOB}'> ] \" <{ALICE}>\r\n", "550 5.7.1"),
            (f"From: \"<{ALICE}>\" <{ALICE}>\r\n", "250"), (f"From: Alice for {BOB} <{ALICE}>\r\n", "250"), (f"From: \"<>\" <{ALICE}>\r\n", "250"), (f"From: \"@\" <{ALICE}>\r\n", "250"),
            (f"From: =?utf-8?q?bob=40{DOMAIN}?= <{ALICE}>\r\n", "550 5.7.1"), (f"From: {ALICE} ({BOB})\r\n", "550 5.7.1"),
            (f"From: {ALICE}\r\nFrom: {BOB}\r\n", "550 5.7.1"), (f"From: {ALICE}\r\nFrom : {BOB}\r\n", "550 5.7.1"), ("From: Nobody:;\r\n", "550 5.7.1"),
            ("From:\r\n", "550 5.7.1"), (f"From: {ALICE}\r\nResent-From: {BOB}\r\n", "550 5.7.1"), (f"From: {BOB}\r\nResent-From: {ALICE}\r\n", "550 5.7.1"),
            (f"From: {BOB}\r\nSender: {ALICE}\r\n", "550 5.7.1"), (f"From: =?utf-8?q?alice?=@{DOMAIN}\r\n", "550 5.7.1"), ("From: ceo@away.test\r\n", "550 5.7.1"),
            ("Subject: nobody\r\n", "550 5.6.0"), ("From: alice\r\n", "550 5.6.0"), (f"From: <{ALICE}> <{BOB}>\r\n", "550 5.6.0"),
            (f"From: <@away.test:{ALICE}>\r\n", "550 5.6.0"), (f"From: {ALICE}\r\njunk\r\nFrom: {BOB}\r\n", "550 5.6.0"), ("From: <>\r\n", "550 5.6.0"),
        ]:
            for sender in (ALICE, ""):
                with self.subTest(head=head, sender=sender):
                    reply = self.submit(f"{head}To: x@sink.test\r\n\r\nx\r\n".encode(), sender)
                    self.assertTrue(f"{reply[0]} {reply[1]}".startswith(wanted), reply)

    def test_a_right_to_send_as_another_is_given_and_taken(self):
        content = message("send as", From=f"Dave <dave@{DOMAIN}>")
        self.assertEqual(self.submit(content, f"dave@{DOMAIN}", account=BOB)[0], 553)
        self.command("account", "send-as", "add", BOB, f"dave@{DOMAIN}")
        self.assertEqual(self.submit(content, f"dave@{DOMAIN}", account=BOB)[0], 250)
        self.command("account", "send-as", "remove", BOB, f"dave@{DOMAIN}")
        self.assertEqual(self.submit(content, f"dave@{DOMAIN}", account=BOB)[0], 553)

    def test_what_is_missing_is_added_and_blind_copies_are_seen_by_nobody(self):
        content = (f"Bcc: hidden@sink.test\r\nFrom: {ALICE}\r\nTo: x@sink.test\r\nbcc :\r\n\tBob <{BOB}>\r\nSubject: complete me\r\nX-Bcc: stays\r\n"
                   f"Sender: {BOB}\r\n\r\nBcc: of the body\r\n").encode()
        self.assertEqual(self.submit(content, to=("x@sink.test", BOB, "hidden@sink.test"))[0], 250)
        got, parsed = self.arrived("complete me")
        self.server.wait_event("delivery.attempt", outcome="delivered", to=BOB)
        for octets in (got[2], self.server.messages("bob")[-1]):
            self.assertNotIn(b"hidden@", octets)
            self.assertNotIn(b"\r\nbcc", octets.lower().partition(b"\r\n\r\n")[0])
            self.assertIn(b"X-Bcc: stays\r\n", octets)
            self.assertTrue(octets.endswith(b"\r\n\r\nBcc: of the body\r\n"))
        self.assertEqual(len(parsed.get_all("Date")), 1)
        self.assertRegex(parsed["Message-ID"], f"^<[^@<>]+@mx.{DOMAIN}>$")
        self.assertIsNone(parsed["Sender"])

        whole = message("whole already", From=f"{ALICE}, sales@{DOMAIN}")
        self.assertEqual(self.submit(whole)[0], 250)
        got, parsed = self.arrived("whole already")
        self.assertTrue(got[2].endswith(whole), "what was submitted is as it was")
        self.assertEqual((parsed.get_all("Date"), parsed["Sender"]), (["Wed, 25 Nov 2026 09:00:00 +0000"], ALICE))

    def test_what_can_never_work_is_refused_at_once(self):
        client = self.login()
        for to, wanted in [(f"nobody@{DOMAIN}", "550 5.1.1"), ("x@[127.0.0.1]", "550 5.7.1"), ("x@sink.test", "250"), (BOB, "250")]:
            with self.subTest(to=to):
                client.rset()
                client.mail(ALICE)
                code, text = client.rcpt(to)
                self.assertTrue(f"{code} {text.decode()}".startswith(wanted), (code, text))

    def test_a_route_can_be_one_logins(self):
        self.assertEqual(self.submit(message("carols", From=f"carol@{DOMAIN}"), f"carol@{DOMAIN}", account=f"carol@{DOMAIN}"),
                         (550, "5.7.1 not from carol"))

    def test_a_burst_is_held_noticed_and_released_by_one_command(self):
        dave = f"dave@{DOMAIN}"
        client = self.login(dave)
        ids = []
        for number in range(60):
            reply = self.submit(message(f"burst {number}", From=dave), dave, (f"v{number}@sink.test",), client=client)
            ids.append(queue_id((reply[0], reply[1].encode())))
        for identifier in ids[:50]:
            self.server.wait_outcome(identifier, "relayed")
        held = [json.loads(line) for line in self.command("queue", "list", "--login", dave, "--json").stdout.splitlines()]
        self.assertEqual([one["id"] for one in held], ids[50:])
        self.assertEqual({(one["login"], to["held_why"]) for one in held for to in one["recipients"]}, {(dave, "burst")})
        self.server.wait_event("submission.burst", login=dave)
        self.server.wait_event("delivery.attempt", outcome="delivered", to=dave)
        notices = [one for one in self.server.messages("dave") if b"is held: much was sent" in one]
        self.assertEqual(len(notices), 1)
        release = next(line.strip() for line in notices[0].decode().splitlines() if "queue release" in line)
        self.assertEqual(release.split()[0], "postrider")
        done = self.command(*release.split()[1:])
        self.assertEqual(done.stdout.count(": released"), 10, done.stdout)
        for identifier in ids[50:]:
            self.server.wait_outcome(identifier, "relayed")

    def test_a_programs_account_passes(self):
        self.command("account", "class", APP, "app")
        client = self.login(APP)
        ids = []
        for number in range(120):
            reply = self.submit(message(f"app {number}", From=APP), APP, (f"w{number}@sink.test",), client=client)
            ids.append(queue_id((reply[0], reply[1].encode())))
        self.server.wait_outcome(ids[-1], "relayed")
        self.assertEqual(self.command("queue", "list", "--login", APP, "--status", "held").stdout, "")


if __name__ == "__main__":
    main()
