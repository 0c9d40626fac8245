#!/usr/bin/env python3
"""content.py BINARY FOLDER: `mime dump --json` of every file named on stdin, a path below FOLDER a line, a process each: one line of JSON
with what was seen.

A program of its own because a child's peak memory as the kernel counts it is never below that of the process it came from: this one
is smaller than what it measures. `growth` is the peak over that of a message of one line.
"""
import json
import os
import sys
import tempfile
import time

ROUNDS = 3  # the best counts: a loaded machine is no fault of a message


def one(binary, path):
    """(seconds of the clock, of the processor, peak in octets, ended well) of one process."""
    began = time.monotonic()
    quiet = [(os.POSIX_SPAWN_OPEN, number, "/dev/null", os.O_WRONLY, 0) for number in (1, 2)]
    process = os.posix_spawn(binary, [binary, "mime", "dump", "--json", "--bodies", "--imap", path], os.environ, file_actions=quiet)
    _, status, used = os.wait4(process, 0)
    return time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, os.waitstatus_to_exitcode(status) in (0, 1)


def main(binary, folder):
    with tempfile.NamedTemporaryFile() as small:
        small.write(b"Subject: x\r\n\r\nx\r\n")
        small.flush()
        runs = [one(binary, small.name) for _ in range(10)]
    base_seconds, _, base_peak, _ = map(min, zip(*runs))
    seen, failed = [], []
    for name in sys.stdin.read().splitlines():
        path = os.path.join(folder, name)
        runs = [one(binary, path) for _ in range(ROUNDS)]
        seconds, processor, peak, well = map(min, zip(*runs))
        if not well:
            failed.append(name)
        seen.append((seconds, processor, max(0, peak - base_peak), name))
    times = sorted(seconds for seconds, _, _, _ in seen)
    slowest, largest = max(seen), max(seen, key=lambda one: one[2])
    print(json.dumps({"messages": len(seen), "failed": failed, "empty_seconds": base_seconds, "empty_peak": base_peak,
                      "p50_seconds": times[len(times) // 2], "max_seconds": slowest[0], "slowest": slowest[3], "max_processor": max(processor for _, processor, _, _ in seen),
                      "max_growth": largest[2], "largest": largest[3]}))


main(*sys.argv[1:])
