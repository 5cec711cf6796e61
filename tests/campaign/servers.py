"""The bursars' servers, each a process that can be killed, frozen and ordered to fail.

The module is long because both kinds of servers share the orders and the injected faults.
"""

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Lock, Timer
from typing import Any, Literal, NoReturn

from asyncssh import SFTPFailure, SFTPServer, SSHServerChannel
from asyncssh.sftp import SFTPConnectionLost

from demo.servers import HOST, Account, sftp_server
from tests.campaign.workers import become_child
from tests.support.ftp_server import TLS_FTPHandler, ftp_server

USER, PASSWORD = "library", "open sesame"
READY_SECONDS = 20
ANSWER_SECONDS = 0.5
MOMENT_SECONDS = 0.05
Collects = Literal["no", "immediately", "after a moment"]
"""Whether a server collects each upload when it is closed, whatever its name."""


class Server:
    """A server with one account; `disk` has the account's files.

    `taken` is the folder to which the server moves the uploads that it collects. The port stays the same
    when it is started again.
    """

    def __init__(self, kind: Literal["sftp", "ftps"], folder: Path, certificate: Path) -> None:
        self.kind = kind
        self.disk, self.collected = folder / "disk", folder / "collected"
        self.port = 0
        self.host_key = ""
        self.frozen = False
        self.collects: Collects = "no"
        self._folder, self._certificate = folder, certificate
        self._pid: int | None = None
        self._control: socket.socket | None = None
        for needed in (folder, self.disk, self.collected):
            needed.mkdir(parents=True, exist_ok=True)

    @property
    def runs(self) -> bool:
        return self._pid is not None

    def start(self) -> None:
        """Starts the server, unless it runs, and waits until it listens."""
        if self.frozen:
            self.thaw()
        if self._pid is not None:
            return
        ours, its = socket.socketpair()
        self._pid = os.fork()
        if self._pid == 0:
            ours.close()
            _serve(self, its)
        its.close()
        ours.settimeout(READY_SECONDS)
        self._control = ours
        greeting = json.loads(_line(ours))
        self.port, self.host_key = greeting["port"], greeting["host_key"]
        ours.settimeout(ANSWER_SECONDS)
        if self.collects != "no":
            self.order(collects=self.collects)

    def kill(self) -> None:
        """Kills the server, with all its connections."""
        if self._pid is not None:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid, self.frozen = None, False
        if self._control:
            self._control.close()

    def freeze(self) -> None:
        """Stops the server; its connections stay, without an answer."""
        if self._pid is not None:
            os.kill(self._pid, signal.SIGSTOP)
            self.frozen = True

    def thaw(self) -> None:
        """Resumes a frozen server."""
        if self._pid is not None:
            os.kill(self._pid, signal.SIGCONT)
        self.frozen = False

    def order(self, **order: object) -> bool:
        """Gives an order: `effect` and `side` of the next operation, or `collects`; returns whether it answers."""
        if self._pid is None or self.frozen or self._control is None:
            return False
        try:
            self._control.sendall(json.dumps(order).encode() + b"\n")
            return _line(self._control) == b"ok"
        except OSError:
            return False


def _line(control: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        byte = control.recv(1)
        if not byte:
            raise ConnectionError("the other side of the control socket has ended")
        line += byte
    return line[:-1]


def _serve(server: Server, control: socket.socket) -> NoReturn:
    try:
        become_child(server.disk.parent / "server.log")
        injector = _FaultInjector(server)
        greet = partial(_run_orders, control, injector)
        if server.kind == "sftp":
            account = {USER: Account(server.disk, PASSWORD)}
            with sftp_server(account, server.disk.parent, port=server.port, files=injector.sftp_files) as address:
                greet(address.port, address.host_key)
        else:
            overrides = {"process_command": injector.ftp_command(), "on_file_received": injector.ftp_received()}
            with ftp_server(
                server.disk,
                user=USER,
                password=PASSWORD,
                certificate=server._certificate,  # noqa: SLF001
                port=server.port,
                **overrides,
            ) as port:
                greet(port, "")
    finally:
        os._exit(0)


def _run_orders(control: socket.socket, injector: "_FaultInjector", port: int, host_key: str) -> None:
    control.sendall(json.dumps({"port": port, "host_key": host_key}).encode() + b"\n")
    with suppress(ConnectionError):
        while True:
            injector.order(json.loads(_line(control)))
            control.sendall(b"ok\n")


class _FaultInjector:
    """Injects a fault into the next operation: a dropped connection before or after it, or a full disk."""

    _WRITES = ("write", "STOR")

    def __init__(self, server: Server) -> None:
        self._server = server
        self._effect: str | None = None
        self._side = "before"
        self._collects: Collects = "no"
        self._lock = Lock()

    def order(self, order: dict[str, Any]) -> None:
        with self._lock:
            if "collects" in order:
                self._collects = order["collects"]
            else:
                self._effect, self._side = order.get("effect"), order.get("side", "before")

    def _next_effect(self, operation: str) -> tuple[str | None, str]:
        with self._lock:
            effect, side = self._effect, self._side
            if effect is None or (effect == "full" and operation not in self._WRITES):
                return None, side
            self._effect = None
            return effect, side

    def _collect(self, path: Path) -> None:
        """Collects an upload that the client has closed, if this server does so."""

        def move() -> None:
            with suppress(FileNotFoundError):
                path.rename(self._server.collected / f"{time.time_ns()}-{path.name}")

        if path.parent.name != "out" or self._collects == "no":
            return
        if self._collects == "immediately":
            move()
        else:
            Timer(MOMENT_SECONDS, move).start()

    def sftp_files(self, channel: SSHServerChannel[bytes], chroot: bytes) -> SFTPServer:
        """Serves the files below a folder, for `demo.servers.sftp_server`."""
        files = SFTPServer(channel, chroot)
        for operation in ("open", "read", "write", "close", "stat", "lstat", "rename", "remove", "mkdir", "scandir"):
            setattr(files, operation, partial(self._sftp, files, operation, getattr(files, operation)))
        return files

    def _sftp(self, files: SFTPServer, operation: str, usual: Callable[..., object], *arguments: Any) -> object:
        effect, side = self._next_effect(operation)
        if effect == "full":
            raise SFTPFailure("No space left on device")
        if effect == "drop" and (side == "before" or operation == "scandir"):
            files.connection.abort()
            raise SFTPConnectionLost("dropped before the operation")
        result = usual(*arguments)
        if operation == "close" and _is_requested():
            self._collect(Path(os.fsdecode(arguments[0].name)))
        if effect == "drop":
            files.connection.abort()
            raise SFTPConnectionLost("dropped after the operation")
        return result

    def ftp_command(self) -> Callable[..., None]:
        """Returns the function that processes a command in pyftpdlib's handler."""

        def process_command(handler: Any, command: str, *arguments: Any, **named: Any) -> None:
            effect, side = self._next_effect(command)
            if effect == "full":
                handler.respond("452 No space left on device.")
                return
            if effect == "drop" and side == "before":
                handler.close()
                return
            TLS_FTPHandler.process_command(handler, command, *arguments, **named)
            if effect == "drop":
                handler.close()

        return process_command

    def ftp_received(self) -> Callable[..., None]:
        """Returns the function that pyftpdlib calls when a file is complete."""

        def on_file_received(_handler: Any, path: str) -> None:
            self._collect(Path(path))

        return on_file_received


def connection_of(server: Server) -> dict[str, Any]:
    """Returns the Airflow connection to a server."""
    fields = {"conn_type": server.kind, "host": HOST, "port": server.port, "login": USER, "password": PASSWORD}
    if server.kind == "sftp":
        fields["extra"] = {"host_key": server.host_key, "conn_timeout": 2}
    return fields


def _is_requested() -> bool:
    """Returns whether a client requested the current close; asyncssh also closes the files of a broken connection."""
    frame = sys._getframe()  # noqa: SLF001
    names = set()
    while frame := frame.f_back:  # type: ignore[assignment]
        names.add(frame.f_code.co_name)
    return "_cleanup" not in names
