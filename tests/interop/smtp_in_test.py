#!/usr/bin/env python3
"""Mail comes in: by Python's smtplib, and by a client that does by hand what smtplib cannot."""
import re
import smtplib
import socket

from harness import DOMAIN, FRIEND, TestCase, expect, main, message, queue_id, send

ALICE, BOB = f"alice@{DOMAIN}", f"bob@{DOMAIN}"
SENDER = "ann@client.test"


class Smtplib(TestCase):
    config = {"smtp": 'max_message_size = "1MiB"\nmax_recipients = 5',
              "sections": '[[route]]\ndomain = "*"\nvia = "hold"\n'}

    def test_a_message_gets_the_trace_fields_in_their_order(self):
        content = message("trace fields")
        with self.server.smtp() as client:
            identifier = send(client, SENDER, BOB, content)
        self.server.wait_outcome(identifier, "delivered")
        got = self.find("bob", b"Subject: trace fields")
        self.assertTrue(got.endswith(content), got)
        added = re.sub(rb"\r\n[ \t]+", b" ", got[:-len(content)]).decode().split("\r\n")[:-1]
        self.assertEqual(added[0], f"Return-Path: <{SENDER}>")
        self.assertEqual(added[1], f"Delivered-To: {BOB}")
        self.assertRegex(added[-1], rf"^Received: from client\.test \(.*\[?127\.0\.0\.1\]?\) by mx\.example\.test .*with ESMTP id {identifier}\b.*; .*\+0000")

    def test_eight_bit_text_stays_as_it_is(self):
        content = message("eight bits", body="Grüße aus Köln, 日本\r\n")
        with self.server.smtp() as client:
            self.assertTrue(client.has_extn("8bitmime"))
            identifier = send(client, SENDER, BOB, content)
        self.server.wait_outcome(identifier, "delivered")
        self.assertTrue(self.find("bob", b"Subject: eight bits").endswith(content))

    def test_a_size_over_the_limit_is_refused_at_mail(self):
        with self.server.smtp() as client:
            self.assertEqual(client.esmtp_features["size"], str(1024 * 1024))
            code, text = client.mail(SENDER, [f"size={1024 * 1024 + 1}"])
            self.assertEqual((code, text[:5]), (552, b"5.3.4"))

    def test_a_size_that_was_not_declared_is_refused_at_the_end(self):
        with self.server.smtp() as client:
            expect(client.mail(SENDER), 250)
            expect(client.rcpt(BOB), 250)
            code, text = client.data(message("too large", body=("x" * 70 + "\r\n") * 20_000))
            self.assertEqual((code, text[:5]), (552, b"5.3.4"))
            send(client, SENDER, BOB, message("after it"))

    def test_refused_recipients_leave_the_others(self):
        with self.server.smtp() as client:
            refused = client.sendmail(SENDER, [BOB, f"nobody@{DOMAIN}", ALICE], message("two of three"))
        self.assertEqual(list(refused), [f"nobody@{DOMAIN}"])
        self.assertEqual((refused[f"nobody@{DOMAIN}"][0], refused[f"nobody@{DOMAIN}"][1][:5]), (550, b"5.1.1"))
        for account in ("alice", "bob"):
            self.find(account, b"Subject: two of three", wait=True)

    def test_relaying_is_denied_to_strangers_and_done_for_friends(self):
        with self.server.smtp() as client:
            with self.assertRaises(smtplib.SMTPRecipientsRefused) as caught:
                client.sendmail(SENDER, "x@elsewhere.test", message("relay"))
        code, text = caught.exception.recipients["x@elsewhere.test"]
        self.assertEqual((code, text[:5]), (550, b"5.7.1"))
        with self.server.smtp(FRIEND) as client:
            send(client, SENDER, "x@elsewhere.test", message("relay"))

    def test_source_routes_and_percent_do_not_open_the_relay(self):
        with self.server.smtp() as client:
            for trick in (f"x%elsewhere.test@{DOMAIN}", f"elsewhere.test!x@{DOMAIN}", f'"x@elsewhere.test"@{DOMAIN}',
                          f"@{DOMAIN}:x@elsewhere.test", "x@[192.0.2.1]"):
                expect(client.mail(SENDER), 250)
                code, text = client.docmd("RCPT", f"TO:<{trick}>")
                self.assertEqual(code // 100, 5, f"{trick}: {code} {text}")
                client.rset()

    def test_recipients_over_the_limit_are_put_off(self):
        with self.server.smtp(FRIEND) as client:
            expect(client.mail(SENDER), 250)
            for number in range(5):
                expect(client.rcpt(f"{number}@elsewhere.test"), 250)
            code, text = client.rcpt("6@elsewhere.test")
            self.assertEqual((code, text[:5]), (452, b"4.5.3"))

    def test_postmaster_without_a_domain_is_known(self):
        self.assertEqual(self.server.command("alias", "add", f"postmaster@{DOMAIN}", ALICE).returncode, 0)
        with self.server.smtp() as client:
            expect(client.mail(SENDER), 250)
            expect(client.docmd("RCPT", "TO:<Postmaster>"), 250)

    def find(self, account, subject, wait=False):
        if wait:
            self.server.wait_event("delivery.attempt", to=f"{account}@{DOMAIN}", outcome="delivered")
        found = [got for got in self.server.messages(account) if subject in got]
        self.assertEqual(len(found), 1, f"{subject} for {account}")
        return found[0]


class ByHand(TestCase):
    def deliver(self, client, lines, want):
        """Sends what is given after EHLO; gives the codes of as many replies as `want` has."""
        client.send(lines)
        got = [client.reply() for _ in want]
        self.assertEqual([code for code, _ in got], want, got)
        return got

    def open(self):
        client = self.server.lines()
        self.addCleanup(client.close)
        self.assertEqual(client.greeting[0], 220)
        self.assertRegex(client.greeting[1][0], "^mx.example.test ESMTP")
        code, extensions = client.ask("EHLO client.test")
        self.assertEqual(code, 250)
        for word in ("PIPELINING", "8BITMIME", "CHUNKING", "ENHANCEDSTATUSCODES"):
            self.assertIn(word, extensions)
        return client

    def test_a_whole_transaction_in_one_segment(self):
        client = self.open()
        got = self.deliver(client, f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{BOB}>\r\nRCPT TO:<x@{DOMAIN}>\r\nDATA\r\n".encode(), [250, 250, 550, 354])
        self.assertTrue(got[2][1][0].startswith("5.1.1"))
        got = self.deliver(client, message("pipelined") + b".\r\nNOOP\r\nQUIT\r\n", [250, 250, 221])
        self.server.wait_outcome(queue_id(got[0]), "delivered")
        self.assertEqual(client.line(), b"")

    def test_one_octet_at_a_time(self):
        client = self.open()
        content = message("octet by octet", body="..two dots\r\n.\r\nnot the end\r\n").replace(b"\r\n.", b"\r\n..")
        for octet in f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{BOB}>\r\nDATA\r\n".encode():
            client.send(bytes([octet]))
        self.assertEqual([client.reply()[0] for _ in range(3)], [250, 250, 354])
        for octet in content + b".\r\n":
            client.send(bytes([octet]))
        self.server.wait_outcome(queue_id(client.reply()), "delivered")
        found = [got for got in self.server.messages("bob") if b"octet by octet" in got]
        self.assertTrue(found[0].endswith(b"..two dots\r\n.\r\nnot the end\r\n"), found)

    def test_chunks_of_bdat(self):
        content = message("in chunks", body="no dots are stuffed:\r\n.\r\n..\r\nend\r\n")
        client = self.open()
        start = f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{BOB}>\r\n".encode()
        first, second = content[:33], content[33:]
        chunks = b"BDAT %d\r\n%sBDAT %d\r\n%sBDAT 0 LAST\r\n" % (len(first), first, len(second), second)
        got = self.deliver(client, start + chunks, [250, 250, 250, 250, 250])
        self.server.wait_outcome(queue_id(got[-1]), "delivered")
        self.assertTrue(any(mail.endswith(content) for mail in self.server.messages("bob")))

    def test_a_chunk_without_a_transaction_is_read_and_refused(self):
        client = self.open()
        self.deliver(client, b"BDAT 6\r\nQUIT\r\nNOOP\r\n", [503, 250])

    def test_bare_line_feeds_are_refused_and_smuggle_nothing(self):
        client = self.open()
        start = f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{BOB}>\r\nDATA\r\n".encode()
        self.deliver(client, start, [250, 250, 354])
        smuggled = b"Subject: outer\r\n\r\ntext\n.\nMAIL FROM:<evil@client.test>\r\nRCPT TO:<" + ALICE.encode() + b">\r\nDATA\r\ninner\r\n.\r\n"
        got = self.deliver(client, smuggled + b"NOOP\r\n", [550, 250])
        self.assertTrue(got[0][1][0].startswith("5.5.2"), got)

    def test_what_is_no_smtp_ends(self):
        client = self.server.lines()
        self.addCleanup(client.close)
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        while client.line():
            pass

    def test_too_many_errors_end_the_session(self):
        client = self.open()
        codes = []
        for _ in range(30):
            codes.append(client.ask("XYZZY")[0])
            if codes[-1] in (421, 0):
                break
        self.assertEqual(codes[-1], 421)
        self.assertLessEqual(len(codes), 22)

    def test_half_a_session_that_goes_away_leaves_nothing(self):
        client = self.open()
        self.deliver(client, f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{BOB}>\r\nDATA\r\nSubject: cut\r\n\r\nhalf".encode(), [250, 250, 354])
        client.socket.shutdown(socket.SHUT_RDWR)
        listed = self.server.command("queue", "list")
        self.assertEqual(listed.returncode, 0, listed.stderr)
        self.assertFalse(any(b"Subject: cut" in got for got in self.server.messages("bob")))


if __name__ == "__main__":
    main()
