#!/usr/bin/env python3
"""A crowd at the SMTP door, and one client among it that behaves: each in a process of its own.

crowd.py load PORT SLOW ABUSIVE   slow or idle sessions from 127.1.x.y, abusive ones from 127.2.x.y, until stdin ends. Prints `ready` when
                                  each slow one was greeted and each abuser has been there, and at the end what it saw as one line of JSON.
crowd.py good PORT TO SECONDS     from 127.0.0.1 a message every 200 ms, each over a connection of its own: times in seconds from connect to
                                  the 250 after the dot, as one line of JSON.
"""
import asyncio
import collections
import json
import socket
import sys
import time

PER_ADDRESS = 40          # under max_connections_per_ip
EVERY_SECONDS = 0.2
SLOW_SECONDS = 5          # between two octets of a slow one
ABUSE_SECONDS = 0.05      # between two tries: they share the machine with the server they attack
GOOD_PATIENCE_SECONDS = 60
TO = "bob@example.test"   # whom the abusers write to: nothing of theirs may arrive
CALM_DOWN = 30            # seconds until a slow one that was sent away comes again


class Crowd:
    def __init__(self, port):
        self.port = port
        self.seen = collections.Counter()
        self.greeted = set()
        self.visited = set()
        self.changed = asyncio.Event()

    async def connect(self, source):
        return await asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0))

    # ---- who is slow

    async def slow(self, number):
        behave = (self.silent, self.octet_by_octet, self.half_a_command, self.trickle)[number % 4]
        source = f"127.1.{number // PER_ADDRESS // 250}.{number // PER_ADDRESS % 250 + 1}"
        while True:
            writer = None
            try:
                reader, writer = await self.connect(source)
                greeting = await reader.readline()
                self.seen[f"slow greeted {greeting[:3].decode('ascii', 'replace')}"] += 1
                self.greeted.add(number)
                self.changed.set()
                await behave(reader, writer)
            except OSError as fault:
                self.seen[f"slow {type(fault).__name__}"] += 1
            self.seen["slow ended"] += 1
            if writer is not None:
                writer.close()
            await asyncio.sleep(CALM_DOWN)

    async def silent(self, reader, _):
        await reader.read()

    async def octet_by_octet(self, reader, writer):
        for octet in b"EHLO slow.test\r\n" * 1000:
            if reader.at_eof():
                return
            writer.write(bytes([octet]))
            await writer.drain()
            await asyncio.sleep(SLOW_SECONDS)

    async def half_a_command(self, reader, writer):
        writer.write(b"EHLO slow.test\r\nMAIL FR")
        await reader.read()

    async def trickle(self, reader, writer):
        writer.write(b"EHLO slow.test\r\nMAIL FROM:<slow@slow.test>\r\nRCPT TO:<" + TO.encode() + b">\r\nDATA\r\nSubject: slow\r\n\r\n")
        while not reader.at_eof():
            writer.write(b"slowly\r\n")
            await writer.drain()
            await asyncio.sleep(SLOW_SECONDS)

    # ---- who is abusive

    async def abusive(self, number):
        behave = (self.bad_commands, self.huge_line, self.storm, self.http, self.endless_bdat)[number % 5]
        source = f"127.2.0.{number // 10 + 1}"
        while True:
            writer = None
            try:
                reader, writer = await self.connect(source)
                await behave(reader, writer)
            except OSError:
                pass  # hung up on, as it should be
            self.seen[f"abuse {behave.__name__}"] += 1
            self.visited.add(number)
            self.changed.set()
            if writer is not None:
                writer.transport.abort()
            await asyncio.sleep(ABUSE_SECONDS)

    async def pour(self, reader, writer, octets, times):
        """Writes until the server ends it; what it says is thrown away."""
        swallow = asyncio.ensure_future(self.swallow(reader))
        try:
            for _ in range(times):
                if swallow.done() or writer.transport.is_closing():
                    break
                writer.write(octets)
                await writer.drain()
                await asyncio.sleep(ABUSE_SECONDS)
        finally:
            swallow.cancel()

    async def swallow(self, reader):
        try:
            while await reader.read(65_536):
                pass
        except OSError:
            pass

    async def bad_commands(self, reader, writer):
        await reader.readline()
        await self.pour(reader, writer, b"XYZZY plugh\r\n" * 10, 20)

    async def huge_line(self, reader, writer):
        await reader.readline()
        await self.pour(reader, writer, b"A" * 65_536, 20)

    async def storm(self, *_):
        pass  # connected, and gone at once

    async def http(self, reader, writer):
        await self.pour(reader, writer, b"GET / HTTP/1.1\r\nHost: mx.example.test\r\n\r\n", 5)

    async def endless_bdat(self, reader, writer):
        await reader.readline()
        writer.write(b"EHLO abuse.test\r\nMAIL FROM:<abuse@abuse.test>\r\nRCPT TO:<" + TO.encode() + b">\r\nBDAT 4000000000 LAST\r\n")
        await self.pour(reader, writer, b"Subject: abuse\r\n\r\n" * 500, 40)

    async def run(self, slow, abusive):
        tasks = [asyncio.ensure_future(self.abusive(number)) for number in range(abusive)]
        for number in range(slow):
            tasks.append(asyncio.ensure_future(self.slow(number)))
            if number % 50 == 49:
                await asyncio.sleep(0.02)  # a crowd comes in waves; the backlog of a listener is finite
        while len(self.greeted) < slow or len(self.visited) < abusive:
            self.changed.clear()
            await self.changed.wait()
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        self.seen["slow connected at the end"] = slow - self.seen["slow ended"]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        print(json.dumps(self.seen, sort_keys=True), flush=True)


def one_message(port, to, number):
    """Connect to 250, over a connection of its own. Raises OSError for every other end."""
    with socket.create_connection(("127.0.0.1", port), GOOD_PATIENCE_SECONDS, ("127.0.0.1", 0)) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = peer.makefile("rb")

        def want(code):
            while (line := stream.readline())[3:4] == b"-":
                pass
            if not line.startswith(code):
                raise OSError(f"wanted {code}, got {line}")

        want(b"220")
        peer.sendall(b"EHLO good.test\r\n")
        want(b"250")
        peer.sendall(b"MAIL FROM:<good@good.test>\r\nRCPT TO:<" + to.encode() + b">\r\nDATA\r\n")
        want(b"250")
        want(b"250")
        want(b"354")
        peer.sendall(b"From: good@good.test\r\nTo: %s\r\nSubject: good %d\r\n\r\nHello.\r\n.\r\n" % (to.encode(), number))
        want(b"250")
        peer.sendall(b"QUIT\r\n")


def good(port, to, seconds):
    times, failures = [], []
    began = time.monotonic()
    number = 0
    while time.monotonic() - began < seconds:
        start = time.monotonic()
        try:
            one_message(port, to, number)
            times.append(time.monotonic() - start)
        except OSError as fault:
            failures.append(str(fault))
        number += 1
        time.sleep(max(0.0, began + number * EVERY_SECONDS - time.monotonic()))  # the pace of this client, nothing is waited for
    print(json.dumps({"times": times, "failures": failures}))


if __name__ == "__main__":
    if sys.argv[1] == "load":
        asyncio.run(Crowd(int(sys.argv[2])).run(int(sys.argv[3]), int(sys.argv[4])))
    else:
        good(int(sys.argv[2]), sys.argv[3], float(sys.argv[4]))
