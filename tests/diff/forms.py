"""One message as three parsers see it, brought to one normal form: {aspect: value} with aspects that a table can name.

Aspects: subject, from, to, cc, tree, and for each leaf by its place in the tree ("0.1"): octets@0.1, filename@0.1, charset@0.1.
"""
import email
import email.header
import email.policy
import email.utils
import functools
import hashlib
import json
import re
import subprocess


def one_space(text):
    """Text without the differences that folding makes."""
    return re.sub(r"\s+", " ", text or "").strip()


def of_leaf(form, place, kind, octets, filename, charset):
    """`octets` is what is compared: length and digest, or None where a parser has none."""
    if octets is not None:
        form[f"octets@{place}"] = octets
    form[f"filename@{place}"] = filename if isinstance(filename, Failed) else one_space(filename) or None
    if kind.startswith("text/"):  # without one it is us-ascii (RFC 2045 5.2)
        form[f"charset@{place}"] = (charset or "us-ascii").lower()


def octets_form(octets):
    return octets if octets is None or isinstance(octets, Failed) else f"{len(octets)}:{hashlib.sha256(octets).hexdigest()[:16]}"


def address_form(pairs):
    """Addresses in their order, the domain in lower case; what has no @ is left out."""
    out = []
    for local, domain in pairs:
        if domain:
            out.append(f"{local.strip(chr(34))}@{domain.lower()}")
    return out


# ---- Postrider

def of_postrider(binary, paths):
    """The forms of many files from one process."""
    done = subprocess.run([binary, "mime", "dump", "--json", "--bodies", *map(str, paths)], capture_output=True, timeout=300)
    lines = done.stdout.decode("utf-8", "surrogateescape").splitlines()
    if done.returncode not in (0, 1) or len(lines) != len(paths):
        raise AssertionError(f"mime dump ended with {done.returncode}, {len(lines)} lines for {len(paths)} files: {done.stderr[-2000:]}")
    return [_postrider_form(binary, json.loads(line)) for line in lines]


def _postrider_form(binary, dump):
    form = {"tree": []}
    first = {}
    for field in dump["headers"]:
        first.setdefault(field["name"].lower(), field)
    form["subject"] = one_space(first["subject"]["text"]) if "subject" in first else None
    for name in ("from", "to", "cc"):
        raws = [field["raw"] for field in dump["headers"] if field["name"].lower() == name]
        form[name] = _postrider_addresses(binary, raws)

    def walk(part, place):
        form["tree"].append(f"{place} {part['type']}")
        if not part["children"] and not part["type"].startswith("multipart/") and not part["type"] == "message/rfc822":
            of_leaf(form, place, part["type"], f"{part['decoded_octets']}:{part['decoded_sha256'][:16]}", part["filename"], part["charset"])
        for number, child in enumerate(part["children"]):
            walk(child, f"{place}.{number}")

    walk(dump["parts"][0], "0")
    return form


@functools.lru_cache(None)
def _listed(binary, raw):
    done = subprocess.run([binary, "address", "list", "--json", "--header", raw], capture_output=True, timeout=60)
    return json.loads(done.stdout.decode("utf-8", "surrogateescape"))


def _postrider_addresses(binary, raws):
    found = []
    for raw in raws:
        listed = _listed(binary, raw.replace("\0", ""))
        found += [(one["local"], one["domain"]) for group in listed["groups"] for one in group.get("mailboxes", [])]
        found += [(one["local"], one["domain"]) for one in listed["mailboxes"]]
    return sorted(set(address_form(found)))


# ---- Python's email

def of_python(octets, policy):
    form = {"tree": []}
    message = email.message_from_bytes(octets, policy=policy)
    subject = _guarded(lambda: message["subject"])
    if subject is not None and policy is email.policy.compat32:
        subject = _guarded(lambda: str(email.header.make_header(email.header.decode_header(subject))))
    form["subject"] = one_space(str(subject)) if subject is not None else None
    for name in ("from", "to", "cc"):
        form[name] = _guarded(lambda: _python_addresses(message, name, policy))

    def walk(part, place):
        form["tree"].append(f"{place} {part.get_content_type()}")
        payload = part.get_payload()
        kind = part.get_content_type()
        # The blocks of a message/delivery-status are messages to Python, and parts to nobody else.
        if kind.startswith("message/") and kind != "message/rfc822":
            of_leaf(form, place, kind, None, _guarded(part.get_filename), None)
        elif isinstance(payload, list):
            for number, child in enumerate(payload):
                walk(child, f"{place}.{number}")
        elif not kind.startswith("multipart/"):
            octets = _guarded(lambda: part.get_payload(decode=True))
            of_leaf(form, place, kind, octets_form(octets), _guarded(part.get_filename), _guarded(part.get_content_charset))

    walk(message, "0")
    return form


def _python_addresses(message, name, policy):
    if policy is email.policy.compat32:
        pairs = [address.rpartition("@") for _, address in email.utils.getaddresses([str(value) for value in message.get_all(name, [])])]
        return sorted(set(address_form([(local, domain) for local, at, domain in pairs if at])))
    found = [(one.username, one.domain) for field in message.get_all(name, []) for one in field.addresses]
    return sorted(set(address_form(found)))


class Failed(str):
    """What a peer could not read: never equal to anything of ours."""


def _guarded(ask):
    try:
        return ask()
    except Exception as fault:  # noqa: BLE001  (Python's parsers raise nearly anything on hostile input)
        return Failed(f"raised {type(fault).__name__}")


# ---- GMime

def of_gmime(gmime, octets):
    form = {"tree": []}
    stream = gmime.StreamMem.new_with_buffer(octets)
    parser = gmime.Parser.new_with_stream(stream)
    message = parser.construct_message(None)
    if message is None:
        return {"tree": ["nothing"]}
    subject = _guarded(message.get_subject)
    form["subject"] = one_space(subject) if subject is not None else None
    for name, listed in (("from", message.get_from()), ("to", message.get_to()), ("cc", message.get_cc())):
        form[name] = _guarded(lambda listed=listed: sorted(set(address_form(_gmime_addresses(gmime, listed)))))

    def walk(part, place):
        kind = f"{part.get_content_type().get_media_type()}/{part.get_content_type().get_media_subtype()}".lower()
        form["tree"].append(f"{place} {kind}")
        if isinstance(part, gmime.Multipart):
            for number in range(part.get_count()):
                walk(part.get_part(number), f"{place}.{number}")
        elif isinstance(part, gmime.MessagePart):
            inner = part.get_message()
            if inner is not None and inner.get_mime_part() is not None:
                walk(inner.get_mime_part(), f"{place}.0")
        else:
            of_leaf(form, place, kind, octets_form(_gmime_octets(gmime, part)), _guarded(part.get_filename),
                    _guarded(lambda: part.get_content_type_parameter("charset")))

    if message.get_mime_part() is not None:
        walk(message.get_mime_part(), "0")
    return form


def _gmime_addresses(gmime, listed):
    found = []
    for number in range(listed.length() if listed is not None else 0):
        one = listed.get_address(number)
        if isinstance(one, gmime.InternetAddressGroup):
            found += _gmime_addresses(gmime, one.get_members())
        else:
            local, at, domain = (one.get_addr() or "").rpartition("@")
            found += [(local, domain)] if at else []
    return found


def _gmime_octets(gmime, part):
    content = part.get_content()
    if content is None:
        return b""
    out = gmime.StreamMem.new()
    content.write_to_stream(out)
    array = out.get_byte_array()
    return bytes(array) if array is not None else b""
