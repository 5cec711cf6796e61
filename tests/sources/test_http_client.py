"""The HTTP client of library systems: what it repeats, what it never repeats, and what it never says."""

import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from typing import Any

import pytest

from bursar.errors import BursarError, TransientError
from bursar.sources.http_client import HttpClient, UnknownOutcomeError
from bursar.sources.system_account import SystemAccount

Answering = Callable[["Handler"], None]
SECRET = "hunter2"


class Handler(BaseHTTPRequestHandler):
    """Has the next function of the server answer each request; the last one answers all that follow."""

    server: "Server"
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Writes no log."""

    def _answer(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.requests.append((self.command, self.path, dict(self.headers)))
        self.server.answers[min(len(self.server.requests), len(self.server.answers)) - 1](self)

    do_GET = do_POST = _answer  # noqa: N815  the names that the base class asks for

    def send(self, status: int, body: bytes = b"{}", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """A server on loopback that answers as a test says, and notes the requests."""

    daemon_threads = True

    def __init__(self, *answers: Answering) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = answers
        self.requests: list[tuple[str, str, dict[str, str]]] = []

    def handle_error(self, *_: Any) -> None:
        """Writes nothing about connections that the client ends."""


def status(code: int, body: bytes = b"{}", **headers: str) -> Answering:
    return lambda handler: handler.send(code, body, **headers)


def cut_off(handler: Handler) -> None:
    """Ends the connection without an answer."""
    handler.connection.shutdown(socket.SHUT_RDWR)


def cut_body(handler: Handler) -> None:
    """Ends the connection within the body."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"{")
    handler.wfile.flush()
    cut_off(handler)


def stay_silent(_: Handler) -> None:
    sleep(1)


def trickle(handler: Handler) -> None:
    """Sends a byte of a header at a time, within the time that the client waits for the next one."""
    for _ in range(100):
        handler.wfile.write(b"H" if _ == 0 else b"T")
        handler.wfile.flush()
        sleep(0.05)


@contextmanager
def serve(*answers: Answering) -> Iterator[Server]:
    with Server(*answers) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def make_client(server: Server, **options: Any) -> HttpClient:
    is_slow = any(answer in (stay_silent, trickle) for answer in server.answers)
    return HttpClient(
        make_account(server.server_address[1], 0.3 if is_slow else 10), **{"pauses_seconds": (0, 0)} | options
    )


def make_account(port: int, timeout_seconds: float = 10) -> SystemAccount:
    return SystemAccount(
        connection_id="folio",
        url=f"http://127.0.0.1:{port}/api",
        login="bursar",
        password=SECRET,
        timeout_seconds=timeout_seconds,
    )


@pytest.mark.parametrize("fault", [status(500), status(503, Retry_After="0"), cut_off, cut_body, stay_silent])
def test_reading_is_repeated_after_faults_that_may_pass(fault: Answering) -> None:
    with serve(fault, fault, status(200, b'{"amount": 0.10}')) as server, make_client(server) as client:
        answer = client.get("/accounts", subject="the fines", params={"limit": 1000}).parse_json()
        assert answer == {"amount": Decimal("0.10")}
        assert [path for _, path, _ in server.requests] == ["/api/accounts?limit=1000"] * 3


@pytest.mark.parametrize("fault", [status(500), cut_off, cut_body, stay_silent])
def test_reading_ends_with_a_transient_error_after_the_last_repetition(fault: Answering) -> None:
    with serve(fault) as server, make_client(server) as client:
        with pytest.raises(TransientError, match=r"127\.0\.0\.1 \(Airflow connection folio\)"):
            client.get("/accounts", subject="the fines")
        assert len(server.requests) == 3


@pytest.mark.parametrize("code", [400, 401, 404, 422])
def test_an_answer_that_says_no_is_returned_and_not_repeated(code: int) -> None:
    with serve(status(code, b"no")) as server, make_client(server) as client:
        answer = client.get("/accounts", subject="the fines")
        assert (answer.status, answer.text, answer.is_success) == (code, "no", False)
        assert len(server.requests) == 1


@pytest.mark.parametrize("fault", [cut_off, cut_body, stay_silent])
def test_a_change_whose_answer_is_lost_is_never_repeated_and_its_outcome_is_not_known(fault: Answering) -> None:
    with serve(fault) as server, make_client(server) as client:
        with pytest.raises(UnknownOutcomeError):
            client.post("/transfer", subject="the transfer", data={})
        assert len(server.requests) == 1


def test_a_change_that_ends_with_500_is_not_repeated() -> None:
    with serve(status(500)) as server, make_client(server) as client:
        assert client.post("/transfer", subject="the transfer", data={}).status == 500
        assert len(server.requests) == 1


def test_a_change_that_could_not_be_sent_has_changed_nothing() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # so that no other server gets the port
        account = make_account(unused.getsockname()[1])
        with HttpClient(account) as client, pytest.raises(TransientError) as error:
            client.post("/transfer", subject="the transfer", data={})
    assert not isinstance(error.value, UnknownOutcomeError)
    assert "can't be reached: Connection refused" in str(error.value)


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_redirect_is_not_followed(method: str) -> None:
    with serve(status(302, Location="http://127.0.0.1:1/")) as server, make_client(server) as client:
        with pytest.raises(BursarError, match="redirects"):
            getattr(client, method)("/accounts", subject="the fines")
        assert len(server.requests) == 1


def test_an_answer_that_is_too_large_is_not_read() -> None:
    with serve(status(200, b"x" * 1001)) as server, make_client(server, max_answer_bytes=1000) as client:
        with pytest.raises(BursarError, match="larger than 1,000 bytes"):
            client.get("/accounts", subject="the fines")
        with pytest.raises(UnknownOutcomeError):
            client.post("/accounts", subject="the transfer")


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_trickle_ends_in_a_bounded_time(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    monkeypatch.setattr("bursar.sources.http_client.MAX_TOTAL_FACTOR", 3)
    with serve(trickle) as server, make_client(server, pauses_seconds=()) as client:
        started = monotonic()
        with pytest.raises(TransientError):
            getattr(client, method)("/accounts", subject="the fines")
        assert monotonic() - started < 3


def test_cookies_of_answers_are_not_sent_back() -> None:
    with serve(status(200, Set_Cookie="token=1; Path=/")) as server, make_client(server) as client:
        assert client.get("/login", subject="the login").headers.get_list("Set-Cookie") == ["token=1; Path=/"]
        client.get("/accounts", subject="the fines")
        assert "Cookie" not in server.requests[1][2]


def test_an_answer_that_is_not_json_is_an_error_that_does_not_quote_it() -> None:
    with serve(status(200, b"<html>Ada Okonkwo")) as server, make_client(server) as client:
        answer = client.get("/accounts", subject="the fines")
        with pytest.raises(BursarError, match="other than JSON") as error:
            answer.parse_json()
        assert "Ada" not in str(error.value)
        assert error.value.__suppress_context__
        assert "Ada" not in repr(answer)


@pytest.mark.parametrize("number", [b"NaN", b"-Infinity", b"1e999999999", b"1e-999999999", b"1" * 5000])
def test_a_number_that_is_no_amount_is_no_json(number: bytes) -> None:
    """Written in full, the third one would take a gigabyte."""
    with serve(status(200, b'{"amount": ' + number + b"}")) as server, make_client(server) as client:
        answer = client.get("/accounts", subject="the fines")
        with pytest.raises(BursarError, match="other than JSON"):
            answer.parse_json()


def test_neither_logs_nor_errors_have_addresses_of_requests_or_secrets(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serve(status(200, Set_Cookie="token=1"), cut_off) as server, make_client(server) as client:
        client.get("/users/ada", subject="a user")
        with pytest.raises(TransientError) as error:
            client.get("/users/ada", subject="a user")
        assert "ada" not in f"{caplog.text}{error.value}{error.value.__cause__}"
        assert "token" not in caplog.text
        assert SECRET not in repr(client.account)


@pytest.mark.parametrize(
    "url", ["http://okapi.example.edu", "ftp://okapi.example.edu", "okapi.example.edu", "https://", "https://a:b@c"]
)
def test_an_address_that_would_show_the_password_or_is_none_is_refused(url: str) -> None:
    with pytest.raises(BursarError, match="The Airflow connection folio has"):
        HttpClient(SystemAccount(connection_id="folio", url=url, login="bursar", password=SECRET))


def test_a_certificate_is_verified(certificate: Path) -> None:
    with serve(status(200)) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        url = f"https://127.0.0.1:{server.server_address[1]}"
        account = SystemAccount(connection_id="folio", url=url, login="bursar", password=SECRET)
        with HttpClient(account) as client, pytest.raises(BursarError, match="is not trusted: self") as error:
            client.get("/accounts", subject="the fines")
        assert not isinstance(error.value, TransientError)
        with HttpClient(replace(account, ca_file=certificate)) as client:
            assert client.get("/accounts", subject="the fines").is_success
        with pytest.raises(BursarError, match="can't be read"):
            HttpClient(replace(account, ca_file=certificate.with_name("missing.pem")))
