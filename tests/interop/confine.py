#!/usr/bin/env python3
"""confine.py [--write DIR]… [--read DIR]… -- COMMAND…: runs COMMAND so that it sees no other directories (Landlock).

The system's own (/usr, /etc, /proc, /dev, the program's) may be read always. Exit 77: this kernel has no Landlock.
"""
import argparse
import ctypes
import os
import pathlib
import struct
import sys

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
RULE_PATH_BENEATH = 1
PR_SET_NO_NEW_PRIVS = 38
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
READ = EXECUTE | READ_FILE | READ_DIR
EVERYTHING = (1 << 13) - 1  # what version 1 knows
SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc", "/proc", "/dev", "/sys")

LIBC = ctypes.CDLL(None, use_errno=True)


def call(number, *arguments):
    result = LIBC.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def allow(ruleset, path, access):
    if not os.path.exists(path):
        return
    directory = os.open(path, os.O_PATH | os.O_CLOEXEC)
    rule = ctypes.create_string_buffer(struct.pack("=Qi", access, directory))
    call(ADD_RULE, ruleset, RULE_PATH_BENEATH, rule, 0)
    os.close(directory)


def confine(write, read):
    wanted = ctypes.create_string_buffer(struct.pack("=Q", EVERYTHING), 8)
    ruleset = call(CREATE_RULESET, wanted, ctypes.c_size_t(8), 0)
    for path in read:
        allow(ruleset, path, READ)
    for path in write:
        allow(ruleset, path, EVERYTHING)
    if LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    call(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="append", default=[])
    parser.add_argument("--read", action="append", default=[])
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    program = pathlib.Path(arguments.command[0]).resolve()
    try:
        call(CREATE_RULESET, None, ctypes.c_size_t(0), 1)  # only asks for the version
    except OSError as missing:
        print(f"no Landlock: {missing}", file=sys.stderr)
        sys.exit(77)
    confine(arguments.write, [*SYSTEM, program.parent, *arguments.read])
    os.execv(program, [str(program), *arguments.command[1:]])


if __name__ == "__main__":
    main()
