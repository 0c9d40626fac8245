#!/usr/bin/env python3
"""Mail programs find their settings: autoconfig and autodiscover, asked by curl and read by Python's ElementTree."""
import json
import unittest
import xml.etree.ElementTree as ElementTree

from harness import DOMAIN, TestCase, main, need, parse_event, run
from tls_test import HOST, make_certificate

SECTIONS = """
[[listen]]
service = "submission"
address = "127.0.0.1:0"
[[listen]]
service = "submissions"
address = "127.0.0.1:0"
[[listen]]
service = "pop3s"
address = "127.0.0.1:0"
[[listen]]
service = "https"
address = "127.0.0.1:0"
serve = ["autoconfig"]
[[listen]]
service = "http"
address = "127.0.0.2:0"
serve = ["autoconfig"]
[[domain]]
name = "second.test"
kind = "alias"
of = "{domain}"
[tls]
certificate = "{folder}/fullchain.pem"
private_key = "{folder}/key.pem"
"""
OUTLOOK = """<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006">
  <Request>
    <EMailAddress>{address}</EMailAddress>
    <AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema>
  </Request>
</Autodiscover>
"""
SPACE = {"r": "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"}


class Autoconfig(TestCase):
    @classmethod
    def prepare(cls):
        need("curl", "openssl")
        cls.certificates = cls.folder / "certificates"
        make_certificate(cls.certificates, names=(HOST, f"autoconfig.{DOMAIN}", f"autodiscover.{DOMAIN}"))
        cls.config = {"sections": SECTIONS.format(folder=cls.certificates, domain=DOMAIN)}

    def curl(self, host, path, *more, stdin=""):
        """Status and body. The name is resolved here, the certificate is verified."""
        port = self.server.ports["https"]
        done = run("curl", "--silent", "--show-error", "--cacert", self.certificates / "fullchain.pem", "--resolve", f"{host}:{port}:127.0.0.1",
                   "--write-out", "\n%{http_code} %{content_type}", *more, f"https://{host}:{port}{path}", stdin=stdin)
        self.assertEqual(done.returncode, 0, done.stderr)
        body, _, last = done.stdout.rpartition("\n")
        return int(last.split()[0]), body

    def thunderbird(self, host=f"autoconfig.{DOMAIN}", path="/mail/config-v1.1.xml", query=f"?emailaddress=alice%40{DOMAIN}"):
        status, body = self.curl(host, path + query)
        self.assertEqual(status, 200, body)
        provider = ElementTree.fromstring(body).find("emailProvider")
        return {server.attrib["type"]: server for server in reversed(provider.findall("incomingServer") + provider.findall("outgoingServer"))}, body

    def test_thunderbirds_name_what_is_listened_to(self):
        servers, body = self.thunderbird()
        for kind, service in (("pop3", "pop3s"), ("smtp", "submissions")):
            server = servers[kind]
            self.assertEqual((server.findtext("hostname"), int(server.findtext("port")), server.findtext("socketType"), server.findtext("username")),
                             (HOST, self.server.ports[service], "SSL", f"alice@{DOMAIN}"))
            self.assertEqual(server.findtext("authentication"), "password-cleartext")
        self.assertEqual(ElementTree.fromstring(body).find("emailProvider/domain").text, DOMAIN)
        self.assertIn(f"<port>{self.server.ports['submission']}</port>\n      <socketType>STARTTLS</socketType>", body)

    def test_without_an_address_the_program_fills_it_in(self):
        servers, _ = self.thunderbird(query="")
        self.assertEqual(servers["pop3"].findtext("username"), "%EMAILADDRESS%")
        servers, _ = self.thunderbird(path="/.well-known/autoconfig/mail/config-v1.1.xml", query="?emailaddress=bob@second.test")
        self.assertEqual(servers["smtp"].findtext("username"), "bob@second.test")

    def test_nobody_learns_who_is_there(self):
        answers = [self.curl(f"autoconfig.{DOMAIN}", f"/mail/config-v1.1.xml?emailaddress={name}@{DOMAIN}") for name in ("alice", "nobody")]
        self.assertEqual(answers[0][1].replace("alice", "nobody"), answers[1][1])
        self.assertEqual(self.curl(f"autoconfig.{DOMAIN}", "/mail/config-v1.1.xml?emailaddress=ann@other.test")[0], 404)
        self.assertEqual(self.curl(f"autodiscover.{DOMAIN}", "/autodiscover/autodiscover.xml", "--data-binary", OUTLOOK.format(address="ann@other.test"))[0], 404)

    def test_outlooks(self):
        for path in ("/autodiscover/autodiscover.xml", "/Autodiscover/Autodiscover.xml"):
            status, body = self.curl(f"autodiscover.{DOMAIN}", path, "--header", "Content-Type: text/xml", "--data-binary", OUTLOOK.format(address=f"alice@{DOMAIN}"))
            self.assertEqual(status, 200)
            account = ElementTree.fromstring(body.encode()).find("r:Response/r:Account", SPACE)
            self.assertEqual(account.findtext("r:Action", namespaces=SPACE), "settings")
            protocols = {one.findtext("r:Type", namespaces=SPACE): one for one in account.findall("r:Protocol", SPACE)}
            for kind, service in (("POP3", "pop3s"), ("SMTP", "submissions")):
                self.assertEqual([protocols[kind].findtext(f"r:{name}", namespaces=SPACE) for name in ("Server", "Port", "LoginName", "SSL", "Encryption")],
                                 [HOST, str(self.server.ports[service]), f"alice@{DOMAIN}", "on", "SSL"])

    def test_what_is_no_request_of_outlook_is_said(self):
        bomb = '<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;">]>' + OUTLOOK.format(address=f"&y;@{DOMAIN}").split("\n", 1)[1]
        for body in ("nothing", bomb, OUTLOOK.format(address="alice"), OUTLOOK.format(address=f"<b/>@{DOMAIN}")):
            status, answer = self.curl(f"autodiscover.{DOMAIN}", "/autodiscover/autodiscover.xml", "--data-binary", body)
            self.assertEqual((status, ElementTree.fromstring(answer.encode()).find(".//{*}ErrorCode").text), (200, "600"))
        status, _ = self.curl(f"autodiscover.{DOMAIN}", "/autodiscover/autodiscover.xml", "--data-binary", "@-", stdin="x" * 70_000)
        self.assertEqual(status, 413)

    def test_version_2_leads_to_version_1(self):
        status, body = self.curl(f"autodiscover.{DOMAIN}", f"/autodiscover/autodiscover.json?Email=alice%40{DOMAIN}&Protocol=AutodiscoverV1")
        self.assertEqual(status, 200)
        self.assertEqual(json.loads(body), {"Protocol": "AutodiscoverV1", "Url": f"https://{HOST}:{self.server.ports['https']}/autodiscover/autodiscover.xml"})

    def test_over_http_too_where_it_is_served(self):
        events = [parse_event(line) for line in self.server.process.lines]
        places = [event["at"] for event in events if event.get("event") == "server.listening" and event["service"] == "http" and event["at"].startswith("127.")]
        without, serving = places
        for place, status in ((without, "404"), (serving, "200")):
            done = run("curl", "--silent", "--show-error", "--header", f"Host: autoconfig.{DOMAIN}", "--write-out", "\n%{http_code}",
                       f"http://{place}/mail/config-v1.1.xml")
            body, _, last = done.stdout.rpartition("\n")
            self.assertEqual(last, status)
        self.assertEqual(ElementTree.fromstring(body).find("emailProvider").attrib["id"], DOMAIN)

    def test_awkward_addresses_stay_inside_their_element(self):
        local = "%22%3Cb%3E%26%22"  # "<b>&"
        status, body = self.curl(f"autoconfig.{DOMAIN}", f"/mail/config-v1.1.xml?emailaddress={local}@{DOMAIN}")
        self.assertEqual(status, 200)
        self.assertEqual(ElementTree.fromstring(body).findtext(".//username"), f'"<b>&"@{DOMAIN}')


if __name__ == "__main__":
    main()
