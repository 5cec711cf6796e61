"""An FTP server for the tests, with or without TLS."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from threading import Event, Thread
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # pyftpdlib imports asyncore
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler, TLS_DTPHandler, TLS_FTPHandler
    from pyftpdlib.ioloop import IOLoop
    from pyftpdlib.servers import FTPServer

__all__ = ["COMMANDS", "HOST", "FTPHandler", "TLS_FTPHandler", "create_certificate", "ftp_server"]

HOST = "127.0.0.1"
COMMANDS: dict[str, object] = FTPHandler.proto_cmds


class DelayedCloseHandler(TLS_DTPHandler):  # type: ignore[misc]  # pyftpdlib has no types
    """Closes the connection of an empty transfer after the TLS handshake; pyftpdlib closes it during the handshake."""

    _close_is_due = False

    def close(self) -> None:
        """Closes the connection, or postpones the first call until the end of the handshake."""
        if self._ssl_accepting and self._resp and not self._close_is_due:
            self._close_is_due = True
        else:
            super().close()

    def handle_ssl_established(self) -> None:
        """Makes the call that was postponed."""
        if self._close_is_due:
            self.close()


@contextmanager
def ftp_server(
    home: Path, *, user: str, password: str, certificate: Path | None = None, port: int = 0, **handler: Any
) -> Iterator[int]:
    """Serves one account, whose files are in `home`, until the block ends; yields the port.

    With a certificate the server requires TLS for commands and data. Port 0 means any free port. `handler`
    overrides attributes of pyftpdlib's handler.
    """
    authorizer = DummyAuthorizer()
    authorizer.add_user(user, password, str(home), perm="elradfmw")
    tls = {
        "certfile": str(certificate),
        "tls_control_required": True,
        "tls_data_required": True,
        "dtp_handler": DelayedCloseHandler,
    }
    base = TLS_FTPHandler if certificate else FTPHandler
    attributes = {"authorizer": authorizer, "auth_failed_timeout": 0, **(tls if certificate else {}), **handler}
    server = FTPServer((HOST, port), type("Handler", (base,), attributes), ioloop=IOLoop())
    ended = Event()

    def serve() -> None:
        while not ended.is_set():
            server.ioloop.loop(timeout=0.02, blocking=False)

    thread = Thread(target=serve)
    thread.start()
    try:
        yield server.address[1]
    finally:
        ended.set()
        thread.join()
        server.close_all()


def create_certificate(folder: Path) -> Path:
    """Writes a self-signed certificate for 127.0.0.1 and its key to a file; returns its path."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    file = folder / "certificate.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(certificate.public_bytes(Encoding.PEM) + private)
    return file
