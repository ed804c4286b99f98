"""Certificates of a sandbox's own authority, and servers that speak TLS with them."""

import socket
import ssl
import subprocess
from types import SimpleNamespace

from connect_proxy import relay
from harness import Receiver
from raw_server import RawServer


def issue(sandbox, folder, name, names="IP:127.0.0.1", usage="serverAuth"):
    """A key and a certificate for it as PEM files, signed by the sandbox's authority."""
    key, certificate, extensions = folder / f"{name}.key", folder / f"{name}.pem", folder / f"{name}.ext"
    request = folder / f"{name}.csr"
    extensions.write_text(f"subjectAltName={names}\nextendedKeyUsage={usage}\n")
    run = lambda *arguments: subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
    run("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
        "-keyout", key, "-out", request)
    run("x509", "-req", "-in", request, "-CA", sandbox.folder / "ca.pem", "-CAkey", sandbox.folder / "ca_key.pem",
        "-CAserial", folder / "serial", "-CAcreateserial", "-days", "30", "-extfile", extensions, "-out", certificate)
    key.chmod(0o600)
    return SimpleNamespace(key=str(key), certificate=str(certificate))


def server_context(sandbox, pair, demands_certificate=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    if demands_certificate:
        context.load_verify_locations(sandbox.ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class HttpsReceiver(Receiver):
    """The harness's receiver behind TLS, on any address of this machine; `subjects` are whom clients say to be."""

    def __init__(self, secrets, address, context):
        super().__init__(secrets)
        self.subjects = []
        self.front = TlsFront(address, context, lambda: socket.create_connection(("127.0.0.1", self.port)),
                              self.subjects)
        self.url = f"https://{address}:{self.front.port}/hooks/proof"

    def close(self):
        self.front.close()
        super().close()


class TlsFront(RawServer):
    """Ends TLS and carries the bytes on to what `connect` gives."""

    def __init__(self, address, context, connect, subjects):
        self.context, self.connect, self.subjects = context, connect, subjects
        super().__init__(address)

    def serve(self, connection):
        try:
            with self.context.wrap_socket(connection, server_side=True) as secured:
                shown = secured.getpeercert()
                self.subjects.append(dict(pair[0] for pair in shown["subject"])["commonName"] if shown else None)
                relay(secured, self.connect())
        except (OSError, ValueError):
            pass
