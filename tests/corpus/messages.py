"""The messages among the files of ../shared/testdata, for all that go through each of them."""
import re

# Folders that hold something else.
NO_MESSAGES = ("address-flanker", "arc-sign", "imap-", "managesieve-", "psl", "sieve-", "smtp-james", "spf-")
NO_SUFFIXES = (".json", ".tsv", ".xml", ".key", ".private", ".dns", ".zip")
NO_NAMES = re.compile(r"LICENSE.*|COPYING|SOURCE\.txt|dns\.txt")
FIELD_FIRST = re.compile(rb"(From [^\n]*\n)?[!-9;-~]+[ \t]*:")


def messages(corpus):
    """Paths in order: the files that begin with a header field, or with the line of an mbox before it."""
    found = []
    for path in sorted(corpus.rglob("*")):
        name = path.relative_to(corpus).as_posix()
        if not path.is_file() or name.startswith(NO_MESSAGES) or path.suffix in NO_SUFFIXES or NO_NAMES.fullmatch(path.name):
            continue
        if FIELD_FIRST.match(path.read_bytes()):
            found.append(path)
    return found


def without_mbox_line(octets):
    return octets.partition(b"\n")[2] if octets.startswith(b"From ") else octets
