#!/usr/bin/env python3
"""Mail that goes on: relay domains with their recipients verified (Postfix and our sink as the inner host), a backup MX whose first
host comes back, alias domains, alias files and lists with an owner."""
import re

from harness import DOMAIN, FRIEND, TestCase, free_port, main, message, send, temporary_folder
from peers import Postfix
from sink import Sink

ALICE, BOB = f"alice@{DOMAIN}", f"bob@{DOMAIN}"
STRANGER_SENDER = "someone@stranger.test"


def relay_domain(name, port, recipients="verify"):
    return (f'[[domain]]\nname = "{name}"\nkind = "relay"\nrecipients = "{recipients}"\n'
            f'[[route]]\ndomain = "{name}"\nvia = "127.0.0.1:{port}"\n')


def said(reply):
    return reply[0], reply[1].decode().split(" ")[0]


class Gateway(TestCase):
    @classmethod
    def prepare(cls):
        cls.asked = []
        cls.sink = Sink(cls.answer)
        cls.addClassCleanup(cls.sink.close)
        (cls.folder / "listed").write_text("# who is there\nann\nBob@listed.test\n")
        cls.config = {"sections": relay_domain("inner.test", cls.sink.port) + relay_domain("down.test", free_port())
                      + relay_domain("any.test", cls.sink.port, "any")
                      + relay_domain("listed.test", cls.sink.port, f"file:{cls.folder}/listed")
                      + f'[[domain]]\nname = "other.test"\nkind = "alias"\nof = "{DOMAIN}"\n'
                      f'[[route]]\ndomain = "{DOMAIN}"\nsender = "@moved.test"\nmatch_local = true\nvia = "127.0.0.1:{cls.sink.port}"\n'
                      '[[route]]\ndomain = "closed.test"\nvia = "error:5.1.2 closed for good"\n'}

    @classmethod
    def answer(cls, verb, argument, session):
        if verb in ("RCPT", "DATA"):
            cls.asked.append((verb, argument, session.get("mail", "")))
        if verb == "RCPT" and "nobody" in argument:
            return "550 5.1.1 no such user in here"
        if verb == "RCPT" and "later" in argument:
            return "451 4.7.1 greylisted"
        return None

    def ask(self, recipient, sender=STRANGER_SENDER):
        with self.server.smtp() as client:
            client.mail(sender)
            return said(client.rcpt(recipient))

    def test_a_stranger_may_write_to_who_is_there(self):
        content = message("for ann")
        with self.server.smtp() as client:
            identifier = send(client, STRANGER_SENDER, "ann@inner.test", content)
        got = self.sink.wait_message(lambda got: b"for ann" in got[2])
        self.assertEqual((got[0], got[1]), (STRANGER_SENDER, ["ann@inner.test"]))
        self.assertTrue(got[2].endswith(content))
        self.server.wait_outcome(identifier, "relayed")
        self.assertIn("FROM:<>", next(mail for _, recipient, mail in self.asked if "ann@inner" in recipient))  # the question came from nobody, and before any content

    def test_who_is_not_there_is_refused_at_rcpt_and_asked_for_once(self):
        mark = self.server.mark()
        for _ in range(3):
            self.assertEqual(self.ask("nobody@inner.test"), (550, "5.1.1"))
        self.assertEqual(len([one for one in self.asked if "nobody@inner" in one[1]]), 1)
        event = self.server.wait_event("smtp.recipient_refused", mark, to="nobody@inner.test")
        self.assertEqual(event["detail"], "550 5.1.1 no such user in here")

    def test_who_cannot_be_verified_now_is_put_off(self):
        self.assertEqual(self.ask("later@inner.test"), (450, "4.1.1"))
        self.assertEqual(self.ask("ann@down.test"), (450, "4.1.1"))

    def test_only_its_own_domain_is_relayed(self):
        for recipient in ("x@away.test", "x@sub.inner.test", "x%away.test@inner.test", "away.test!x@inner.test", "x%away.test@any.test",
                          '"x@away.test"@any.test'):
            self.assertEqual(self.ask(recipient), (550, "5.7.1"), recipient)

    def test_any_and_a_list(self):
        self.assertEqual(self.ask("whoever@any.test"), (250, "2.1.5"))
        for recipient in ("ann@listed.test", "BOB@listed.test", "bob+x@listed.test", "postmaster@listed.test"):
            self.assertEqual(self.ask(recipient), (250, "2.1.5"), recipient)
        self.assertEqual(self.ask("carol@listed.test"), (550, "5.1.1"))

    def test_a_route_takes_local_mail_by_its_sender(self):
        with self.server.smtp() as client:
            send(client, "x@moved.test", ALICE, message("taken"))
            identifier = send(client, STRANGER_SENDER, ALICE, message("left here"))
        self.assertEqual(self.sink.wait_message(lambda got: b"taken" in got[2])[1], [ALICE])
        self.server.wait_outcome(identifier, "delivered")
        self.assertEqual(self.ask("nobody@" + DOMAIN, "x@moved.test"), (550, "5.1.1"))

    def test_a_route_refuses_at_rcpt(self):
        with self.server.smtp(FRIEND) as client:
            client.mail(ALICE)
            reply = client.rcpt("x@closed.test")
        self.assertEqual((reply[0], reply[1][:21]), (550, b"5.1.2 closed for good"))
        self.assertEqual(self.ask("x@closed.test"), (550, "5.7.1"))

    def test_an_alias_domain_is_another_name(self):
        with self.server.smtp() as client:
            identifier = send(client, STRANGER_SENDER, "Alice+x@other.test", message("by another name"))
        self.server.wait_outcome(identifier, "delivered")
        self.assertTrue(any(b"by another name" in mail for mail in self.server.messages("alice")))
        self.assertEqual(self.ask("nobody@other.test"), (550, "5.1.1"))


class GatewayToPostfix(TestCase):
    @classmethod
    def prepare(cls):
        cls.postfix = Postfix(cls.folder / "postfix", boxes="inline:{box@remote.test=box/}")
        cls.addClassCleanup(cls.postfix.stop)
        cls.config = {"sections": relay_domain("remote.test", cls.postfix.port)}

    def test_postfix_is_asked_and_gets_the_mail(self):
        with self.server.smtp() as client:
            client.mail(STRANGER_SENDER)
            self.assertEqual(said(client.rcpt("nobody@remote.test")), (550, "5.1.1"))
            client.rset()
            send(client, STRANGER_SENDER, "box@remote.test", message("through the gateway"))
        self.assertIn(b"through the gateway", self.postfix.delivered(lambda mail: b"through the gateway" in mail))


class BackupMx(TestCase):
    start_server = False

    @classmethod
    def prepare(cls):
        cls.port = free_port()
        cls.dns = cls.folder / "dns"
        cls.dns.write_text(f"backed.test MX 10 first.test\nbacked.test MX 20 mx.{DOMAIN}\nfirst.test A 127.0.0.1\nmx.{DOMAIN} A 192.0.2.1\n")
        cls.config = {"outbound": f"port = {cls.port}\n",
                      "sections": '[queue]\nretry = ["1s"]\n[[domain]]\nname = "backed.test"\nkind = "relay"\nrecipients = "any"\n'}

    def test_mail_waits_for_the_first_host(self):
        self.server.start("--dns", self.dns)
        with self.server.smtp() as client:
            identifier = send(client, STRANGER_SENDER, "ann@backed.test", message("while it was down"))
        self.server.wait_outcome(identifier, "deferred")
        sink = Sink(port=self.port)
        self.addCleanup(sink.close)
        self.assertEqual(sink.wait_message(lambda got: b"while it was down" in got[2])[1], ["ann@backed.test"])
        self.server.wait_outcome(identifier, "relayed")


class Lists(TestCase):
    @classmethod
    def prepare(cls):
        cls.sink = Sink(lambda verb, argument, _session: "550 5.1.1 moved away" if verb == "RCPT" and "gone" in argument else None)
        cls.addClassCleanup(cls.sink.close)
        (cls.folder / "aliases").write_text(
            "# See man 5 aliases for format\npostmaster:    root\nroot: alice\nteam: :include:members\nowner-team: bob\nboth: alice,\n  far@sink.test\n")
        (cls.folder / "members").write_text("alice\nfar@sink.test # the other house\ngone@sink.test\n")
        (cls.folder / "virtual").write_text(f"{DOMAIN} anything\ninfo@{DOMAIN} alice\n@caught.test bob\n")
        cls.config = {"sections": f'[[alias_file]]\npath = "{cls.folder}/aliases"\ndomain = "{DOMAIN}"\n'
                      f'[[alias_file]]\npath = "{cls.folder}/virtual"\nformat = "postfix-virtual"\ndomain = "{DOMAIN}"\n'
                      '[[domain]]\nname = "caught.test"\n'
                      f'[[route]]\ndomain = "sink.test"\nvia = "127.0.0.1:{cls.sink.port}"\n'}

    def mail_of(self, account, words):
        return next((mail for mail in self.server.messages(account) if words in mail), None)

    def test_a_list_goes_on_from_its_owner_who_gets_the_reports(self):
        mark = self.server.mark()
        with self.server.smtp() as client:
            identifier = send(client, STRANGER_SENDER, f"team@{DOMAIN}", message("to the team"))
        owner = f"owner-team@{DOMAIN}"
        self.assertEqual(self.sink.wait_message(lambda got: b"to the team" in got[2])[:2], (owner, ["far@sink.test"]))
        self.server.wait_outcome(identifier, "delivered", to=ALICE)
        mail = self.mail_of("alice", b"to the team")
        self.assertIsNotNone(mail)
        self.assertTrue(mail.startswith(f"Return-Path: <{owner}>\r\n".encode()), mail)
        self.assertIn(f"From: {ALICE}".encode(), mail)  # the header stays as it was
        self.server.wait_outcome(identifier, "failed", to="gone@sink.test")
        report = self.server.wait_event("delivery.attempt", mark, outcome="delivered", to=BOB)
        self.assertNotEqual(report["id"], identifier)
        self.assertIn(b"gone@sink.test", self.mail_of("bob", b"multipart/report"))

    def test_an_alias_keeps_the_sender(self):
        with self.server.smtp() as client:
            identifier = send(client, STRANGER_SENDER, f"both@{DOMAIN}", message("to both"))
        self.assertEqual(self.sink.wait_message(lambda got: b"to both" in got[2])[:2], (STRANGER_SENDER, ["far@sink.test"]))
        self.server.wait_outcome(identifier, "delivered", to=ALICE)
        self.assertIn(f"Return-Path: <{STRANGER_SENDER}>".encode(), self.mail_of("alice", b"to both"))

    def test_a_report_to_a_list_stays_from_nobody(self):
        with self.server.smtp() as client:
            send(client, "", f"team@{DOMAIN}", message("a report"))
        self.assertEqual(self.sink.wait_message(lambda got: b"a report" in got[2])[0], "")

    def test_postmaster_info_and_the_catch_all(self):
        with self.server.smtp() as client:
            for recipient, account in (("postmaster@" + DOMAIN, ALICE), ("info@" + DOMAIN, ALICE), ("whoever@caught.test", BOB)):
                identifier = send(client, STRANGER_SENDER, recipient, message("by file"))
                self.server.wait_outcome(identifier, "delivered", to=account)

    def test_who_asked_for_success_hears_that_it_was_expanded(self):
        mark = self.server.mark()
        with self.server.smtp(FRIEND) as client:
            client.mail(BOB)
            self.assertEqual(client.rcpt(f"both@{DOMAIN}", ["NOTIFY=SUCCESS,FAILURE"])[0], 250)
            client.data(message("expanded please"))
        self.server.wait_event("delivery.attempt", mark, outcome="delivered", to=BOB)
        report = self.mail_of("bob", b"expanded please")
        self.assertRegex(report, rb"(?i)action: expanded")
        self.assertNotRegex(report, rb"(?i)action: delivered")


class Mistakes(TestCase):
    start_server = False

    def test_every_mistake_of_every_file_is_shown_with_its_place(self):
        folder = temporary_folder(self)
        (folder / "aliases").write_text("root: alice\nfilter: \"|/usr/bin/procmail\"\nlog: /var/log/mail\nroot: bob\nno colon\n")
        (folder / "list").write_text("ann\nx@elsewhere.test\n")
        self.server.configure(sections=f'[[alias_file]]\npath = "{folder}/aliases"\ndomain = "{DOMAIN}"\n'
                              f'[[domain]]\nname = "inner.test"\nkind = "relay"\nrecipients = "file:{folder}/list"\n')
        done = self.server.command("config", "check")
        self.assertEqual(done.returncode, 1)
        places = re.findall(rf"{re.escape(str(folder))}/(\w+:\d+:\d+): ", done.stderr)
        self.assertEqual(sorted(places), ["aliases:2:9", "aliases:3:6", "aliases:4:1", "aliases:5:1", "list:2:1"], done.stderr)
        self.assertNotEqual(self.server.command("serve").returncode, 0)


if __name__ == "__main__":
    main()
