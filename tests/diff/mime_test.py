#!/usr/bin/env python3
"""Every message of ../shared/testdata through Postrider, GMime and Python's email: no difference that is not argued here.

differences.tsv has a row `rule  peer  file  aspect` for each difference that stands; RULES says of each rule why we are right, or why both
readings are. A difference without a row fails, and so does a row whose difference is gone. `mime_test.py --list` prints all
differences with both values, for whoever has to judge a new one.
"""
import email.policy
import os
import pathlib
import sys
import unittest

try:
    import gi
    gi.require_version("GMime", "3.0")
    from gi.repository import GMime
except (ImportError, ValueError) as missing:
    # python3-gi is built for the system's Python, which need not be the first one in PATH.
    if sys.executable != "/usr/bin/python3" and os.path.exists("/usr/bin/python3"):
        os.execv("/usr/bin/python3", ["/usr/bin/python3", "-B", *sys.argv])
    print(f"skipped: {missing} (python3-gi, gir1.2-gmime-3.0 of packages/test.txt)", file=sys.stderr)
    sys.exit(77)

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "corpus")]
import forms  # noqa: E402
from messages import messages, without_mbox_line  # noqa: E402
from rules import RULES  # noqa: E402

BINARY = pathlib.Path(os.environ.get("POSTRIDER_BINARY", ROOT / "build/release/postrider"))
CORPUS = pathlib.Path(os.environ.get("POSTRIDER_CORPUS", ROOT / "../shared/testdata")).resolve()
TABLE = HERE / "differences.tsv"
PEERS = ("gmime", "email", "compat32")


def differences():
    """(peer, file, aspect, ours, theirs) of everything that is not the same."""
    paths = messages(CORPUS)
    GMime.init()
    found = []
    for path, ours in zip(paths, forms.of_postrider(BINARY, paths)):
        octets = without_mbox_line(path.read_bytes())
        theirs = {"gmime": forms.of_gmime(GMime, octets), "email": forms.of_python(octets, email.policy.default),
                  "compat32": forms.of_python(octets, email.policy.compat32)}
        for peer in PEERS:
            if ours["tree"] != theirs[peer]["tree"]:  # the leaves of other trees have nothing to compare
                found.append((peer, path.relative_to(CORPUS).as_posix(), "tree", ours["tree"], theirs[peer]["tree"]))
                aspects = ("subject", "from", "to", "cc")
            else:
                aspects = [aspect for aspect in ours if aspect != "tree" and aspect in theirs[peer]]
            for aspect in aspects:
                if ours[aspect] != theirs[peer][aspect]:
                    found.append((peer, path.relative_to(CORPUS).as_posix(), aspect, ours[aspect], theirs[peer][aspect]))
    return found


def table():
    rows = {}
    for line in TABLE.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            rule, peer, file, aspect = line.split("\t")
            rows[(peer, file, aspect)] = rule
    return rows


class Differences(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.found = {(peer, file, aspect): (ours, theirs) for peer, file, aspect, ours, theirs in differences()}
        cls.table = table()

    def test_there_is_a_corpus(self):
        self.assertGreater(len(messages(CORPUS)), 500)

    def test_every_difference_is_argued(self):
        new = [f"{' '.join(key)}\n  ours   {str(ours)[:300]}\n  theirs {str(theirs)[:300]}"
               for key, (ours, theirs) in self.found.items() if key not in self.table]
        self.assertFalse(new, "\n" + "\n".join(new[:40]))

    def test_every_row_still_has_its_difference(self):
        gone = [" ".join(key) for key in self.table if key not in self.found]
        self.assertFalse(gone, "\n" + "\n".join(gone[:40]))

    def test_every_rule_is_known_and_used(self):
        self.assertEqual(set(self.table.values()), set(RULES))


if __name__ == "__main__":
    if not CORPUS.is_dir():
        print(f"skipped: no corpora at {CORPUS}", file=sys.stderr)
        sys.exit(77)
    if sys.argv[1:] == ["--list"]:
        for peer, file, aspect, ours, theirs in differences():
            print(f"{peer}\t{file}\t{aspect}\t{ours!r}\t{theirs!r}")
        sys.exit(0)
    unittest.main(verbosity=2)
