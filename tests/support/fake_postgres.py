"""A server that speaks the first messages of PostgreSQL's protocol: an older version, or one that rejects the login."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

SSL_REQUEST, GSS_REQUEST = 80877103, 80877104


@contextmanager
def fake_postgres(version: str = "16.4", *, rejection: str | None = None) -> Iterator[int]:
    """Yields the port of a server that reports a version, or ends each start with a fatal error of 28P01."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=_serve, args=(server, version, rejection), daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def _serve(server: socket.socket, version: str, rejection: str | None) -> None:
    with suppress(OSError):
        while True:
            client, _ = server.accept()
            with client, suppress(OSError):
                _start(client, version, rejection)
                client.recv(1024)  # the client's goodbye


def _start(client: socket.socket, version: str, rejection: str | None) -> None:
    while struct.unpack("!ii", _receive_startup(client)[:8])[1] in (SSL_REQUEST, GSS_REQUEST):
        client.sendall(b"N")
    if rejection is not None:
        client.sendall(_message(b"E", b"SFATAL\0C28P01\0M" + rejection.encode() + b"\0\0"))
        return
    status = {"server_version": version, "client_encoding": "UTF8", "standard_conforming_strings": "on"}
    client.sendall(
        _message(b"R", struct.pack("!i", 0))
        + b"".join(_message(b"S", f"{name}\0{value}\0".encode()) for name, value in status.items())
        + _message(b"K", struct.pack("!ii", 1, 1))
        + _message(b"Z", b"I")
    )


def _receive_startup(client: socket.socket) -> bytes:
    head = client.recv(4, socket.MSG_WAITALL)
    if len(head) < 4:
        raise ConnectionError
    return head + client.recv(struct.unpack("!i", head)[0] - 4, socket.MSG_WAITALL)


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body
