"""Other people's programs as peers, each in a folder of its own and on loopback ports that were free."""
import os
import pathlib
import pwd
import socket
import time
import unittest

from harness import PATIENCE_SECONDS, Process, free_dns_port, free_port, need, run, wait_until

POSTFIX_MASTER = """
127.0.0.1:{port} inet n - n - {processes} smtpd
tlsmgr    unix - - n 1000? 1 tlsmgr
pickup    unix n - n 60 1 pickup
cleanup   unix n - n -  0 cleanup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n -  - trivial-rewrite
bounce    unix - - n -  0 bounce
defer     unix - - n -  0 bounce
trace     unix - - n -  0 bounce
verify    unix - - n -  1 verify
flush     unix n - n 1000? 0 flush
proxymap  unix - - n -  - proxymap
proxywrite unix - - n - 1 proxymap
smtp      unix - - n -  - smtp
relay     unix - - n -  - smtp
lmtp      unix - - n -  - lmtp
error     unix - - n -  - error
retry     unix - - n -  - error
discard   unix - - n -  - discard
virtual   unix - n n -  - virtual
anvil     unix - - n -  1 anvil
scache    unix - - n -  1 scache
postlog   unix-dgram n - n - 1 postlogd
"""

POSTFIX_MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
mail_owner = postfix
maillog_file = /dev/stdout
myhostname = postfix.test
mydomain = postfix.test
myorigin = postfix.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtp_tls_security_level = none
alias_maps =
alias_database =
virtual_mailbox_domains = remote.test
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = {boxes}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
virtual_mailbox_limit = 0
message_size_limit = {size_limit}
minimal_backoff_time = 1s
maximal_backoff_time = 5s
queue_run_delay = 1s
"""


class Postfix:
    """Takes mail for remote.test into the maildir `mail/box`, and relays for loopback by `extra` (relayhost = …)."""

    def __init__(self, folder, extra="", processes=50, boxes="static:box/", size_limit=104_857_600):
        need("postfix")
        if os.geteuid() != 0:
            raise unittest.SkipTest("Postfix's master wants root")
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        owner = pwd.getpwnam("postfix")
        for name in ("config", "queue", "data", "mail"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for name in ("data", "mail"):
            os.chown(self.folder / name, owner.pw_uid, owner.pw_gid)
        settings = POSTFIX_MAIN.format(folder=self.folder, uid=owner.pw_uid, gid=owner.pw_gid, boxes=boxes, size_limit=size_limit) + extra
        (self.folder / "config/main.cf").write_text(settings)
        (self.folder / "config/master.cf").write_text(POSTFIX_MASTER.format(port=self.port, processes=processes))
        config = ["-c", self.folder / "config"]
        checked = run("postfix", *config, "check")  # makes the folders of the queue
        if checked.returncode != 0:
            raise AssertionError(f"postfix check: {checked.stdout}{checked.stderr}")
        # What `postfix start-fg` runs; the script between would outlive us.
        master = run("postconf", *config, "-h", "daemon_directory").stdout.strip() + "/master"
        self.process = Process([master, "-s", *config])
        self.process.wait_line(lambda line: "daemon started" in line, "\"daemon started\"")

    def delivered(self, matches, patience=PATIENCE_SECONDS):
        """The octets of the first message in the maildir for which `matches` is true, once the log shows its delivery."""
        seen = 0
        while True:
            found = [mail for mail in self.maildir() if matches(mail)]
            if found:
                return found[0]
            is_delivery = lambda line: "postfix/virtual" in line and "status=sent" in line  # noqa: E731
            self.process.wait_line(is_delivery, "a delivery to the maildir", seen, patience)
            seen = next(n for n in range(seen, len(self.process.lines)) if is_delivery(self.process.lines[n])) + 1

    def maildir(self):
        return [path.read_bytes() for path in sorted((self.folder / "mail/box/new").glob("*"))]

    def stop(self):
        if self.process.popen.poll() is None:
            self.process.stop()


class SmtpSink:
    """Postfix's smtp-sink; its dump of all transactions is in `folder`."""

    def __init__(self, folder, *words):
        need("smtp-sink")
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        user = pwd.getpwuid(os.geteuid()).pw_name if os.geteuid() != 0 else "postfix"
        if os.geteuid() == 0:
            os.chown(self.folder, pwd.getpwnam(user).pw_uid, -1)
        self.port = free_port()
        self.process = Process(["smtp-sink", "-u", user, "-d", f"{self.folder}/%M.", *words, f"127.0.0.1:{self.port}", "100"])
        wait_for_port(self.port)

    def dumps(self):
        return [path.read_text("utf-8", "replace") for path in sorted(self.folder.iterdir())]

    def stop(self):
        self.process.stop()


class Haproxy:
    """In front of `port`, a door for each (keyword of `server`, address that it connects from): `ports` has them in that order."""

    def __init__(self, folder, port, doors):
        need("haproxy")
        folder = pathlib.Path(folder)
        folder.mkdir()
        self.ports = [free_port() for _ in doors]
        listens = "".join(f"listen door{number}\n  bind 127.0.0.1:{mine}\n  source {source}\n  server postrider 127.0.0.1:{port} {keyword}\n"
                          for number, (mine, (keyword, source)) in enumerate(zip(self.ports, doors)))
        (folder / "haproxy.cfg").write_text(f"""global
  maxconn 100
defaults
  mode tcp
  timeout connect 30s
  timeout client 60s
  timeout server 60s
{listens}""")
        self.process = Process(["haproxy", "-db", "-f", folder / "haproxy.cfg"])
        for mine in self.ports:
            wait_for_port(mine)

    def stop(self):
        self.process.stop()


class Dovecot:
    """Takes LMTP on `port` and on the socket `path` for the users of remote.test: box and other; `full` has no room for more than 2,000 octets."""

    def __init__(self, folder):
        need("dovecot")
        if os.geteuid() != 0:
            raise unittest.SkipTest("Dovecot wants root")
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self.path = self.folder / "lmtp.sock"
        owner = pwd.getpwnam("mail")
        (self.folder / "mail").mkdir(parents=True)
        os.chown(self.folder / "mail", owner.pw_uid, owner.pw_gid)
        (self.folder / "users").write_text("".join(f"{user}@remote.test:{{PLAIN}}x:{owner.pw_uid}:{owner.pw_gid}::{self.folder}/mail/{user}::{extra}\n" for user, extra in
                                                   (("box", ""), ("other", ""), ("full", "userdb_quota_rule=*:bytes=2000"))))
        (self.folder / "dovecot.conf").write_text(f"""
base_dir = {self.folder}/run
state_dir = {self.folder}/state
log_path = /dev/stderr
protocols = lmtp
listen = 127.0.0.1
ssl = no
first_valid_uid = 1
mail_location = maildir:~/Maildir
mail_plugins = quota
passdb {{
  driver = passwd-file
  args = username_format=%u {self.folder}/users
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {self.folder}/users
}}
plugin {{
  quota = maildir:User quota
  quota_grace = 0
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {self.port}
  }}
  unix_listener {self.path} {{
    mode = 0666
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
""")
        self.process = Process(["dovecot", "-F", "-c", self.folder / "dovecot.conf"])
        wait_for_port(self.port)

    def delivered(self, matches, user="box", patience=PATIENCE_SECONDS):
        """The octets of the first message of that user for which `matches` is true."""
        boxes = lambda: [path.read_bytes() for path in sorted((self.folder / "mail" / user / "Maildir/new").glob("*"))]  # noqa: E731
        return wait_until(lambda: next(filter(matches, boxes()), None), f"a message in the maildir of {user}", patience,
                          lambda: "\n".join(self.process.lines[-30:]))

    def stop(self):
        self.process.stop()


class Nsd:
    """An authoritative name server for the zone `test`."""

    def __init__(self, folder, zone):
        need("nsd")
        folder = pathlib.Path(folder)
        folder.mkdir()
        self.port = free_dns_port()
        (folder / "test.zone").write_text(ZONE_HEAD + zone)
        (folder / "nsd.conf").write_text(f"""
server:
  ip-address: 127.0.0.1@{self.port}
  do-ip6: no
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: ""
  xfrdir: "{folder}"
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
  cookie-secret-file: ""
  server-count: 1
  verbosity: 1
remote-control:
  control-enable: no
zone:
  name: "test."
  zonefile: "test.zone"
""")
        self.process = Process(["nsd", "-d", "-c", folder / "nsd.conf"])
        self.process.wait_line(lambda line: "nsd started" in line, "\"nsd started\"")

    def stop(self):
        self.process.stop()


class Unbound:
    """A resolver in front of a name server that knows the zone `test`."""

    def __init__(self, folder, behind):
        need("unbound")
        folder = pathlib.Path(folder)
        folder.mkdir()
        self.port = free_dns_port()
        (folder / "unbound.conf").write_text(f"""
server:
  interface: 127.0.0.1@{self.port}
  do-ip6: no
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: ""
  use-syslog: no
  logfile: ""
  verbosity: 1
  module-config: "iterator"
  do-not-query-localhost: no
  local-zone: "test." transparent
remote-control:
  control-enable: no
stub-zone:
  name: "test."
  stub-addr: 127.0.0.1@{behind}
""")
        self.process = Process(["unbound", "-d", "-c", folder / "unbound.conf"])
        self.process.wait_line(lambda line: "start of service" in line, "\"start of service\"")

    def stop(self):
        self.process.stop()


ZONE_HEAD = """$ORIGIN test.
$TTL 60
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
"""


def wait_for_port(port, patience=PATIENCE_SECONDS):
    """Until somebody listens there; for programs that do not say when."""
    deadline = time.monotonic() + patience
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise AssertionError(f"nobody listens on {port}") from None
            os.sched_yield()
