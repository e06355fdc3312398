# SPDX-License-Identifier: Apache-2.0
"""Where a redirect of content may lead, with real TLS: run by test_follow_redirects.py in a network of its own."""
import datetime
import ipaddress
import os
import socket
import ssl
import subprocess
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import conftest
from misbehave import Handler
from test_follow_redirects import KINDS, NAMES, PROXY

assert "TIDEMARK_OWN_NET" in os.environ, "only in a network of its own: nothing may be sent to these addresses elsewhere"

PORT, PLAIN_PORT = 8443, 8080
HOSTS = {**{address: address for address in KINDS}, **NAMES}     # what a link may name, and where that is


@pytest.fixture(scope="session")
def cert(tmp_path_factory):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    alts = [x509.IPAddress(ipaddress.ip_address(address)) for address in KINDS] + [x509.DNSName(name) for name in NAMES]
    made = (x509.CertificateBuilder(name, name, key.public_key(), 7, now - datetime.timedelta(1), now + datetime.timedelta(9))
            .add_extension(x509.SubjectAlternativeName(alts), False)
            .add_extension(x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256()))
    path = tmp_path_factory.mktemp("cert") / "cert.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return path


class Remote:
    """One for all addresses: it lists a recording for each target, redirects to it, and counts who connects where."""

    def __init__(self, cert):
        self.targets, self.connected, self.asked, self.sockets = {}, [], [], []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert)
        for address in KINDS:
            self.listen(address, PORT, self.serve_tls)
        self.listen("127.0.0.1", PLAIN_PORT, self.serve_plain)
        self.listen(PROXY, 3128, self.serve_proxy)

    def listen(self, address, port, serve):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.create_server((address, port), family=family)
        self.sockets.append(listener)

        def accept():
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(peer, f"{address}:{port}"), daemon=True).start()
        threading.Thread(target=accept, daemon=True).start()

    def serve_plain(self, peer, at):
        self.connected.append(at)
        try:
            handler = type("At", (Handler,), {"do_GET": lambda handler: self.answer(handler, at)})
            handler(peer, ("", 0), None)
        except OSError:
            pass
        peer.close()

    def serve_tls(self, peer, at):
        try:
            self.serve_plain(self.context.wrap_socket(peer, server_side=True), at)
        except OSError:
            self.connected.append(at)

    def serve_proxy(self, peer, at):
        """CONNECT only, to wherever that name is."""
        head = b""
        while b"\r\n\r\n" not in head:
            head += peer.recv(4096)
        host = head.split()[1].decode().rsplit(":", 1)[0].strip("[]")
        self.connected.append(f"proxy to {host}")
        there = socket.create_connection((HOSTS[host], PORT))
        peer.sendall(b"HTTP/1.1 200 X\r\n\r\n")

        def copy(source, target):
            try:
                while data := source.recv(65536):
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        threading.Thread(target=copy, args=(there, peer), daemon=True).start()
        copy(peer, there)

    def answer(self, handler, at):
        host, path = handler.headers["Host"], handler.path
        self.asked.append((at, path, handler.headers.get("Authorization")))
        body, status, headers = bytes(3 << 20) if path == "/big" else b"content", 200, {}
        if path == "/v1.0/delta":
            urls = [f'{{"id":"{name}","recordingContentUrl":"https://{host}/go/{name}"}}' for name in self.targets]
            body = f'{{"value":[{",".join(urls)}],"@odata.deltaLink":"https://{host}/v1.0/delta?$deltatoken=1"}}'.encode()
        elif path.startswith("/go/"):
            status, body, headers = 302, b"", {"Location": self.targets[path[4:]]}
        handler.send_response_only(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def close(self):
        for listener in self.sockets:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()


@pytest.fixture
def remote(cert):
    remote = Remote(cert)
    yield remote
    remote.close()


@pytest.fixture
def sync(tm, store, home, cert, remote):
    (home / "token").write_text(conftest.issued("a-secret-bearer"))

    def run(host, **more):
        return tm("sync", f"https://{in_link(host)}:{PORT}/v1.0/delta", "--bearer-file", home / "token", "--content",
                  home / "out", "--ca", cert, store=store, **more)
    return run


def in_link(host):
    return f"[{host}]" if ":" in host else host


def is_allowed(scope, host):
    return KINDS[HOSTS[host]] in ("public", KINDS[HOSTS[scope]])


@pytest.mark.parametrize("scope", ["127.0.0.1", "private.test", "203.0.113.1"] +
                         (["10.9.0.1", "public.test", "::1"] if os.environ.get("TIDEMARK_LONG") else []))
def test_redirects__lead_to_the_public_network_or_that_of_the_scope(remote, sync, home, scope):
    remote.targets = {host: f"https://{in_link(host)}:{PORT}/take/{host}" for host in HOSTS}
    reported = sync(scope, code=8).stderr
    whole = {path.name[2:].rsplit("-", 1)[0] for path in (home / "out").iterdir() if not path.name.endswith(".part")}
    assert whole == {host.replace(":", "%3A") for host in HOSTS if is_allowed(scope, host)}
    may = {f"{HOSTS[host]}:{PORT}" for host in HOSTS if is_allowed(scope, host)} | {f"{HOSTS[scope]}:{PORT}"}
    assert set(remote.connected) == may
    for host in HOSTS:
        if not is_allowed(scope, host):
            assert any(f"the content of {host} is refused: the redirect leads to {HOSTS[host]}" in line
                       for line in reported.splitlines()), (host, reported)
    assert all(bearer is None for _, path, bearer in remote.asked if path.startswith("/take/"))
    assert all(bearer == "Bearer a-secret-bearer" for _, path, bearer in remote.asked if not path.startswith("/take/"))


def test_redirects__have_connections_of_their_own(remote, sync):
    """One that is kept was judged when another server led to it."""
    remote.targets = {id: f"https://public.test:{PORT}/take" for id in "abc"}
    sync("127.0.0.1")
    assert remote.connected.count(f"203.0.113.2:{PORT}") == 3


def test_redirects__do_not_lead_from_https_to_http(remote, sync):
    scope = "127.0.0.1"
    remote.targets = {"a": f"http://127.0.0.1:{PLAIN_PORT}/x", "b": f"http://localhost:{PLAIN_PORT}/x"}
    assert "the redirect leads from https to http" in sync(scope, code=8).stderr
    assert set(remote.connected) == {f"{scope}:{PORT}"}


def test_content__that_does_not_fit_leaves_room_for_the_store_and_for_the_next(remote, sync, home):
    """66 MiB, of which 64 stay free."""
    remote.targets = {id: f"https://127.0.0.1:{PORT}/{path}" for id, path in (("a", "big"), ("b", "small"), ("c", "big"))}
    (home / "out").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=66m", "none", home / "out"], check=True)
    try:
        reported = sync("127.0.0.1", code=8).stderr
        assert "the content of a is refused" in reported and "the content of c is refused" in reported
        assert reported.count("No space left on device") == 2 and "1 fetched, 7 bytes" in reported
        assert sum(path.stat().st_size for path in (home / "out").iterdir()) == 7
    finally:
        subprocess.run(["umount", home / "out"], check=True)


def test_redirects__by_a_proxy_are_its_own_but_for_addresses(remote, sync):
    remote.targets = {host: f"https://{in_link(host)}:{PORT}/take/{host}" for host in HOSTS}
    proxy = {"https_proxy": f"http://{PROXY}:3128", "no_proxy": "private.test,link.test,203.0.113.1"}
    reported = sync("203.0.113.1", code=8, env=proxy).stderr
    by_proxy = {f"proxy to {host}" for host in HOSTS if host in NAMES or KINDS[host] == "public"}
    assert {at for at in remote.connected if at.startswith("proxy")} == by_proxy
    assert "the content of 10.9.0.2 is refused" in reported and "the content of private.test" not in reported
