"""An SMTP server that keeps what it gets in memory and answers as a test wishes: a next hop whose inside can be looked at."""
import socket
import socketserver
import threading
import time

from harness import PATIENCE_SECONDS


class Sink:
    """`answer(verb, argument, session)` may give another reply line than the usual one, or None to hang up at once with ""."""

    def __init__(self, answer=None, extensions=("PIPELINING", "8BITMIME", "SIZE 104857600"), port=0, address="127.0.0.1"):
        sink = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                try:
                    sink._serve(self)
                except OSError:
                    pass  # the peer was killed: that is what the crash test does

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 200
            address_family = socket.AF_INET6 if ":" in address else socket.AF_INET

        self.answer = answer or (lambda verb, argument, session: None)
        self.extensions = extensions
        self.messages = []  # (reverse-path, [forward-path…], octets)
        self.changed = threading.Condition()
        self.server = Server((address, port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def wait_message(self, matches, patience=PATIENCE_SECONDS):
        """The first message (reverse-path, forward-paths, octets) for which `matches` is true."""
        deadline = time.monotonic() + patience
        with self.changed:
            while True:
                for got in self.messages:
                    if matches(got):
                        return got
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"the sink waited in vain; it has {[(m[0], m[1]) for m in self.messages]}")
                self.changed.wait(left)

    def _serve(self, peer):
        session = {"from": None, "to": [], "hello": None}

        def say(verb, argument, usual):
            line = self.answer(verb, argument, session)
            line = usual if line is None else line
            peer.wfile.write(line.encode("utf-8") + b"\r\n")
            return line[:1]

        say("CONNECT", "", "220 sink.test ESMTP")
        while True:
            raw = peer.rfile.readline(65_536)
            if not raw:
                return
            line = raw.rstrip(b"\r\n").decode("utf-8", "replace")
            verb, _, argument = line.partition(" ")
            verb = verb.upper()
            if verb in ("EHLO", "HELO"):
                session["hello"] = argument
                words = ["sink.test", *(self.extensions if verb == "EHLO" else ())]
                say(verb, argument, "".join(f"250-{word}\r\n" for word in words[:-1]) + f"250 {words[-1]}")
            elif verb == "MAIL":
                session["mail"] = argument
                if say(verb, argument, "250 2.1.0 Ok") == "2":
                    session["from"], session["to"] = argument.partition("<")[2].partition(">")[0], []
            elif verb == "RCPT":
                if say(verb, argument, "250 2.1.5 Ok") == "2":
                    session["to"].append(argument.partition("<")[2].partition(">")[0])
            elif verb == "DATA":
                if not session["to"]:
                    say("NOBODY", "", "503 5.5.1 no recipients")
                elif say(verb, argument, "354 go on") == "3":
                    self._data(peer, session, say)
            elif verb == "RSET":
                session["to"] = []
                say(verb, argument, "250 2.0.0 Ok")
            elif verb == "QUIT":
                say(verb, argument, "221 2.0.0 Bye")
                return
            else:
                say(verb, argument, "250 2.0.0 Ok" if verb == "NOOP" else "502 5.5.1 no")

    def _data(self, peer, session, say):
        content = []
        while True:
            line = peer.rfile.readline()
            if not line:
                return
            if line == b".\r\n":
                break
            content.append(line[1:] if line.startswith(b".") else line)
        octets = b"".join(content)
        # Kept before the reply: a peer that is killed in between may send it again, but not lose it.
        if self.answer("DOT", "", session) is None:
            with self.changed:
                self.messages.append((session["from"], list(session["to"]), octets))
                self.changed.notify_all()
        say("DOT", "", "250 2.0.0 Ok")
        session["to"] = []
