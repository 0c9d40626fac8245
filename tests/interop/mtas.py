"""Exim, OpenSMTPD and Postfix with the same users and the same words for what a test tells them.

Exim and OpenSMTPD cannot be installed beside Postfix: each runs in a root directory of its own (chroot) with what it needs.
tools/fetch-peers unpacks the packages into build/peers. Their compiled-in paths and users are those inside the root; nothing of
the machine is touched, and nobody is added to it.
"""
import os
import pathlib
import re
import shutil
import signal
import unittest

from harness import PATIENCE_SECONDS, ROOT, Process, free_port, run, wait_until
from peers import Postfix, wait_for_port

PEERS = pathlib.Path(os.environ.get("POSTRIDER_PEERS", ROOT / "build/peers"))
BOXES = ("box", "later", "other")  # before @remote.test; later@ is put off until open_later(), refused@ is refused
USERS = {"Debian-exim": 61_001, "opensmtpd": 61_002, "opensmtpq": 61_003, "box": 61_004}


class Rooted:
    """A program of build/peers in its root. It takes mail for remote.test into the maildir `mail/USER`, users by what is before the @."""
    package = ""

    def __init__(self, folder):
        unpacked = PEERS / self.package
        if not unpacked.is_dir():
            raise unittest.SkipTest(f"{self.package} is not in {PEERS} (tools/fetch-peers)")
        if os.geteuid() != 0:
            raise unittest.SkipTest(f"{self.package} wants root, for chroot")
        self.root = pathlib.Path(folder)
        self.port = free_port()
        for name in ("etc", "dev", "tmp", "mail", "run", "var/run", "var/lib", "var/mail", "var/spool", "var/log"):
            (self.root / name).mkdir(parents=True)
        (self.root / "tmp").chmod(0o1777)
        os.chown(self.root / "mail", USERS["box"], USERS["box"])
        (self.root / "dev/null").touch()
        (self.root / "dev/null").chmod(0o666)
        shutil.copytree(unpacked / "usr", self.root / "usr", ignore=shutil.ignore_patterns("share"))
        for program in [*(self.root / "usr/sbin").iterdir(), *(self.root / "usr/libexec").glob("*/*")]:
            self.take_libraries(program)
        self.take(pathlib.Path("/bin/sh").resolve(), pathlib.Path("/bin/sh"))
        (self.root / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"
                                              + "".join(f"{name}:x:{number}:{number}::/:/bin/sh\n" for name, number in USERS.items()))
        (self.root / "etc/group").write_text("root:x:0:\nmail:x:8:\nnogroup:x:65534:\n" + "".join(f"{name}:x:{number}:\n" for name, number in USERS.items()))
        (self.root / "etc/hosts").write_text("127.0.0.1 localhost\n")
        (self.root / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\n")
        (self.root / "etc/resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")

    def take(self, program, into=None):
        copy = self.root / str(into or program).lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(program, copy)
        self.take_libraries(copy)

    def take_libraries(self, program):
        """What the dynamic linker finds for it, to the same paths."""
        if program.read_bytes()[:4] != b"\x7fELF":
            return
        listed = run("ldd", program).stdout
        missing = re.findall(r"(\S+) => not found", listed)
        if missing:
            raise unittest.SkipTest(f"{self.package} lacks {', '.join(missing)} (packages/test.txt)")
        for library in re.findall(r"(/\S+) \(0x", listed):
            copy = self.root / library.lstrip("/")
            if not copy.exists():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(library, copy)

    def inside(self, *command):
        return run("chroot", self.root, *command)

    def maildir(self, user="box"):
        return [path.read_bytes() for path in sorted((self.root / "mail" / user / "new").glob("*"))]

    def delivered(self, matches, user="box", patience=PATIENCE_SECONDS):
        """The octets of the first message in the maildir for which `matches` is true."""
        return wait_until(lambda: next(filter(matches, self.maildir(user)), None), f"a message in the maildir of {user}", patience,
                          lambda: "\n".join(self.process.lines[-30:]))

    def stop(self):
        if self.process.popen.poll() is None:
            self.process.stop()


EXIM = r"""
primary_hostname = exim.test
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
domainlist here = remote.test
log_file_path = /var/log/exim4/%slog
log_selector = +smtp_protocol_error +smtp_syntax_error
disable_ipv6
acl_smtp_rcpt = rcpt
acl_smtp_data = accept
message_size_limit = {size_limit}
tls_advertise_hosts =
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
never_users =
keep_environment =
queue_run_in_order
ignore_bounce_errors_after = 0s
{main}
begin acl
rcpt:
  deny    local_parts = refused
          message = no such user over here
  defer   local_parts = later
          condition = ${{if !exists{{/mail/open}}}}
          message = try again
  accept  hosts = 127.0.0.1
begin routers
here:
  driver = accept
  domains = +here
  local_parts = {users}
  transport = maildir
onwards:
  driver = manualroute
  domains = !+here
  transport = onwards
  route_list = * 127.0.0.1
  self = send
  host_find_failed = defer
begin transports
maildir:
  driver = appendfile
  directory = /mail/$local_part_data
  maildir_format
  create_directory
  user = box
  return_path_add
  delivery_date_add = false
  check_string =
  escape_string =
onwards:
  driver = smtp
  port = {onwards}
  interface = 127.0.0.2
  allow_localhost
  hosts_avoid_tls = *
  message_linelength_limit = 100000
  {transport}
begin retry
* * F,1h,1s
"""


class Exim(Rooted):
    """`onwards` is the port on 127.0.0.1 that other domains' mail goes to; `main`, `transport`: more settings."""
    package = "exim4-daemon-light"

    def __init__(self, folder, onwards=9, size_limit=104_857_600, main="", transport=""):
        super().__init__(folder)
        for name in ("etc/exim4", "var/spool/exim4", "var/log/exim4"):
            (self.root / name).mkdir(exist_ok=True)
        for name in ("var/spool/exim4", "var/log/exim4"):
            os.chown(self.root / name, USERS["Debian-exim"], USERS["Debian-exim"])
        (self.root / "etc/exim4/exim4.conf").write_text(
            EXIM.format(port=self.port, onwards=onwards, size_limit=size_limit, main=main, transport=transport, users=" : ".join(BOXES)))
        for log in ("main", "panic"):
            path = self.root / f"var/log/exim4/{log}log"
            path.touch()
            os.chown(path, USERS["Debian-exim"], USERS["Debian-exim"])
        # Exim writes its log to files only.
        self.process = Process(["chroot", self.root, "/usr/sbin/exim4", "-bdf", "-q1s"])
        self.log = Process(["tail", "-n", "+1", "-F", self.root / "var/log/exim4/mainlog", self.root / "var/log/exim4/paniclog"])
        wait_for_port(self.port)

    def stop(self):
        super().stop()
        self.log.kill()

    def open_later(self):
        """From now on it takes mail for later@remote.test."""
        (self.root / "mail/open").touch()

    def schedule(self):
        """What waits is tried within a second."""


OPENSMTPD = """
table users {{ {users} }}
table boxes {{ {boxes} }}
table shut file:/etc/shut
filter "later" phase rcpt-to match rcpt-to <shut> reject "451 4.2.0 try again"
smtp max-message-size {size_limit}
listen on 127.0.0.1 port {port} hostname opensmtpd.test filter "later"
action "maildir" maildir "/mail/%{{user.username}}" userbase <users> virtual <boxes>
action "onwards" relay host "smtp://127.0.0.1:{onwards}" src 127.0.0.2 helo opensmtpd.test
match from any for domain "remote.test" action "maildir"
match from any for any action "onwards"
"""


class OpenSmtpd(Rooted):
    package = "opensmtpd"

    def __init__(self, folder, onwards=9, size_limit=104_857_600):
        super().__init__(folder)
        (self.root / "var/lib/opensmtpd/empty").mkdir(parents=True)
        (self.root / "var/spool/smtpd").mkdir(mode=0o711)
        (self.root / "etc/mailname").write_text("opensmtpd.test\n")
        control = self.root / "usr/sbin/smtpctl"
        os.chown(control, 0, USERS["opensmtpq"])
        control.chmod(0o2555)
        (self.root / "etc/shut").write_text("later@remote.test\n")
        users = ", ".join(f'"{box}" = "{USERS["box"]}:{USERS["box"]}:/mail/{box}"' for box in BOXES)
        boxes = ", ".join(f'"{box}@remote.test" = "{box}"' for box in BOXES)
        settings = OPENSMTPD.format(port=self.port, onwards=onwards, size_limit=size_limit, users=users, boxes=boxes)
        (self.root / "etc/smtpd.conf").write_text(settings)
        self.process = self.log = Process(["chroot", self.root, "/usr/sbin/smtpd", "-d"])
        wait_for_port(self.port)

    def open_later(self):
        """From now on it takes mail for later@remote.test."""
        (self.root / "etc/shut").write_text("nobody@remote.test\n")
        done = self.inside("/usr/sbin/smtpctl", "update", "table", "shut")
        if done.returncode != 0:
            raise AssertionError(f"smtpctl: {done.stdout}{done.stderr}")

    def schedule(self):
        """What waits is tried now."""
        self.inside("/usr/sbin/smtpctl", "schedule", "all")


POSTFIX = """
smtpd_recipient_restrictions = check_recipient_access texthash:{folder}/access
relayhost = [127.0.0.1]:{onwards}
smtp_bind_address = 127.0.0.2
"""


class PostfixToo(Postfix):
    """Postfix with the users of BOXES."""

    def __init__(self, folder, onwards=9, size_limit=104_857_600):
        folder = pathlib.Path(folder)
        folder.mkdir()
        (folder / "access").write_text("later@remote.test 451 4.2.0 try again\n")
        boxes = ", ".join(f"{box}@remote.test={box}/" for box in BOXES)
        super().__init__(folder, POSTFIX.format(folder=folder, onwards=onwards), boxes=f"inline:{{ {boxes} }}", size_limit=size_limit)
        self.log = self.process

    def delivered(self, matches, user="box", patience=PATIENCE_SECONDS):
        boxes = lambda: [path.read_bytes() for path in sorted((self.folder / "mail" / user / "new").glob("*"))]  # noqa: E731
        return wait_until(lambda: next(filter(matches, boxes()), None), f"a message in the maildir of {user}", patience,
                          lambda: "\n".join(self.process.lines[-30:]))

    def open_later(self):
        (self.folder / "access").write_text("nobody@remote.test REJECT\n")
        seen = len(self.process.lines)
        self.process.send_signal(signal.SIGHUP)
        self.process.wait_line(lambda line: "reload -- " in line, "a reload", seen)

    def schedule(self):
        """What waits is tried within a second."""
