"""A server that answers like Koha's staff site and API, on loopback, with the traps of a real one as switches.

It was built from Koha's source, its published API, and what was seen on a running 19.06; none of the answers was
compared with a newer Koha. The modules beside it say what was only guessed. It needs nothing of the tests: the demo
and the benchmarks start it, too.
"""

import socket
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from tests.support.koha_api import BASE, Api
from tests.support.koha_login import Logins
from tests.support.koha_report import Reports, save_report
from tests.support.koha_state import KohaState
from tests.support.koha_traps import Moment, Traps
from tests.support.koha_wire import Answer, Request, json_answer

HOST = "127.0.0.1"


class KohaServer:
    """A Koha: `state` has its tables, `traps` its switches, `calls` counts requests by method and last part of path."""

    def __init__(self, database: str = ":memory:") -> None:
        self.state, self.traps = KohaState(database), Traps()
        self.logins = Logins(self.traps)
        self.reports = Reports(self.state, self.traps, self.logins)
        self.api = Api(self.state, self.traps, self.logins)
        self.requests: deque[Request] = deque(maxlen=1000)
        self.calls: Counter[str] = Counter()
        self.url = ""
        self.state.set_preference("Version", self.traps.version)
        self.state.set_preference("SvcMaxReportRows", str(self.traps.max_report_rows))

    def set_max_report_rows(self, rows: int) -> None:
        """Sets the preference that cuts the answers of reports."""
        self.traps.max_report_rows = rows
        self.state.set_preference("SvcMaxReportRows", str(rows))

    def save_report(self, number: int, text: str) -> None:
        """Saves a report; raises a ValueError if Koha refuses its text."""
        self.reports.texts[number] = save_report(text)

    def answer(self, request: Request) -> Answer:
        """Returns the answer to a request."""
        if request.path.startswith(BASE):
            return self.api.answer(request)
        match request.path:
            case "/cgi-bin/koha/svc/authentication":
                return self.logins.authenticate(request)
            case "/cgi-bin/koha/svc/report":
                return self.reports.run(request)
        return Answer(404, b"<html>404</html>", {"Content-Type": "text/html"})


class _Handler(BaseHTTPRequestHandler):
    """One connection. It is closed where a fault says so."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    koha: KohaServer

    def log_message(self, *_: object) -> None:
        """Logs nothing."""

    def serve(self) -> None:
        """Answers a request, or shows its fault."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.command, self.path, dict(self.headers.items()), body)
        koha = self.koha
        koha.requests.append(request)
        koha.calls[f"{request.method} {request.path.rpartition('/')[2]}"] += 1
        fault = koha.traps.take_fault(request.method, request.path)
        match fault:
            case Moment.BEFORE:
                self.cut()
                return
            case Moment.ERROR_BEFORE:
                self.send(json_answer(500, {"error": "Something went wrong, check Koha logs for details."}))
                return
            case Moment.BUSY:
                self.send(Answer(503, b"<html>busy</html>", {"Content-Type": "text/html"}))
                return
        answer = koha.answer(request)
        match fault:
            case Moment.AFTER:
                self.cut()
            case Moment.DURING:
                self.send(answer, part=len(answer.body) // 2)
                self.cut()
            case Moment.ERROR_AFTER:
                self.send(json_answer(500, {"error": "Something went wrong, check Koha logs for details."}))
            case Moment.SLOW:
                time.sleep(koha.traps.slow_seconds)
                self.send(answer)
            case _:
                self.send(answer)

    do_GET = do_POST = do_PUT = do_DELETE = serve  # noqa: N815  the names of http.server

    def send(self, answer: Answer, part: int | None = None) -> None:
        """Sends an answer, or the first bytes of it."""
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self._headers_buffer.append(b"\r\n" + answer.body[:part])  # type: ignore[attr-defined]  # one packet
        try:
            self.flush_headers()
        except OSError:
            self.close_connection = True  # the client has given up

    def cut(self) -> None:
        """Ends the connection."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Ignores clients that have gone."""


@contextmanager
def serve_koha(database: str = ":memory:") -> Iterator[KohaServer]:
    """Runs a Koha until the block ends; `url` is its address. A new database has no patrons."""
    koha = KohaServer(database)
    server = _Server((HOST, 0), type("Handler", (_Handler,), {"koha": koha}))
    koha.url = f"http://{HOST}:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield koha
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        koha.state.database.close()
