"""A FOLIO on loopback, by what is known of its contract: logins, CQL, accounts, actions, users, settings, and traps.

No FOLIO could be run for it. It follows the source of mod-feesfines 19.5, mod-users 19.7, mod-login and
mod-login-keycloak; `[guess]` marks what is not in them. All data are in memory, enough for 100,000 accounts.
"""

import json
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from time import monotonic, sleep
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

from tests.support.folio_actions import RESULTS, ActionError, check_body, prepare
from tests.support.folio_cql import CqlError, parse
from tests.support.folio_library import Library
from tests.support.folio_records import COLLECTIONS, Json
from tests.support.folio_traps import CUTS, ERRORS, HALF_DONE, NOT_DONE, Fault, Traps

TENANT, USER, PASSWORD = "saguaro", "bursar", "secret"
PERMISSIONS = {"groups": "usergroups", "service-points": "inventory-storage.service-points"}
"""The names in permissions that differ from the path."""
BROKEN = "Internal Server Error, Please Contact System Administrator"


class FolioServer(ThreadingHTTPServer):
    """A FOLIO that answers on loopback; `library` has its records, and acts as its staff."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.traps = Traps()
        self.library = Library()
        self.requests: list[tuple[str, str]] = []
        self._access: dict[str, float] = {}
        self._refresh: set[str] = set()
        self._lock = Lock()
        self._random = random.Random(1)  # noqa: S311

    @property
    def url(self) -> str:
        """The address of Okapi or Kong."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: Any) -> None:
        """Writes nothing about connections that end."""

    def make_tokens(self) -> dict[str, str]:
        """Returns a new pair of tokens, by the name of its cookie."""
        access, refresh = f"access.{uuid4()}", f"refresh.{uuid4()}"
        with self._lock:
            self._access[access] = monotonic() + self.traps.token_seconds
            self._refresh.add(refresh)
        return {"folioAccessToken": access, "folioRefreshToken": refresh}

    def use_refresh_token(self, token: str) -> bool:
        """Returns whether a refresh token is good; each is once."""
        with self._lock:
            if token not in self._refresh:
                return False
            self._refresh.remove(token)
            return True

    def is_valid(self, token: str) -> bool:
        """Returns whether an access token has not expired."""
        return self._access.get(token, 0) > monotonic()

    def expire_tokens(self, *, refresh_too: bool = False) -> None:
        """Ends all access tokens, as a restart may do."""
        with self._lock:
            self._access.clear()
            if refresh_too:
                self._refresh.clear()

    def estimate(self, count: int) -> int:
        """Returns a total that is an estimate, and wrong."""
        return max(0, count + self._random.choice((-3, -1, 1, 7)) + count // 10)


@contextmanager
def run_folio(port: int = 0) -> Iterator[FolioServer]:
    """Runs a FOLIO in a thread."""
    with FolioServer(port) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    server: FolioServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: Any) -> None:
        """Writes no log."""

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def _answer(self, method: str) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"] or 0))
        path = unquote(urlsplit(self.path).path)
        self.server.requests.append((method, self.path))
        fault = self.server.traps.choose_fault(method, path)
        try:
            status, body = self._route(method, path, raw, fault)
        except ActionError as error:
            status, body = error.status, error.body
        except CqlError as error:
            status, body = 400, f"CQL Parsing Error for '{self.path}': {error}"
        if fault in ERRORS:
            status, body = 500, BROKEN
        if fault in CUTS:
            self._cut()
        else:
            self._send(status, body, cut=fault is Fault.CUT_DURING)

    def _route(self, method: str, path: str, raw: bytes, fault: Fault | None) -> tuple[int, str | Json]:
        if len(self.path) > self.server.traps.max_url:
            raise ActionError(414, "Request-URI Too Long")
        if fault is Fault.SLOW:
            sleep(self.server.traps.slow_seconds)
        if fault in NOT_DONE:
            raise ActionError(500, BROKEN)
        if self.headers["X-Okapi-Tenant"] != TENANT:
            # [guess]: the texts; both gateways answer 400 with text.
            raise ActionError(400, "Missing Tenant" if self.headers["X-Okapi-Tenant"] is None else "No such Tenant")
        if path.startswith("/authn/"):
            return self._log_in(method, path, raw)
        parts = path.strip("/").split("/")
        if parts[0] not in ("_", *COLLECTIONS):
            raise ActionError(404, f"No suitable module found for path {path}")
        self._check_token()
        if parts[0] == "_" and method == "GET" and not self.server.traps.is_eureka:
            self._check_permission("okapi.proxy.tenants.interfaces.list")
            return 200, {"interfaces": [{"id": "feesfines", "version": "19.1"}, {"id": "users", "version": "16.4"}]}
        if method == "GET" and parts[0] in COLLECTIONS and len(parts) <= 2:
            return self._read(*parts)
        if method == "POST" and len(parts) == 3 and parts[0] == "accounts" and parts[2] in (*RESULTS, "cancel"):
            return self._act(parts[1], parts[2], raw, fault)
        raise ActionError(404, f"No suitable module found for path {path}")

    def _log_in(self, method: str, path: str, raw: bytes) -> tuple[int, str | Json]:
        """Logs in, or refreshes. [guess]: the texts of the errors, and 422 for a refresh token that was used."""
        if method != "POST" or path not in ("/authn/login-with-expiry", "/authn/refresh"):
            raise ActionError(404, f"No suitable module found for path {path}")
        if path == "/authn/refresh":
            cookies = self._read_cookies()
            if not self.server.use_refresh_token(cookies.get("folioRefreshToken", "")):
                raise ActionError(422, {"errors": [{"message": "Token is invalid", "code": "token.refresh.invalid"}]})
        elif json.loads(raw) != {"username": USER, "password": PASSWORD}:
            raise ActionError(422, {"errors": [{"message": "Password does not match", "code": "password.incorrect"}]})
        return 201, {"accessTokenExpiration": "2999-01-01T00:00:00Z", "refreshTokenExpiration": "2999-01-01T00:00:00Z"}

    def _check_token(self) -> None:
        header, cookie = self.headers["X-Okapi-Token"], self._read_cookies().get("folioAccessToken")
        if header and cookie and header != cookie:
            raise ActionError(400, "X-Okapi-Token is not equal to folioAccessToken cookie")
        if not self.server.is_valid(header or cookie or ""):
            # [guess]: the texts.
            raise ActionError(401, "Invalid token" if header or cookie else "Token missing")

    def _check_permission(self, permission: str) -> None:
        if permission in self.server.traps.denied:
            raise ActionError(403, f"Access for user '{USER}' requires permission: {permission}")

    def _read(self, name: str, id_: str | None = None) -> tuple[int, str | Json]:
        table = self.server.library.tables[name]
        self._check_permission(f"{PERMISSIONS.get(name, name)}.{'item' if id_ else 'collection'}.get")
        if name == "accounts" and self.server.traps.inventory_fails:
            raise ActionError(500, BROKEN)
        if id_:
            record = table.by_id.get(id_)
            if record is None:
                raise ActionError(404, "Account does not exist" if name == "accounts" else "Not found")
            return 200, record
        params = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        query = parse(params.get("query", "cql.allRecords=1"))
        offset, limit = int(params.get("offset", 0)), int(params.get("limit", 10))
        if self.server.traps.max_page is not None:
            limit = min(limit, self.server.traps.max_page)
        found = table.find(query, offset, limit)
        total = table.count(query) if self.server.traps.exact_totals else self.server.estimate(offset + len(found))
        return 200, {COLLECTIONS[name]: found, "totalRecords": total, "resultInfo": {"totalRecords": total}}

    def _act(self, id_: str, name: str, raw: bytes, fault: Fault | None) -> tuple[int, str | Json]:
        self._check_permission(f"feesfines.accounts.{name}.post")
        library = self.server.library
        body = check_body(name, json.loads(raw))
        account = library.accounts.by_id.get(id_)
        saved = prepare(name, account, body, library.list_refundable(id_), library.clock.now)
        self.server.traps.between()
        for action in saved.actions:
            library.actions.put(action)
        if fault in HALF_DONE:
            raise ActionError(500, "")
        library.save_account(saved.account)
        return 201, saved.answer

    def _read_cookies(self) -> dict[str, str]:
        try:
            return {name: one.value for name, one in SimpleCookie(self.headers["Cookie"] or "").items()}
        except CookieError:
            return {}

    def _send(self, status: int, body: str | Json, *, cut: bool) -> None:
        text = isinstance(body, str)
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        if status == 201 and urlsplit(self.path).path.startswith("/authn/"):
            for (cookie, token), at in zip(self.server.make_tokens().items(), ("/", "/authn"), strict=True):
                self.send_header("Set-Cookie", f"{cookie}={token}; Max-Age=600; Path={at}; Secure; HttpOnly")
        self.send_header("Content-Type", "text/plain" if text else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if cut:
            self.wfile.write(data[: len(data) // 2])
            self._cut()
        else:
            self.wfile.write(data)

    def _cut(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)
