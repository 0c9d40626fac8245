"""A next hop over real TLS that can be looked into and told to misbehave, and an authority for its certificates."""
import base64
import pathlib
import socket
import ssl
import threading

from harness import PATIENCE_SECONDS, need, run

LOGIN, PASSWORD = "us", "the-right-9Kq"
WRONG_PASSWORD = "a-wrong-one-4Vz"


def authority(folder):
    """A CA with certificates for right.test, for another name, and one that is over: `ca.pem`, NAME.pem, NAME.key in `folder`."""
    need("openssl")
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

    def openssl(*words):
        done = run("openssl", *words)
        if done.returncode != 0:
            raise AssertionError(done.stderr)

    openssl("req", "-x509", *new, "-keyout", folder / "ca.key", "-out", folder / "ca.pem", "-days", "2", "-subj", "/CN=test CA")
    for name, host, days in (("right", "right.test", "2"), ("wrong", "wrong.test", "2"), ("over", "right.test", "-1")):
        asked, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName=DNS:{host}\n")
        openssl("req", *new, "-keyout", folder / f"{name}.key", "-out", asked, "-subj", f"/CN={host}")
        openssl("x509", "-req", "-in", asked, "-CA", folder / "ca.pem", "-CAkey", folder / "ca.key", "-set_serial", "7", "-days", days,
                "-extfile", extensions, "-out", folder / f"{name}.pem")
    return folder


class SmartHost:
    """SMTP with STARTTLS (or TLS `from_start`) and, where TLS protects it, AUTH PLAIN for LOGIN and PASSWORD.

    `breaks`: closes in each handshake. `newest`: the newest version of TLS that it speaks. `clear` and `offers`: what EHLO offers
    before TLS and under it. What somebody in the middle would say in the clear: `behind` in one segment with the 220 to STARTTLS,
    `between` once the client's hello is there, `among` in place of the reply to MAIL.
    """

    def __init__(self, keys, name="right", from_start=False, breaks=False, newest=None, clear=("STARTTLS",), offers=("AUTH PLAIN",),
                 behind=b"", between=b"", among=b""):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(keys / f"{name}.pem", keys / f"{name}.key")
        if newest is not None:
            self.context.set_ciphers("ALL:@SECLEVEL=0")  # else there is no TLS 1.1 at all
            self.context.minimum_version, self.context.maximum_version = ssl.TLSVersion.TLSv1, newest
        self.from_start, self.breaks, self.clear, self.offers = from_start, breaks, clear, offers
        self.behind, self.between, self.among = behind, between, among
        self.sessions = []  # of each: [(protected, line)…] without the content
        self.messages = []  # (protected, content)
        self.handshakes = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def heard(self, verb):
        """[(protected, line)…] of all sessions with that verb."""
        return [(protected, line) for lines in self.sessions for protected, line in lines if line.upper().startswith(verb)]

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.settimeout(PATIENCE_SECONDS)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            Session(self, connection).talk()
        except (OSError, ValueError):  # broken off, in a handshake or later
            connection.close()


class Session:
    def __init__(self, host, connection):
        self.host, self.connection, self.protected = host, connection, False
        self.outside = connection.dup()  # what somebody in the middle writes to
        self.lines = connection.makefile("rb", buffering=0)
        self.seen = []
        host.sessions.append(self.seen)

    def say(self, text):
        self.connection.sendall(text.encode() + b"\r\n")

    def secure(self):
        if self.host.between:
            self.connection.recv(1, socket.MSG_PEEK)
            self.outside.sendall(self.host.between)
        if self.host.breaks:
            raise ValueError("as it is told")
        self.connection = self.host.context.wrap_socket(self.connection, server_side=True)
        self.host.handshakes += 1
        self.protected = True
        self.lines = self.connection.makefile("rb", buffering=0)

    def talk(self):
        try:
            if self.host.from_start:
                self.secure()
            self.say("220 smart.test")
            while line := self.lines.readline():
                self.seen.append((self.protected, line.decode().rstrip()))
                if not self.answer(line):
                    break
        finally:
            self.outside.close()
            self.connection.close()

    def answer(self, line):
        verb = line.split()[0].upper()
        if verb == b"EHLO":
            words = ["smart.test", *(self.host.offers if self.protected else self.host.clear)]
            self.connection.sendall("".join(f"250{' ' if word is words[-1] else '-'}{word}\r\n" for word in words).encode())
        elif verb == b"STARTTLS":
            self.connection.sendall(b"220 go\r\n" + self.host.behind)
            self.secure()
        elif verb == b"AUTH":
            self.say("235 2.7.0 in" if base64.b64decode(line.split()[2]) == f"\0{LOGIN}\0{PASSWORD}".encode() else "535 5.7.8 no")
        elif verb == b"MAIL" and self.host.among:
            self.outside.sendall(self.host.among)
        elif verb == b"DATA":
            self.say("354 go")
            content = b""
            while (line := self.lines.readline()) != b".\r\n":
                if not line:
                    return False
                content += line
            self.host.messages.append((self.protected, content))
            self.say("250 2.0.0 taken")
        else:
            self.say("221 bye" if verb == b"QUIT" else "250 2.0.0 ok")
        return verb != b"QUIT"
