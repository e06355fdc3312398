# SPDX-License-Identifier: Apache-2.0
"""Certificates as people make them, and a token endpoint that does what a test tells it.

    make_cert(home, ...)              a PEM file with certificate and private key, by openssl; gives its path
    issuer = Issuer()                 listens on 127.0.0.1; .base is an authority; issuer.close()
    issuer.do(answer, ...)            what the next POSTs get, one each; then issuer.usual
    issuer.posts                      what came: (path, form)

An answer is (status, body, headers); a body that is no bytes or text is sent as JSON.
"""
import base64
import datetime
import http.server
import json
import subprocess
import threading
import time
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from conftest import guid, issued

TENANT, CLIENT = guid(0x7e0), guid(0xc11)


def openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)


def make_cert(home, name="client", algorithm=("rsa:2048",), days=30, password=None):
    key, cert, both = home / f"{name}.key", home / f"{name}.crt", home / f"{name}.pem"
    protect = ["-passout", f"pass:{password}"] if password else ["-nodes"]
    openssl("req", "-x509", "-newkey", *algorithm, *protect, "-keyout", key, "-out", cert, "-days", days, "-subj", "/CN=report")
    both.write_text(cert.read_text() + key.read_text())
    both.chmod(0o600)
    return both


def expired_cert(home, later=0):
    """Good from 9 days ago until 2 days ago, or so many days later; openssl of Debian 12 makes none."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "report")])
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(later)
    cert = x509.CertificateBuilder(name, name, key.public_key(), 7, now - datetime.timedelta(9), now - datetime.timedelta(2)).sign(
        key, hashes.SHA256())
    pem = home / "expired.pem"
    pem.write_bytes(cert.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    pem.chmod(0o600)
    return pem


def key_of(pem):
    """The lines of the private key: none may ever be in a log."""
    lines = pem.read_text().split("PRIVATE KEY-----")[1].split()
    return [line for line in lines if len(line) > 30]


def sign(alg, head, claims, pem):
    """A JWT by the key of a PEM file, RS256 or PS256, whatever its header says."""
    def b64(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    key = serialization.load_pem_private_key(pem.read_bytes(), None)
    head = {name: value for name, value in head.items() if value is not None}
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    how = padding.PKCS1v15() if alg == "RS256" else pss
    message = ".".join(b64(json.dumps(part).encode()) for part in (head, claims))
    return message + "." + b64(key.sign(message.encode(), how, hashes.SHA256()))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.issuer.answer(self, dict(urllib.parse.parse_qsl(body, strict_parsing=True)))

    def do_GET(self):
        self.server.issuer.answer(self, {})

    def log_message(self, *_):
        pass


class Issuer:
    def __init__(self):
        self.posts, self.times, self.answers = [], [], []
        self.usual = (400, {"error": "authorization_pending"}, {})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.issuer = self
        self.base = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def do(self, *answers):
        self.answers += answers

    def answer(self, handler, form):
        self.posts.append((handler.path, form))
        self.times.append(time.monotonic())
        status, body, headers = self.answers.pop(0) if self.answers else self.usual
        if not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        body = body.encode() if isinstance(body, str) else body
        handler.send_response_only(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        try:
            handler.wfile.write(body)
        except OSError:
            handler.close_connection = True

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def code(interval=1, expires_in=900, **more):
    """What a devicecode endpoint says."""
    body = {"user_code": "YZMYLD4K", "device_code": issued("device-code-0123456789-secret"), "expires_in": expires_in,
            "verification_uri": "https://www.microsoft.com/link", "interval": interval,
            "message": "To sign in, use a web browser to open the page https://www.microsoft.com/link and enter the code "
                       "YZMYLD4K to authenticate."}
    body.update(more)
    return 200, {name: value for name, value in body.items() if value is not None}, {}


def tokens(access="access-token-one-0123456789", refresh="refresh-token-one-0123456789", **more):
    body = {"token_type": "Bearer", "expires_in": 3600, "access_token": issued(access), **more}
    if refresh:
        body["refresh_token"] = issued(refresh)
    return 200, body, {}


def error(name, text="", status=400, **headers):
    return status, {"error": name, "error_description": text}, {key.replace("_", "-"): value for key, value in headers.items()}
