"""The figures of TLS, for bench/run: handshakes, accept over STARTTLS, and idle sessions, beside Postfix where it has them."""
import resource
import socket
import ssl
import statistics
import sys

from harness import Postrider, run
from peers import Postfix
from relaying import loader, processor_seconds

CONNECTIONS, SESSIONS, MESSAGES, SIZE = 10, 200, 20, 1024
IDLE_SESSIONS = 2000
TO = "box@remote.test"
HOLD = '[[route]]\ndomain = "remote.test"\nvia = "hold"\n'
# Held by the smtpd that takes it, as in bench/run. TLS is what Postfix does by itself, with the same kind of key.
POSTFIX = """
default_process_limit = 200
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_message_rate_limit = 0
smtpd_client_recipient_rate_limit = 0
smtpd_client_new_tls_session_rate_limit = 0
smtpd_recipient_restrictions = check_recipient_access static:{{HOLD}}
smtpd_timeout = 300s
in_flow_delay = 0
max_use = 10000
smtpd_tls_security_level = may
smtpd_tls_chain_files = {chain}
"""


def certificate(folder):
    """ECDSA P-256, key and chain in one file; for both sides."""
    file = folder / "chain.pem"
    done = run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=mx.example.test",
               "-addext", "subjectAltName=DNS:mx.example.test", "-keyout", file, "-out", folder / "cert.pem")
    if done.returncode != 0:
        raise SystemExit(f"bench: openssl: {done.stderr}")
    file.write_text(file.read_text() + (folder / "cert.pem").read_text())
    return file


def protected_postrider(folder, chain, sections=""):
    tls = f'[tls]\ncertificate = "{chain}"\nprivate_key = "{chain}"\n'
    return Postrider(folder, smtp="max_connections = 10000\nmax_connections_per_ip = 10000", relay_from='"127.0.0.1", "127.0.0.2"', sections=tls + sections).start()


def pairs_of(folder, build, count, unit, **load):
    """Interleaved pairs of the same load on both sides."""
    folder = folder / f"tls-{unit}"
    folder.mkdir(mode=0o755)
    chain = certificate(folder)
    postrider = protected_postrider(folder / "postrider", chain, HOLD)
    postfix = Postfix(folder / "postfix", POSTFIX.format(chain=chain), processes="200")
    sides = {"postrider": (postrider.ports["smtp"], postrider.process.pid), "postfix": (postfix.port, postfix.process.pid)}
    words = {"from": "ann@client.test", "to": TO, "connections": CONNECTIONS, "size": SIZE, "tls": "yes", **load}
    for port, _ in sides.values():
        loader(build, port, **words)  # warm
    pairs = []
    for number in range(count):
        pair = {}
        for name in sorted(sides, reverse=number % 2 == 1):
            port, master = sides[name]
            before = processor_seconds(master)
            got = loader(build, port, **words)
            got["cpu_ms"] = (processor_seconds(master) - before) * 1000 / got[unit]
            got["unit_rate"] = got[unit] / got["seconds"]
            pair[name] = got
        pair["ratio"] = pair["postrider"]["unit_rate"] / pair["postfix"]["unit_rate"]
        pairs.append(pair)
        print(f"pair {number + 1}: Postrider {pair['postrider']['unit_rate']:.0f}/s, Postfix {pair['postfix']['unit_rate']:.0f}/s", file=sys.stderr, flush=True)
    postrider.stop()
    postfix.stop()
    return pairs


def handshakes(folder, build, count):
    return pairs_of(folder, build, count, "sessions", messages=0, sessions=SESSIONS)


def tlsaccept(folder, build, count):
    return pairs_of(folder, build, count, "messages", messages=MESSAGES)


def secured_sessions(port, count):
    """Greeted, STARTTLS, EHLO again; then silent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    sessions = []
    for _ in range(count):
        raw = socket.create_connection(("127.0.0.1", port))
        for command in (b"", b"EHLO client.test\r\n", b"STARTTLS\r\n"):
            raw.sendall(command)
            while not (heard := raw.recv(4096)).endswith(b"\r\n"):
                if not heard:
                    raise SystemExit("bench: the session was closed")
        client = context.wrap_socket(raw)
        client.sendall(b"EHLO client.test\r\n")
        client.recv(4096)
        sessions.append(client)
    return sessions


def idletls(folder, memory):
    """ΔPSS a session."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    postrider = protected_postrider(folder / "idle-tls", certificate(folder))
    port = postrider.ports["smtp"]
    for client in secured_sessions(port, 50):  # what the first sessions cost once
        client.close()
    before = memory(postrider.process.pid, "Pss")
    sessions = secured_sessions(port, IDLE_SESSIONS)
    found = (memory(postrider.process.pid, "Pss") - before) / IDLE_SESSIONS
    for client in sessions:
        client.close()
    postrider.stop()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return found


def rows(name, pairs):
    median = lambda pick: statistics.median(pick(pair) for pair in pairs)  # noqa: E731
    what = {"handshakes": (f"STARTTLS sessions with a full P-256 handshake, {CONNECTIONS} at once", "≥ 2.5; ≤ 0.45 ms"),
            "tlsaccept": (f"durable accept over STARTTLS, {SIZE} octets, {CONNECTIONS} × {MESSAGES}", "≥ 3")}[name]
    return [(f"{what[0]}: Postrider", f"{median(lambda p: p['postrider']['unit_rate']):.0f}/s, {median(lambda p: p['postrider']['cpu_ms']):.2f} ms CPU", ""),
            ("the same: Postfix", f"{median(lambda p: p['postfix']['unit_rate']):.0f}/s, {median(lambda p: p['postfix']['cpu_ms']):.2f} ms CPU", ""),
            (f"ratio (median of {len(pairs)} interleaved pairs)", f"{median(lambda p: p['ratio']):.2f}", what[1])]
