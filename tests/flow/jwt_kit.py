# SPDX-License-Identifier: Apache-2.0
"""An external issuer for tests: keys of the four algorithms, tokens of any shape, an https server of keys."""
import base64
import datetime
import http.server
import ipaddress
import json
import ssl
import threading
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.x509.oid import NameOID

ALGS = ("RS256", "PS256", "ES256", "EdDSA")


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, size):
    return b64(value.to_bytes(size, "big"))


class Key:
    def __init__(self, alg, kid=None):
        self.alg, self.kid = alg, kid or f"key-{alg}"
        if alg in ("RS256", "PS256"):
            self.private = rsa.generate_private_key(65537, 2048)
        elif alg == "ES256":
            self.private = ec.generate_private_key(ec.SECP256R1())
        else:
            self.private = ed25519.Ed25519PrivateKey.generate()
        self.public = self.private.public_key()

    def jwk(self):
        jwk = {"kid": self.kid, "alg": self.alg, "use": "sig"}
        if self.alg in ("RS256", "PS256"):
            numbers = self.public.public_numbers()
            jwk.update(kty="RSA", n=number(numbers.n, 256), e="AQAB")
        elif self.alg == "ES256":
            numbers = self.public.public_numbers()
            jwk.update(kty="EC", crv="P-256", x=number(numbers.x, 32), y=number(numbers.y, 32))
        else:
            raw = self.public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            jwk.update(kty="OKP", crv="Ed25519", x=b64(raw))
        return jwk

    def sign(self, message, alg=None):
        alg = alg or self.alg
        if alg == "RS256":
            return self.private.sign(message, padding.PKCS1v15(), hashes.SHA256())
        if alg == "PS256":
            return self.private.sign(message, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        if alg == "ES256":
            r, s = utils.decode_dss_signature(self.der_signature(message))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return self.private.sign(message)

    def der_signature(self, message):
        return self.private.sign(message, ec.ECDSA(hashes.SHA256()))

    def public_bytes(self, encoding):
        return self.public.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)


def key_set(*keys):
    return {"keys": [key.jwk() for key in keys]}


def message(header, payload):
    """Either may be an object, or the very bytes."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)]
    return f"{b64(parts[0])}.{b64(parts[1])}"


def token(key, payload, header=None, alg=None):
    """Rightly signed, whatever it says."""
    head = {"typ": "JWT", "alg": key.alg, "kid": key.kid} if header is None else header
    text = message(head, payload)
    return f"{text}.{b64(key.sign(text.encode(), alg))}"


def make_ca(folder):
    """A certificate for 127.0.0.1 that is its own authority; (certificate and key file, file to trust)."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "keys of a test")])
    now = datetime.datetime.fromtimestamp(time.time(), datetime.timezone.utc).replace(tzinfo=None)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(private, hashes.SHA256()))
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    key = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption())
    (folder / "keys.pem").write_bytes(pem + key)
    (folder / "keys-ca.pem").write_bytes(pem)
    return folder / "keys.pem", folder / "keys-ca.pem"


class KeyServer:
    """Answers every path by .answer: (status, headers, body); body may be a generator of pieces.  .paths: what was asked."""

    def __init__(self, folder):
        outer = self
        self.paths, self.answer = [], (200, {}, b"{}")
        pair, self.ca = make_ca(folder)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.paths.append(self.path)
                status, headers, body = outer.answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    for piece in [body] if isinstance(body, bytes) else body():
                        self.wfile.write(piece)
                except OSError:
                    pass

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def publish(self, *keys):
        self.answer = (200, {"Content-Type": "application/json"}, json.dumps(key_set(*keys)).encode())

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
