#!/usr/bin/env python3
"""Accounts as an administrator keeps them: classes, imported hashes, app passwords, send-as rights."""
import base64
import hashlib
import json
import poplib
import unittest

from harness import DOMAIN, TestCase, main

ANN = f"ann@{DOMAIN}"


def json_lines(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


class Accounts(TestCase):
    def good(self, *words, **options):
        done = self.server.command("account", *words, **options)
        self.assertEqual(done.returncode, 0, f"{words}: {done.stdout}{done.stderr}")
        return done

    def exit_code(self, *words, **options):
        return self.server.command("account", *words, **options).returncode

    def row(self, address):
        return next(row for row in json_lines(self.good("list", "--json")) if row["account"] == address)

    def log_in(self, address, password):
        self.server.pop3(address, password).quit()

    def refused(self, address, password):
        with self.assertRaises(poplib.error_proto):
            self.server.pop3(address, password)

    def test_an_app_password_opens_what_it_is_for_until_it_is_revoked(self):
        self.good("add", ANN, stdin="a secret\n")
        row = self.row(ANN)
        self.assertEqual((row["v"], row["class"], row["enabled"], row["app_passwords"]), (1, "person", True, 0))
        self.assertEqual(row["scram"], ["sha-256", "sha-1"])
        words = self.good("app-password", "add", ANN, "--name", "my phone").stdout.split()
        self.assertEqual(words[:3] + words[4:5], ["account", ANN, "app-password", "password"])
        identity, password = words[3], words[5]
        self.log_in(ANN, password)
        other = json_lines(self.good("app-password", "add", ANN, "--name", "mailer", "--scope", "submission", "--json"))[0]
        self.refused(ANN, other["password"])
        listed = json_lines(self.good("app-password", "list", ANN, "--json"))
        self.assertEqual([(one["name"], one["scopes"]) for one in listed],
                         [("my phone", ["submission", "pop3", "imap"]), ("mailer", ["submission"])])
        self.assertTrue(listed[0]["last_used"].endswith(":00:00.000Z"), listed[0])
        self.assertIsNone(listed[1]["last_used"])
        self.assertNotIn(password, json.dumps(listed))
        self.assertEqual(self.row(ANN)["app_passwords"], 2)
        self.assertEqual(self.exit_code("app-password", "add", ANN, "--name", "mailer"), 1)
        self.good("app-password", "revoke", ANN, identity)
        self.refused(ANN, password)
        self.assertEqual(self.exit_code("app-password", "revoke", ANN, identity), 3)
        self.log_in(ANN, "a secret")

    def test_an_imported_hash_becomes_ours_at_the_first_login(self):
        address = f"old@{DOMAIN}"
        hashed = "{SSHA}" + base64.b64encode(hashlib.sha1(b"a secretsalt").digest() + b"salt").decode()
        self.assertEqual(self.exit_code("add", address, "--password-hash-stdin", stdin="{PLAIN}a secret\n"), 2)
        self.good("add", address, "--class", "app", "--password-hash-stdin", stdin=hashed + "\n")
        row = self.row(address)
        self.assertEqual((row["class"], row["imported"], row["scram"]), ("app", True, []))
        self.refused(address, "another secret")
        self.assertTrue(self.row(address)["imported"])
        self.log_in(address, "a secret")
        row = self.row(address)
        self.assertEqual((row["imported"], row["scram"]), (False, ["sha-256", "sha-1"]))
        self.log_in(address, "a secret")

    def test_classes_and_send_as_rights(self):
        address = f"rights@{DOMAIN}"
        self.good("add", address, stdin="a secret\n")
        self.good("class", address, "app")
        self.assertEqual(self.row(address)["class"], "app")
        self.assertEqual(self.exit_code("class", address, "robot"), 2)
        self.good("send-as", "add", address, "sales@partner.test")
        self.good("send-as", "add", address, "@brand.test")
        self.assertEqual(self.good("send-as", "list", address).stdout.split(), ["sales@partner.test", "@brand.test"])
        self.good("send-as", "remove", address, "@brand.test")
        self.assertEqual(self.row(address)["send_as"], ["sales@partner.test"])
        self.assertEqual(self.exit_code("send-as", "remove", address, "@brand.test"), 3)


if __name__ == "__main__":
    main()
