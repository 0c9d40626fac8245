#!/usr/bin/env python3
"""`address` and `mime`: their JSON, their exit codes, many cases in one process."""
import hashlib
import json
import pathlib
import subprocess
import tempfile
import unittest

from harness import BINARY, main

MESSAGE = b"""Subject: =?utf-8?Q?caf=C3=A9?=
Content-Type: multipart/mixed; boundary="b"

--b
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

caf=E9
--b
Content-Type: message/rfc822

Content-Type: multipart/alternative; boundary="c"

--c

inner
--c--
--b
Content-Type: application/pdf; name="x.pdf"
Content-Disposition: attachment; filename="a b.pdf"
Content-Transfer-Encoding: base64

AAEC
--b--
""".replace(b"\n", b"\r\n")


def run(*words, stdin=b""):
    done = subprocess.run([BINARY, *words], input=stdin, capture_output=True, timeout=60, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def run_json(*words, stdin=b""):
    code, out, _ = run(*words, "--json", stdin=stdin)
    return code, [json.loads(line) for line in out.splitlines()]


class Address(unittest.TestCase):
    def test_check(self):
        code, rows = run_json("address", "check", "ann@example.test", '"a b"@example.test')
        self.assertEqual(code, 0)
        self.assertEqual([set(row) for row in rows], [{"v", "valid", "class", "diagnosis", "local", "domain"}] * 2)
        self.assertEqual((rows[0]["valid"], rows[0]["local"], rows[0]["domain"]), (True, "ann", "example.test"))
        self.assertEqual(rows[1]["local"], "a b")

    def test_check_by_lines_and_grammar(self):
        code, rows = run_json("address", "check", "--stdin", stdin=b"ann@example.test\r\nnone\n")
        self.assertEqual((code, [row["valid"] for row in rows]), (1, [True, False]))
        comment = "ann(x)@example.test"
        self.assertEqual(run("address", "check", comment)[0], 1)
        self.assertEqual(run("address", "check", "--smtp", comment)[0], 1)
        self.assertEqual(run("address", "check", "--header", comment)[0], 0)
        self.assertEqual(run("address", "check", "j\u00f6rg@example.test")[0], 1)
        self.assertEqual(run("address", "check", "--utf8", "j\u00f6rg@example.test")[0], 0)

    def test_words_are_taken_as_they_are(self):
        self.assertEqual(run_json("mime", "decode-header", "[a,b]")[1][0]["text"], "[a,b]")
        self.assertEqual(run_json("address", "check", "-x@b.test", "mime")[1][0]["local"], "-x")
        self.assertEqual(run("address", "check", "[a@b.test]")[0], 1)

    def test_used_wrongly(self):
        for words in (["address", "check"], ["address", "check", "--nonsense", "a@b.test"], ["address"], ["mime", "decode-header"],
                      ["address", "check", "--smtp", "--header", "a@b.test"], ["address", "list"], ["mime", "dump"]):
            with self.subTest(words=words):
                self.assertEqual(run(*words)[0], 2)

    def test_list(self):
        code, (row,) = run_json("address", "list", "--header", 'Team: "A, B" <a@x.test>, b@x.test;, =?utf-8?Q?=C3=A9?= <c@x.test>')
        self.assertEqual((code, row["errors"]), (0, []))
        self.assertEqual(row["mailboxes"], [{"name": "A, B", "local": "a", "domain": "x.test"}, {"name": "", "local": "b", "domain": "x.test"},
                                            {"name": "\u00e9", "local": "c", "domain": "x.test"}])
        self.assertEqual(row["groups"], [{"name": "Team", "mailboxes": row["mailboxes"][:2]}])
        code, (row,) = run_json("address", "list", "--header", "a@x.test, <b@")
        self.assertEqual((code, row["mailboxes"][0]["local"]), (1, "a"))
        self.assertTrue(row["errors"])


class Mime(unittest.TestCase):
    def test_dump(self):
        code, (row,) = run_json("mime", "dump", "-", "--imap", "--bodies", stdin=MESSAGE)
        self.assertEqual((code, row["v"], row["defects"]), (0, 1, []))
        self.assertEqual(row["headers"][0], {"name": "Subject", "raw": " =?utf-8?Q?caf=C3=A9?=", "text": "caf\u00e9"})
        (root,) = row["parts"]
        self.assertEqual((root["path"], root["type"], root["decoded_sha256"]), ("", "multipart/mixed", None))
        text, message, pdf = root["children"]
        self.assertEqual((text["path"], text["charset"], text["cte"], text["text"]), ("1", "iso-8859-1", "quoted-printable", "caf\u00e9"))
        self.assertEqual((text["lines"], text["octets"], text["decoded_octets"]), (1, 6, 4))
        inner = message["children"][0]
        self.assertEqual([message["path"], inner["path"], inner["children"][0]["path"]], ["2", "2.TEXT", "2.1"])
        self.assertEqual((pdf["path"], pdf["disposition"], pdf["filename"], pdf["params"]), ("3", "attachment", "a b.pdf", {"name": "x.pdf"}))
        self.assertEqual((pdf["decoded_octets"], pdf["decoded_sha256"]), (3, hashlib.sha256(b"\0\1\2").hexdigest()))
        self.assertEqual(set(pdf), {"path", "type", "params", "disposition", "filename", "cte", "charset", "lines", "octets", "decoded_octets",
                                    "decoded_sha256", "children"})
        self.assertTrue(row["envelope"].startswith('(NIL "=?utf-8?Q?caf=C3=A9?=" NIL'), row["envelope"])
        self.assertTrue(row["bodystructure"].startswith('(("text" "plain" ("charset" "iso-8859-1")'), row["bodystructure"])

    def test_a_message_without_parts_has_the_path_1(self):
        _, (row,) = run_json("mime", "dump", "-", stdin=b"From ann Mon May  4 07:11:04 2026\nSubject: s\n\nx\n")
        self.assertEqual((row["parts"][0]["path"], row["headers"][0]["name"]), ("1", "Subject"))
        self.assertNotIn("envelope", row)
        self.assertNotIn("text", row["parts"][0])

    def test_many_files_and_one_that_is_not_there(self):
        with tempfile.TemporaryDirectory() as folder:
            files = [pathlib.Path(folder) / f"{i}.eml" for i in range(3)]
            for path in files:
                path.write_bytes(MESSAGE)
            code, rows = run_json("mime", "dump", *files)
            self.assertEqual((code, len(rows)), (0, 3))
            code, rows = run_json("mime", "dump", files[0], folder, pathlib.Path(folder) / "absent", files[1])
            self.assertEqual((code, len(rows)), (2, 2))

    def test_for_people(self):
        code, out, _ = run("mime", "dump", "-", "--bodies", stdin=MESSAGE.replace(b"caf=E9", b"caf=E9 =1B[2J"))
        self.assertEqual(code, 0)
        self.assertIn("1 text/plain quoted-printable charset=iso-8859-1", out)
        self.assertNotIn("\x1b", out)

    def test_decode_header(self):
        code, rows = run_json("mime", "decode-header", "--stdin", "=?iso-8859-1?Q?=E9?=", stdin=b"plain\n=?x-none?Q?a?=\n")
        self.assertEqual((code, rows[0]), (0, {"v": 1, "text": "\u00e9", "charsets": ["iso-8859-1"], "defects": []}))
        self.assertEqual(rows[1]["text"], "plain")
        self.assertTrue(rows[2]["defects"])


if __name__ == "__main__":
    main()
