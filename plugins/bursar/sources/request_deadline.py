"""A limit on how long a request of httpx may last in all; httpx itself limits only each silence."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Timer
from typing import Any


class Deadline:
    """Ends a request that lasts too long in all, though each byte of its answer comes in time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._socket: socket.socket | None = None

    def observe(self, event: str, info: Mapping[str, Any]) -> None:
        """Notes the socket of each new connection."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._socket = info["return_value"].get_extra_info("socket")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Shuts the connection down, which is an error for the request, if the block lasts too long."""
        timer = Timer(self._seconds, self._shut_down)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _shut_down(self) -> None:
        if self._socket:
            # The method of a TLS socket would break the other thread's read in another way.
            with suppress(OSError):  # it may be closed already
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
