"""The library's system as processes of their own: its server, which keeps its data, and the gateway before it.

The gateway is killed, frozen and started again; then connections end and requests are lost or unanswered, as with a
server that is restarted. The server itself does what its desk is ordered to do.
"""

import json
import os
import signal
import socket
import time
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any, Literal, NoReturn

from demo.servers import HOST
from tests.campaign.systems.desk import Desk
from tests.campaign.systems.folio_desk import FolioDesk
from tests.campaign.systems.koha_desk import KohaDesk
from tests.campaign.workers import become_child
from tests.support.folio_server import run_folio
from tests.support.koha_server import serve_koha

Kind = Literal["folio", "koha"]
READY_SECONDS = 20
BLOCK = 65536


class SystemServer:
    """A library's system. The port of its gateway stays the same when it is started again."""

    def __init__(self, kind: Kind, folder: Path) -> None:
        self.kind = kind
        self.port = 0
        self.gateway_runs = False
        self._log = folder / f"{kind}.log"
        ours, its = socket.socketpair()
        self._pid = os.fork()
        if self._pid == 0:
            ours.close()
            _run(kind, its, self._log)
        its.close()
        ours.settimeout(READY_SECONDS)
        self._control = ours.makefile("rw")
        self._inner_port = int(json.loads(self._control.readline())["answer"])
        self._gateway = 0
        self.start_gateway()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def order(self, name: str, *values: Any, **named: Any) -> Any:
        """Has the desk do something; returns its answer."""
        self._control.write(json.dumps({"name": name, "values": values, "named": named}) + "\n")
        self._control.flush()
        answer = json.loads(self._control.readline())
        if "error" in answer:
            raise AssertionError(answer["error"])
        return answer["answer"]

    def start_gateway(self) -> None:
        """Starts the gateway, or continues it if it is frozen; returns when it listens."""
        if self.gateway_runs:
            os.kill(self._gateway, signal.SIGCONT)
            return
        ready, its = os.pipe()
        self._gateway = os.fork()
        if self._gateway == 0:
            _run_gateway(self.port, self._inner_port, its, self._log)
        os.close(its)
        self.port = int(os.read(ready, 16))
        os.close(ready)
        self.gateway_runs = True

    def kill_gateway(self) -> None:
        """Kills the gateway with all its connections; all tokens end with it."""
        if self.gateway_runs:
            os.kill(self._gateway, signal.SIGKILL)
            os.waitpid(self._gateway, 0)
            self.gateway_runs = False
            self.order("expire", refresh_too=True)

    def freeze_gateway(self) -> None:
        """Stops the gateway; its connections stay, without an answer."""
        if self.gateway_runs:
            os.kill(self._gateway, signal.SIGSTOP)

    def end(self) -> None:
        """Ends both processes."""
        self.kill_gateway()
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        self._control.close()


def _run(kind: Kind, control: socket.socket, log: Path) -> NoReturn:
    try:
        become_child(log)
        with ExitStack() as stack, control.makefile("rw") as orders:
            url, desk = _open(kind, stack)
            _answer(orders, answer=int(url.rsplit(":", 1)[1]))
            for line in orders:
                order = json.loads(line)
                try:
                    _answer(orders, answer=getattr(desk, order["name"])(*order["values"], **order["named"]))
                except Exception as error:  # noqa: BLE001  the campaign shows it
                    _answer(orders, error=repr(error))
    finally:
        os._exit(0)


def _open(kind: Kind, stack: ExitStack) -> tuple[str, Desk]:
    if kind == "folio":
        folio = stack.enter_context(run_folio())
        return folio.url, FolioDesk(folio)
    koha = stack.enter_context(serve_koha())
    return koha.url, KohaDesk(koha)


def _answer(orders: Any, **answer: Any) -> None:
    orders.write(json.dumps(answer) + "\n")
    orders.flush()


def _run_gateway(port: int, target: int, ready: int, log: Path) -> NoReturn:
    try:
        become_child(log)
        with _listen(port) as listener:
            os.write(ready, str(listener.getsockname()[1]).encode())
            os.close(ready)
            while True:
                client, _ = listener.accept()
                server = socket.create_connection((HOST, target))
                for one in (client, server):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for pair in ((client, server), (server, client)):
                    Thread(target=partial(_forward, *pair), daemon=True).start()
    finally:
        os._exit(1)


def _listen(port: int) -> socket.socket:
    for _ in range(100):
        with suppress(OSError):  # connections of the gateway before it may still end
            return socket.create_server((HOST, port), backlog=64)
        time.sleep(0.02)
    return socket.create_server((HOST, port), backlog=64)


def _forward(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(BLOCK):
            target.sendall(data)
    for one in (source, target):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
