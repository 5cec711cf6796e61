"""A proxy before a real server, which goes silent or lets single bytes through, from any moment on."""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread

from demo.servers import HOST

DRIP_SECONDS = 0.1
_PASSIVE = re.compile(rb"\((\d+,\d+,\d+,\d+),(\d+),(\d+)\)")


@dataclass
class StallingProxy:
    """Forwards connections to a port of this machine; `port` is its own.

    Attributes:
        kind: the protocol.
        bytes_left: how many bytes of the server's pass before it stalls; None for all.
        drips: whether a stalled server sends one byte now and then, instead of none.
        stalls_data: whether this holds for FTP's data connections alone.
        takes_nothing: whether the proxy stops reading what the client sends.
    """

    target: int
    port: int = 0
    kind: str = ""
    bytes_left: int | None = None
    drips: bool = False
    stalls_data: bool = False
    takes_nothing: bool = False
    _ended: Event = field(default_factory=Event)
    _sockets: list[socket.socket] = field(default_factory=list)

    def stall(self, after: int = 0) -> None:
        """Stalls, after so many more bytes."""
        self.bytes_left = after

    def listen(self, target: int, *, is_data: bool = False) -> int:
        """Forwards connections to a target; returns the port."""
        listener = socket.create_server((HOST, 0))
        self._sockets.append(listener)
        Thread(target=self._accept, args=(listener, target, is_data), daemon=True).start()
        port: int = listener.getsockname()[1]
        return port

    def end(self) -> None:
        """Closes all connections."""
        self._ended.set()
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self, listener: socket.socket, target: int, is_data: bool) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                server = socket.create_connection((HOST, target))
                self._sockets += [client, server]
                Thread(target=self._send_up, args=(client, server), daemon=True).start()
                Thread(target=self._send_down, args=(server, client, is_data), daemon=True).start()

    def _send_up(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while block := client.recv(4096):
                while self.takes_nothing and not self._ended.wait(0.01):
                    pass
                server.sendall(block)
            server.shutdown(socket.SHUT_WR)

    def _send_down(self, server: socket.socket, client: socket.socket, is_data: bool) -> None:
        with suppress(OSError):
            while block := server.recv(65536):
                self._forward(self._redirect(block), client, is_data)
            client.shutdown(socket.SHUT_WR)

    def _forward(self, block: bytes, client: socket.socket, is_data: bool) -> None:
        if self.stalls_data and not is_data:
            client.sendall(block)
            return
        for at in range(len(block)) if self.bytes_left is not None else ():
            if self.bytes_left:
                self.bytes_left -= 1
            elif self.drips:
                time.sleep(DRIP_SECONDS)
            else:
                self._ended.wait()
            if self._ended.is_set():
                raise OSError
            client.sendall(block[at : at + 1])
        if self.bytes_left is None:
            client.sendall(block)

    def _redirect(self, block: bytes) -> bytes:
        """Puts a port of this proxy into an answer to PASV."""
        if not block.startswith(b"227 ") or not (found := _PASSIVE.search(block)):
            return block
        port = self.listen(256 * int(found[2]) + int(found[3]), is_data=True)
        return block[: found.start()] + b"(127,0,0,1,%d,%d)" % divmod(port, 256) + block[found.end() :]


@contextmanager
def stalling_proxy(target: int) -> Iterator[StallingProxy]:
    """Runs a proxy to a port of this machine until the block ends."""
    proxy = StallingProxy(target)
    proxy.port = proxy.listen(target)
    try:
        yield proxy
    finally:
        proxy.end()
