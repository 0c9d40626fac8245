#!/usr/bin/env python3
"""Mail goes out by POP3: with Python's poplib, and with a client that does by hand what poplib cannot."""
import base64
import poplib
import re

from harness import DOMAIN, LineClient, TestCase, main, message, retrieve, send

BOB = f"bob@{DOMAIN}"
SENDER = "ann@client.test"


class Poplib(TestCase):
    def deliver(self, *contents, account="bob"):
        with self.server.smtp() as client:
            for content in contents:
                identifier = send(client, SENDER, f"{account}@{DOMAIN}", content)
                self.server.wait_outcome(identifier, "delivered")

    def setUp(self):
        client = self.server.pop3("bob")
        for number in range(client.stat()[0]):
            client.dele(number + 1)
        client.quit()

    def test_retr_gives_the_octets_that_came(self):
        contents = [message("dots", body=".\r\n..\r\n.x\r\n...\r\nend\r\n"), message("no body", body=""), message("empty lines", body="\r\n\r\n\r\n"),
                    message("long line", body="y" * 5000 + "\r\n"), message("octets", body="\u00e9\u4e2d\x01\x7f\r\n"),
                    message("large", body=("z" * 76 + "\r\n") * 3000)]
        self.deliver(*contents)
        for got, content in zip(self.server.messages("bob"), contents, strict=True):
            self.assertTrue(got.endswith(content), content[:80])
            self.assertTrue(got.startswith(b"Return-Path: <ann@client.test>\r\n"), got[:200])

    def test_an_earlier_return_path_is_dropped(self):
        content = message("return path")
        self.deliver(content.replace(b"Subject:", b"Return-Path: <old@client.test>\r\nSubject:"))
        (got,) = self.server.messages("bob")
        self.assertEqual(re.findall(rb"(?mi)^Return-Path: (.*)\r$", got), [b"<ann@client.test>"])
        self.assertTrue(got.endswith(content))

    def test_stat_list_and_retr_agree_on_sizes(self):
        self.deliver(message("one"), message("two", body="x\r\n" * 1000))
        client = self.server.pop3("bob")
        sizes = [int(line.split()[1]) for line in client.list()[1]]
        self.assertEqual(client.stat(), (2, sum(sizes)))
        self.assertEqual([len(retrieve(client, number)) for number in (1, 2)], sizes)
        client.quit()

    def test_uidl_is_unique_and_stays(self):
        self.deliver(*[message(f"uidl {number}") for number in range(5)])
        client = self.server.pop3("bob")
        before = dict(line.split() for line in client.uidl()[1])
        self.assertEqual(len(set(before.values())), 5)
        client.dele(2)
        client.quit()
        self.server.stop()
        self.server.start()
        client = self.server.pop3("bob")
        after = dict(line.split() for line in client.uidl()[1])
        client.quit()
        self.assertEqual(list(after.values()), [before[number] for number in (b"1", b"3", b"4", b"5")])

    def test_top_gives_the_header_section_and_some_lines(self):
        self.deliver(message("top", body="1\r\n.2\r\n3\r\n"))
        client = self.server.pop3("bob")
        whole = client.retr(1)[1]
        blank = whole.index(b"")
        self.assertEqual(client.top(1, 0)[1], whole[:blank + 1])
        self.assertEqual(client.top(1, 2)[1], whole[:blank + 3])
        self.assertEqual(client.top(1, 99)[1], whole)
        client.quit()

    def test_deleted_at_quit_only(self):
        self.deliver(message("stays"), message("goes"))
        client = self.server.pop3("bob")
        client.dele(2)
        self.assertEqual(client.stat()[0], 1)
        with self.assertRaises(poplib.error_proto):
            client.retr(2)
        client.close()  # without QUIT: nothing happened (1939 §6)
        client = self.wait_unlocked()
        self.assertEqual(client.stat()[0], 2)
        client.dele(2)
        client.rset()
        client.dele(2)
        client.quit()
        (got,) = self.server.messages("bob")
        self.assertIn(b"Subject: stays", got)

    def wait_unlocked(self):
        """The server learns of a hang-up when it reads; until then the mailbox may be in use."""
        for _ in range(200):
            try:
                return self.server.pop3("bob")
            except poplib.error_proto as refused:
                self.assertIn("[IN-USE]", str(refused))
        self.fail("the mailbox stays locked after a hang-up")

    def test_one_session_at_a_time(self):
        first = self.server.pop3("bob")
        with self.assertRaisesRegex(poplib.error_proto, r"-ERR \[IN-USE\]"):
            self.server.pop3("bob")
        self.server.pop3("alice").quit()  # of one mailbox
        first.quit()
        self.server.pop3("bob").quit()

    def test_mail_that_comes_during_a_session_is_seen_in_the_next(self):
        client = self.server.pop3("bob")
        self.deliver(message("late"))
        self.assertEqual(client.stat()[0], 0)
        client.quit()
        self.assertEqual(len(self.server.messages("bob")), 1)

    def test_a_wrong_password_and_an_unknown_user_read_the_same(self):
        said = []
        for login in (BOB, f"nobody@{DOMAIN}"):
            with self.assertRaises(poplib.error_proto) as caught:
                self.server.pop3(login, "wrong")
            said.append(str(caught.exception))
        self.assertEqual(said[0], said[1])
        self.assertIn("[AUTH]", said[0])

    def test_auth_plain_and_pipelined_commands(self):
        self.deliver(message("one"))
        secret = base64.b64encode(f"\0{BOB}\0{self.server.passwords[BOB]}".encode()).decode()
        client = LineClient(self.server.ports["pop3"], greeting=False)
        self.addCleanup(client.close)
        self.assertTrue(client.line().startswith(b"+OK"))
        client.send(f"CAPA\r\nAUTH PLAIN {secret}\r\nSTAT\r\nNOOP\r\nRETR 7\r\nQUIT\r\n".encode())
        capabilities = []
        while (line := client.line()) != b".\r\n":
            self.assertTrue(line)
            capabilities.append(line.rstrip())
        for word in (b"TOP", b"UIDL", b"USER", b"RESP-CODES", b"PIPELINING"):
            self.assertIn(word, capabilities)
        mechanisms = [line.split()[1:] for line in capabilities if line.startswith(b"SASL ")]
        self.assertEqual(len(mechanisms), 1, capabilities)
        self.assertIn(b"PLAIN", mechanisms[0])
        got = [client.line() for _ in range(5)]
        self.assertEqual([line[:3] for line in got], [b"+OK", b"+OK", b"+OK", b"-ER", b"+OK"], got)
        self.assertEqual(client.line(), b"")


if __name__ == "__main__":
    main()
