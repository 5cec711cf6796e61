"""Points of a worker at which a fault can be placed: before and after each statement, commit and server request."""

import ftplib
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal

import httpx
import psycopg
from paramiko import SFTPClient
from paramiko.sftp import CMD_NAMES
from sqlalchemy import Pool, event

PointKind = Literal["statement", "commit", "request", "call"]
"""A call is a request that changes something in a library's system."""
Side = Literal["before", "after"]
KINDS: tuple[PointKind, ...] = ("statement", "commit", "request")
MAX_SHOWN_LENGTH = 60  # characters of a statement in the trace


@dataclass(frozen=True)
class Point:
    """The `number`-th act of a kind in a worker, counted from 1; before or after it."""

    kind: PointKind
    number: int
    side: Side

    def __str__(self) -> str:
        return f"{self.side} {self.kind} {self.number}"


class Points:
    """Counts the acts of this process, reports each of them, and calls `pause` at one of them."""

    def __init__(self, point: Point | None, report: Callable[[str], None], pause: Callable[[str], None]) -> None:
        self.count: Counter[str] = Counter()
        self._point = point
        self._report = report
        self._pause = pause
        self._lock = threading.Lock()

    def begin(self, kind: PointKind, name: str) -> int:
        """Counts an act that is about to be done; returns its number."""
        with self._lock:
            self.count[kind] += 1
            number = self.count[kind]
        self._report(f"{kind} {number}: {name}")
        self._reach(kind, number, "before", name)
        return number

    def end(self, kind: PointKind, number: int, name: str) -> None:
        """Marks an act as done; pauses there if it is the point."""
        self._reach(kind, number, "after", name)

    def _reach(self, kind: PointKind, number: int, side: Side, name: str) -> None:
        if self._point == Point(kind, number, side):
            self._pause(f"{self._point}, {name}")


def watch(points: Points, connected: Callable[[int], None]) -> None:
    """Makes every statement, commit and server request of this process a point; for a forked process.

    `connected` is called with the number of each backend of PostgreSQL that serves this process.
    """
    _watch_database(points)
    _watch_sftp(points)
    _watch_ftp(points)
    _watch_http(points)
    event.listen(Pool, "connect", lambda driver, _record: connected(driver.info.backend_pid))


def _around(points: Points, kind: PointKind, action: Callable[..., Any], name_of: Callable[..., str]) -> Any:
    @wraps(action)
    def act(*arguments: Any, **named: Any) -> Any:
        name = name_of(*arguments)
        number = points.begin(kind, name)
        result = action(*arguments, **named)
        points.end(kind, number, name)
        return result

    return act


def _watch_database(points: Points) -> None:
    def statement_of(_cursor: object, query: Any, *_: object) -> str:
        text = query if isinstance(query, str) else str(query)
        lines = [line.strip() for line in text.splitlines() if not line.startswith("--")]
        return " ".join(lines)[:MAX_SHOWN_LENGTH]

    cursor, connection = psycopg.Cursor, psycopg.Connection
    for method in ("execute", "executemany", "copy"):
        setattr(cursor, method, _around(points, "statement", getattr(cursor, method), statement_of))
    setattr(connection, "commit", _around(points, "commit", connection.commit, lambda *_: "COMMIT"))  # noqa: B010


def _watch_sftp(points: Points) -> None:
    client: Any = SFTPClient
    one, several = client._request, client._async_request  # noqa: SLF001  the two kinds of requests of paramiko
    inside = threading.local()

    def name_of(kind: int, arguments: tuple[Any, ...]) -> str:
        shown = [
            str(one, "utf-8", "replace") for one in arguments if isinstance(one, bytes) and len(one) < MAX_SHOWN_LENGTH
        ]
        return " ".join([CMD_NAMES[kind].lower(), *shown])

    def request(self: Any, kind: int, *arguments: Any) -> Any:
        name = name_of(kind, arguments)
        number = points.begin("request", name)
        inside.one = True
        try:
            answer = one(self, kind, *arguments)
        finally:
            inside.one = False
        points.end("request", number, name)
        return answer

    def async_request(self: Any, file: Any, kind: int, *arguments: Any) -> Any:
        if getattr(inside, "one", False):
            return several(self, file, kind, *arguments)
        name = name_of(kind, ())
        number = points.begin("request", name)
        answer = several(self, file, kind, *arguments)
        points.end("request", number, name)
        return answer

    client._request, client._async_request = request, async_request  # noqa: SLF001


def _watch_http(points: Points) -> None:
    send = httpx.Client.send

    def watched(self: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        path = request.url.path
        is_login = "auth" in path
        kind: PointKind = "call" if request.method == "POST" and not is_login else "request"
        name = f"{request.method} {path[-MAX_SHOWN_LENGTH:]}"
        number = points.begin(kind, name)
        response = send(self, request, **options)
        points.end(kind, number, name)
        return response

    httpx.Client.send = watched  # type: ignore[method-assign]


def _watch_ftp(points: Points) -> None:
    client: Any = ftplib.FTP
    put, get = client.putcmd, client.getresp
    asked: list[tuple[int, str]] = []

    def putcmd(self: Any, line: str) -> None:
        name = "PASS" if line.startswith("PASS ") else line
        asked.append((points.begin("request", name), name))
        put(self, line)

    def getresp(self: Any) -> Any:
        answer = get(self)
        if asked:
            points.end("request", *asked.pop())
        return answer

    client.putcmd, client.getresp = putcmd, getresp
